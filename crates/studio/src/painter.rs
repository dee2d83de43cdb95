//! What the studio asks of the program around it: what options there are, what a job takes, and to paint it.

use std::ops::ControlFlow;
use std::path::PathBuf;

use impasto::Picture;
use impasto::picture::{Dimensions, Provenance, SaveOptions};
use impasto::run::{Run, Speed, Work};
use serde_json::{Map, Value};

use crate::error::Error;

/// The options of a job by the command's names for them.
pub type Settings = Map<String, Value>;

/// The program that paints. All that is known of its options is behind it.
pub trait Painter: Send + Sync {
    /// The options that a job may have: a list of objects, as `openapi.json` describes them.
    fn options(&self) -> Value;

    /// Settings in the form in which they are kept.
    ///
    /// # Errors
    /// If an option does not exist, has an invalid value, or is not allowed in a job of the studio.
    fn checked(&self, given: &Settings) -> Result<Settings, Error>;

    /// The settings among the words of a command, as far as a job may have them.
    ///
    /// # Errors
    /// If they are not the words of such a command.
    fn settings_of(&self, words: &[String]) -> Result<Settings, Error>;

    /// The words that stand for settings on the command line.
    ///
    /// # Errors
    /// If an option does not exist, or has a value of a type that no option takes.
    fn words(&self, settings: &Settings) -> Result<Vec<String>, Error>;

    /// Checks the words of a job as far as that can be done before its pictures are read.
    ///
    /// # Errors
    /// What is wrong with them.
    fn check(&self, words: &[String]) -> Result<(), Error>;

    /// What a job will take, as `impasto plan --json` reports it. `speed` gives the speed of this machine.
    ///
    /// # Errors
    /// If settings or pictures are invalid, or the memory is too small.
    fn forecast(
        &self,
        settings: &Settings,
        pictures: Pictures,
        speed: &mut (dyn FnMut(&Work) -> Speed + Send),
    ) -> Result<Value, Error>;

    /// Loads the network that jobs use unless they say otherwise.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&self) -> Result<(), Error>;

    /// Reads everything that a job needs. `settings` are kept in the picture.
    ///
    /// # Errors
    /// If something cannot be read, or the memory is too small.
    fn prepare(&self, words: Vec<String>, settings: Settings) -> Result<Prepared<'_>, Error>;

    /// Fetches trained weights to where the next job will find them. `watch` is called with the source, the bytes that have
    /// arrived, and their number where it is known.
    ///
    /// # Errors
    /// If there is no source that can be reached, or the weights cannot be kept.
    fn fetch_weights(&self, watch: &mut dyn FnMut(&str, u64, Option<u64>) -> ControlFlow<()>) -> Result<(), Error>;
}

/// The pictures of a job that is only planned.
pub struct Pictures {
    /// The picture to repaint.
    pub content: PlannedPicture,
    /// The pictures whose style to take.
    pub styles: Vec<PlannedPicture>,
}

/// One of them.
pub enum PlannedPicture {
    /// It is in a file.
    File(PathBuf),
    /// Only its size is known.
    Size(Dimensions),
}

/// A job about to be painted.
pub struct Prepared<'a> {
    /// How its picture is made.
    pub made: Provenance,
    /// How its picture is saved.
    pub saving: SaveOptions,
    /// What is left to do.
    pub painting: Painting<'a>,
}

/// What is left to do.
pub enum Painting<'a> {
    /// Nothing: only colours were changed.
    Finished(Picture),
    /// A run.
    Ready(Box<dyn Paint + 'a>),
}

/// A job whose run can be started.
pub trait Paint {
    /// Calls `work` with the job's run, on the job's threads.
    ///
    /// # Errors
    /// If the memory is too small; those of `work`.
    fn run(
        self: Box<Self>,
        start: Start,
        work: &mut (dyn FnMut(Run<'_>) -> Result<(), Error> + Send),
    ) -> Result<(), Error>;
}

/// Where a run starts.
#[derive(Default)]
pub struct Start {
    /// The picture to go on from, if it is not the one that the settings name.
    pub picture: Option<Picture>,
    /// The longer side, in pixels, of the first size; smaller ones are left out.
    pub side: usize,
}
