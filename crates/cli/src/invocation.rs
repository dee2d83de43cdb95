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
    /// The checkpoint that the command goes on from, whatever its words say.
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
