//! Style transfer: repaints a content image in the style of another (Gatys, Ecker & Bethge 2016).

use std::collections::BTreeSet;

use ndarray::Axis;

use super::masks::{Masks, MasksError, regions};
use crate::error::Error;
use crate::objective::{Place, Targets, Term, finishing, style_transfer_by};
use crate::optim::{Method, Optimizer, PyramidAdam};
use crate::picture::{ColourMap, Dimensions, Picture, coloured_like};
use crate::recipe::{LayerWeights, Preset, Recipe, Scale, Scales, Steps, StyleLoss};
use crate::run::{Canvas, Job, Load, Run, Stage, Start, Units, Work};
use crate::vgg::{Execution, NetworkError, Vgg19};

/// The colours of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colours {
    /// The style's colours.
    #[default]
    Style,
    /// The content's colours with the painting's lightness; see [`coloured_like`].
    Content,
    /// The content's colours, which the style is given first; see [`Picture::in_colours_of`].
    Match(ColourMap),
}

/// A term of the caller's own in a transfer: a group of one term in the objective of every scale.
#[derive(Clone)]
pub struct OwnTerm<'a> {
    /// The group's name in logs.
    pub name: &'a str,
    /// The group's weight.
    pub weight: f64,
    /// The place that the term observes, for the forecast.
    pub place: Place,
    /// Makes the term for a scale from the network and the picture's height and width.
    pub make: &'a (dyn Fn(&Vgg19<f32>, [usize; 2]) -> Result<Box<dyn Term<f32>>, Error> + Sync),
}

/// The specification of a style transfer: set the fields, then [run](Self::run) it.
///
/// The result has the content's size. Content and styles are used as large as they are, and reduced in proportion at
/// smaller scales; resize them with [`Picture::fitted`] first.
///
/// With [`Dimensions`] in place of pictures, it can only [estimate its work](Self::work).
#[derive(Clone)]
pub struct Transfer<'a, P = &'a Picture> {
    /// The picture to repaint.
    pub content: P,
    /// The styles, each with its share.
    pub styles: Vec<(P, f64)>,
    /// The network whose features represent content and style.
    pub network: &'a Vgg19<f32>,
    /// The recipe.
    pub recipe: Recipe,
    /// The colours of the result.
    pub colours: Colours,
    /// The regions of the styles; `None` for the same style everywhere.
    pub masks: Option<Masks>,
    /// Whether to paint the content's transparent pixels; otherwise they stay unchanged and do not count.
    pub paint_transparent: bool,
    /// The initial picture.
    pub start: Start,
    /// The seed of all random numbers: of [`Start::Noise`] and of the finishing stage's grids.
    pub seed: u64,
    /// How the network is executed; the memory limit determines its plan.
    pub execution: Execution,
    /// A cache of the styles' features for further transfers; `None` for no cache.
    pub targets: Option<&'a Targets<f32>>,
    /// Terms of the caller's own, beside the recipe's.
    pub own_terms: Vec<OwnTerm<'a>>,
}

impl<'a, P: Copy + Into<Dimensions>> Transfer<'a, P> {
    /// A transfer by a preset's recipe for the network. The recipe's pooling replaces that of `network`.
    pub fn new(content: P, style: P, network: &'a Vgg19<f32>, preset: Preset) -> Self {
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
            own_terms: Vec::new(),
        }
    }

    /// The work of the transfer at each scale, for a forecast.
    ///
    /// # Errors
    /// If scales and steps do not match, regions do not match, or a picture is too small for a layer.
    pub fn work(&self) -> Result<Work, Error> {
        if let Some(masks) = &self.masks {
            masks.check(self.styles.len())?;
        }
        let content = self.content.into();
        let styles: Vec<Dimensions> = self.styles.iter().map(|(style, _)| (*style).into()).collect();
        let scales = self.scales(content, &styles)?;
        let loads = scales.iter().map(|scale| self.load(*scale, content, &styles));
        let loads = loads.collect::<Result<_, _>>()?;
        let start = if let Start::Picture(picture) = &self.start { picture.bytes() } else { 0 };
        let pictures = styles.iter().chain([&content]).map(|picture| picture.bytes()).sum::<usize>();
        Ok(Work { scales, loads, held: pictures + start })
    }

    fn scales(&self, content: Dimensions, styles: &[Dimensions]) -> Result<Vec<Scale>, Error> {
        let side = content.longest();
        let mut scales = self.recipe.scales.schedule(&self.recipe.steps, side)?;
        if matches!(self.recipe.scales, Scales::Auto | Scales::From(_)) {
            // Narrow pictures start at a larger scale, so that the deepest layer has positions.
            let pictures = styles.iter().chain([&content]);
            let narrowest = pictures.map(|picture| picture.height.min(picture.width)).min().unwrap_or(0);
            let (least, last) = (self.recipe.deepest().stride(), scales.len() - 1);
            let fits = |scale: &Scale| narrowest * scale.side >= least * side;
            let first = scales.iter().position(fits).unwrap_or(last);
            scales.drain(..first.min(last));
        }
        Ok(match &self.recipe.finish {
            Some(finish) if self.recipe.style_weight > 0.0 => finish.added_to(scales, self.recipe.steps == Steps::Auto),
            _ => scales,
        })
    }

    fn load(&self, scale: Scale, content: Dimensions, styles: &[Dimensions]) -> Result<Load, NetworkError> {
        let Self { recipe, masks, network, execution, paint_transparent, .. } = self;
        let network = recipe.network(network);
        let scaled =
            |picture: &Dimensions| picture.fitted(longest(picture.longest(), scale.side, content.longest())).size();
        let moments = matches!(recipe.style_loss, StyleLoss::Moments | StyleLoss::Wasserstein);
        // One colour is the whole picture.
        let regions = match masks.as_ref().map_or(1, |masks| masks.content.colours().len()) {
            1 => usize::from(content.opacity && !paint_transparent),
            several => several,
        };
        let style_place = if moments { Place::Moments } else { Place::Gram };
        let size = scaled(&content);
        let styles: Vec<_> = styles.iter().map(scaled).collect();
        for style in &styles {
            recipe.style_layers.layers().max().map_or(Ok(()), |layer| network.check(*style, layer))?;
        }
        let finish = recipe.finish.as_ref().filter(|_| scale.finish);
        let matched = recipe.matched().filter(|_| finish.is_none());
        let compared = match finish {
            Some(finish) => Some(finish.style_layers.clone()),
            None => recipe.compared(scale.side).map(|(layers, _)| layers),
        };
        let summed: BTreeSet<_> = compared.iter().flat_map(LayerWeights::layers).collect();
        let own: Vec<Place> = self.own_terms.iter().map(|term| term.place).collect();
        for layer in own.iter().filter_map(|place| place.layer()) {
            network.check(size, layer)?;
        }
        Ok(Load {
            size,
            margin: 0,
            examples: std::iter::once(size).chain(styles).collect(),
            places: recipe
                .content_layers
                .layers()
                .map(Place::Features)
                .chain(summed.iter().filter(|_| moments || regions == 0).map(|layer| style_place(*layer)))
                .chain(matched.map(|(layers, _)| Place::Hypercolumns(layers.layers().collect())))
                .chain(own)
                .collect(),
            matched: finish.map(|finish| (finish.layers.layers().collect(), finish.grid)),
            guided: (regions > 0).then_some((summed, regions)),
            method: if finish.is_some() { Method::Adam } else { recipe.method },
            network,
            ranks: execution.ranks(),
        })
    }
}

/// The longer side of a picture at a scale that reduces the content's from `whole` to `side`.
fn longest(own: usize, side: usize, whole: usize) -> usize {
    ((own * side) as f64 / whole as f64).round().max(1.0) as usize
}

impl<'a> Transfer<'a> {
    /// Starts the run.
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
        let work = self.work()?;
        Run::within(Painted { transfer: self, work }, memory)
    }
}

/// A transfer and its work.
struct Painted<'a> {
    transfer: Transfer<'a>,
    work: Work,
}

impl Job for Painted<'_> {
    fn work(&self) -> &Work {
        &self.work
    }

    fn stage(&self, index: usize, so_far: Option<&Canvas>) -> Result<Stage, Error> {
        let Transfer { content, styles, recipe, colours, masks, paint_transparent, start, seed, execution, .. } =
            &self.transfer;
        let network = recipe.network(self.transfer.network);
        let Scale { side, steps, finish } = self.work.scales[index];
        let whole = content.height().max(content.width());
        let scaled = |picture: Picture| {
            let own = picture.height().max(picture.width());
            picture.fitted(longest(own, side, whole))
        };
        // Fill before resizing, since resizing mixes hidden colours into nearly transparent pixels.
        let filled = |picture: &Picture| picture.clone().with_hidden_filled();
        // With `paint_transparent`, transparent pixels keep their colours and are painted.
        let content = scaled(if *paint_transparent { (*content).clone() } else { filled(content) });
        let coloured = |style: Picture| match colours {
            Colours::Match(map) => style.in_colours_of(&[(&content, 1.0)], *map),
            Colours::Style | Colours::Content => style,
        };
        let styles: Vec<_> = styles.iter().map(|(style, share)| (coloured(scaled(filled(style))), *share)).collect();
        let size = [content.height(), content.width()];
        let resized = |picture: &Picture| Canvas::painted(filled(picture), size, &network, Units::Input, 0);
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
        let (content, none) = (normalised(&content), Targets::default());
        let targets = self.transfer.targets.unwrap_or(&none);
        let seen_by = (execution, &network);
        let finish = recipe.finish.as_ref().filter(|_| finish);
        let objective = match finish {
            Some(finish) => finishing((recipe, finish), seen_by, content, styles, &regions, targets, *seed),
            None => {
                // At the first size there is no picture yet.
                let painted = so_far.filter(|_| recipe.matched().is_some()).map(|_| canvas.values().clone());
                let painted = painted.map(|values| values.into_dimensionality().expect("height, width, 3"));
                style_transfer_by(recipe, seen_by, (content, painted), styles, &regions, targets)
            }
        };
        let mut objective = objective.map_err(MasksError::from)?;
        for own in &self.transfer.own_terms {
            let term = (own.make)(&network, size)?;
            objective = objective.group(own.name, own.weight, vec![(1.0, term)]);
        }
        let bounds = recipe.clamp.then(|| canvas.bounds());
        let optimizer: Box<dyn Optimizer<f32>> = match finish {
            Some(finish) => {
                let adam = PyramidAdam::new(finish.rate.for_spread(network.spread()), Method::LEVELS);
                let adam = if finish.rate_falls { adam.falling(steps) } else { adam };
                let adam = if let Some(damping) = finish.damping_at(side) { adam.damped(damping) } else { adam };
                let adam = if let Some(first) = finish.held_level_at(side) { adam.holding(first) } else { adam };
                Box::new(match bounds {
                    Some(bounds) => adam.bounds(bounds),
                    None => adam,
                })
            }
            None => recipe.method.optimizer(recipe.rate.for_spread(network.spread()), steps, bounds),
        };
        let (carries, execution) = (finish.is_none(), execution.clone());
        let follows = finish.is_none() && recipe.matched().is_some();
        Ok(Stage { execution, optimizer, carries, follows, ..Stage::new(canvas, objective, network, steps) })
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
