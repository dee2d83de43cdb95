//! The commands that run a job.

use clap::Subcommand;

use super::job::JobCommand;
use super::{invert, texture, transfer};

/// One of them, with its arguments.
#[derive(Subcommand)]
pub(super) enum Job {
    Transfer(Box<transfer::Arguments>),
    Texture(Box<texture::Arguments>),
    Invert(Box<invert::Arguments>),
}

impl Job {
    /// The command itself.
    pub(super) fn command(&self) -> &dyn JobCommand {
        match self {
            Self::Transfer(arguments) => &**arguments,
            Self::Texture(arguments) => &**arguments,
            Self::Invert(arguments) => &**arguments,
        }
    }

    /// The same, to change its arguments.
    pub(super) fn command_mut(&mut self) -> &mut dyn JobCommand {
        match self {
            Self::Transfer(arguments) => &mut **arguments,
            Self::Texture(arguments) => &mut **arguments,
            Self::Invert(arguments) => &mut **arguments,
        }
    }
}

/// Their names; the first is what is planned where none is named.
pub(super) fn names() -> Vec<String> {
    let commands = Job::augment_subcommands(clap::Command::new("impasto"));
    commands.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}
