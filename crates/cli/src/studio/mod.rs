//! `impasto studio`: the page to paint with, and what it asks of the command.

mod options;
mod painter;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use impasto_studio::{Place, serve};

use self::painter::CommandPainter;
use super::error::Error;
use super::interrupt;

/// Paint on a page in the browser
///
/// Opens a page where you drop pictures, choose settings and watch the painting. Everything stays on this machine;
/// pictures and settings are kept in FOLDER. Jobs are queued, and continue at the next start. Programs can do
/// everything that the page does: see docs/studio.md.
#[derive(Args)]
pub(super) struct Arguments {
    /// The folder for pictures and jobs, created if missing
    #[arg(default_value = "studio")]
    folder: PathBuf,

    /// The page's port; 0 takes any free one [default: 4700, or any free one]
    #[arg(long, value_name = "N")]
    port: Option<u16>,

    /// Do not open the browser
    #[arg(long)]
    no_open: bool,

    /// Let other machines connect to this address of this machine (0.0.0.0: any); they need the printed token
    #[arg(long, value_name = "ADDR")]
    listen: Option<IpAddr>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let Arguments { folder, port, no_open, listen } = arguments;
    let place = Place { folder: folder.clone(), port: *port, listen: *listen, open: !no_open };
    serve(&place, Arc::new(CommandPainter::default()), &interrupt::watch())?;
    Ok(ExitCode::from(interrupt::EXIT_CODE))
}

impl From<impasto_studio::Error> for Error {
    fn from(error: impasto_studio::Error) -> Self {
        match error {
            impasto_studio::Error::Listen(why) => {
                Self::Failure(format!("{why}; give another --port, or --port 0 for any"))
            }
            _ => Self::Failure(error.to_string()),
        }
    }
}
