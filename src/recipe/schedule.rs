//! Coarse to fine: the scales of a painting, each started from the result of the previous one.
//!
//! Strokes and swirls are as large as the receptive field of a layer, about the same number of pixels at every scale. What is
//! painted at a small scale therefore becomes large forms, and each further scale adds finer ones. Most of the work is done where a
//! step is cheap. (Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 6, start large
//! pictures this way.)

use std::fmt;
use std::str::FromStr;

/// One scale of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The picture's longer side in pixels.
    pub side: usize,
    /// The number of iterations.
    pub steps: usize,
    /// Whether this is the finish, at the size of the previous scale; see [`Finish`](super::Finish).
    pub finish: bool,
}

/// The scales of a run, from small to large.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scales {
    /// Sizes that double up to the picture's own, the smallest between [`SMALLEST`](Self::SMALLEST) and twice that.
    Auto,
    /// Sizes that double up to the picture's own, the smallest between this and twice that.
    From(usize),
    /// That number of sizes, doubling up to the picture's own.
    Count(usize),
    /// These longer sides in pixels, the last of which is the picture's.
    Sides(Vec<usize>),
}

/// The number of iterations at each scale.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Steps {
    /// Fewer at larger scales.
    Auto,
    /// Half as many as `Auto`.
    Half,
    /// That number at each scale.
    Each(usize),
    /// The number at the last scale, or at each.
    Given(Vec<usize>),
}

/// Scales and steps that do not match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Several numbers of steps, but not one for each scale.
    #[error("{steps} numbers of steps are given for {scales} scales; give one for the last scale, or one for each")]
    Lengths {
        /// How many numbers of steps were given.
        steps: usize,
        /// The number of scales.
        scales: usize,
    },
    /// Too many scales: the smallest would have no pixels.
    #[error("{count} scales that double up to {side} pixels would begin below {least} pixels; give at most {most}")]
    TooMany {
        /// The requested number.
        count: usize,
        /// The picture's longer side.
        side: usize,
        /// The smallest side that can be painted.
        least: usize,
        /// The largest possible number.
        most: usize,
    },
}

impl Scales {
    /// The smallest longer side of the first scale with `auto`.
    pub const SMALLEST: usize = 128;
    /// The smallest longer side of a scale chosen by count.
    const LEAST: usize = 16;

    /// The longer sides of the scales for a picture with longer side `side`.
    fn sides(&self, side: usize) -> Result<Vec<usize>, ScheduleError> {
        let halved = |count: usize| {
            (0..count).rev().map(|halvings| (side as f64 / (halvings as f64).exp2()).round() as usize).collect()
        };
        let down_to = |least: usize| (side / least).max(1).ilog2() as usize + 1;
        match self {
            Self::Auto => Ok(halved(down_to(Self::SMALLEST))),
            Self::From(smallest) => Ok(halved(down_to((*smallest).max(1)))),
            Self::Count(count) if *count > down_to(Self::LEAST) => {
                let most = down_to(Self::LEAST);
                Err(ScheduleError::TooMany { count: *count, side, least: Self::LEAST, most })
            }
            Self::Count(count) => Ok(halved(*count)),
            Self::Sides(sides) => Ok(sides.clone()),
        }
    }

    /// The longer side of the picture, if these scales determine it.
    pub fn last(&self) -> Option<usize> {
        if let Self::Sides(sides) = self { sides.last().copied() } else { None }
    }

    /// The schedule for a picture with longer side `side`.
    ///
    /// # Errors
    /// If there are several numbers of steps, but not one for each scale, or if there are too many scales.
    pub fn schedule(&self, steps: &Steps, side: usize) -> Result<Vec<Scale>, ScheduleError> {
        let sides = self.sides(side)?;
        let count = sides.len();
        let steps: Vec<usize> = match steps {
            Steps::Given(steps) if steps.len() == count => steps.clone(),
            Steps::Given(steps) if steps.len() == 1 => {
                // Smaller scales get more steps, in proportion to the automatic numbers.
                let share = steps[0] as f64 / Steps::auto(sides[count - 1]);
                sides.iter().map(|&side| (Steps::auto(side) * share).round().max(1.0) as usize).collect()
            }
            Steps::Given(steps) => return Err(ScheduleError::Lengths { steps: steps.len(), scales: count }),
            Steps::Auto => sides.iter().map(|&side| Steps::auto(side).round() as usize).collect(),
            Steps::Each(steps) => vec![*steps; count],
            Steps::Half => sides.iter().map(|&side| (Steps::auto(side) / 2.0).round() as usize).collect(),
        };
        Ok(sides.into_iter().zip(steps).map(|(side, steps)| Scale { side, steps, finish: false }).collect())
    }
}

impl Steps {
    /// That number of iterations at the last scale.
    pub fn last(steps: usize) -> Self {
        Self::Given(vec![steps])
    }

    /// The given numbers; none for `auto`.
    pub fn given(&self) -> &[usize] {
        if let Self::Given(steps) = self { steps } else { &[] }
    }

    /// The number for a scale.
    fn auto(side: usize) -> f64 {
        // 50 at 128 pixels, 25 at 256, 12.5 at 512, 10.5 at 1024, 8.5 at 2048, 6.5 at 4096; halves are rounded up.
        let octaves = (side as f64 / 128.0).log2();
        if octaves <= 2.0 { (50.0 / octaves.exp2()).min(60.0) } else { (12.5 - 2.0 * (octaves - 2.0)).max(4.0) }
    }
}

/// Positive whole numbers separated by commas.
fn numbers(text: &str) -> Option<Vec<usize>> {
    let number = |part: &str| part.trim().parse().ok().filter(|&n: &usize| (1..=1_000_000_000).contains(&n));
    text.split(',').map(number).collect()
}

impl FromStr for Scales {
    type Err = String;

    /// Parses `auto`, a number of scales, or longer sides separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let growing = |sides: &Vec<usize>| sides.windows(2).all(|pair| pair[0] < pair[1]) && sides[0] >= Self::LEAST;
        match numbers(text) {
            Some(numbers) if numbers.len() == 1 && numbers[0] <= 16 => Ok(Self::Count(numbers[0])),
            Some(sides) if sides.len() > 1 && growing(&sides) && sides.iter().all(|side| *side <= 65_536) => {
                Ok(Self::Sides(sides))
            }
            _ => {
                Err("give auto, a number of scales (1 to 16), or increasing longer sides in pixels, as in 128,256,512"
                    .into())
            }
        }
    }
}

impl FromStr for Steps {
    type Err = String;

    /// Parses a number of iterations, or several separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        numbers(text)
            .map(Self::Given)
            .ok_or_else(|| "give a number above 0, or one for each scale, as in 60,40,20".into())
    }
}

impl fmt::Display for Scales {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::From(smallest) => write!(f, "from {smallest}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Sides(sides) => f.write_str(&listed(sides)),
        }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Half => f.write_str("half of auto"),
            Self::Each(steps) => write!(f, "{steps} at each"),
            Self::Given(steps) => f.write_str(&listed(steps)),
        }
    }
}

fn listed(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(scales: &str, steps: Option<&str>, side: usize) -> Result<Vec<(usize, usize)>, String> {
        let steps = steps.map_or(Steps::Auto, |steps| steps.parse().unwrap());
        let schedule = scales.parse::<Scales>()?.schedule(&steps, side).map_err(|error| error.to_string())?;
        Ok(schedule.iter().map(|scale| (scale.side, scale.steps)).collect())
    }

    #[test]
    fn auto_doubles_up_to_the_picture_with_fewer_and_fewer_steps() {
        for side in [1, 16, 64, 127, 128, 200, 255, 256, 512, 700, 1024, 4096] {
            let scales = schedule("auto", None, side).unwrap();
            assert_eq!(scales.last().unwrap().0, side);
            assert!(scales.windows(2).all(|pair| pair[0].1 >= pair[1].1 && pair[0].0.abs_diff(pair[1].0 / 2) <= 1));
            let smallest = scales[0].0;
            assert!(side < 128 && smallest == side || (127..256).contains(&smallest), "{side}: {smallest}");
        }
        assert_eq!(schedule("auto", None, 512).unwrap().len(), 3);
        let steps: Vec<usize> = schedule("auto", None, 4096).unwrap().into_iter().map(|(_, steps)| steps).collect();
        assert_eq!(steps, [50, 25, 13, 11, 9, 7]);
    }

    #[test]
    fn scales_and_steps_as_given() {
        assert_eq!(schedule("1", Some("500"), 512), Ok(vec![(512, 500)]));
        assert_eq!(schedule("2", Some("7,3"), 300), Ok(vec![(150, 7), (300, 3)]));
        assert_eq!(schedule("96,200,512", Some("9,8,7"), 512), Ok(vec![(96, 9), (200, 8), (512, 7)]));
        let longer = schedule("auto", Some("40"), 512).unwrap();
        let auto = schedule("auto", None, 512).unwrap();
        assert_eq!(longer[2].1, 40);
        let (asked, usual) = (longer[0].1 as f64 / auto[0].1 as f64, 40.0 / auto[2].1 as f64);
        assert!((asked / usual - 1.0).abs() < 0.05, "{asked} {usual}");
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        assert!(schedule("3", Some("1,2"), 512).unwrap_err().starts_with("2 numbers of steps are given for 3 scales"));
        assert!(schedule("7", None, 100).unwrap_err().ends_with("give at most 3"));
        for text in ["", "0", "17", "512,256", "256,256", "8,16", "x", "128,", "128,9999999999"] {
            assert!(text.parse::<Scales>().unwrap_err().starts_with("give auto"), "{text}");
        }
        for text in ["", "0", "-1", "1.5", "4,,5"] {
            assert!(text.parse::<Steps>().unwrap_err().starts_with("give a number above 0"), "{text}");
        }
    }

    #[test]
    fn both_are_written_as_they_are_read() {
        for text in ["auto", "3", "128,256"] {
            assert_eq!(text.parse::<Scales>().unwrap().to_string(), text);
        }
        assert_eq!("60,40,20".parse::<Steps>().unwrap().to_string(), "60,40,20");
    }
}
