//! Compares docs/unsafe.md with the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn every_file_with_unsafe_code_or_raw_pointers_is_listed_with_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let begins = ["{", "fn ", "impl", "extern"].map(|what| ["unsafe", what].join(" "));
    // Safe code can also make raw pointers; those in tests do not count.
    let raw =
        ["as_ptr()", "as_mut_ptr()", "null()", "null_mut()"].map(|what| [".", "ptr::"].map(|of| format!("{of}{what}")));
    let raw = raw.as_flattened();
    let is_unsafe = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let code = || text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        let has = |line: &str, any: &[String]| any.iter().any(|what| line.contains(what));
        code().any(|line| has(line, &begins))
            || code().take_while(|line| *line != "mod tests {").any(|line| has(line, raw))
    };
    let name = |path: PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    let found: BTreeSet<String> = sources(&root.join("src")).into_iter().filter(is_unsafe).map(name).collect();
    let list = std::fs::read_to_string(root.join("docs/unsafe.md")).unwrap();
    let rows = list.lines().filter_map(|line| line.strip_prefix("| `src/"));
    let listed: BTreeSet<String> = rows.filter_map(|row| Some(format!("src/{}", row.split_once('`')?.0))).collect();
    assert_eq!(found, listed);
    assert!(found.iter().all(|file| file.starts_with("src/kernels/")));
}
