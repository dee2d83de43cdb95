//! Errors as the user sees them: one paragraph that begins with `error:`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use impasto::jobs::MasksError;
use impasto::objective::{InversionError, RegionError};
use impasto::picture::{Fault, PictureError};
use impasto::run::CheckpointError;
use impasto::vgg::{NetworkError, WeightsError};

use super::print::{Results, note};
use super::{advice, ranks};

/// An error that ends a command.
#[derive(Debug)]
pub(super) enum Error {
    /// Invalid arguments: exit code 2.
    Usage(String),
    /// Anything else: exit code 1.
    Failure(String),
}

impl Error {
    /// A failure of the operation `what` on a file.
    pub(super) fn file(what: &str, path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Failure(format!("cannot {what} {}: {why}", path.display()))
    }

    /// The message.
    pub(super) fn into_message(self) -> String {
        let (Self::Usage(message) | Self::Failure(message)) = self;
        message
    }

    /// Prints the error and returns its exit code.
    pub(super) fn report(&self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Failure(message) => (message, 1),
        };
        ranks::fail(message, code)
    }
}

/// Prints clap's error about the arguments. Help and version go to standard output and are not errors.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    if !ranks::is_first() {
        return ExitCode::from(u8::from(error.use_stderr()) * 2);
    }
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    match error.kind() {
        DisplayHelp | DisplayVersion => {
            // `print::finish` reports a failure to print.
            let _ = Results.write_all(error.render().ansi().to_string().as_bytes());
            ExitCode::SUCCESS
        }
        DisplayHelpOnMissingArgumentOrSubcommand => {
            // The help of a command without arguments, in colours; it contains no user input to escape.
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => {
            note(format_args!("{} (see `impasto --help` and `impasto COMMAND --help`)", paragraph(error)));
            ExitCode::from(2)
        }
    }
}

/// clap's error about the arguments without the usage: one paragraph that begins with `error:`.
fn paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let what = text.split("\n\n").filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let words = what.collect::<Vec<_>>().join(";").replace(";  tip:", "; tip:");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<clap::Error> for Error {
    fn from(error: clap::Error) -> Self {
        let words = paragraph(&error);
        Self::Usage(words.strip_prefix("error: ").unwrap_or(&words).to_owned())
    }
}

impl From<PictureError> for Error {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::Extension { .. } | PictureError::NoFormat { .. } | PictureError::Depth { .. } => {
                Self::Usage(error.to_string())
            }
            PictureError::Read { why: Fault::Memory { .. }, .. } => {
                Self::Failure(format!("{error}; give a smaller --size"))
            }
            _ => Self::Failure(error.to_string()),
        }
    }
}

/// The library's message, and the options that help.
impl From<impasto::Error> for Error {
    fn from(error: impasto::Error) -> Self {
        use impasto::Error as Library;
        match error {
            Library::Picture(error) => error.into(),
            Library::Network(error)
            | Library::Inversion(InversionError::Network(error))
            | Library::Masks(MasksError::Region(RegionError::Network(error))) => error.into(),
            Library::Inversion(error) => Self::Failure(format!("{error}; change --crop or --channels")),
            Library::Texture(error) => Self::Failure(advice::texture(&error)),
            Library::Memory(error) => Self::Failure(advice::memory(&error, None, false)),
            Library::Masks(error) => Self::Failure(advice::masks(&error)),
            Library::Schedule(_) | Library::Environment(_) | Library::Weights(WeightsError::Environment(_)) => {
                Self::Usage(error.to_string())
            }
            Library::Checkpoint(CheckpointError::Other { .. }) => {
                Self::Failure(format!("{error}; give a file written by --checkpoint"))
            }
            _ => Self::Failure(error.to_string()),
        }
    }
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        Self::Failure(match error {
            NetworkError::Missing { .. } => format!(
                "{error}; name other layers (--layer, --layers, --content-layers, --style-layers) or give other --weights"
            ),
            NetworkError::Classifier { .. } => format!("{error}; choose a layer up to pool5"),
            NetworkError::TooSmall { .. } => format!("{error}; give a larger --size or a shallower layer"),
            _ => error.to_string(),
        })
    }
}
