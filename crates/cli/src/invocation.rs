//! A command line as it was given: its words, and every option of it by name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;
use serde_json::{Map, Value};

/// The words after `impasto`, and what they came to.
pub(super) struct Invocation {
    /// The words. What is no Unicode in them has replacement characters.
    pub(super) words: Vec<String>,
    /// Whether the words are what they were.
    pub(super) is_unicode: bool,
    /// Every argument and option of the subcommand by its name, with its default where nobody gave it. Options that have
    /// neither are left out, and so are flags that were not given.
    pub(super) settings: Map<String, Value>,
    /// The checkpoint to continue from, given by `resume` and not by the words.
    pub(super) resumed: Option<PathBuf>,
}

impl Invocation {
    /// Of words that `command` has parsed.
    pub(super) fn new(words: &[OsString], command: &clap::Command, matches: &ArgMatches) -> Self {
        Self {
            words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            is_unicode: words.iter().all(|word| word.to_str().is_some()),
            settings: settings(command, matches),
            resumed: None,
        }
    }

    /// The same as if an option had been given so, instead of what was said of it.
    pub(super) fn give(&mut self, name: &str, value: &str) {
        self.words = without(&self.words, |option| (option == name).then_some(true));
        self.words.insert(1, format!("--{name}={value}"));
        self.settings.insert(name.into(), value.into());
    }
}

/// The words without some options: `takes_value` tells of an option that goes whether the word after it is its value.
pub(super) fn without(words: &[String], takes_value: impl Fn(&str) -> Option<bool>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let option = word.strip_prefix("--").filter(|option| !option.is_empty());
        let option = option.map(|option| option.split_once('=').map_or((option, false), |(name, _)| (name, true)));
        match option {
            // After `--` there are no options.
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
