//! Masks of content and styles, whose regions are matched by colour, and transparency.

use ndarray::Array2;

use crate::objective::{Region, RegionError};
use crate::picture::{Picture, RegionColour, Regions};

/// The regions of the content and of the styles. Each region of the content is painted in the style of the regions with
/// about the same colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Masks {
    /// The content's regions.
    pub content: Regions,
    /// The regions of each style, in order.
    pub styles: Vec<Regions>,
}

/// Masks do not match, or nothing is left to paint.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum MasksError {
    /// A region vanishes at a layer.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// No style has a region of the content.
    #[error("the content's mask has a region that no style's mask has: {0}; regions are matched by colour")]
    OfContent(RegionColour),
    /// The content lacks a region of a style.
    #[error(
        "the mask of style {style} has a region that the content's mask lacks: {colour}; regions are matched by colour"
    )]
    OfStyle {
        /// The style's number, from 1.
        style: usize,
        /// The region.
        colour: RegionColour,
    },
    /// The numbers of masks and styles differ.
    #[error("there are {masks} masks for {styles} styles; each style needs one")]
    Count {
        /// The number of masks.
        masks: usize,
        /// The number of styles.
        styles: usize,
    },
    /// A picture is wholly transparent.
    #[error("the {0} is completely transparent")]
    Invisible(&'static str),
}

impl Masks {
    /// Checks that each region has a match.
    pub(super) fn check(&self, styles: usize) -> Result<(), MasksError> {
        let has = |regions: &Regions, colour: RegionColour| regions.colours().iter().any(|own| own.is_near(colour));
        if self.styles.len() != styles {
            return Err(MasksError::Count { masks: self.styles.len(), styles });
        }
        let alone = |&&colour: &&RegionColour| !self.styles.iter().any(|style| has(style, colour));
        if let Some(colour) = self.content.colours().iter().find(alone) {
            return Err(MasksError::OfContent(*colour));
        }
        for (index, style) in self.styles.iter().enumerate() {
            if let Some(&colour) = style.colours().iter().find(|colour| !has(&self.content, **colour)) {
                return Err(MasksError::OfStyle { style: index + 1, colour });
            }
        }
        Ok(())
    }
}

/// The regions at the sizes of the pictures. Transparent pixels of the styles are ignored; so are those of the content,
/// unless `paint_transparent`.
pub(super) fn regions(
    masks: Option<&Masks>,
    content: &Picture,
    styles: &[&Picture],
    paint_transparent: bool,
) -> Result<Vec<Region>, MasksError> {
    let size = |picture: &Picture| [picture.height(), picture.width()];
    let visible = |picture: &Picture, name| match &picture.alpha {
        Some(alpha) if alpha.iter().all(|&a| a <= 0.0) => Err(MasksError::Invisible(name)),
        Some(alpha) if alpha.iter().any(|&a| a < 1.0) => Ok(Some(alpha.mapv(|a| a.clamp(0.0, 1.0)))),
        _ => Ok(None),
    };
    let content_alpha = if paint_transparent { None } else { visible(content, "content")? };
    let alphas = styles.iter().map(|style| visible(style, "style")).collect::<Result<Vec<_>, _>>()?;
    let Some(masks) = masks else {
        let styles = alphas.into_iter().enumerate().collect();
        return Ok(vec![Region { name: String::new(), picture: content_alpha, styles }]);
    };
    let one = masks.content.colours().len() == 1;
    let region = |&colour: &RegionColour| {
        let part = masks.content.shares(colour, size(content)).expect("one of its own");
        let of_style = |((index, regions), alpha): ((usize, &Regions), &Option<Array2<f32>>)| {
            Some((index, together(regions.shares(colour, size(styles[index]))?, alpha.as_ref())))
        };
        let styles = masks.styles.iter().enumerate().zip(&alphas).filter_map(of_style).collect();
        let name = if one { String::new() } else { colour.to_string() };
        Region { name, picture: together(part, content_alpha.as_ref()), styles }
    };
    Ok(masks.content.colours().iter().map(region).collect())
}

/// The visible pixels of a region; `None` if all pixels are visible and in it.
fn together(part: Array2<f32>, alpha: Option<&Array2<f32>>) -> Option<Array2<f32>> {
    let weights = alpha.map_or_else(|| part.clone(), |alpha| &part * alpha);
    // Averages of ones may differ from 1 by rounding.
    weights.iter().any(|&w| w < 0.9999).then_some(weights)
}
