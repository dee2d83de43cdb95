//! `impasto completions`: scripts that complete the command's words in a shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory};

use super::error::Error;
use super::print::Results;

/// Print the completion script of a shell
///
/// For bash: `impasto completions bash > ~/.local/share/bash-completion/completions/impasto`
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// The shell
    shell: clap_complete::Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "all subcommands have one form")]
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    clap_complete::generate(arguments.shell, &mut super::Cli::command(), "impasto", &mut Results);
    Ok(ExitCode::SUCCESS)
}
