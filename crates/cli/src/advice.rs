//! Adds the options that help to errors of the library.

use impasto::jobs::{MasksError, TextureError};
use impasto::run::MemoryError;

/// The error and the advice if memory is short; `largest` is the longer side of the largest picture that fits, and `unfinished`
/// says that the picture fits without its finish.
pub(super) fn memory(error: &MemoryError, largest: Option<usize>, unfinished: bool) -> String {
    let more = format!("--memory {} if the machine has that much", rounded_up(error.needed));
    let size = largest.map(|largest| format!("--size {largest}"));
    let ways: Vec<_> = size.into_iter().chain(unfinished.then(|| "--finish 0".into())).collect();
    match ways.len() {
        0 => format!("{error}; give {more}"),
        _ => format!("{error}; give {}, or {more}", ways.join(", ")),
    }
}

/// An amount as `--memory` takes it, in whole MB.
fn rounded_up(bytes: usize) -> String {
    format!("{}M", bytes.div_ceil(1 << 20))
}

/// The error and the advice for masks.
pub(super) fn masks(error: &MasksError) -> String {
    match error {
        MasksError::Count { .. } => format!("{error}: give --style-mask once for each STYLE, in the same order"),
        MasksError::OfContent(_) | MasksError::OfStyle { .. } => {
            format!("{error}; change --content-mask or --style-mask (a region covers at least 0.5 % of the picture)")
        }
        MasksError::Invisible("content") => format!("{error}; give --paint-transparent to paint it anyway"),
        MasksError::Region(_) => format!("{error}; give a larger --size, larger regions, or fewer --style-layers"),
        _ => error.to_string(),
    }
}

/// The error and the advice for a texture.
pub(super) fn texture(error: &TextureError) -> String {
    let TextureError::Seam { stride, width, height, .. } = error else { return error.to_string() };
    let up = |side: &usize| side.next_multiple_of(*stride);
    format!("{error}; give --size {},{}", up(width), up(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_up_to_whole_megabytes() {
        assert_eq!([rounded_up(3 << 20), rounded_up((3 << 20) + 1)], ["3M", "4M"]);
    }
}
