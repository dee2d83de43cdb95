//! Pictures that the studio already has: those of its jobs and the demo's. An upload may refer to them by address.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Once, OnceLock};

use axum::response::Response;
use impasto::Picture;
use impasto::picture::{Format, SaveOptions};
use impasto_drawing::demo;
use strum::{Display, EnumCount, EnumIter, EnumString, IntoEnumIterator, VariantNames};

use crate::answer::{disk, failure};
use crate::names;
use crate::queue::Queue;
use crate::upload::{bad, copy, preview_of, save_preview};

/// The sides of the demo's pictures, in pixels.
const DEMO: usize = 384;

/// A picture that the studio has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// `jobs/3/content`.
    Content(u64),
    /// `jobs/3/styles/1`: numbered from 1.
    Style(u64, usize),
    /// `demo/content`, `demo/ink` and so on.
    Demo(Demo),
}

/// The pictures to try things on, which are drawn by this program.
#[derive(Clone, Copy, Debug, Display, EnumCount, EnumIter, EnumString, VariantNames, PartialEq, Eq)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Demo {
    Content,
    Style,
    Portrait,
    Fox,
    Ink,
    Mosaic,
    CutPaper,
}

impl FromStr for Kept {
    type Err = String;

    fn from_str(address: &str) -> Result<Self, String> {
        let parts: Vec<&str> = address.trim().split('/').collect();
        let number = |text: &str| text.parse::<u64>().ok();
        let kept = match parts.as_slice() {
            ["demo", name] => name.parse().ok().map(Self::Demo),
            ["jobs", id, "content"] => number(id).map(Self::Content),
            ["jobs", id, "styles", index] => {
                number(id).zip(number(index)).map(|(id, index)| Self::Style(id, index as usize))
            }
            _ => None,
        };
        kept.ok_or_else(|| {
            format!("`{address}` is not a picture of the studio; send a file, or an address such as jobs/3/styles/1")
        })
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(id) => write!(f, "jobs/{id}/content"),
            Self::Style(id, index) => write!(f, "jobs/{id}/styles/{index}"),
            Self::Demo(which) => write!(f, "demo/{which}"),
        }
    }
}

impl Kept {
    /// The folder and the file name of a job's picture; `None` for the demo's.
    pub(crate) fn place(self, queue: &Queue) -> Result<Option<(PathBuf, String)>, Response> {
        let (Self::Content(id) | Self::Style(id, _)) = self else { return Ok(None) };
        let jobs = queue.jobs();
        let record = &jobs.get(id).ok_or_else(|| bad(&format!("there is no picture {self}")))?.record;
        let name = match self {
            Self::Style(_, index) => index.checked_sub(1).and_then(|index| record.styles.get(index)),
            _ => Some(&record.content),
        };
        let name = name.ok_or_else(|| bad(&format!("there is no picture {self}")))?;
        Ok(Some((record.folder(&queue.root), name.clone())))
    }

    /// Copies the picture and its preview into a folder, and returns its name there. Blocks.
    pub(crate) fn copy_to(self, queue: &Queue, folder: &Path) -> Result<String, Response> {
        let cannot = |why: std::io::Error| disk(&format!("{self} cannot be copied"), &why);
        if let Some((from, name)) = self.place(queue)? {
            return copy(&from, &name, folder).map_err(cannot);
        }
        let Self::Demo(which) = self else { unreachable!("the others have a place") };
        let (name, mut file) = names::create_free(folder, which.name()).map_err(cannot)?;
        std::io::Write::write_all(&mut file, which.png()).map_err(cannot)?;
        save_preview(which.picture(), &preview_of(folder, &name)).map_err(failure)?;
        Ok(name)
    }

    /// Width and height of a picture of the demo.
    pub(crate) fn demo_size(self) -> [usize; 2] {
        match self {
            Self::Demo(which) => which.size(),
            _ => [DEMO, DEMO],
        }
    }
}

impl Demo {
    fn name(self) -> &'static str {
        match self {
            Self::Content => "harbour.png",
            Self::Style => "swirls.png",
            Self::Portrait => "portrait.png",
            Self::Fox => "fox.png",
            Self::Ink => "ink.png",
            Self::Mosaic => "mosaic.png",
            Self::CutPaper => "cut-paper.png",
        }
    }

    /// Width and height.
    fn size(self) -> [usize; 2] {
        match self {
            Self::Content | Self::Fox => [DEMO, DEMO * 3 / 4],
            Self::Portrait => [DEMO * 4 / 5, DEMO],
            _ => [DEMO, DEMO],
        }
    }

    /// Draws all pictures in the background, once, so that the page need not wait for each when it asks for it.
    pub(crate) fn draw_all() {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            std::thread::spawn(|| {
                for which in Self::iter() {
                    which.png();
                }
            });
        });
    }

    /// The picture, which is drawn once.
    fn picture(self) -> &'static Picture {
        static DRAWN: [OnceLock<Picture>; Demo::COUNT] = [const { OnceLock::new() }; Demo::COUNT];
        let [width, height] = self.size();
        DRAWN[self as usize].get_or_init(|| match self {
            Self::Content => demo::content(height, width),
            Self::Style => demo::style(width),
            Self::Portrait => demo::portrait(height, width),
            Self::Fox => demo::fox(height, width),
            Self::Ink => demo::ink(width),
            Self::Mosaic => demo::mosaic(width),
            Self::CutPaper => demo::cut_paper(width),
        })
    }

    /// The picture as a PNG file.
    pub(crate) fn png(self) -> &'static [u8] {
        static ENCODED: [OnceLock<Vec<u8>>; Demo::COUNT] = [const { OnceLock::new() }; Demo::COUNT];
        ENCODED[self as usize].get_or_init(|| {
            let encoded = self.picture().encoded(Format::Png, &SaveOptions::default());
            encoded.expect("a picture of 8 bits can be a PNG")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for address in ["jobs/3/content", "jobs/12/styles/2", "demo/content", "demo/style", "demo/cut-paper"] {
            assert_eq!(address.parse::<Kept>().unwrap().to_string(), address);
        }
        for wrong in [
            "",
            "jobs/x/content",
            "jobs/3",
            "demo/other",
            "demo/",
            "demo/Ink",
            "/etc/passwd",
            "jobs/3/styles/-1",
            "../jobs/3/content",
        ] {
            assert!(wrong.parse::<Kept>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn pictures_of_the_demo_have_the_sizes_that_are_foretold() {
        for which in Demo::iter() {
            let picture = which.picture();
            assert_eq!(Kept::Demo(which).demo_size(), [picture.width(), picture.height()], "{which}");
        }
    }
}
