//! A command line: its words, and all its options by name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;
use serde_json::{Map, Value};

/// The words after `impasto`, and the settings that they mean.
pub(super) struct Invocation {
    /// The words; invalid Unicode is replaced.
    pub(super) words: Vec<String>,
    /// Whether all words were valid Unicode.
    pub(super) is_unicode: bool,
    /// Every argument and option of the subcommand by name, with its default if it was not given. Options without value
    /// or default and flags that were not given are left out.
    pub(super) settings: Map<String, Value>,
    /// The checkpoint to continue from, given by `resume` and not by the words.
    pub(super) resumed: Option<PathBuf>,
}

impl Invocation {
    /// The invocation for words that `command` has parsed.
    pub(super) fn new(words: &[OsString], command: &clap::Command, matches: &ArgMatches) -> Self {
        Self {
            words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            is_unicode: words.iter().all(|word| word.to_str().is_some()),
            settings: settings(command, matches),
            resumed: None,
        }
    }

    /// Sets an option, as if it had been given with this value.
    pub(super) fn give(&mut self, name: &str, value: &str) {
        self.words = without(&self.words, |option| (option == name).then_some(true));
        self.words.insert(1, format!("--{name}={value}"));
        self.settings.insert(name.into(), value.into());
    }
}

/// The words without some options: for an option to remove, `takes_value` returns whether its value is the next word.
pub(super) fn without(words: &[String], takes_value: impl Fn(&str) -> Option<bool>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let option = word.strip_prefix("--").filter(|option| !option.is_empty());
        let option = option.map(|option| option.split_once('=').map_or((option, false), |(name, _)| (name, true)));
        match option {
            // There are no options after `--`.
            None if word == "--" => {
                kept.push(word.clone());
                kept.extend(words.by_ref().cloned());
            }
            Some((name, false)) if takes_value(name) == Some(true) => drop(words.next()),
            Some((name, _)) if takes_value(name).is_some() => {}
            _ => kept.push(word.clone()),
        }
    }
    kept
}

fn settings(command: &clap::Command, matches: &ArgMatches) -> Map<String, Value> {
    let Some((name, matches)) = matches.subcommand() else { return Map::new() };
    let arguments = command.find_subcommand(name).into_iter().flat_map(clap::Command::get_arguments);
    let setting = |argument: &clap::Arg| {
        let values = matches.try_get_raw(argument.get_id().as_str()).ok()??;
        let mut values: Vec<Value> = values.map(|value| value.to_string_lossy().into()).collect();
        let value = match values.len() {
            _ if !argument.get_action().takes_values() => Value::Bool(values.first()? == "true"),
            1 => values.remove(0),
            _ => Value::Array(values),
        };
        let name = argument.get_long().unwrap_or(argument.get_id().as_str());
        (value != Value::Bool(false)).then(|| (name.to_owned(), value))
    };
    arguments.filter_map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_given_replaces_what_was_said_of_it() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let seeded = |line: &str| {
            let mut invocation =
                Invocation { words: words(line), is_unicode: true, settings: Map::new(), resumed: None };
            invocation.give("seed", "7");
            assert_eq!(invocation.settings["seed"], "7");
            invocation.words.join(" ")
        };
        assert_eq!(seeded("transfer --seed -1 a.png b.png"), "transfer --seed=7 a.png b.png");
        assert_eq!(seeded("transfer a.png b.png --seed=random"), "transfer --seed=7 a.png b.png");
        assert_eq!(seeded("texture a.png -- --seed"), "texture --seed=7 a.png -- --seed");
    }
}
