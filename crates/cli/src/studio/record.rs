//! What is kept of a job: a folder with its pictures and `job.json`.

use std::path::{Path, PathBuf};

use impasto::write_atomically;
use serde::{Deserialize, Serialize};

use crate::settings::{self, Settings};

/// The name of the file.
const FILE: &str = "job.json";

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Waiting,
    Running,
    Paused,
    Done,
    Failed,
    Stopped,
}

impl State {
    /// Whether nothing will change any more.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Stopped)
    }

    /// Whether the worker is at it, or will go on with it next.
    pub(super) fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// What is kept of a job. Names are those of files in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) state: State,
    pub(super) content: String,
    pub(super) styles: Vec<String>,
    /// The picture that is, or will be, painted.
    pub(super) picture: String,
    /// Options by the command's names.
    pub(super) settings: Settings,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// How long it was painted, in seconds, pauses left out.
    #[serde(default)]
    pub(super) seconds: f64,
    /// Width and height of the picture, when it is there.
    #[serde(default)]
    pub(super) size: Option<[usize; 2]>,
    /// Why it failed.
    #[serde(default)]
    pub(super) error: Option<String>,
    /// Whether settings were changed while it was painted: its command then makes a similar picture, not the same.
    #[serde(default)]
    pub(super) changed: bool,
    /// The objective's value at each iteration so far.
    #[serde(default)]
    pub(super) losses: Vec<f64>,
}

impl Record {
    /// A job's folder.
    pub(super) fn folder_of(root: &Path, id: u64) -> PathBuf {
        root.join(format!("{id:04}"))
    }

    pub(super) fn folder(&self, root: &Path) -> PathBuf {
        Self::folder_of(root, self.id)
    }

    /// The words after `impasto transfer`, with the files in the job's folder.
    pub(super) fn words(&self, root: &Path) -> Result<Vec<String>, crate::error::Error> {
        let folder = self.folder(root);
        let path = |name: &String| settings::path_word(&folder.join(name).to_string_lossy());
        let pictures = std::iter::once(&self.content).chain(&self.styles).map(path);
        let output = ["-o".to_owned(), path(&self.picture)];
        Ok(pictures.chain(output).chain(settings::words(&self.settings)?).collect())
    }

    /// Writes the record into its folder.
    pub(super) fn save(&self, root: &Path) -> std::io::Result<()> {
        self.save_in(&self.folder(root))
    }

    /// Writes the record into a folder that will be its own.
    pub(super) fn save_in(&self, folder: &Path) -> std::io::Result<()> {
        write_atomically(&folder.join(FILE), |file| Ok(serde_json::to_writer_pretty(file, self)?))
    }

    /// The records in a folder, and what cannot be read.
    pub(super) fn load_all(root: &Path) -> (Vec<Self>, Vec<String>) {
        let (mut records, mut wrong) = (Vec::new(), Vec::new());
        let folders = root.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        for file in folders.map(|folder| folder.join(FILE)).filter(|file| file.is_file()) {
            match Self::load(root, &file) {
                Ok(record) => records.push(record),
                Err(why) => wrong.push(format!("{} is left out: {why}", file.display())),
            }
        }
        records.sort_by_key(|record| record.id);
        (records, wrong)
    }

    fn load(root: &Path, file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|why| why.to_string())?;
        let record: Self = serde_json::from_slice(&text).map_err(|why| why.to_string())?;
        let names = record.styles.iter().chain([&record.content, &record.picture]);
        if file.parent() != Some(&record.folder(root)) || names.into_iter().any(|name| *name != safe_name(name)) {
            return Err("it names files outside of its folder".into());
        }
        Ok(record)
    }
}

/// A file's name that is no more than that, whatever a browser sends: letters, digits, and `-_.` within, of at most 80 bytes.
pub(super) fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let plain = plain.trim_start_matches(['.', '-']);
    let (stem, end) = plain.rsplit_once('.').unwrap_or((plain, ""));
    let end: String = end.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let mut stem = stem.to_owned();
    while stem.len() > 80 {
        stem.pop();
    }
    // Windows takes these for devices, whatever follows a dot.
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com1", "lpt1"];
    let first = stem.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if stem.is_empty() || DEVICES.contains(&first.as_str()) {
        stem.insert_str(0, "picture");
    }
    if end.is_empty() { stem } else { format!("{stem}.{end}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_more_than_names() {
        for (name, safe) in [
            ("photo.jpg", "photo.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a b.PNG", "a_b.PNG"),
            (".hidden.png", "hidden.png"),
            ("-rf.png", "rf.png"),
            ("", "picture"),
            ("..", "picture"),
            ("/", "picture"),
            ("nul.png", "picturenul.png"),
            ("a\0b\n.png", "a_b_.png"),
            ("Öl<script>.jpg", "Öl_script_.jpg"),
            ("x.jp/g", "g"),
        ] {
            assert_eq!(safe_name(name), safe, "{name}");
            assert_eq!(safe_name(safe), safe);
        }
        let long = safe_name(&format!("{}.jpeg", "ä".repeat(500)));
        assert!(long.len() < 100 && long.rsplit('.').next() == Some("jpeg") && safe_name(&long) == long);
    }

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
        };
        for (id, content) in [(1, "c.png"), (2, "../c.png")] {
            std::fs::create_dir(Record::folder_of(root.path(), id)).unwrap();
            record(id, content).save(root.path()).unwrap();
        }
        std::fs::create_dir(root.path().join("0003")).unwrap();
        std::fs::write(root.path().join("0003/job.json"), "{").unwrap();
        let (records, wrong) = Record::load_all(root.path());
        assert_eq!((records.len(), records[0].id, records[0].state), (1, 1, State::Paused));
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }
}
