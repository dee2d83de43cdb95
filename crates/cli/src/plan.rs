//! `impasto plan`: estimates time and memory of a job.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use impasto::run::{Forecast, ScaleForecast, Speed};
use serde_json::json;

use super::error::Error;
use super::jobs::{self, Job};
use super::memory::shown;
use super::print::results;
use super::progress::duration;

/// Estimate time and memory of a transfer, a texture or an inversion
///
/// `plan CONTENT STYLE` takes the options of `transfer`; `plan texture EXAMPLE` and `plan invert IMAGE` take those of
/// their commands. Paints and writes nothing, but measures the speed of this machine for about a second.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    job: Job,

    /// Print JSON: peak_memory_bytes, allowed_memory_bytes, seconds, and for each of scales width, height, steps,
    /// finish, seconds_per_step, peak_memory_bytes and plan
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
}

/// The command line with `transfer` inserted after `plan` if no job is named.
pub(super) fn with_job(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<_> = words.into_iter().collect();
    let jobs = jobs::names();
    let named =
        |word: &OsString| jobs.iter().map(String::as_str).chain(["-h", "--help", "help"]).any(|name| word == name);
    if words.get(1).is_some_and(|word| word == "plan") && words.len() > 2 && !words[2..].iter().take(2).any(named) {
        words.insert(2, (&jobs[0]).into());
    }
    words
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let job = arguments.job.command();
    let memory = job.common().memory_budget();
    let (forecast, speed) = job.common().network.in_threads(|| {
        let (forecast, work) = job.forecast(memory)?;
        Ok::<_, Error>((forecast, work.speed()))
    })??;
    let text = if arguments.json {
        format!("{:#}", as_json(&forecast, memory, speed))
    } else {
        as_text(&forecast, memory, speed)
    };
    results(&text);
    Ok(ExitCode::SUCCESS)
}

/// A forecast as JSON.
pub(super) fn as_json(forecast: &Forecast, memory: usize, speed: Speed) -> serde_json::Value {
    let scale = |scale: &ScaleForecast| {
        json!({
            "width": scale.size[1],
            "height": scale.size[0],
            "steps": scale.scale.steps,
            "finish": scale.scale.finish,
            "seconds_per_step": scale.step(speed).as_secs_f64(),
            "peak_memory_bytes": scale.memory,
            "plan": scale.plan.to_string(),
        })
    };
    json!({
        "peak_memory_bytes": forecast.memory(),
        "allowed_memory_bytes": (memory < usize::MAX).then_some(memory),
        "seconds": forecast.time(speed).as_secs_f64(),
        "scales": forecast.scales.iter().map(scale).collect::<Vec<_>>(),
    })
}

fn as_text(forecast: &Forecast, memory: usize, speed: Speed) -> String {
    if forecast.scales.is_empty() {
        return "only colours are changed, which takes a moment\n".into();
    }
    let mut text = format!("{:>13} {:>6} {:>9} {:>9}  computed with\n", "pixels", "steps", "a step", "memory");
    for scale in &forecast.scales {
        let (size, step) = (format!("{}×{}", scale.size[1], scale.size[0]), scale.step(speed).as_secs_f64());
        let steps = scale.scale.steps;
        let finish = if scale.scale.finish { "; the finish" } else { "" };
        text += &format!("{size:>13} {steps:>6} {step:>7.2} s {:>9}  {}{}\n", shown(scale.memory), scale.plan, finish);
    }
    let of = if memory < usize::MAX { format!(" of the {} that may be used", shown(memory)) } else { String::new() };
    text + &format!("about {}, at most {}{of}\n", duration(forecast.time(speed)), shown(forecast.memory()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_planned_where_no_job_is_named() {
        let words = |line: &str| {
            let words = with_job(line.split(' ').map(OsString::from)).into_iter();
            words.map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("impasto plan a.jpg b.jpg --size 9"), "impasto plan transfer a.jpg b.jpg --size 9");
        assert_eq!(words("impasto plan --json a.jpg b.jpg"), "impasto plan transfer --json a.jpg b.jpg");
        for line in
            ["impasto plan texture a.jpg", "impasto plan --json invert a.jpg", "impasto plan --help", "impasto plan"]
        {
            assert_eq!(words(line), line);
        }
        assert_eq!(words("impasto transfer plan b.jpg"), "impasto transfer plan b.jpg");
    }
}
