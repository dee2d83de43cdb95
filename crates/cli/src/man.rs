//! `impasto man`: man pages.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::error::Error;

/// Write the man pages of all commands into a folder
///
/// For `man impasto` and `man impasto-transfer`: `impasto man ~/.local/share/man/man1`
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// The folder, which is made if it does not exist
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|why| Error::file("create the folder", folder, why))?;
    clap_mangen::generate_to(super::command(), folder).map_err(|why| Error::file("write man pages to", folder, why))?;
    Ok(ExitCode::SUCCESS)
}
