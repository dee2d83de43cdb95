//! What would help a transfer, as far as the sizes of its pictures tell.

use std::path::Path;

use impasto::picture::{self, Dimensions, Picture};

use super::error::Error;

/// A style is tiny if it is enlarged this much or more.
const ENLARGED: usize = 2;

/// A style is also tiny if the painted picture is this much larger or more.
const OUTGROWN: usize = 4;

/// A picture in a file, its size there, and the size at which it is used.
pub(super) struct Sized<'a> {
    pub(super) path: &'a Path,
    pub(super) own: Dimensions,
    pub(super) used: Dimensions,
}

impl<'a> Sized<'a> {
    /// A picture that was read from a file; `None` if that was a pipe, which cannot be read again.
    pub(super) fn of(path: &'a Path, picture: &Picture) -> Result<Option<Self>, Error> {
        if path != Path::new("-") && !path.is_file() {
            return Ok(None);
        }
        let [height, width] = picture::shape(path)?;
        // Only decoding would tell whether it is transparent, which makes no difference here.
        Ok(Some(Self { path, own: Dimensions { height, width, opacity: false }, used: picture.into() }))
    }
}

/// Lines for standard error: the photograph is enlarged, or styles are tiny beside a picture whose longer side is `painted`.
/// Empty if nothing is wrong.
pub(super) fn of_sizes(content: Option<&Sized>, painted: usize, styles: &[Sized]) -> Vec<String> {
    content.and_then(photograph).into_iter().chain(tiny(styles, painted)).collect()
}

fn photograph(content: &Sized) -> Option<String> {
    let (own, used) = (content.own.longest(), content.used.longest());
    (own < used).then(|| {
        format!(
            "note: {} has {} pixels and is enlarged to {}, which adds no detail; --size {own} paints it as it is, faster",
            content.path.display(),
            pixels(content.own),
            pixels(content.used),
        )
    })
}

fn tiny(styles: &[Sized], painted: usize) -> Option<String> {
    let is_tiny = |style: &&Sized| {
        let own = style.own.longest();
        ENLARGED * own <= style.used.longest() || OUTGROWN * own <= painted
    };
    let mut tiny = styles.iter().filter(is_tiny);
    let first = tiny.next()?;
    let others = match tiny.count() {
        0 => String::new(),
        1 => " (and another style is as small)".into(),
        others => format!(" (and {others} other styles are as small)"),
    };
    let why = if first.used.longest() > first.own.longest() {
        format!("its strokes are enlarged to {} and blurred", pixels(first.used))
    } else {
        "it shows few strokes".into()
    };
    Some(format!(
        "note: {} has only {} pixels{others}: {why}; a larger picture of it helps",
        first.path.display(),
        pixels(first.own),
    ))
}

fn pixels(picture: Dimensions) -> String {
    format!("{}×{}", picture.width, picture.height)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn drawn(rng: &mut impl Rng, most: usize) -> Dimensions {
        Dimensions { height: rng.random_range(1..most), width: rng.random_range(1..most), opacity: false }
    }

    fn told(content: &Sized, styles: &[Sized]) -> Vec<String> {
        of_sizes(Some(content), content.used.longest(), styles)
    }

    fn sized(path: &str, own: Dimensions, side: usize) -> Sized<'_> {
        Sized { path: Path::new(path), own, used: own.fitted(side) }
    }

    #[test]
    fn enlarged_photographs_are_named_with_the_size_that_helps() {
        let mut rng = ChaCha8Rng::seed_from_u64(27);
        let (mut enlarged, mut others) = (0, 0);
        for _ in 0..1000 {
            let (own, side) = (drawn(&mut rng, 3000), rng.random_range(16..3000));
            let lines = told(&sized("photo.jpg", own, side), &[]);
            if own.longest() < side {
                enlarged += 1;
                assert_eq!(lines.len(), 1);
                let words = format!("note: photo.jpg has {}×{} pixels", own.width, own.height);
                assert!(lines[0].starts_with(&words), "{}", lines[0]);
                assert!(lines[0].contains(&format!("--size {} paints", own.longest())), "{}", lines[0]);
            } else {
                others += 1;
                assert!(lines.is_empty(), "{own:?} at {side}: {lines:?}");
            }
        }
        assert!(enlarged > 100 && others > 100);
    }

    #[test]
    fn tiny_styles_are_named_in_one_line_however_many() {
        let mut rng = ChaCha8Rng::seed_from_u64(28);
        let large = Dimensions { height: 3000, width: 3000, opacity: false };
        let mut seen = [0; 3];
        for _ in 0..1000 {
            let side = rng.random_range(16..2000);
            // The painted picture is as large as the styles, or larger with --style-size.
            let painted = 3000.min(side * rng.random_range(1..6));
            let own: Vec<_> = (0..rng.random_range(1..4)).map(|_| drawn(&mut rng, 1000)).collect();
            let styles: Vec<_> = own.iter().map(|own| sized("style.png", *own, side)).collect();
            let tiny = own.iter().filter(|own| 2 * own.longest() <= side || 4 * own.longest() <= painted).count();
            let lines = told(&sized("photo.jpg", large, painted), &styles);
            assert_eq!(lines.len(), usize::from(tiny > 0), "{own:?} at {side}: {lines:?}");
            seen[tiny.min(2)] += 1;
            if tiny > 2 {
                assert!(lines[0].contains(&format!("{} other styles", tiny - 1)), "{}", lines[0]);
            }
        }
        assert!(seen.iter().all(|&count| count > 10), "{seen:?}");
    }

    #[test]
    fn a_style_at_its_own_size_is_tiny_only_beside_a_large_photograph() {
        let square = |side| Dimensions { height: side, width: side, opacity: false };
        let style = || [sized("style.png", square(64), 64)];
        assert!(told(&sized("photo.jpg", square(128), 128), &style()).is_empty());
        let lines = told(&sized("photo.jpg", square(256), 256), &style());
        assert_eq!(
            lines,
            ["note: style.png has only 64×64 pixels: it shows few strokes; a larger picture of it helps"]
        );
    }
}
