//! Estimates time and memory before a job is started.

use std::sync::PoisonError;

use axum::response::Response;
use impasto::picture::Dimensions;
use impasto::run::{Speed, Work};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::kept::Kept;
use crate::painter::{Pictures, PlannedPicture, Settings};
use crate::queue::Queue;
use crate::record::Record;
use crate::upload::{MOST_PIXELS, MOST_STYLES, bad};

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
pub(crate) struct Asked {
    #[serde(default)]
    content: Option<PictureAsked>,
    #[serde(default)]
    styles: Vec<PictureAsked>,
    /// The job whose pictures to use if no sizes are given.
    #[serde(default)]
    pub(crate) like: Option<u64>,
    #[serde(default)]
    settings: Settings,
}

/// A job to estimate.
pub(crate) struct Plan {
    pictures: Pictures,
    settings: Settings,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// The error in one sentence.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
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
    pub(crate) fn plan(self, queue: &Queue, like: Option<&Record>) -> Result<Plan, Response> {
        let planned = |picture: PictureAsked| -> Result<PlannedPicture, Response> {
            let [width, height] = match picture {
                PictureAsked::Size(size) => size,
                PictureAsked::Address(address) => {
                    let kept: Kept = address.parse().map_err(|why: String| bad(&why))?;
                    match kept.place(queue)? {
                        Some((folder, name)) => return Ok(PlannedPicture::File(folder.join(name))),
                        None => kept.demo_size(),
                    }
                }
            };
            Ok(PlannedPicture::Size(Dimensions { height, width, opacity: false }))
        };
        let file = |record: &Record, name: &String| PlannedPicture::File(record.folder(&queue.root).join(name));
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
        Ok(Plan { pictures: Pictures { content, styles }, settings: self.settings })
    }
}

impl Plan {
    /// The forecast of the job, as `impasto plan --json` prints it.
    ///
    /// # Errors
    /// If the settings are invalid, or the memory is too little.
    pub(crate) fn forecast(self, queue: &Queue) -> Result<Value, Error> {
        queue.painter.forecast(&self.settings, self.pictures, &mut |work| speed(queue, work))
    }
}

/// The speed of the machine when it last painted, or else a measurement, which takes a second.
fn speed(queue: &Queue, work: &Work) -> Speed {
    // Concurrent requests wait.
    let mut known = queue.speed.lock().unwrap_or_else(PoisonError::into_inner);
    *known.get_or_insert_with(|| work.speed())
}
