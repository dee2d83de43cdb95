//! The commands that run a job.

use clap::Subcommand;

use super::job::JobCommand;
use super::{invert, texture, transfer};

/// A command that runs a job, with its arguments.
#[derive(Subcommand)]
pub(super) enum Job {
    Transfer(Box<transfer::Arguments>),
    Texture(Box<texture::Arguments>),
    Invert(Box<invert::Arguments>),
}

impl Job {
    /// The command.
    pub(super) fn command(&self) -> &dyn JobCommand {
        match self {
            Self::Transfer(arguments) => &**arguments,
            Self::Texture(arguments) => &**arguments,
            Self::Invert(arguments) => &**arguments,
        }
    }

    /// The command, mutable.
    pub(super) fn command_mut(&mut self) -> &mut dyn JobCommand {
        match self {
            Self::Transfer(arguments) => &mut **arguments,
            Self::Texture(arguments) => &mut **arguments,
            Self::Invert(arguments) => &mut **arguments,
        }
    }
}

/// The names of the commands; `plan` without a name plans the first.
pub(super) fn names() -> Vec<String> {
    let commands = Job::augment_subcommands(clap::Command::new("impasto"));
    commands.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}
