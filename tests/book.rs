//! The book in `docs/book`: its programs print the numbers of its text, and everything that the text points to exists.
//!
//! After a change of a program, renew `docs/book/src/numbers` with
//!
//! ```sh
//! BOOK=renew cargo test --release --test book
//! ```
//!
//! and read the difference: each changed number stands in a sentence. Lines with times keep their old ones; remove a line to
//! have it renewed. `make book` renews the numbers of trained weights.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use impasto::Weights;
use impasto::vgg::{FoundWeights, Lineage, WeightSource};

/// The most lines of a program.
const LINES: usize = 80;

/// The most words of a chapter's text: twenty minutes at 150 words a minute.
const WORDS: usize = 3000;

/// The most bytes of a picture, and of all.
const BYTES: [u64; 2] = [60_000, 2_000_000];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source() -> PathBuf {
    root().join("docs/book/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The files of a folder whose names satisfy a condition, in order.
fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| wanted(path.file_name().unwrap().to_str().expect("UTF-8"))).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().expect("UTF-8")
}

fn is_numbered(name: &str) -> bool {
    name.len() > 3 && name.as_bytes()[..2].iter().all(u8::is_ascii_digit) && matches!(name.as_bytes()[2], b'_' | b'-')
}

/// The numbered programs.
fn programs() -> Vec<PathBuf> {
    files(&root().join("examples"), |name| is_numbered(name) && name.strip_suffix(".rs").is_some())
}

/// The numbered programs, and those that print what the answers say.
fn all_programs() -> Vec<PathBuf> {
    let answers =
        files(&root().join("examples"), |name| name.starts_with("answers_") && name.strip_suffix(".rs").is_some());
    programs().into_iter().chain(answers).collect()
}

/// The name of what a program prints: `07` or `answers-07`.
fn numbers_of(program: &Path) -> String {
    let name = stem(program);
    if is_numbered(name) { name[..2].to_owned() } else { name.replace('_', "-") }
}

/// The pages of the book.
fn pages() -> Vec<PathBuf> {
    files(&source(), |name| name.strip_suffix(".md").is_some())
}

/// The numbered pages.
fn chapters() -> Vec<PathBuf> {
    pages().into_iter().filter(|page| is_numbered(stem(page))).collect()
}

/// Text outside of fenced code.
fn prose(text: &str) -> String {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands between `open` and `close`, each time that `open` occurs.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Vec<&'t str> {
    text.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(inside, _)| inside).collect()
}

/// The part of a line that must stay. Of a measured time that is the name. How far rounding leaves a checker's slopes apart
/// depends on the mathematical library of the system.
fn lasting(line: &str) -> &str {
    let end = if line.starts_with('~') { "=" } else { "worst relative error" };
    line.split(end).next().expect("a first part")
}

/// What a program prints, and how many pictures it made whose names begin with `prefix`.
fn run(program: &Path, weights: &Path, prefix: &str) -> (String, usize) {
    // Cargo builds the examples of a package before it runs its tests: beside the folder of this test.
    let built = std::env::current_exe().expect("a path").parent().unwrap().with_file_name("examples");
    let name = stem(program);
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(built.join(name));
    command.arg(folder.path()).env("IMPASTO_WEIGHTS", weights).current_dir(folder.path());
    let output = command.output().unwrap_or_else(|why| panic!("{name}: {why}"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let pictures = files(folder.path(), |file| file.starts_with(prefix));
    (String::from_utf8(output.stdout).expect("UTF-8"), pictures.len())
}

#[test]
fn each_program_prints_the_numbers_of_its_chapter() {
    let renew = std::env::var("BOOK").is_ok_and(|word| word == "renew");
    let mut wrong = Vec::new();
    for program in all_programs() {
        let (name, number) = (stem(&program), numbers_of(&program));
        let (printed, pictures) = run(&program, &root().join("tests/data/vgg19-thin.npz"), &number);
        assert!(!is_numbered(name) || pictures > 0, "{name} made no picture whose name begins with its number");
        let numbers = source().join(format!("numbers/{number}.txt"));
        if renew {
            fs::write(&numbers, renewed(&printed, &fs::read_to_string(&numbers).unwrap_or_default()))
                .expect("writable");
        }
        let expected = read(&numbers);
        if !printed.lines().map(lasting).eq(expected.lines().map(lasting)) {
            wrong.push(format!("{name} prints\n{printed}\nand {} says\n{expected}", numbers.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nHow to renew the numbers: see the comment of this test.", wrong.join("\n\n"));
}

/// What is printed, with the times that were there before: those of a machine with nothing else to do are taken by hand.
fn renewed(printed: &str, before: &str) -> String {
    let kept = |line: &str| before.lines().find(|old| line.starts_with('~') && lasting(old) == lasting(line));
    printed.lines().flat_map(|line| [kept(line).unwrap_or(line), "\n"]).collect()
}

/// Programs whose results depend on weights have two files of numbers. `make book` makes those of trained weights.
fn trained_programs() -> Vec<(PathBuf, PathBuf)> {
    let with_file = |program: PathBuf| {
        let numbers = source().join(format!("numbers/{}-trained.txt", numbers_of(&program)));
        numbers.exists().then_some((program, numbers))
    };
    all_programs().into_iter().filter_map(with_file).collect()
}

/// Trained weights, if `impasto weights` finds any.
fn trained_weights() -> Option<PathBuf> {
    let found = FoundWeights::find(None).expect("words that name weights");
    let WeightSource::File(path) = &found.source else { return None };
    let weights = Weights::load(&found.source, None).expect("weights");
    matches!(weights.lineage, Lineage::Caffe | Lineage::Torchvision).then(|| path.canonicalize().expect("a file"))
}

/// Whether two lines have the same words, and numbers that differ by no more than rounding does in hundreds of steps: on another
/// processor the last bits differ, and grow.
fn nearly_equal(one: &str, other: &str) -> bool {
    let slack = |word: &str| match (word.contains('e'), word.contains('.')) {
        (true, _) => 0.0,
        (false, true) => 0.02,
        (false, false) => 1.0,
    };
    let near = |(one, other): (&str, &str)| match (number(one), number(other)) {
        (Some(a), Some(b)) => (a - b).abs() <= (0.15 * a.abs().max(b.abs())).max(slack(one)),
        _ => one == other,
    };
    let [one, other] = [one, other].map(|line| lasting(line).split_whitespace());
    one.clone().count() == other.clone().count() && one.zip(other).all(near)
}

/// The number that a word is, with its sign, but without what stands beside it.
fn number(word: &str) -> Option<f64> {
    word.trim_matches(|c: char| !c.is_ascii_digit() && c != '-').parse().ok()
}

#[test]
fn trained_numbers_may_differ_a_little() {
    for (one, other, near) in [
        ("error = 1.3e-3", "error = 1.4e-3", true),
        ("error = 1.3e-3", "error = 1.6e-3", false),
        ("error = 1.3e-3", "loss = 1.3e-3", false),
        ("33×192, loss 0.36", "33×192, loss 0.37", true),
        ("33×192, loss 0.36", "34×192, loss 0.36", false),
        ("98 % of it", "100 % of it", true),
        ("4 % of it", "6 % of it", false),
        ("same = true", "same = false", false),
        ("~ a time = 3", "~ a time = 9", true),
    ] {
        assert_eq!(nearly_equal(one, other), near, "{one}; {other}");
    }
}

#[test]
fn with_trained_weights_programs_print_the_trained_numbers() {
    let Some(weights) = trained_weights() else {
        eprintln!("skipped: no trained weights were found; `impasto weights fetch` gets them");
        return;
    };
    let mut wrong = Vec::new();
    for (program, numbers) in trained_programs() {
        let (printed, expected) = (run(&program, &weights, "").0, read(&numbers));
        let same = printed.lines().count() == expected.lines().count();
        if !same || !printed.lines().zip(expected.lines()).all(|(one, other)| nearly_equal(one, other)) {
            wrong.push(format!("{} prints\n{printed}\nand {} says\n{expected}", stem(&program), numbers.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\n`make book` renews these numbers.", wrong.join("\n\n"));
}

/// A page quotes a number of a program as `0.12<!-- 07-trained.txt -->`.
#[test]
fn quoted_numbers_are_those_of_their_files() {
    let mut quoted = 0;
    for page in pages() {
        let text = read(&page);
        let parts: Vec<_> = text.split("<!-- ").collect();
        for (before, after) in parts.iter().zip(&parts[1..]) {
            let Some((file, _)) = after.split_once(" -->").filter(|(file, _)| file.strip_suffix(".txt").is_some())
            else {
                continue;
            };
            let word = before.rsplit(|c: char| c.is_whitespace() || c == '>' || c == '(').next().unwrap();
            assert!(number(word).is_some(), "{}: {word:?} before {file} is no number", page.display());
            let numbers = read(&source().join("numbers").join(file));
            let there = numbers.split(|c: char| c.is_whitespace() || ",;".contains(c)).any(|other| other == word);
            assert!(there, "{}: {word} is not in {file}", page.display());
            quoted += 1;
        }
    }
    assert!(quoted > 0, "no page quotes a number");
}

#[test]
fn chapters_from_the_sixth_on_have_trained_numbers() {
    let trained: Vec<_> = trained_programs().iter().map(|(program, _)| numbers_of(program)).collect();
    for number in 6..=11 {
        assert!(trained.contains(&format!("{number:02}")), "chapter {number} has no numbers of trained weights");
    }
    for numbers in files(&source().join("numbers"), |name| name.ends_with("-trained.txt")) {
        let number = stem(&numbers).trim_end_matches("-trained").to_owned();
        assert!(trained.contains(&number), "{} has no program", numbers.display());
    }
}

#[test]
fn each_chapter_has_a_short_program_exercises_and_answers() {
    let programs: Vec<_> = programs().iter().map(|path| stem(path).replace('_', "-")).collect();
    let chapters = chapters();
    assert_eq!(programs, chapters.iter().map(|path| stem(path)).collect::<Vec<_>>());
    let answers = read(&source().join("answers.md"));
    for chapter in &chapters {
        let (name, text) = (stem(chapter), read(chapter));
        let program = root().join("examples").join(name.replace('-', "_")).with_extension("rs");
        assert!(text.contains(&format!("--example {}", stem(&program))), "{name} says how to run its program");
        let words = prose(&text).split_whitespace().count();
        assert!(words <= WORDS, "{name} has {words} words");
        let (_, exercises) = text.split_once("\n## Exercises\n").unwrap_or_else(|| panic!("{name} has no exercises"));
        let exercises =
            exercises.lines().filter(|line| line.split_once(". ").is_some_and(|(n, _)| n.parse::<u8>().is_ok()));
        let title = text.lines().next().expect("a title").trim_start_matches("# ");
        let section =
            answers.split("\n## ").find(|section| section.lines().next().is_some_and(|line| line.contains(title)));
        let section = section.unwrap_or_else(|| panic!("answers.md has no section on {title:?}"));
        for n in 1..=exercises.count() {
            assert!(section.contains(&format!("\n**{n}.**")), "answers.md: {title}: no answer to exercise {n}");
        }
    }
}

#[test]
fn no_program_is_long() {
    for program in all_programs() {
        let lines = read(&program).lines().count();
        assert!(lines <= LINES, "{} has {lines} lines", program.display());
    }
}

#[test]
fn the_summary_lists_each_page() {
    let summary = read(&source().join("SUMMARY.md"));
    let listed: BTreeSet<_> = between(&summary, "](", ")").into_iter().map(str::to_owned).collect();
    let there = pages().into_iter().map(|page| page.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(listed, there.filter(|name| name != "SUMMARY.md").collect());
}

#[test]
fn what_pages_include_exists_and_what_programs_offer_is_included() {
    let mut included = BTreeSet::new();
    for page in pages() {
        for include in between(&read(&page), "{{#include ", "}}") {
            let (path, part) = include.split_once(':').unwrap_or((include, ""));
            let path = page.with_file_name(path).canonicalize().unwrap_or_else(|why| panic!("{include}: {why}"));
            let text = read(&path);
            let is_range = part.chars().all(|c| c.is_ascii_digit() || c == ':');
            if !part.is_empty() && !is_range {
                let lines: Vec<_> = text.lines().map(str::trim).collect();
                for mark in ["ANCHOR", "ANCHOR_END"] {
                    assert!(
                        lines.contains(&&*format!("// {mark}: {part}")),
                        "{}: {include}: no {mark}",
                        page.display()
                    );
                }
            }
            for line in part.split(':').filter(|_| is_range).filter_map(|line| line.parse::<usize>().ok()) {
                assert!((1..=text.lines().count()).contains(&line), "{}: {include}: no such line", page.display());
            }
            included.insert((path, part.to_owned()));
        }
    }
    for program in all_programs() {
        for line in read(&program).lines() {
            if let Some(anchor) = line.trim().strip_prefix("// ANCHOR: ") {
                let used = included.contains(&(program.canonicalize().unwrap(), anchor.to_owned()));
                assert!(used, "{}: no page includes `{anchor}`", program.display());
            }
        }
    }
    // Of two files of one program, those of thin and of trained weights, a page may show one.
    let shown: BTreeSet<_> = included.iter().map(|(file, _)| stem(file).replace("-trained", "")).collect();
    for numbers in files(&source().join("numbers"), |_| true) {
        let program = stem(&numbers).replace("-trained", "");
        assert!(shown.contains(&program), "no page includes {}", numbers.display());
    }
}

/// The anchors that mdBook and code hosts make of a page's headings.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = prose(text);
    let titles = titles.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    titles
        .map(|title| title.to_lowercase().chars().filter(|&c| kept(c)).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut pictures = BTreeSet::new();
    for page in pages() {
        for link in between(&prose(&read(&page)), "](", ")") {
            if link.starts_with("https://") {
                continue;
            }
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.with_file_name(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if let Some(lines) = place.strip_prefix('L') {
                let count = read(&target).lines().count();
                let within =
                    |line: &str| line.trim_start_matches('L').parse().is_ok_and(|line| (1..=count).contains(&line));
                assert!(lines.split('-').all(within), "{}: {link}: no such line", page.display());
            } else if !place.is_empty() {
                assert!(headings(&read(&target)).contains(place), "{}: {link}: no such heading", page.display());
            }
            pictures.extend(
                target.canonicalize().ok().filter(|path| path.extension().is_some_and(|e| e == "jpg" || e == "png")),
            );
        }
    }
    let kept = files(&source().join("pictures"), |_| true);
    let sizes: Vec<_> = kept.iter().map(|path| fs::metadata(path).expect("a file").len()).collect();
    for (picture, size) in kept.iter().zip(&sizes) {
        assert!(pictures.contains(&picture.canonicalize().unwrap()), "no page shows {}", picture.display());
        assert!(*size <= BYTES[0], "{} has {size} bytes", picture.display());
    }
    assert!(sizes.iter().sum::<u64>() <= BYTES[1], "pictures of {} bytes", sizes.iter().sum::<u64>());
}

#[test]
fn each_public_module_names_a_chapter_that_exists() {
    let library = read(&root().join("src/lib.rs"));
    let (mut modules, mut named) = (0, 0);
    // A module in the file itself is no part of the API; `escape` and `files` are no subject of the book.
    let public = between(&library, "\npub mod ", ";").into_iter().filter(|module| !module.contains('{'));
    for module in public.filter(|module| !["escape", "files"].contains(module)) {
        let text = read(&root().join("src").join(module).join("mod.rs"));
        let chapters = between(&text, "](../../../book/html/", ".html)");
        assert!(!chapters.is_empty(), "{module} names no chapter");
        for chapter in &chapters {
            assert!(source().join(chapter).with_extension("md").exists(), "{module}: {chapter} is no chapter");
            assert!(text.contains(&format!("`docs/book/src/{chapter}.md`")), "{module} names the file of {chapter}");
        }
        (modules, named) = (modules + 1, named + chapters.len());
    }
    assert!(modules >= 10 && named >= modules, "{modules} modules, {named} chapters");
}

#[test]
fn nothing_is_loaded_from_another_machine() {
    for page in pages() {
        let text = prose(&read(&page));
        for open in ["![", "<img", "<script", "<link"] {
            assert!(
                between(&text, open, ">").iter().all(|tag| !tag.split(')').next().unwrap().contains("http")),
                "{}",
                page.display()
            );
        }
    }
}
