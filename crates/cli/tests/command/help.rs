//! The help of every subcommand, as a snapshot. After an intended change, run
//! `INSTA_UPDATE=always cargo test --release -p impasto-cli --test command help` and read the diff.

use crate::support::Workshop;

fn help(words: &str) -> String {
    let output = Workshop::new().impasto(words).assert().success().stderr("").get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "a line is longer than 100 characters:\n{text}");
    text
}

#[test]
fn of_the_command() {
    insta::assert_snapshot!(help("--help"));
}

#[test]
fn of_transfer() {
    insta::assert_snapshot!(help("transfer --help"));
}

#[test]
fn of_plan() {
    insta::assert_snapshot!(help("plan --help"));
}

#[test]
fn of_batch() {
    insta::assert_snapshot!(help("batch --help"));
}

#[cfg(feature = "studio")]
#[test]
fn of_studio() {
    insta::assert_snapshot!(help("studio --help"));
}

#[test]
fn of_features() {
    insta::assert_snapshot!(help("features --help"));
}

#[test]
fn of_loss() {
    insta::assert_snapshot!(help("loss --help"));
}

#[test]
fn of_texture() {
    insta::assert_snapshot!(help("texture --help"));
}

#[test]
fn of_invert() {
    insta::assert_snapshot!(help("invert --help"));
}

#[test]
fn of_resume() {
    insta::assert_snapshot!(help("resume --help"));
}

#[test]
fn of_figure() {
    insta::assert_snapshot!(help("figure --help"));
}

#[test]
fn of_gradcheck() {
    insta::assert_snapshot!(help("gradcheck --help"));
}

#[test]
fn of_network() {
    insta::assert_snapshot!(help("network --help"));
}

#[test]
fn of_weights() {
    insta::assert_snapshot!(help("weights --help"));
}

#[test]
fn of_weights_fetch() {
    insta::assert_snapshot!(help("weights fetch --help"));
}

#[test]
fn of_weights_import() {
    insta::assert_snapshot!(help("weights import --help"));
}

#[test]
fn of_weights_info() {
    insta::assert_snapshot!(help("weights info --help"));
}

#[test]
fn of_show() {
    insta::assert_snapshot!(help("show --help"));
}

#[test]
fn of_completions() {
    insta::assert_snapshot!(help("completions --help"));
}

#[test]
fn of_man() {
    insta::assert_snapshot!(help("man --help"));
}

#[test]
fn of_learn() {
    insta::assert_snapshot!(help("learn --help"));
}

#[test]
fn of_jobs_in_short() {
    insta::assert_snapshot!(["transfer", "texture", "invert"].map(|job| help(&format!("{job} -h"))).join("\n"));
}

/// Each group once, in the same order everywhere, and the options that people use in the short help.
#[test]
fn jobs_have_their_options_in_groups() {
    const GROUPS: [&str; 9] = [
        "Usual",
        "Texture",
        "Inversion",
        "Colour",
        "Regions",
        "Style and content",
        "Running",
        "Output",
        "Checkpoints and memory",
    ];
    for job in ["transfer", "texture", "invert", "plan transfer", "plan texture", "plan invert"] {
        for form in ["--help", "-h"] {
            let text = help(&format!("{job} {form}"));
            let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_suffix(':')).collect();
            let headings: Vec<&str> = headings.into_iter().filter(|line| !line.starts_with(' ')).collect();
            let groups: Vec<&str> = GROUPS.into_iter().filter(|group| headings.contains(group)).collect();
            let others = headings.iter().filter(|heading| !["Arguments", "Examples"].contains(heading));
            assert_eq!(groups, others.copied().collect::<Vec<_>>(), "{job} {form}");
            let count = text.lines().filter(|line| line.trim_start().starts_with('-')).count();
            assert!(if form == "-h" { count <= 14 } else { count > 30 }, "{job} {form}: {count} options");
        }
    }
}

#[test]
fn short_help_and_version() {
    let short = help("transfer -h");
    assert!(short.lines().count() < help("transfer --help").lines().count());
    assert_eq!(help("--version"), format!("impasto {}\n", env!("CARGO_PKG_VERSION")));
    // Without arguments: the help, as an error.
    Workshop::new().impasto("").assert().code(2).stderr(predicates::str::contains("Usage: impasto <COMMAND>"));
}
