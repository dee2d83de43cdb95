//! Style transfer: repaints a content image in the style of another (Gatys, Ecker & Bethge 2016).

use ndarray::Axis;

use super::masks::{Masks, MasksError, regions};
use crate::error::Error;
use crate::objective::{Place, Targets, style_transfer_by};
use crate::picture::{ColourMap, Picture, coloured_like};
use crate::recipe::{Preset, Recipe, Scale, Scales, StyleLoss};
use crate::run::{Canvas, Forecast, Job, Load, Run, Stage, Start, Units, forecast_and_load};
use crate::vgg::{Execution, Vgg19};

/// The colours of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colours {
    /// The style's colours.
    #[default]
    Style,
    /// The content's colours with the painting's lightness; see [`coloured_like`].
    Content,
    /// The content's colours, applied to the style first; see [`Picture::in_colours_of`].
    Match(ColourMap),
}

/// The specification of a style transfer: set the fields, then [run](Self::run) it.
///
/// The result has the content's size. Content and styles are used at their own sizes, scaled down together at smaller scales;
/// [`Picture::fitted`] resizes a picture first.
#[derive(Clone)]
pub struct Transfer<'a> {
    /// The content.
    pub content: &'a Picture,
    /// The styles with their shares.
    pub styles: Vec<(&'a Picture, f64)>,
    /// The network.
    pub network: &'a Vgg19<f32>,
    /// The recipe.
    pub recipe: Recipe,
    /// The colours of the result.
    pub colours: Colours,
    /// The regions of the styles; `None` for the same style everywhere.
    pub masks: Option<Masks>,
    /// Whether to paint the content's transparent pixels; otherwise they stay unchanged and do not count.
    pub paint_transparent: bool,
    /// The start of the pixels.
    pub start: Start,
    /// The seed of [`Start::Noise`].
    pub seed: u64,
    /// How the network is executed; the memory limit determines its plan.
    pub execution: Execution,
    /// A cache of the styles' features for further transfers; `None` for no cache.
    pub targets: Option<&'a Targets<f32>>,
}

impl<'a> Transfer<'a> {
    /// A transfer with a preset's recipe. The recipe's pooling overrides that of `network`.
    pub fn new(content: &'a Picture, style: &'a Picture, network: &'a Vgg19<f32>, preset: Preset) -> Self {
        let recipe = preset.recipe(network.is_trained());
        Self {
            content,
            styles: vec![(style, 1.0)],
            network,
            recipe,
            colours: Colours::default(),
            masks: None,
            paint_transparent: false,
            start: Start::Content,
            seed: 0,
            execution: Execution::default(),
            targets: None,
        }
    }

    /// The run.
    ///
    /// # Errors
    /// If the network lacks a layer of the recipe, a picture is too small, scales and steps do not match, or regions do not match.
    pub fn run(self) -> Result<Run<'a>, Error> {
        self.run_within(usize::MAX)
    }

    /// [`run`](Self::run) with a memory limit for the whole process, in bytes.
    ///
    /// # Errors
    /// As [`run`](Self::run), or if the memory limit is too low.
    pub fn run_within(self, memory: usize) -> Result<Run<'a>, Error> {
        Run::within(self.scaled()?, memory)
    }

    /// What it would take if the longer side of the content were `side`, and no more than so many bytes of memory were
    /// used; and its load at that size.
    ///
    /// # Errors
    /// If scales and steps do not go together, or the memory does not do.
    pub fn forecast(self, side: usize, memory: usize) -> Result<(Forecast, Load), Error> {
        forecast_and_load(&self.scaled_to(side)?, memory)
    }

    fn scaled(self) -> Result<Scaled<'a>, Error> {
        if let Some(masks) = &self.masks {
            masks.check(self.styles.len())?;
        }
        let side = self.content.height().max(self.content.width());
        self.scaled_to(side)
    }

    /// With a schedule for a content whose longer side were another: all pictures as much larger or smaller.
    fn scaled_to(self, to: usize) -> Result<Scaled<'a>, Error> {
        let side = self.content.height().max(self.content.width());
        let mut scales = self.recipe.scales.schedule(&self.recipe.steps, to)?;
        if self.recipe.scales == Scales::Auto {
            // Narrow pictures start larger, so that the deepest layer has positions.
            let pictures = self.styles.iter().map(|(style, _)| *style).chain([self.content]);
            let narrowest = pictures.map(|picture| picture.height().min(picture.width())).min().unwrap_or(0);
            let (least, last) = (self.recipe.deepest().stride(), scales.len() - 1);
            let fits = |scale: &Scale| narrowest * scale.side >= least * side;
            let first = scales.iter().position(fits).unwrap_or(last);
            scales.drain(..first.min(last));
        }
        Ok(Scaled { transfer: self, scales, side })
    }
}

struct Scaled<'a> {
    transfer: Transfer<'a>,
    scales: Vec<Scale>,
    /// The content's longer side.
    side: usize,
}

impl Scaled<'_> {
    /// The longer side of a picture whose own is `own`, where the content's is `side`.
    fn longest(&self, own: usize, side: usize) -> usize {
        ((own * side) as f64 / self.side as f64).round().max(1.0) as usize
    }
}

impl Job for Scaled<'_> {
    fn scales(&self) -> &[Scale] {
        &self.scales
    }

    fn stage(&self, index: usize, so_far: Option<&Canvas>) -> Result<Stage, Error> {
        let Transfer { content, styles, recipe, colours, masks, paint_transparent, start, seed, execution, .. } =
            &self.transfer;
        let network = self.transfer.network.clone().with_pooling(recipe.pooling);
        let Scale { side, steps } = self.scales[index];
        let scaled = |picture: &Picture| {
            let own = picture.height().max(picture.width());
            picture.clone().fitted(self.longest(own, side)).with_hidden_filled()
        };
        let content = scaled(content);
        let coloured = |style: Picture| match colours {
            Colours::Match(map) => style.in_colours_of(&[(&content, 1.0)], *map),
            Colours::Style | Colours::Content => style,
        };
        let styles: Vec<_> = styles.iter().map(|(style, share)| (coloured(scaled(style)), *share)).collect();
        let size = [content.height(), content.width()];
        let resized =
            |picture: &Picture| Canvas::painted(picture.clone().with_hidden_filled(), size, &network, Units::Input, 0);
        let canvas = match (so_far, start) {
            (Some(canvas), _) => canvas.resized(size),
            (None, Start::Content) => Canvas::of(&content, &network),
            (None, Start::Noise) => Canvas::noise(size, &network, *seed),
            (None, Start::Style) => resized(&styles[0].0),
            (None, Start::Picture(picture)) => resized(picture),
        };
        let normalised = |picture: &Picture| network.normalise(&picture.rgb.view());
        let seen: Vec<_> = styles.iter().map(|(style, _)| style).collect();
        let regions = regions(masks.as_ref(), &content, &seen, *paint_transparent)?;
        let styles = styles.iter().map(|(style, share)| (normalised(style), *share)).collect();
        let recipe_here = recipe.clone().at_side(side);
        let (content, none) = (normalised(&content), Targets::default());
        let targets = self.transfer.targets.unwrap_or(&none);
        let objective = style_transfer_by(&recipe_here, (execution, &network), content, styles, &regions, targets);
        let objective = objective.map_err(MasksError::from)?;
        let optimizer = recipe.method.optimizer(
            recipe.rate.for_spread(network.spread()),
            steps,
            recipe.clamp.then(|| canvas.bounds()),
        );
        Ok(Stage { optimizer, execution: execution.clone(), ..Stage::new(canvas, objective, network, steps) })
    }

    fn load(&self, index: usize) -> Load {
        let Transfer { content, styles, recipe, masks, network, execution, .. } = &self.transfer;
        let scaled = |picture: &Picture| {
            let own = picture.height().max(picture.width());
            picture.fitted_size(self.longest(own, self.scales[index].side))
        };
        // What is seen by regions is made of whole maps, as moments are.
        let whole = masks.is_some() || content.alpha.is_some() || recipe.style_loss != StyleLoss::Gram;
        let style_place = if whole { Place::Moments } else { Place::Gram };
        let content = scaled(content);
        Load {
            size: content,
            margin: 0,
            examples: std::iter::once(content).chain(styles.iter().map(|(style, _)| scaled(style))).collect(),
            places: recipe
                .content_layers
                .layers()
                .map(Place::Features)
                .chain(recipe.style_layers.layers().map(style_place))
                .collect(),
            method: recipe.method,
            network: (*network).clone().with_pooling(recipe.pooling),
            ranks: execution.ranks(),
        }
    }

    fn held(&self) -> usize {
        let Transfer { content, styles, start, .. } = &self.transfer;
        let start = if let Start::Picture(picture) = start { picture.bytes() } else { 0 };
        let pictures = content.bytes() + styles.iter().map(|(style, _)| style.bytes()).sum::<usize>();
        // All as large as the last size wants them.
        let share = self.scales.last().map_or(1.0, |scale| scale.side as f64 / self.side as f64);
        (pictures as f64 * share.powi(2)) as usize + start
    }

    fn finished(&self, picture: Picture) -> Picture {
        let content = self.transfer.content;
        let painted = picture.resized(content.height(), content.width()).rgb;
        let mut rgb = match self.transfer.colours {
            Colours::Content => coloured_like(&painted, &content.rgb),
            Colours::Style | Colours::Match(_) => painted,
        };
        if let Some(alpha) = content.alpha.as_ref().filter(|_| !self.transfer.paint_transparent) {
            let pixels = rgb.lanes_mut(Axis(2)).into_iter().zip(content.rgb.lanes(Axis(2))).zip(alpha);
            pixels.filter(|(_, alpha)| **alpha <= 0.0).for_each(|((mut pixel, kept), _)| pixel.assign(&kept));
        }
        content.recoloured(rgb)
    }
}
