//! The progress of a run: a bar on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use clap::Args;
use impasto::escape::escaped;
use impasto::optim::Step;
use impasto::recipe::Scale;
use impasto::run::{Progress, Run, Stop, Watcher};
use indicatif::{ProgressBar, ProgressStyle};

use super::preview::Preview;
use super::print::note;

/// The shortest time between plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Positions of the bar: many more than it has columns.
const FINE: f64 = 1000.0;

/// Options for messages on standard error.
#[derive(Args, Clone, Copy)]
pub(super) struct Verbosity {
    /// Print errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Print more: inputs, every term, and what the optimiser does
    #[arg(short, long)]
    pub(super) verbose: bool,
}

/// Shows the iterations of a run.
pub(super) struct Display<'a> {
    verbosity: Verbosity,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    preview: Option<&'a mut Preview>,
}

impl<'a> Display<'a> {
    pub(super) fn new(verbosity: Verbosity, preview: Option<&'a mut Preview>, run: &Run<'_>) -> Self {
        let bar = (!verbosity.quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{prefix:>7} {bar:16} {msg}").expect("a valid template");
            let bar = ProgressBar::new(FINE as u64).with_style(style);
            bar.set_prefix(stage(run.scales()[0]));
            bar.tick();
            bar
        });
        Self { verbosity, bar, last_line: None, preview }
    }

    /// The picture so far, above the bar.
    fn show(&mut self, run: &Run<'_>, progress: &Progress) {
        let last = progress.iteration == progress.iterations;
        let Some(preview) = self.preview.as_deref_mut().filter(|preview| last || preview.due()) else { return };
        match &self.bar {
            Some(bar) => bar.suspend(|| preview.show(run.finished())),
            None => preview.show(run.finished()),
        }
    }

    /// Prints a line that stays.
    fn say(&mut self, line: &str) {
        if let Some(preview) = &mut self.preview {
            preview.leave();
        }
        match &self.bar {
            Some(bar) => bar.println(escaped(line)),
            None if !self.verbosity.quiet => note(format_args!("{line}")),
            None => {}
        }
    }
}

impl Watcher for Display<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        let Verbosity { quiet, verbose } = self.verbosity;
        self.show(run, progress);
        if quiet {
            return ControlFlow::Continue(());
        }
        let last = progress.iteration == progress.iterations || run.outcome().is_some();
        if verbose && progress.iteration_of_scale == 1 {
            self.say(&format!("{}, weights: {}", stage(progress.scale), weights(run)));
        }
        if matches!(progress.step, Step::Restarted(_)) || verbose && progress.step != Step::Moved {
            self.say(&format!("iteration {}: {}", progress.iteration, progress.step));
        }
        if let Some(bar) = &self.bar {
            bar.set_position((progress.done * FINE) as u64);
            bar.set_prefix(stage(progress.scale));
            bar.set_message(message(progress));
            if last {
                bar.finish_and_clear();
            }
        }
        let due = self.last_line.is_none_or(|last| last.elapsed() >= BETWEEN_LINES);
        if verbose || self.bar.is_none() && (due || last) {
            self.say(&format!("{}, iteration {}: {}", stage(progress.scale), progress.iteration, message(progress)));
            self.last_line = Some(Instant::now());
        }
        if verbose {
            for group in progress.groups.iter().filter(|group| group.terms.len() > 1) {
                let terms: Vec<String> =
                    group.terms.iter().map(|(name, value)| format!("{name} {}", plain(*value))).collect();
                self.say(&format!("  {}: {}", group.name, terms.join(", ")));
            }
        }
        if let Some(fall) = progress.settled {
            self.say(&format!(
                "{}: done after {} of {} iterations, the last ten of which lowered the loss by {:.2} %",
                stage(progress.scale),
                progress.iteration_of_scale,
                progress.scale.steps,
                100.0 * fall
            ));
        }
        ControlFlow::Continue(())
    }
}

/// The current stage: `512 px` or `512 px, finish`.
fn stage(scale: Scale) -> String {
    format!("{} px{}", scale.side, if scale.finish { ", finish" } else { "" })
}

/// The weight of each group of terms and, in brackets, of each of its terms: `style 200 (relu1_1 0.75, relu2_1 0.19)`.
fn weights(run: &Run<'_>) -> String {
    let term = |(name, weight): (String, f64)| format!("{name} {}", plain(weight));
    let groups = run.objective().weights().filter(|(_, _, terms)| !terms.is_empty()).map(|(name, weight, terms)| {
        let terms: Vec<String> = terms.into_iter().map(term).collect();
        format!("{name} {} ({})", plain(weight), terms.join(", "))
    });
    groups.collect::<Vec<_>>().join(", ")
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The progress, the remaining time and the terms, in at most 54 columns.
fn message(progress: &Progress) -> String {
    let left = progress.time_left().map_or_else(String::new, |left| format!("{} left  ", duration(left)));
    let shown = progress.groups.iter().filter(|group| group.value != 0.0);
    let terms: Vec<String> = shown.map(|group| format!("{} {}", group.name, plain(group.value))).collect();
    format!("{:3.0} %  {left}{}", 100.0 * progress.done, terms.join("  "))
}

/// 45 s, 3 min 20 s, 2 h 5 min.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number with three digits: 12.3, 0.00456, and with an exponent only if there were too many zeros: 7.89e-6.
pub(super) fn plain(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    match digits {
        0..=6 => format!("{value:.0$}", digits as usize),
        -4..0 => format!("{value:.0}"),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_as_people_write_them() {
        let numbers = [0.0, 12.34, 0.004_56, 8.3731, 123_456.0, 7.89e-6, 1e9, 0.999].map(plain);
        assert_eq!(numbers, ["0", "12.3", "0.00456", "8.37", "123456", "7.89e-6", "1.00e9", "0.999"]);
        let times = [0, 45, 200, 7500].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(times, ["0 s", "45 s", "3 min 20 s", "2 h 5 min"]);
    }
}
