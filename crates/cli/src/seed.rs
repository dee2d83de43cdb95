//! `--seed`: a number, or a random one.

use std::str::FromStr;

/// The value of `--seed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seed {
    /// This number.
    Given(u64),
    /// A random number, drawn before the run and recorded.
    Random,
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            // -1 is the usual spelling in other programs.
            "random" | "-1" => Ok(Self::Random),
            _ => text.parse().map(Self::Given).map_err(|_| "give a whole number from 0, or random".into()),
        }
    }
}

impl Seed {
    /// The number; 0 if none was drawn, as when only time and memory are estimated.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Given(number) => number,
            Self::Random => 0,
        }
    }

    /// Draws a random number, short enough to read aloud.
    pub(super) fn draw() -> u32 {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_or_random() {
        assert_eq!("7".parse(), Ok(Seed::Given(7)));
        assert_eq!(["random", "-1"].map(str::parse), [Ok(Seed::Random), Ok(Seed::Random)]);
        for wrong in ["-2", "1.5", "", "18446744073709551616", "Random"] {
            assert!(wrong.parse::<Seed>().unwrap_err().contains("random"), "{wrong}");
        }
    }
}
