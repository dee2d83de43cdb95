//! The options that a job may have.

use clap::Arg;
use serde_json::{Value, json};

use crate::error::Error;
use crate::job::JobCommand;
use crate::options::{self, Widget};
use crate::seed::Seed;
use crate::settings::{self, Settings};

/// Names that stand for pictures where only options are read.
pub(super) const PICTURES: [&str; 4] = ["content.png", "style.png", "-o", "picture.png"];

/// The values of `--init` that are not files.
const STARTS: [&str; 3] = ["content", "noise", "style"];

fn offered() -> impl Iterator<Item = &'static Arg> {
    settings::options().filter(|arg| arg.get_long().is_some_and(|name| options::widget(name).is_some()))
}

/// The values of a choice.
fn values(arg: &Arg) -> Vec<String> {
    match arg.get_long() {
        Some("init") => STARTS.map(str::to_owned).to_vec(),
        _ if settings::is_flag(arg) => Vec::new(),
        _ => arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect(),
    }
}

/// Name, label, group, help, widget, values and default of each option, from the command's help and the table of
/// options.
pub(super) fn described() -> Value {
    let describe = |arg: &Arg| {
        let name = arg.get_long().unwrap_or_default();
        let kind = options::widget(name).map(|widget| match widget {
            Widget::Switch => "switch",
            Widget::Choice => "choice",
            Widget::Integer => "integer",
            Widget::Number => "number",
            Widget::Text => "text",
        });
        let (help, otherwise) = without_default(&arg.get_help().map(ToString::to_string).unwrap_or_default());
        json!({
            "name": name,
            "label": options::label(name),
            "group": arg.get_help_heading(),
            "help": help,
            "kind": kind,
            "values": values(arg),
            "default": arg.get_default_values().first().map(|value| value.to_string_lossy()).filter(|_| !settings::is_flag(arg)),
            "otherwise": otherwise,
        })
    };
    offered().map(describe).collect()
}

/// A sentence of the help without its default, and the default as text if it depends on other options.
fn without_default(help: &str) -> (String, Option<String>) {
    match help.rsplit_once(" [default: ").and_then(|(help, rest)| Some((help, rest.strip_suffix(']')?))) {
        Some((help, default)) => (help.to_owned(), Some(default.to_owned())),
        None => (help.to_owned(), None),
    }
}

/// Settings, normalised by the command's parser.
///
/// # Errors
/// The command's error, if an option does not exist, its value is invalid, or a job may not have it.
pub(super) fn checked(given: &Settings) -> Result<Settings, Error> {
    let words = settings::words(given)?;
    let refused = |name: &&String| options::widget(name).is_none() && !given[name.as_str()].is_null();
    if let Some(name) = given.keys().find(refused) {
        return Err(Error::Usage(format!("--{name} is for the command line only; a job of the studio cannot have it")));
    }
    match given.get("init") {
        None | Some(Value::Null) => {}
        Some(init) if init.as_str().is_some_and(|init| STARTS.contains(&init)) => {}
        Some(init) => return Err(Error::Usage(format!("--init of a job is content, noise or style, not {init}"))),
    }
    let words: Vec<String> = PICTURES.map(String::from).into_iter().chain(words).collect();
    let transfer = settings::parse(&words)?;
    let mut settings = settings::of_words(&words)?;
    settings.remove("output");
    if transfer.common().run.seed == Seed::Random {
        settings.insert("seed".into(), Seed::draw().to_string().into());
    }
    Ok(settings)
}

/// The settings of a picture made by impasto, as far as a job may have them.
pub(super) fn of_picture(words: &[String]) -> Result<Settings, Error> {
    let mut settings = settings::of_words(words)?;
    settings.retain(|name, _| options::widget(name).is_some());
    if settings.get("init").and_then(Value::as_str).is_some_and(|init| !STARTS.contains(&init)) {
        settings.remove("init");
    }
    checked(&settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &Value) -> Result<Settings, String> {
        checked(value.as_object().unwrap()).map_err(|error| match error {
            Error::Usage(words) | Error::Failure(words) => words,
        })
    }

    #[test]
    fn every_option_offered_is_one_of_the_commands() {
        let described = described();
        let described = described.as_array().unwrap();
        assert!(described.iter().all(|option| option["help"].as_str().is_some_and(|help| help.len() > 10)));
        let preset = described.iter().find(|option| option["name"] == "preset").unwrap();
        assert_eq!(preset["values"], json!(["balanced", "quick", "gatys", "nnst", "notebook"]));
        assert_eq!(preset["default"], "balanced");
    }

    /// Each widget can express every value that the parser accepts.
    #[test]
    fn widgets_fit_their_options() {
        for arg in offered() {
            let name = arg.get_long().unwrap();
            let widget = options::widget(name).unwrap();
            assert_eq!(widget == Widget::Switch, settings::is_flag(arg), "{name}");
            assert_eq!(widget == Widget::Choice, !values(arg).is_empty(), "{name}");
            let takes = |text: &str| checked(&Settings::from_iter([(name.to_owned(), text.into())])).is_ok();
            match widget {
                Widget::Switch => assert!(takes("true")),
                Widget::Choice => {
                    assert!(values(arg).iter().all(|value| takes(value)), "{name}");
                }
                // Whole numbers, and nothing else.
                Widget::Integer => assert!(takes("64") && !takes("0.5") && !takes("auto"), "{name}"),
                Widget::Number => assert!(takes("0.5") && !takes("auto"), "{name}"),
                Widget::Text => {}
            }
        }
    }

    #[test]
    fn a_random_seed_is_a_number_once_a_job_has_it() {
        for asked in [json!("random"), json!(-1), json!("-1")] {
            let seed = said(&json!({"seed": asked})).unwrap()["seed"].as_str().unwrap().to_owned();
            assert!(seed.parse::<u32>().is_ok(), "{seed}");
        }
    }

    #[test]
    fn settings_are_the_commands_and_name_no_files() {
        assert_eq!(
            said(&json!({"size": 64, "clamp": true, "srgb": false})),
            Ok(json!({"size": "64", "clamp": true}).as_object().unwrap().clone())
        );
        for (given, words) in [
            (json!({"sise": 64}), "--size"),
            (json!({"strength": 2}), "a number from 0 to 1"),
            (json!({"output": "/tmp/x.png"}), "--output is for the command line"),
            (json!({"log": "/tmp/x"}), "--log is for the command line"),
            (json!({"weights": "/etc/passwd"}), "--weights is for the command line"),
            (json!({"init": "/etc/passwd"}), "--init of a job"),
            (json!({"quiet": true}), "--quiet is for the command line"),
        ] {
            let why = said(&given).unwrap_err();
            assert!(why.contains(words), "{given}: {why}");
        }
    }
}
