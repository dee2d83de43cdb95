//! Texture synthesis: makes, from noise, a picture that resembles an example everywhere (Gatys, Ecker & Bethge 2015).

use crate::error::Error;
use crate::objective::{Place, texture_by, texture_layers};
use crate::optim::Method;
use crate::picture::{Dimensions, Picture, match_histogram};
use crate::recipe::{LayerWeights, Rate, Scale, Scales, Steps};
use crate::run::{Canvas, Job, Load, Run, Stage, Work};
use crate::vgg::{Execution, Layer, Vgg19};

/// The specification of a texture synthesis: set the fields, then [run](Self::run) it.
///
/// With [`Dimensions`] in place of the example, it can only [estimate its work](Self::work).
#[derive(Clone)]
pub struct Texture<'a, P = &'a Picture> {
    /// The picture that the texture resembles.
    pub example: P,
    /// The network; the paper's has average pooling.
    pub network: &'a Vgg19<f32>,
    /// Layers whose Gram matrices approach the example's, with their weights.
    pub layers: LayerWeights,
    /// Height and width of the texture in pixels.
    pub size: [usize; 2],
    /// Whether the texture tiles: the network's convolutions then wrap around its edges.
    pub seamless: bool,
    /// Whether the finished texture receives the example's colour histogram; see [`match_histogram`].
    pub histogram: bool,
    /// The optimiser.
    pub method: Method,
    /// The learning rate.
    pub rate: Rate,
    /// The scales of texture and example, from small to large.
    pub scales: Scales,
    /// The number of iterations.
    pub steps: Steps,
    /// Whether pixel values stay in 0..1 during optimisation; otherwise they are clamped when written.
    pub clamp: bool,
    /// The seed of the noise.
    pub seed: u64,
    /// How the network is executed; the memory limit determines its plan.
    pub execution: Execution,
}

/// A texture that cannot be made.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum TextureError {
    /// The poolings would crop pixels at a seamless edge.
    #[error(
        "a seamless texture with {layer} needs a width and a height that are multiples of {stride}, not {width}×{height}"
    )]
    Seam {
        /// The deepest layer.
        layer: Layer,
        /// Its stride in pixels.
        stride: usize,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
}

impl<'a, P: Copy + Into<Dimensions>> Texture<'a, P> {
    /// A texture of the example's size by 500 iterations of L-BFGS on [the paper's layers](texture_layers), with the
    /// example's histogram.
    pub fn new(example: P, network: &'a Vgg19<f32>) -> Self {
        Self {
            example,
            network,
            layers: texture_layers(),
            size: example.into().size(),
            seamless: false,
            histogram: true,
            method: Method::Lbfgs,
            rate: Rate::OfSpread(0.05),
            scales: Scales::Count(1),
            steps: Steps::last(500),
            clamp: false,
            seed: 0,
            execution: Execution::default(),
        }
    }

    /// The work of the synthesis at each scale, for a forecast.
    ///
    /// # Errors
    /// If scales and steps do not match, the example is too small for the layers, or the size of a seamless texture is
    /// not a multiple of their stride.
    pub fn work(&self) -> Result<Work, Error> {
        let example = self.example.into();
        let scales = self.scales.schedule(&self.steps, self.size[0].max(self.size[1]))?;
        let loads = scales.iter().map(|scale| self.load(scale.side, example)).collect::<Result<_, _>>()?;
        Ok(Work { scales, loads, held: example.bytes() })
    }

    fn load(&self, side: usize, example: Dimensions) -> Result<Load, Error> {
        let Self { network, layers, seamless, method, execution, .. } = self;
        let size = self.size_at(side);
        self.check_seams(size)?;
        let example = example.fitted(self.example_side(side, example.longest())).size();
        layers.layers().max().map_or(Ok(()), |layer| network.check(example, layer))?;
        let network = (*network).clone();
        Ok(Load {
            matched: None,
            guided: None,
            size,
            margin: 0,
            examples: vec![example],
            places: layers.layers().map(Place::Gram).collect(),
            method: *method,
            network: if *seamless { network.seamless() } else { network },
            ranks: execution.ranks(),
        })
    }

    /// The size of a scale relative to the last.
    fn share(&self, side: usize) -> f64 {
        side as f64 / self.size[0].max(self.size[1]) as f64
    }

    /// The longer side at a scale of an example whose own longer side is `whole`.
    fn example_side(&self, side: usize, whole: usize) -> usize {
        (whole as f64 * self.share(side)).round().max(1.0) as usize
    }

    /// Height and width at a scale.
    fn size_at(&self, side: usize) -> [usize; 2] {
        self.size.map(|length| (length as f64 * self.share(side)).round().max(1.0) as usize)
    }

    fn check_seams(&self, [height, width]: [usize; 2]) -> Result<(), TextureError> {
        let layer = self.layers.layers().max().expect("lists of layers are not empty");
        let stride = layer.stride();
        if self.seamless && (height % stride != 0 || width % stride != 0) {
            return Err(TextureError::Seam { layer, stride, width, height });
        }
        Ok(())
    }
}

impl<'a> Texture<'a> {
    /// Starts the run. Its only group of terms is `gram`.
    ///
    /// # Errors
    /// If the network lacks a layer, an image is too small, or the size of a seamless texture is not a multiple of the stride.
    pub fn run(self) -> Result<Run<'a>, Error> {
        self.run_within(usize::MAX)
    }

    /// [`run`](Self::run) with a memory limit for the whole process, in bytes.
    ///
    /// # Errors
    /// As [`run`](Self::run), or if the memory limit is too low.
    pub fn run_within(self, memory: usize) -> Result<Run<'a>, Error> {
        let work = self.work()?;
        Run::within(Synthesised { texture: self, work }, memory)
    }
}

/// A texture and its work.
struct Synthesised<'a> {
    texture: Texture<'a>,
    work: Work,
}

impl Job for Synthesised<'_> {
    fn work(&self) -> &Work {
        &self.work
    }

    fn stage(&self, index: usize, so_far: Option<&Canvas>) -> Result<Stage, Error> {
        let Texture { example, network, layers, seamless, method, rate, clamp, seed, execution, .. } = &self.texture;
        let Scale { side, steps, .. } = self.work.scales[index];
        let whole = example.height().max(example.width());
        let example = (*example).clone().with_hidden_filled().fitted(self.texture.example_side(side, whole));
        let objective = texture_by(execution, network, network.normalise(&example.rgb.view()), layers)?;
        let network = if *seamless { (*network).clone().seamless() } else { (*network).clone() };
        let size = self.texture.size_at(side);
        let canvas = match so_far {
            Some(canvas) => canvas.resized(size),
            None => Canvas::noise(size, &network, *seed),
        };
        let optimizer = method.optimizer(rate.for_spread(network.spread()), steps, clamp.then(|| canvas.bounds()));
        Ok(Stage { optimizer, execution: execution.clone(), ..Stage::new(canvas, objective, network, steps) })
    }

    fn finished(&self, picture: Picture) -> Picture {
        let Texture { example, size: [height, width], histogram, .. } = &self.texture;
        let mut rgb = picture.resized(*height, *width).rgb;
        if *histogram {
            rgb = match_histogram(&rgb, &(*example).clone().with_hidden_filled().rgb);
        }
        Picture { profile: example.profile.clone(), ..Picture::new(rgb) }
    }
}
