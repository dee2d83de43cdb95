//! The choices of a transfer side by side: style distances, colours, blends, regions.

use ndarray::Array3;

use super::cell::{Cell, CellJob, Painted};
use impasto::jobs::{Colours, Masks};
use impasto::picture::{ColourMap, Picture, Regions};
use impasto::recipe::{Preset, Recipe, Scales, StyleLoss};

/// The content and two styles; the content in the first style with each style distance and with each choice of colours; and in
/// both styles, blended and in halves.
pub fn controls<'a>(content: &'a Picture, styles: [&'a Picture; 2], trained: bool) -> Vec<Vec<Cell<'a>>> {
    let original = |label: &str, image| Cell { label: label.into(), image, job: CellJob::Original };
    let plain = || Painted {
        styles: vec![styles[0]],
        recipe: Recipe {
            scales: Scales::Count(1),
            reference_side: None,
            finish: None,
            ..Preset::Balanced.recipe(trained)
        },
        colours: Colours::Style,
        masks: None,
    };
    let painted =
        |label: &str, how: Painted<'a>| Cell { label: label.into(), image: content, job: CellJob::Painted(how) };
    let by = |style_loss: StyleLoss| {
        painted(
            &format!("style loss {style_loss}"),
            Painted { recipe: Recipe { style_loss, ..plain().recipe }, ..plain() },
        )
    };
    let coloured = |label: &str, colours| painted(label, Painted { colours, ..plain() });
    let both = || Painted { styles: styles.to_vec(), ..plain() };
    let flat =
        |levels: &[f32]| Regions::of(&Picture::new(Array3::from_shape_fn((1, levels.len(), 3), |(_, j, _)| levels[j])));
    let halves = Masks { content: flat(&[0.0, 1.0]), styles: vec![flat(&[0.0]), flat(&[1.0])] };
    vec![
        vec![original("content", content), original("style 1", styles[0]), original("style 2", styles[1])],
        vec![by(StyleLoss::Gram), by(StyleLoss::Moments), by(StyleLoss::Wasserstein)],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_another() {
        let [content, one, other] = [0.2, 0.5, 0.8].map(|level| Picture::new(Array3::from_elem((8, 8, 3), level)));
        let rows = controls(&content, [&one, &other], true);
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 2]);
        let mut descriptions: Vec<_> = rows[1..].iter().flatten().map(Cell::description).collect();
        descriptions.sort();
        descriptions.dedup();
        assert_eq!(descriptions.len(), 8, "{descriptions:?}");
    }
}
