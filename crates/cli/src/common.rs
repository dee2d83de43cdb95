//! The options common to all commands that run a job.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::NetworkArguments;
use super::default_output::DefaultOutput;
use super::drive::RunArguments;

/// Options of every job: its output, its run and its network.
#[derive(Args)]
pub(super) struct Common {
    /// The picture to write [default: named after the inputs]
    ///
    /// The extension is .png, .jpg, .webp, .tiff or .bmp. Without this option, the picture is written to the working
    /// folder as CONTENT-in-STYLE.png, EXAMPLE-texture.png or IMAGE-at-LAYER.png; if that exists, as
    /// CONTENT-in-STYLE-2.png and so on.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// The name chosen if `--output` was not given.
    #[arg(skip)]
    chosen: Option<DefaultOutput>,

    #[command(flatten)]
    pub(super) run: RunArguments,

    #[command(flatten)]
    pub(super) network: NetworkArguments,
}

impl Common {
    /// Bytes that the whole process may use.
    pub(super) fn memory_budget(&self) -> usize {
        self.run.memory.budget(self.network.threads())
    }

    /// The path of the output: as requested, or as chosen by [`choose_output`](Self::choose_output).
    pub(super) fn output(&self) -> &Path {
        let chosen = || self.chosen.as_ref().map_or(Path::new("-"), DefaultOutput::path);
        self.output.as_deref().unwrap_or_else(chosen)
    }

    /// The chosen name, if `--output` was not given.
    pub(super) fn chosen(&self) -> Option<&DefaultOutput> {
        self.chosen.as_ref()
    }

    /// Chooses a name if `--output` was not given: the first free name with this stem. Returns the chosen name.
    pub(super) fn choose_output(&mut self, stem: impl FnOnce() -> String) -> Option<&Path> {
        if self.output.is_some() {
            return None;
        }
        let extension = self.run.format().map_or("png", |format| format.extensions()[0]);
        Some(self.chosen.insert(DefaultOutput::new(stem(), extension)).path())
    }
}
