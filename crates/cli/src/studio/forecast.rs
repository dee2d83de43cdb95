//! Estimates time and memory before a job is started.

use std::path::PathBuf;
use std::sync::PoisonError;

use axum::response::Response;
use impasto::picture::Dimensions;
use impasto::run::{Speed, Work};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kept::Kept;
use super::options;
use super::queue::Queue;
use super::record::Record;
use super::upload::{MOST_PIXELS, MOST_STYLES, bad};
use crate::error::Error;
use crate::job::JobCommand;
use crate::memory::dimensions;
use crate::plan::as_json;
use crate::settings::{self, Settings};
use crate::transfer::Sizes;

/// The longest side of a picture, in pixels.
const LONGEST: usize = 65_536;

/// A picture in a request.
#[derive(Deserialize)]
#[serde(untagged)]
enum PictureAsked {
    /// Width and height in pixels.
    Size([usize; 2]),
    /// The address of a picture in the studio.
    Address(String),
}

/// A request: sizes of pictures (width and height in pixels) and settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    content: Option<PictureAsked>,
    #[serde(default)]
    styles: Vec<PictureAsked>,
    /// The job whose pictures to use if no sizes are given.
    #[serde(default)]
    pub(super) like: Option<u64>,
    #[serde(default)]
    settings: Settings,
}

/// A picture of a job to estimate.
enum Picture {
    /// It is in a file.
    File(PathBuf),
    /// Only its size is known.
    Size(Dimensions),
}

impl Picture {
    fn dimensions(&self) -> Result<Dimensions, Error> {
        match self {
            Self::File(path) => dimensions(path),
            Self::Size(size) => Ok(*size),
        }
    }
}

/// A job to estimate.
pub(super) struct Plan {
    content: Picture,
    styles: Vec<Picture>,
    settings: Settings,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// The error in one sentence.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let asked: Self = serde_json::from_slice(body)
            .map_err(|why| format!("this is not a JSON object of content, styles, like and settings: {why}"))?;
        if asked.styles.len() > MOST_STYLES {
            return Err(format!("a job has at most {MOST_STYLES} styles"));
        }
        let possible = |[width, height]: [usize; 2]| {
            (1..=LONGEST).contains(&width) && (1..=LONGEST).contains(&height) && (width * height) as u64 <= MOST_PIXELS
        };
        let sizes = asked.content.iter().chain(&asked.styles).filter_map(|picture| match picture {
            PictureAsked::Size(size) => Some(*size),
            PictureAsked::Address(_) => None,
        });
        match sizes.into_iter().find(|size| !possible(*size)) {
            Some([width, height]) => Err(format!(
                "a picture has 1 to {LONGEST} pixels a side and at most {} million in all, not {width}×{height}",
                MOST_PIXELS / 1_000_000
            )),
            None => Ok(asked),
        }
    }

    /// The job to estimate, with the pictures of another job if none are given.
    ///
    /// # Errors
    /// If there are no pictures.
    pub(super) fn plan(self, queue: &Queue, like: Option<&Record>) -> Result<Plan, Response> {
        let planned = |picture: PictureAsked| -> Result<Picture, Response> {
            let [width, height] = match picture {
                PictureAsked::Size(size) => size,
                PictureAsked::Address(address) => {
                    let kept: Kept = address.parse().map_err(|why: String| bad(&why))?;
                    match kept.place(queue)? {
                        Some((folder, name)) => return Ok(Picture::File(folder.join(name))),
                        None => kept.demo_size(),
                    }
                }
            };
            Ok(Picture::Size(Dimensions { height, width, opacity: false }))
        };
        let file = |record: &Record, name: &String| Picture::File(record.folder(&queue.root).join(name));
        let content = self.content.map(planned).transpose()?;
        let content = content.or_else(|| like.map(|other| file(other, &other.content)));
        let mut styles = self.styles.into_iter().map(planned).collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = like.filter(|_| styles.is_empty()) {
            styles = other.styles.iter().map(|name| file(other, name)).collect();
        }
        let content = content.ok_or_else(|| bad("`content` is missing: width and height of the picture to repaint"))?;
        if styles.is_empty() {
            return Err(bad("`styles` is missing: width and height of each style"));
        }
        Ok(Plan { content, styles, settings: self.settings })
    }
}

impl Plan {
    /// The forecast of the job, as `impasto plan --json` prints it.
    ///
    /// # Errors
    /// If the settings are invalid, or the memory is too little.
    pub(super) fn forecast(self, queue: &Queue) -> Result<Value, Error> {
        let settings = options::checked(&self.settings)?;
        let styles = (1..=self.styles.len()).map(|number| format!("style-{number}.png"));
        let names = std::iter::once("content.png".to_owned()).chain(styles);
        let output = ["-o", "picture.png"].map(String::from);
        let words: Vec<String> = names.chain(output).chain(settings::words(&settings)?).collect();
        let transfer = settings::parse(&words)?;
        transfer.check()?;
        let memory = transfer.common().run.memory.budget();
        if transfer.only_recolours() {
            let allowed = (memory < usize::MAX).then_some(memory);
            return Ok(json!({"peak_memory_bytes": 0, "allowed_memory_bytes": allowed, "seconds": 0, "scales": []}));
        }
        let styles = self.styles.iter().map(Picture::dimensions).collect::<Result<_, _>>()?;
        let sizes = Sizes { content: self.content.dimensions()?, styles };
        transfer.common().network.in_threads(|| {
            let (forecast, work) = transfer.forecast_of(memory, &queue.networks, sizes)?;
            Ok(as_json(&forecast, memory, speed(queue, &work)))
        })?
    }
}

/// The speed of the machine when it last painted, or else a measurement, which takes a second.
fn speed(queue: &Queue, work: &Work) -> Speed {
    // Concurrent requests wait.
    let mut known = queue.speed.lock().unwrap_or_else(PoisonError::into_inner);
    *known.get_or_insert_with(|| work.speed())
}
