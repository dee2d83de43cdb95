//! The options of `transfer` by name, as in a CSV, in JSON, and in a picture. The command's own parser reads them, so
//! they mean the same everywhere and give the same errors.

use std::ffi::OsString;
use std::sync::LazyLock;

use clap::builder::ValueRange;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value};

use super::error::Error;
use super::options;
use super::transfer;

/// Options by their long names, such as `style-size`. A flag is `true`; an option that was given several times is a
/// list.
pub(super) type Settings = Map<String, Value>;

/// clap's definition of `transfer`.
static TRANSFER: LazyLock<Command> = LazyLock::new(|| {
    options::arranged(transfer::Arguments::augment_args(Command::new("transfer").no_binary_name(true)))
});

/// The options of `transfer` in the order of its help.
pub(super) fn options() -> impl Iterator<Item = &'static Arg> {
    TRANSFER.get_arguments().filter(|arg| arg.get_long().is_some())
}

/// Parses the words after `impasto transfer`.
pub(super) fn parse(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<transfer::Arguments, Error> {
    Ok(transfer::Arguments::from_arg_matches(&matches(words)?)?)
}

/// The settings among the words after `impasto transfer`.
pub(super) fn of_words(words: &[String]) -> Result<Settings, Error> {
    Ok(of_matches(&matches(words)?))
}

fn matches(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<ArgMatches, Error> {
    Ok(TRANSFER.clone().try_get_matches_from(words)?)
}

/// The options of `transfer` that were given on a command line.
pub(super) fn of_matches(matches: &ArgMatches) -> Settings {
    let mut settings = Settings::new();
    for arg in options() {
        let id = arg.get_id().as_str();
        if !matches!(matches.try_contains_id(id), Ok(true))
            || matches.value_source(id) != Some(ValueSource::CommandLine)
        {
            continue;
        }
        let value = if is_flag(arg) {
            Value::Bool(true)
        } else {
            let raw = matches.get_raw(id).into_iter().flatten();
            let mut values: Vec<Value> = raw.map(|value| value.to_string_lossy().into_owned().into()).collect();
            if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
        };
        settings.insert(name(arg).into(), value);
    }
    settings
}

/// The words for settings, in the order of the help, so that equal settings have equal words.
///
/// # Errors
/// If an option does not exist, or its value has the wrong type. [`parse`] checks the value itself.
pub(super) fn words(settings: &Settings) -> Result<Vec<String>, Error> {
    if let Some(unknown) = settings.keys().find(|key| !options().any(|arg| name(arg) == *key)) {
        let plain = unknown.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !unknown.is_empty();
        // The parser suggests a similar option.
        let said = plain.then(|| matches([format!("--{unknown}")]).err()).flatten();
        return Err(said.unwrap_or_else(|| Error::Usage(format!("`transfer` has no option named `{unknown}`"))));
    }
    let mut words = Vec::new();
    for arg in options() {
        let name = name(arg);
        match settings.get(name) {
            None => {}
            Some(Value::Array(values)) => {
                values.iter().try_for_each(|value| push(&mut words, name, is_flag(arg), value))?;
            }
            Some(value) => push(&mut words, name, is_flag(arg), value)?,
        }
    }
    Ok(words)
}

fn push(words: &mut Vec<String>, name: &str, flag: bool, value: &Value) -> Result<(), Error> {
    let text = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(given) if flag => given.to_string(),
        _ => return Err(Error::Usage(format!("--{name} takes a text or a number, not {value}"))),
    };
    if flag {
        match text.as_str() {
            "true" | "yes" | "1" => words.push(format!("--{name}")),
            "false" | "no" | "0" => {}
            _ => return Err(Error::Usage(format!("--{name} takes no value: give true or false, not `{text}`"))),
        }
    } else if text.starts_with('-') || text.is_empty() {
        words.push(format!("--{name}={text}"));
    } else {
        words.extend([format!("--{name}"), text]);
    }
    Ok(())
}

/// A picture's path as a word, which must not look like an option or like standard input.
pub(super) fn path_word(path: &str) -> String {
    if path.starts_with('-') { format!("./{path}") } else { path.into() }
}

fn name(arg: &Arg) -> &str {
    arg.get_long().expect("options have long names")
}

/// Whether an option is given without a value.
pub(super) fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue) || arg.get_num_args() == Some(ValueRange::EMPTY)
}

/// The options of `transfer` that other commands share.
#[derive(Clone, Default)]
pub(super) struct TransferOptions(pub(super) Settings);

impl Args for TransferOptions {
    fn augment_args(command: Command) -> Command {
        let shared = options().filter(|arg| options::is_shared(name(arg)));
        // After the command's own options, in the same order.
        command.args(shared.enumerate().map(|(index, arg)| arg.clone().display_order(100 + index)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TransferOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = of_matches(matches);
        settings.retain(|name, _| options::is_shared(name));
        Ok(Self(settings))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: Value) -> Settings {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn settings_become_words_and_words_settings() {
        let given =
            settings(json!({"strength": 0.7, "size": 64, "clamp": true, "srgb": false, "steps": "3,2", "lr": null}));
        let words = words(&given).unwrap();
        assert_eq!(words, ["--size", "64", "--strength", "0.7", "--steps", "3,2", "--clamp"]);
        let line: Vec<String> =
            ["a.png", "b.png", "-o", "c.png"].map(String::from).into_iter().chain(words.clone()).collect();
        let back = of_words(&line).unwrap();
        assert_eq!(back["size"], "64");
        assert_eq!(back["output"], "c.png");
        let again = back.into_iter().filter(|(name, _)| name != "output").collect();
        assert_eq!(super::words(&again).unwrap(), words);
    }

    #[test]
    fn what_is_no_option_or_no_value_is_told_in_the_commands_words() {
        let said = |value| match words(&settings(value)) {
            Err(Error::Usage(words) | Error::Failure(words)) => words,
            Ok(words) => panic!("{words:?}"),
        };
        assert!(said(json!({"strenght": 1})).contains("--strength"));
        assert!(said(json!({"size=3 --output": "x"})).contains("no option named"));
        assert!(said(json!({"": "x"})).contains("no option named"));
        assert!(said(json!({"size": {}})).contains("--size"));
        assert!(said(json!({"size": true})).contains("--size"));
        assert!(said(json!({"clamp": "perhaps"})).contains("--clamp"));
    }
}
