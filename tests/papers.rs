//! The book's page docs/book/src/papers.md: each file that it names exists and has the item beside it.

use std::fs;
use std::path::Path;

/// Rows of the page's tables, `| what | `file` | `item` |`.
fn rows(page: &str) -> Vec<(String, String)> {
    let code = |cell: &str| Some(cell.trim().strip_prefix('`')?.strip_suffix('`')?.to_owned());
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_end_matches('|').rsplitn(3, " | ").collect();
        let [item, file, _] = cells[..] else { return None };
        Some((code(file)?, code(item)?))
    };
    page.lines().filter(|line| line.starts_with('|')).filter_map(row).collect()
}

/// Whether a source text defines an item of that name.
fn defines(source: &str, item: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ["fn ", "struct ", "enum ", "trait ", "const "].iter().any(|word| {
        let declaration = format!("{word}{item}");
        source.match_indices(&declaration).any(|(at, _)| ends(&source[at + declaration.len()..]))
    })
}

#[test]
fn every_file_has_the_item_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/book/src/papers.md")).unwrap();
    let (rows, lines) = (rows(&page), page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")));
    assert_eq!(rows.len(), lines.count(), "each row of a table names a file and an item");
    assert!(rows.len() > 40, "only {} rows were read", rows.len());
    let wrong = |(file, item): &(String, String)| match fs::read_to_string(root.join(file)) {
        Ok(source) => (!defines(&source, item)).then(|| format!("{file} does not define {item}")),
        Err(error) => Some(format!("{file}: {error}")),
    };
    let wrong: Vec<String> = rows.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_that_only_begins_like_an_item_is_not_the_item() {
    assert!(defines("pub fn gram(x: f64) {}", "gram") && defines("struct Plan {", "Plan"));
    assert!(!defines("pub fn gram_matrix() {}", "gram") && !defines("// gram", "gram"));
}
