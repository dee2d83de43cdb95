//! `impasto batch`: many pictures, one after the other.

mod list;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use impasto::picture::Provenance;
use impasto::run::Outcome;
use serde_json::{Value, json};

use self::list::Job;
use super::arguments::Networks;
use super::drive::Driver;
use super::error::Error;
use super::interrupt;
use super::job::JobCommand;
use super::options;
use super::print::{json_line, note, result};
use super::ranks;
use super::record::Record;
use super::seed::Seed;
use super::settings::{self, Settings, TransferOptions};

/// Repaint many pictures
///
/// Repaints every CONTENT in every STYLE; both may be pictures, folders, or patterns such as 'photos/*.jpg'.
/// Alternatively, runs the jobs in a CSV file, whose first line names the columns: content, style, output, and options
/// of `transfer` without dashes. Options on the command line apply to all jobs, those in the CSV to their line.
///
/// Continues after a failure and reports all failures at the end. Skips pictures that this version has already made
/// with the same settings from the same files. Each picture is the one that `impasto transfer` makes.
#[derive(Args)]
pub(super) struct Arguments {
    /// Pictures to repaint, or one CSV file of jobs
    #[arg(required = true, value_name = "CONTENT|JOBS.csv")]
    contents: Vec<String>,

    /// The styles
    #[arg(long = "style", value_name = "STYLE", num_args = 1..)]
    styles: Vec<String>,

    /// The folder for CONTENT-STYLE.png, created if missing; a CSV may name other outputs
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,

    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,

    /// Print a JSON object for each picture on standard output: content, style, output, state (painted, present, planned or
    /// failed), seconds, error
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: TransferOptions,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let jobs = arguments.jobs()?;
    let read = arguments.read(&jobs);
    list::check(&jobs, &read)?;
    // Files that the intermediate pictures of a job must not overwrite.
    let files: Vec<PathBuf> = read.into_iter().chain(jobs.iter().map(|job| job.output.clone())).collect();
    if let Some(folder) = arguments.output.as_deref().filter(|_| !arguments.dry_run) {
        std::fs::create_dir_all(folder).map_err(|why| Error::file("create the folder", folder, why))?;
    }
    let quiet = arguments.options.0.contains_key("quiet");
    // Processes take jobs in turn; the first one reports for all.
    let (rank, size) = (ranks::rank(), ranks::size());
    let (networks, mut reports) = (Networks::default(), Vec::new());
    for (index, job) in jobs.iter().enumerate().skip(rank).step_by(size) {
        let number = format!("{} of {}", index + 1, jobs.len());
        let name = format!("{} with {}", job.content, job.styles.join(" and "));
        if !quiet {
            note(format_args!("{number}: {name}"));
        }
        let begin = Instant::now();
        let (state, error) = match arguments.paint(job, &files, &networks) {
            Ok(State::Interrupted) if size == 1 => {
                note(format_args!("interrupted at {number}; run the same command again to continue"));
                return Ok(ExitCode::from(interrupt::EXIT_CODE));
            }
            Ok(state) => (state, None),
            Err(Error::Usage(why) | Error::Failure(why)) => (State::Failed, Some(why)),
        };
        if state == State::Present && !quiet {
            note(format_args!("{}: already there", job.output.display()));
        }
        let mut line = json!({
            "content": job.content,
            "style": job.styles,
            "output": job.output.to_string_lossy(),
            "state": state.name(),
            "seconds": begin.elapsed().as_secs_f64(),
        });
        if let Some(error) = error {
            line["error"] = Value::from(error);
        }
        if arguments.json && size == 1 {
            result(json_line(&line));
        }
        reports.push((index, line));
        if state == State::Interrupted {
            break;
        }
    }
    if size > 1 {
        reports = joined(&reports);
        for (_, line) in reports.iter().filter(|_| arguments.json) {
            result(json_line(line));
        }
    }
    Ok(arguments.conclude(&reports, quiet))
}

/// Gathers the reports of all processes at the first one, in the order of the jobs.
fn joined(reports: &[(usize, Value)]) -> Vec<(usize, Value)> {
    let own: Value = reports.iter().map(|(index, line)| json!([index, line])).collect();
    let mut all: Vec<(usize, Value)> = Vec::new();
    for bytes in ranks::gather(own.to_string().into_bytes()) {
        let reports: Vec<Value> = serde_json::from_slice(&bytes).unwrap_or_default();
        all.extend(
            reports.into_iter().map(|mut report| (report[0].as_u64().unwrap_or_default() as usize, report[1].take())),
        );
    }
    all.sort_by_key(|(index, _)| *index);
    all
}

/// The outcome of a job.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// The picture was painted.
    Made,
    /// The picture would be painted (`--dry-run`).
    Planned,
    /// The picture existed already.
    Present,
    /// The job failed.
    Failed,
    /// Ctrl-C was pressed.
    Interrupted,
}

impl Arguments {
    fn jobs(&self) -> Result<Vec<Job>, Error> {
        let extension = self.options.0.get("format").and_then(Value::as_str).unwrap_or("png");
        let csv = |name: &String| Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
        match (self.contents.iter().find(|name| csv(name)), self.output.as_deref()) {
            (Some(_), _) if self.contents.len() > 1 => {
                Err(Error::Usage("a CSV names all jobs; give it alone, without other pictures".into()))
            }
            (Some(_), _) if !self.styles.is_empty() => {
                Err(Error::Usage("a CSV names its styles; leave --style out".into()))
            }
            (Some(csv), folder) => list::rows(Path::new(csv), folder, extension),
            (None, _) if self.styles.is_empty() => {
                Err(Error::Usage("--style is missing: name the pictures whose style to take".into()))
            }
            (None, None) => Err(Error::Usage("--output is missing: name the folder to write to".into())),
            (None, Some(folder)) => {
                let quiet = self.options.0.contains_key("quiet");
                list::pairs((&self.contents, &self.styles), folder, extension, quiet)
            }
        }
    }

    /// Prints nothing during the batch.
    pub(super) fn mute(&mut self) {
        self.options.0.retain(|name, _| !["verbose", "preview"].contains(&name.as_str()));
        self.options.0.insert("quiet".into(), true.into());
    }

    /// Reports the outcomes and returns the exit code.
    fn conclude(&self, reports: &[(usize, Value)], quiet: bool) -> ExitCode {
        let count = |wanted: State| reports.iter().filter(|(_, line)| line["state"] == wanted.name()).count();
        if count(State::Interrupted) > 0 {
            note(format_args!("interrupted; run the same command again to continue"));
            return ExitCode::from(interrupt::EXIT_CODE);
        }
        if !quiet {
            let made = if self.dry_run {
                format!("{} to paint", count(State::Planned))
            } else {
                format!("{} painted", count(State::Made))
            };
            note(format_args!("{made}, {} already there, {} failed", count(State::Present), count(State::Failed)));
        }
        for (_, line) in reports {
            if let Some(error) = line["error"].as_str() {
                let styles: Vec<&str> =
                    line["style"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                note(format_args!(
                    "error: {} with {}: {error}",
                    line["content"].as_str().unwrap_or_default(),
                    styles.join(" and ")
                ));
            }
        }
        if count(State::Failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The options of a job: its own, and those common to all jobs.
    fn settings(&self, job: &Job) -> Settings {
        let mut settings = self.options.0.clone();
        settings.extend(job.settings.clone());
        settings
    }

    /// All files that are read: the pictures, masks and weights of the jobs, and the CSV. If a job's options are
    /// invalid, which is reported when it runs, only the files that it names.
    fn read(&self, jobs: &[Job]) -> Vec<PathBuf> {
        let of_job = |job: &Job| {
            let inputs = words(job, &self.settings(job)).and_then(settings::parse);
            let inputs = inputs.and_then(|transfer| Ok(transfer.common().network.files(&transfer.inputs()?)));
            let named = || job.styles.iter().chain([&job.content]).map(PathBuf::from).collect();
            inputs.unwrap_or_else(|_| named())
        };
        self.contents.iter().map(PathBuf::from).chain(jobs.iter().flat_map(of_job)).collect()
    }

    /// Makes a picture, unless it exists or this is a dry run.
    fn paint(&self, job: &Job, files: &[PathBuf], networks: &Networks) -> Result<State, Error> {
        let mut settings = self.settings(job);
        let mut line = words(job, &settings)?;
        let mut transfer = settings::parse(&line)?;
        if transfer.common().run.seed == Seed::Random {
            // With `--seed random`, an existing picture may have any seed.
            let seed = seed_of(transfer.common().output()).unwrap_or_else(|| Seed::draw().to_string());
            settings.insert("seed".into(), seed.into());
            line = words(job, &settings)?;
            transfer = settings::parse(&line)?;
        }
        // Normalise through the parser, so that equal settings compare as equal.
        settings = settings::of_words(&line)?;
        // The result of `--size max` depends on the memory.
        let largest = settings.get("size").is_some_and(|size| size == "max");
        settings.retain(|name, _| options::is_recorded(name) || largest && name == "memory");
        let inputs = transfer.inputs()?;
        let weights = transfer.common().network.find(true)?.source;
        let provenance = Record::of_transfer(words(job, &settings)?, settings, &inputs, &weights)?.provenance()?;
        if is_there(transfer.common().output(), &provenance) {
            return Ok(State::Present);
        }
        if self.dry_run {
            return Ok(State::Planned);
        }
        let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
        let driver = Driver::new(None, transfer.common(), &inputs)?;
        let others = files.iter().filter(|path| **path != job.output).cloned();
        let mut driver = driver.made_by(provenance).beside(others);
        if let Some(picture) = transfer.recoloured()? {
            driver.write(&picture)?;
            return Ok(State::Made);
        }
        let ready = transfer.ready(networks)?;
        let in_threads = || {
            let mut run = ready.run()?;
            let ended = driver.drive(&mut run, None, None)?;
            if ended == Outcome::Stopped {
                // Do not write it: it would look like the finished picture.
                return Ok(State::Interrupted);
            }
            driver.write(&run.finished())?;
            driver.end(ended, &run)?;
            Ok(State::Made)
        };
        transfer.common().network.in_threads(in_threads)?
    }
}

/// The words after `transfer` for a job with these settings.
fn words(job: &Job, settings: &Settings) -> Result<Vec<String>, Error> {
    let output = job.output.to_str().ok_or_else(|| Error::file("write", &job.output, "the name is not UTF-8"))?;
    let pictures = std::iter::once(&job.content).chain(&job.styles).map(|path| settings::path_word(path));
    let output = ["-o".to_owned(), settings::path_word(output)];
    Ok(pictures.chain(output).chain(settings::words(settings)?).collect())
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Made => "painted",
            Self::Planned => "planned",
            Self::Present => "present",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The seed with which an existing picture was made.
fn seed_of(path: &Path) -> Option<String> {
    let made = Provenance::read(path).ok()??;
    made.settings.get("seed")?.as_str().map(str::to_owned)
}

/// Whether the picture exists and was made with these settings.
fn is_there(path: &Path, wanted: &Provenance) -> bool {
    let same = |made: &Provenance| {
        (&made.version, &made.settings, &made.weights) == (&wanted.version, &wanted.settings, &wanted.weights)
    };
    matches!(Provenance::read(path), Ok(Some(made)) if same(&made))
}
