//! The blind test: two results of the same pictures, side by side without names, and a CSV of the answers.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use impasto::Picture;
use impasto::picture::{Format, SaveOptions};
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::queue::Queue;
use crate::record::{Record, State};
use crate::trash::now;

/// The file of answers, in the studio's folder.
const FILE: &str = "votes.csv";

/// The largest number of open questions; older ones are forgotten.
const MOST_OPEN: usize = 1000;

/// The columns of the file.
const COLUMNS: [&str; 9] =
    ["time", "pictures", "left", "right", "left_settings", "right_settings", "better", "content", "styles"];

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Left,
    Right,
    Neither,
}

impl Better {
    fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Neither => "neither",
        }
    }
}

/// The open questions, and data about pictures.
#[derive(Default)]
pub(crate) struct Votes {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// For each open question by name: the left and the right job; and the order of questions.
    open: BTreeMap<u64, (String, [u64; 2])>,
    last: u64,
    /// The digest of each job's input pictures.
    digests: BTreeMap<u64, String>,
    /// How often each pair of jobs, the smaller number first, was judged since the start.
    judged: BTreeMap<[u64; 2], usize>,
}

impl Votes {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a question: the least judged pair of results of the same pictures, in random order. `None` if there is no
    /// such pair. Blocks.
    ///
    /// # Errors
    /// If pictures cannot be read.
    pub(crate) fn ask(&self, queue: &Queue) -> io::Result<Option<Value>> {
        let records: Vec<Record> = {
            let jobs = queue.jobs();
            let done = jobs.all().filter(|job| job.record.state == State::Done && job.record.size.is_some());
            done.map(|job| job.record.clone()).collect()
        };
        let mut alike: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
        for record in &records {
            alike.entry(self.digest(queue, record)?).or_default().push(record);
        }
        let mut inner = self.inner();
        let mut pairs = Vec::new();
        for group in alike.values() {
            for (index, one) in group.iter().enumerate() {
                let others = group[index + 1..].iter().filter(|other| is_comparable(one, other));
                pairs.extend(others.map(|other| [one.id, other.id]));
            }
        }
        let times = |pair: &[u64; 2]| inner.judged.get(pair).copied().unwrap_or(0);
        let Some(least) = pairs.iter().map(times).min() else { return Ok(None) };
        pairs.retain(|pair| times(pair) == least);
        let mut random = rand::rng();
        let mut pair = *pairs.choose(&mut random).expect("the least judged is among them");
        if random.random() {
            pair.reverse();
        }
        // A name that does not reveal the jobs.
        let name = format!("{:016x}", random.random::<u64>());
        inner.last += 1;
        let number = inner.last;
        inner.open.insert(number, (name.clone(), pair));
        while inner.open.len() > MOST_OPEN {
            inner.open.pop_first();
        }
        Ok(Some(json!({"question": name})))
    }

    /// The jobs of an open question, left and right.
    pub(crate) fn jobs_of(&self, question: &str) -> Option<[u64; 2]> {
        self.inner().open.values().find(|(name, _)| name == question).map(|(_, pair)| *pair)
    }

    /// Saves an answer. Returns whether the question was open. Blocks.
    ///
    /// # Errors
    /// If writing fails; the question then stays open.
    pub(crate) fn answer(&self, queue: &Queue, question: &str, better: Better) -> io::Result<bool> {
        let Some(pair) = self.jobs_of(question) else { return Ok(false) };
        let records = {
            let jobs = queue.jobs();
            pair.map(|id| jobs.get(id).map(|job| job.record.clone()))
        };
        let [Some(left), Some(right)] = records else { return Ok(false) };
        let row = [
            now().to_string(),
            self.digest(queue, &left)?[..12].to_owned(),
            left.id.to_string(),
            right.id.to_string(),
            settings(&left),
            settings(&right),
            better.name().to_owned(),
            left.content.clone(),
            left.styles.join(" "),
        ];
        {
            // Do not interleave two answers.
            let _files = queue.files();
            append(&queue.root.join(FILE), &row)?;
        }
        let mut inner = self.inner();
        inner.open.retain(|_, (name, _)| name != question);
        let mut sorted = pair;
        sorted.sort_unstable();
        *inner.judged.entry(sorted).or_default() += 1;
        Ok(true)
    }

    /// A digest of a job's input pictures, computed once.
    fn digest(&self, queue: &Queue, record: &Record) -> io::Result<String> {
        if let Some(known) = self.inner().digests.get(&record.id) {
            return Ok(known.clone());
        }
        let folder = record.folder(&queue.root);
        let mut digest = Sha256::new();
        for name in std::iter::once(&record.content).chain(&record.styles) {
            let mut of_file = Sha256::new();
            io::copy(&mut File::open(folder.join(name))?, &mut of_file)?;
            digest.update(of_file.finalize());
        }
        let digest: String = format!("{:x}", digest.finalize());
        self.inner().digests.insert(record.id, digest.clone());
        Ok(digest)
    }
}

/// Whether two results of the same pictures can be compared: they differ in their settings but not in shape.
fn is_comparable(one: &Record, other: &Record) -> bool {
    one.settings != other.settings && one.size == other.size
}

/// Settings as words of the command, for people and spreadsheets.
fn settings(record: &Record) -> String {
    let settings = record.settings.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    settings.collect::<Vec<_>>().join(" ")
}

/// A picture as a PNG that does not say how it was made. Blocks.
pub(crate) fn without_metadata(path: &Path) -> io::Result<Vec<u8>> {
    let picture = Picture::open(path).map_err(|why| io::Error::other(why.to_string()))?;
    picture.encoded(Format::Png, &SaveOptions::default())
}

/// Appends a row, preceded by the column names if the file is new.
fn append(path: &Path, row: &[String]) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let is_new = file.metadata()?.len() == 0;
    let mut bytes = csv::Writer::from_writer(Vec::new());
    if is_new {
        bytes.write_record(COLUMNS)?;
    }
    bytes.write_record(row)?;
    let bytes = bytes.into_inner().map_err(|why| io::Error::other(why.to_string()))?;
    // In one write, so that rows do not interleave.
    io::Write::write_all(&mut &file, &bytes)?;
    file.sync_all()
}
