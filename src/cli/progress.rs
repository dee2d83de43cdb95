//! What a run shows while it goes: a bar on a terminal, plain lines elsewhere, nothing if it is to be quiet.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::Args;
use impasto::optim::Step;
use impasto::studio::Progress;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Plain lines come no closer than this.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// How much is said on standard error.
#[derive(Args, Clone, Copy)]
pub(super) struct Verbosity {
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Say more: what is read, and what the optimiser does
    #[arg(short, long)]
    pub(super) verbose: bool,
}

/// Shows the iterations of a run.
pub(super) struct Display {
    verbosity: Verbosity,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Display {
    pub(super) fn new(verbosity: Verbosity, steps: usize) -> Self {
        let bar = (!verbosity.quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}").expect("a valid template");
            ProgressBar::new(steps as u64).with_style(style)
        });
        Self { verbosity, bar, last_line: None }
    }

    pub(super) fn show(&mut self, progress: &Progress<'_>) {
        if self.verbosity.quiet {
            return;
        }
        if matches!(progress.step, Step::Restarted(_)) || self.verbosity.verbose && progress.step != Step::Moved {
            self.say(&format!("iteration {}: {}", progress.iteration, progress.step));
        }
        let losses = losses(progress);
        if let Some(bar) = &self.bar {
            bar.set_position(progress.iteration as u64);
            bar.set_message(format!("{losses}  {} left", HumanDuration(time_left(progress))));
            return;
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= BETWEEN_LINES);
        if due || self.verbosity.verbose || progress.iteration == progress.steps {
            let left = HumanDuration(time_left(progress));
            eprintln!("iteration {}/{}  {losses}  {left} left", progress.iteration, progress.steps);
            self.last_line = Some(Instant::now());
        }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None if !self.verbosity.quiet => eprintln!("{line}"),
            None => {}
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

fn losses(progress: &Progress<'_>) -> String {
    let shown = progress.terms.iter().filter(|(_, value)| *value != 0.0);
    let terms: Vec<String> = shown.map(|(name, value)| format!("{name} {value:.4e}")).collect();
    format!("loss {:.4e} ({})", progress.total, terms.join(", "))
}

fn time_left(progress: &Progress<'_>) -> Duration {
    let left = progress.steps - progress.iteration;
    progress.elapsed.mul_f64(left as f64 / progress.iteration as f64)
}
