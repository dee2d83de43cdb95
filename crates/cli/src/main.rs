//! The command `impasto`. Each subcommand has a file, which turns arguments into a job and shows the result.

// Everything is printed through `print`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod address_space;
mod advice;
mod allocator;
mod arguments;
mod arrays;
mod batch;
mod checkpoint;
mod common;
mod completions;
mod default_output;
mod demo;
mod distinct;
mod drive;
mod error;
mod features;
mod figure;
mod frame_names;
mod gradcheck;
mod hints;
mod interrupt;
mod invert;
mod invocation;
mod job;
mod jobs;
mod learn;
mod log;
mod loss;
mod man;
mod memory;
mod network;
mod options;
mod output;
mod pictures;
mod plan;
mod preview;
mod print;
mod progress;
mod ranks;
mod record;
mod rescue;
mod resume;
mod seed;
mod settings;
mod show;
#[cfg(feature = "studio")]
mod studio;
mod styles;
mod texture;
mod transfer;
mod weights;

use std::ffi::OsString;
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::error::Error;
use self::invocation::Invocation;
use self::ranks::Mode;

/// Neural style transfer with VGG19 on the CPU.
#[derive(Parser)]
#[command(name = "impasto", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Job(jobs::Job),
    Batch(Box<batch::Arguments>),
    #[cfg(feature = "studio")]
    Studio(studio::Arguments),
    Resume(resume::Arguments),
    Figure(Box<figure::Arguments>),
    Plan(Box<plan::Arguments>),
    Features(features::Arguments),
    Loss(Box<loss::Arguments>),
    Weights(weights::Arguments),
    Show(show::Arguments),
    Network(network::Arguments),
    Demo(demo::Arguments),
    Gradcheck(gradcheck::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Learn(learn::Arguments),
}

impl Command {
    /// How several processes share the command.
    fn mode(&self) -> Mode {
        match self {
            Self::Job(_) | Self::Resume(_) => Mode::Divided,
            Self::Batch(_) => Mode::Jobs,
            _ => Mode::First,
        }
    }

    /// The pictures that a divided command may read from standard input.
    fn pictures(&mut self) -> Vec<&mut PathBuf> {
        match self {
            // Resuming needs a file; the message says so.
            Self::Job(job) if !job.command().common().run.keeps_checkpoint() => job.command_mut().pictures_mut(),
            _ => Vec::new(),
        }
    }

    /// Prints and shows nothing, because the first process does.
    fn mute(&mut self) {
        match self {
            Self::Job(job) => job.command_mut().common_mut().run.mute(),
            Self::Batch(arguments) => arguments.mute(),
            _ => {}
        }
    }
}

/// Parses and runs the command, and returns its exit code: 0, 1 for failures, 2 for wrong usage, 130 after Ctrl-C.
fn main() -> ExitCode {
    // A decoder's panic is reported as an error of the picture instead.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        if !impasto::picture::is_decoding() {
            usual(what);
        }
    }));
    allocator::give_back();
    interrupt::outlive_full_files();
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    print::finish(ranks::within(|| match parse(&words) {
        Ok((command, invocation)) => run(command, invocation).unwrap_or_else(|error| error.report()),
        Err(error) => error::usage(&error),
    }))
}

/// Parses the words after `impasto`.
fn parse(words: &[OsString]) -> Result<(Command, Invocation), clap::Error> {
    // `help COMMAND` is `COMMAND --help`.
    let asked: Vec<OsString> = match words.split_first() {
        Some((first, rest)) if first == "help" => rest.iter().cloned().chain([OsString::from("--help")]).collect(),
        _ => words.to_vec(),
    };
    let words = &asked[..];
    let mut command = command();
    let named = std::iter::once(OsString::from("impasto")).chain(words.iter().cloned());
    let matches = command.try_get_matches_from_mut(plan::with_job(named))?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli.command, Invocation::new(words, &command, &matches)))
}

fn run(mut command: Command, mut invocation: Invocation) -> Result<ExitCode, Error> {
    if !ranks::enter(command.mode()) {
        return Ok(ExitCode::SUCCESS);
    }
    if !ranks::is_first() {
        command.mute();
    }
    if let Command::Job(job) = &mut command {
        job::settle(job.command_mut(), &mut invocation);
    }
    let _stdin = ranks::stdin_for_all(command.pictures())?;
    match command {
        Command::Job(job) => job.command().run(&invocation),
        Command::Batch(arguments) => batch::run(&arguments),
        #[cfg(feature = "studio")]
        Command::Studio(arguments) => studio::run(&arguments),
        Command::Resume(arguments) => resume::run(&arguments),
        Command::Figure(arguments) => figure::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Features(arguments) => features::run(&arguments),
        Command::Loss(arguments) => loss::run(*arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Weights(arguments) => weights::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Network(arguments) => network::run(&arguments),
        Command::Gradcheck(arguments) => gradcheck::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::Learn(arguments) => learn::run(&arguments),
    }
}

/// The parser of the command line. Jobs under `plan` have no `--output`, since they write nothing.
fn command() -> clap::Command {
    let each = |command: clap::Command, change: fn(clap::Command) -> clap::Command| {
        jobs::names().into_iter().fold(command, |command, job| command.mut_subcommand(job, change))
    };
    let unwritten = |job| options::arranged(job).mut_arg("output", |output| output.hide(true));
    let command = each(Cli::command(), options::arranged).mut_subcommand("plan", |plan| each(plan, unwritten));
    with_negative_numbers(command)
}

/// A command and its subcommands whose options take negative numbers as values, so that an option that allows none says
/// what it does allow.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        let takes = arg.get_action().takes_values() && !arg.is_positional();
        if takes { arg.allow_negative_numbers(true) } else { arg }
    });
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_negative_numbers))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    /// The options of the commands that run a job, by the parser.
    fn parsed() -> Vec<(String, bool)> {
        let mut command = command();
        command.build();
        let plan = command.find_subcommand("plan").unwrap().clone();
        let jobs = jobs::names();
        let commands = jobs.iter().map(|job| command.find_subcommand(job).unwrap()).chain([&plan]);
        let options = commands.flat_map(clap::Command::get_arguments);
        let named = |option: &clap::Arg| Some((option.get_long()?.to_owned(), option.get_action().takes_values()));
        options.filter_map(named).collect()
    }

    #[test]
    fn every_option_has_a_row_and_every_row_is_an_option() {
        let parsed = parsed();
        let rows: BTreeSet<&str> = options::names().collect();
        assert_eq!(rows.len(), options::names().count(), "each once");
        assert_eq!(rows, parsed.iter().map(|(name, _)| name.as_str()).collect());
        for (name, takes_value) in &parsed {
            assert!(options::checkpoint(name).is_none_or(|value| value == *takes_value), "{name}");
        }
    }
}
