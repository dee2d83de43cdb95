//! The record of a job: a folder with its pictures and `job.json`.

use std::path::{Path, PathBuf};

use impasto::files::{remove_left_behind, write_atomically};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::names::is_plain;
use crate::painter::{Painter, Settings};

/// The name of the file.
pub(crate) const FILE: &str = "job.json";

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Waiting,
    Running,
    Paused,
    Done,
    Failed,
    Stopped,
}

impl State {
    /// Whether the state is final.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Stopped)
    }

    /// Whether the worker paints the job, or will continue it next.
    pub(crate) fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// The record of a job. Names refer to files in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) state: State,
    pub(crate) content: String,
    pub(crate) styles: Vec<String>,
    /// The mask of the content, if the job has regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_mask: Option<String>,
    /// The masks of the styles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) style_masks: Vec<String>,
    /// The output.
    pub(crate) picture: String,
    /// Options by the command's names.
    pub(crate) settings: Settings,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// Seconds of painting, without pauses.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// Width and height of the finished picture.
    #[serde(default)]
    pub(crate) size: Option<[usize; 2]>,
    /// The error, if it failed.
    #[serde(default)]
    pub(crate) error: Option<String>,
    /// Whether settings were changed while it was painted: its command then makes a similar picture, not the same.
    #[serde(default)]
    pub(crate) changed: bool,
    /// The objective's value at each iteration so far.
    #[serde(default)]
    pub(crate) losses: Vec<f64>,
    /// The time when it was moved to the trash, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deleted: Option<u64>,
    /// Whether it is marked as a favourite.
    #[serde(default)]
    pub(crate) favourite: bool,
    /// The sweep to which it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
}

impl Record {
    /// A job's folder.
    pub(crate) fn folder_of(root: &Path, id: u64) -> PathBuf {
        root.join(format!("{id:04}"))
    }

    pub(crate) fn folder(&self, root: &Path) -> PathBuf {
        Self::folder_of(root, self.id)
    }

    /// The words after `impasto transfer`, with the files in the job's folder.
    pub(crate) fn words(&self, root: &Path, painter: &dyn Painter) -> Result<Vec<String>, Error> {
        let folder = self.folder(root);
        let path = |name: &String| folder.join(name).to_string_lossy().into_owned();
        let pictures = std::iter::once(&self.content).chain(&self.styles).map(path);
        let output = ["-o".to_owned(), path(&self.picture)];
        let masks = self.content_mask.iter().map(|name| ("--content-mask", name));
        let masks = masks.chain(self.style_masks.iter().map(|name| ("--style-mask", name)));
        let masks = masks.flat_map(|(option, name)| [option.to_owned(), path(name)]);
        Ok(pictures.chain(output).chain(masks).chain(painter.words(&self.settings)?).collect())
    }

    /// The names of its input pictures.
    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.content).chain(&self.styles).chain(&self.content_mask).chain(&self.style_masks)
    }

    /// Writes the record into its folder.
    pub(crate) fn save(&self, root: &Path) -> std::io::Result<()> {
        self.save_in(&self.folder(root))
    }

    /// Writes the record into a folder that will become its own.
    pub(crate) fn save_in(&self, folder: &Path) -> std::io::Result<()> {
        write_atomically(&folder.join(FILE), |file| Ok(serde_json::to_writer_pretty(file, self)?))
    }

    /// The records in a folder, by number, and the errors of those that cannot be read.
    ///
    /// # Errors
    /// If the folder itself cannot be read.
    pub(crate) fn load_all(root: &Path) -> std::io::Result<(Vec<Self>, Vec<String>)> {
        let (mut records, mut wrong) = (Vec::new(), Vec::new());
        for entry in root.read_dir()? {
            let folder = entry?.path();
            // Ignore other files and folders.
            if number_of(&folder).is_none() {
                continue;
            }
            match Self::load(root, &folder) {
                Ok(record) => records.push(record),
                Err(why) => wrong.push(format!("{} is left out: {why}", folder.join(FILE).display())),
            }
        }
        records.sort_by_key(|record| record.id);
        wrong.sort();
        Ok((records, wrong))
    }

    fn load(root: &Path, folder: &Path) -> Result<Self, String> {
        let file = folder.join(FILE);
        // A temporary file of a program that was killed while saving.
        let _ = remove_left_behind(&file);
        let text = std::fs::read(&file).map_err(|why| why.to_string())?;
        let record: Self = serde_json::from_slice(&text).map_err(|why| why.to_string())?;
        if folder != record.folder(root) {
            return Err(format!("it is the record of job {}, which has another folder", record.id));
        }
        if let Some(name) = record.files().chain([&record.picture]).find(|name| !is_plain(name)) {
            return Err(format!("it names a file outside its folder: {name:?}"));
        }
        Ok(record)
    }
}

/// The number of the job whose folder has this name.
pub(crate) fn number_of(folder: &Path) -> Option<u64> {
    let name = folder.file_name()?.to_str().filter(|name| name.len() >= 4)?;
    name.parse().ok().filter(|_| name.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_points_elsewhere_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let record = |id, content: &str| Record {
            id,
            state: State::Paused,
            content: content.into(),
            styles: vec!["s.png".into()],
            picture: "p.png".into(),
            settings: Settings::new(),
            created: 0,
            seconds: 0.0,
            size: None,
            error: None,
            changed: false,
            losses: vec![1.0],
            content_mask: None,
            style_masks: Vec::new(),
            deleted: None,
            favourite: false,
            group: None,
        };
        for (id, content) in [(1, "c.png"), (2, "../c.png")] {
            std::fs::create_dir(Record::folder_of(root.path(), id)).unwrap();
            record(id, content).save(root.path()).unwrap();
        }
        std::fs::create_dir(root.path().join("0003")).unwrap();
        std::fs::write(root.path().join("0003/job.json"), "{").unwrap();
        std::fs::create_dir(root.path().join("notes")).unwrap();
        std::fs::create_dir(root.path().join("0004")).unwrap();
        let (records, wrong) = Record::load_all(root.path()).unwrap();
        assert_eq!((records.len(), records[0].id, records[0].state), (1, 1, State::Paused));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }
}
