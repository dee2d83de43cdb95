//! The choices of a transfer side by side: style distances, strength, strokes, finish, colours, blends, regions.

use std::borrow::Cow;

use ndarray::Array3;
use strum::VariantArray;

use super::cell::{Cell, CellJob, Painted};
use impasto::jobs::{Colours, Masks};
use impasto::picture::{ColourMap, Picture, Regions};
use impasto::recipe::{Finish, Preset, Recipe, Scales, StyleLoss};

/// The content and two styles; the content in the first style with each style distance, with less and more strength, with
/// the style at half and at twice its size, with the finish, and with each choice of colours; and in both styles, blended and in
/// halves.
pub fn controls<'a>(content: &'a Picture, styles: [&'a Picture; 2], trained: bool) -> Vec<Vec<Cell<'a>>> {
    let original = |label: &str, image| Cell { label: label.into(), image, job: CellJob::Original };
    let recipe =
        Recipe { scales: Scales::Count(1), reference_side: None, finish: None, ..Preset::Balanced.recipe(trained) };
    let plain = || Painted {
        styles: vec![Cow::Borrowed(styles[0])],
        recipe: recipe.clone(),
        colours: Colours::Style,
        masks: None,
    };
    let painted =
        |label: &str, how: Painted<'a>| Cell { label: label.into(), image: content, job: CellJob::Painted(how) };
    let by = |label: String, recipe| painted(&label, Painted { recipe, ..plain() });
    let losses = <StyleLoss as VariantArray>::VARIANTS;
    let losses = losses.iter().map(|&loss| by(format!("style loss {loss}"), recipe.clone().with_style_loss(loss)));
    let strengths = [0.0, 0.25, 0.75, 1.0];
    let strengths =
        strengths.map(|strength| by(format!("strength {strength}"), recipe.clone().with_strength(strength)));
    let strokes = |label: &str, factor: f64| {
        let style = scaled(styles[0], factor, recipe.deepest().stride());
        painted(label, Painted { styles: vec![Cow::Owned(style)], ..plain() })
    };
    let coloured = |label: &str, colours| painted(label, Painted { colours, ..plain() });
    let both = || Painted { styles: styles.map(Cow::Borrowed).to_vec(), ..plain() };
    let flat =
        |levels: &[f32]| Regions::of(&Picture::new(Array3::from_shape_fn((1, levels.len(), 3), |(_, j, _)| levels[j])));
    let halves = Masks { content: flat(&[0.0, 1.0]), styles: vec![flat(&[0.0]), flat(&[1.0])] };
    vec![
        vec![original("content", content), original("style 1", styles[0]), original("style 2", styles[1])],
        losses.collect(),
        strengths.into(),
        vec![
            strokes("style at half its size", 0.5),
            strokes("style at twice its size", 2.0),
            by("finish".into(), Recipe { finish: Some(Finish::default()), ..recipe.clone() }),
        ],
        vec![
            coloured("colors content", Colours::Content),
            coloured("colors match", Colours::Match(ColourMap::Pca)),
            Cell { label: "colors only".into(), image: content, job: CellJob::Recoloured { style: styles[0] } },
        ],
        vec![
            painted("both styles blended", both()),
            painted("one in each half", Painted { masks: Some(halves), ..both() }),
        ],
    ]
}

/// A style at another size, with both sides at least `least` pixels.
fn scaled(style: &Picture, factor: f64, least: usize) -> Picture {
    let [height, width] = [style.height(), style.width()];
    let factor = factor.max(least as f64 / height.min(width) as f64);
    let side = |side: usize| (side as f64 * factor).round() as usize;
    style.clone().resized(side(height), side(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_are_those_of_a_smaller_and_of_a_larger_style() {
        let [content, one, other] = [[40, 64], [64, 40], [20, 90]].map(|[height, width]| {
            Picture::new(Array3::from_shape_fn((height, width, 3), |(i, j, _)| ((i + 2 * j) % 7) as f32 / 6.0))
        });
        let sizes = |style: &Picture| {
            let rows = controls(&content, [style, &one], true);
            let size = |cell: &Cell<'_>| (cell.images()[1].height(), cell.images()[1].width());
            [size(&rows[3][0]), size(&rows[3][1])]
        };
        assert_eq!(sizes(&one), [(32, 20), (128, 80)]);
        assert_eq!(sizes(&other), [(16, 72), (40, 180)], "large enough for the deepest layer");
    }

    #[test]
    fn every_cell_is_another() {
        let [content, one, other] = [0.2, 0.5, 0.8].map(|level| Picture::new(Array3::from_elem((40, 40, 3), level)));
        let rows = controls(&content, [&one, &other], true);
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [3, 5, 4, 3, 3, 2]);
        let other = |cell: &Cell<'_>| format!("{} {:?}", cell.description(), cell.images()[1..].to_vec());
        let mut descriptions: Vec<_> = rows[1..].iter().flatten().map(other).collect();
        descriptions.sort();
        descriptions.dedup();
        assert_eq!(descriptions.len(), 17, "{descriptions:?}");
    }
}
