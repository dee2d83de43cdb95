//! Pictures to try things on, drawn by computing every pixel. Three show something: a harbour at sunset, a portrait, a fox.
//! Four are styles: swirling brush strokes, a mosaic, hatching in ink, cut paper.

mod cut_paper;
mod fox;
mod geometry;
mod harbour;
mod ink;
mod mosaic;
mod noise;
mod portrait;
mod solid;
mod strokes;

use impasto::picture::Picture;

/// The content: a harbour at sunset, with sun, sails, a lighthouse and houses.
///
/// # Panics
/// If a side is 0.
pub fn content(height: usize, width: usize) -> Picture {
    Picture::new(harbour::draw(height, width))
}

/// A mask of the harbour's regions: the sky is white, all else black.
///
/// # Panics
/// If a side is 0.
pub fn sky_mask(height: usize, width: usize) -> Picture {
    Picture::new(harbour::sky_mask(height, width))
}

/// A second content: the portrait of a woman with a headscarf. It is composed for a height of 5/4 of the width.
///
/// # Panics
/// If a side is 0.
pub fn portrait(height: usize, width: usize) -> Picture {
    Picture::new(portrait::draw(height, width))
}

/// A third content: a fox that sits in an autumn wood. It is composed for a height of 3/4 of the width.
///
/// # Panics
/// If a side is 0.
pub fn fox(height: usize, width: usize) -> Picture {
    Picture::new(fox::draw(height, width))
}

/// The style: a painting of swirling brush strokes, of `side`×`side` pixels.
///
/// # Panics
/// If `side` is 0.
pub fn style(side: usize) -> Picture {
    Picture::new(strokes::paint(side))
}

/// A second style: a mosaic of glass tiles, of `side`×`side` pixels.
///
/// # Panics
/// If `side` is 0.
pub fn mosaic(side: usize) -> Picture {
    Picture::new(mosaic::lay(side))
}

/// A third style: a landscape hatched in ink, of `side`×`side` pixels.
///
/// # Panics
/// If `side` is 0.
pub fn ink(side: usize) -> Picture {
    Picture::new(ink::draw(side))
}

/// A fourth style: a collage of cut paper, of `side`×`side` pixels.
///
/// # Panics
/// If `side` is 0.
pub fn cut_paper(side: usize) -> Picture {
    Picture::new(cut_paper::cut(side))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a of a picture's values.
    fn digest(picture: &Picture) -> u64 {
        let bytes = picture.rgb.iter().flat_map(|value| value.to_bits().to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// These drawings use only operations that are rounded exactly, so that their bits are the same everywhere.
    #[test]
    fn drawings_keep_their_bits() {
        for (name, picture, wanted) in [
            ("portrait", portrait(60, 48), 0),
            ("fox", fox(48, 64), 0),
            ("mosaic", mosaic(64), 0),
            ("ink", ink(64), 0),
            ("cut paper", cut_paper(64), 0),
        ] {
            assert_eq!(digest(&picture), wanted, "{name}: 0x{:x}", digest(&picture));
        }
    }

    #[test]
    fn the_mask_is_the_sky() {
        let mask = sky_mask(96, 128);
        assert!(mask.rgb.iter().all(|&level| level == 0.0 || level == 1.0));
        let white = |i: usize, j: usize| mask.rgb[[i, j, 0]] == 1.0;
        // The upper corners, and neither the boat's sail nor the water.
        assert!(white(2, 2) && white(2, 125) && !white(48, 60) && !white(90, 20));
        assert!((0.2..0.6).contains(&mask.rgb.mean().unwrap()));
    }

    #[test]
    fn every_value_is_a_colour_and_no_drawing_is_flat() {
        let drawn = [content(48, 64), portrait(60, 48), fox(48, 64), style(48), mosaic(64), ink(64), cut_paper(64)];
        for picture in drawn {
            assert!(picture.rgb.iter().all(|level| (0.0..=1.0).contains(level)));
            assert!(picture.rgb.std(0.0) > 0.1);
        }
    }
}
