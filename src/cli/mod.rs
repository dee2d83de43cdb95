//! The command line: a file for each subcommand, which turns arguments into a job and shows its answer.

mod arguments;
mod arrays;
mod batch;
mod completions;
mod demo;
mod drive;
mod error;
mod features;
mod figure;
mod gradcheck;
mod interrupt;
mod invert;
mod log;
mod loss;
mod made;
mod network;
mod output;
mod preview;
mod progress;
mod settings;
mod show;
#[cfg(feature = "studio")]
mod studio;
mod texture;
mod transfer;
mod weights;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Neural style transfer with VGG19, on CPUs alone.
#[derive(Parser)]
#[command(name = "impasto", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Transfer(Box<transfer::Arguments>),
    Batch(Box<batch::Arguments>),
    #[cfg(feature = "studio")]
    Studio(studio::Arguments),
    Texture(Box<texture::Arguments>),
    Invert(Box<invert::Arguments>),
    Figure(Box<figure::Arguments>),
    Features(features::Arguments),
    Loss(Box<loss::Arguments>),
    Weights(weights::Arguments),
    Show(show::Arguments),
    Network(network::Arguments),
    Demo(demo::Arguments),
    Gradcheck(gradcheck::Arguments),
    Completions(completions::Arguments),
}

/// Parses, runs, and turns what happened into an exit code: 0, 1 for failures, 2 for wrong usage, 130 after Ctrl-C.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return error::usage(&error),
    };
    let result = match cli.command {
        Command::Transfer(arguments) => transfer::run(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        #[cfg(feature = "studio")]
        Command::Studio(arguments) => studio::run(&arguments),
        Command::Texture(arguments) => texture::run(&arguments),
        Command::Invert(arguments) => invert::run(&arguments),
        Command::Figure(arguments) => figure::run(&arguments),
        Command::Features(arguments) => features::run(&arguments),
        Command::Loss(arguments) => loss::run(*arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Weights(arguments) => weights::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Network(arguments) => network::run(&arguments),
        Command::Gradcheck(arguments) => gradcheck::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
