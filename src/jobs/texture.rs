//! Texture synthesis: makes, from noise, a picture that resembles an example everywhere (Gatys, Ecker & Bethge 2015).

use crate::error::Error;
use crate::objective::{Place, texture_by, texture_layers};
use crate::optim::Method;
use crate::picture::{Picture, match_histogram};
use crate::recipe::{LayerWeights, Rate, Scale, Scales, Steps};
use crate::run::{Canvas, Forecast, Job, Load, Run, Stage, forecast_and_load};
use crate::vgg::{Execution, Layer, Vgg19};

/// The specification of a texture synthesis: set the fields, then [run](Self::run) it.
#[derive(Clone)]
pub struct Texture<'a> {
    /// The example.
    pub example: &'a Picture,
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

impl<'a> Texture<'a> {
    /// A texture of the example's size by 500 iterations of L-BFGS on [the paper's layers](texture_layers), with the
    /// example's histogram.
    pub fn new(example: &'a Picture, network: &'a Vgg19<f32>) -> Self {
        Self {
            example,
            network,
            layers: texture_layers(),
            size: [example.height(), example.width()],
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

    /// The run. It has one group of terms, `gram`, which is the total.
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
        Run::within(self.scaled()?, memory)
    }

    /// What it would take if the longer side of the texture were `side`, and no more than so many bytes of memory were
    /// used; and its load at that size.
    ///
    /// # Errors
    /// If scales, steps and size do not go together, or the memory does not do.
    pub fn forecast(self, side: usize, memory: usize) -> Result<(Forecast, Load), Error> {
        forecast_and_load(&self.scaled_to(side)?, memory)
    }

    /// The specification with another size.
    fn scaled_to(self, side: usize) -> Result<Scaled<'a>, Error> {
        let own = self.size[0].max(self.size[1]);
        let size = self.size.map(|length| (length * side).div_ceil(own).max(1));
        let scaled = Self { size, ..self };
        Ok(Scaled { scales: scaled.scales.schedule(&scaled.steps, side)?, texture: scaled })
    }

    fn scaled(self) -> Result<Scaled<'a>, Error> {
        let [height, width] = self.size;
        let scales = self.scales.schedule(&self.steps, height.max(width))?;
        let scaled = Scaled { texture: self, scales };
        for index in 0..scaled.scales.len() {
            scaled.check_seams(scaled.size(index))?;
        }
        Ok(scaled)
    }
}

struct Scaled<'a> {
    texture: Texture<'a>,
    scales: Vec<Scale>,
}

impl Scaled<'_> {
    /// A scale's size as a share of the last.
    fn share(&self, index: usize) -> f64 {
        let [height, width] = self.texture.size;
        self.scales[index].side as f64 / height.max(width) as f64
    }

    /// The longer side of the example.
    fn example_side(&self, index: usize) -> usize {
        let example = self.texture.example;
        (example.height().max(example.width()) as f64 * self.share(index)).round().max(1.0) as usize
    }

    fn size(&self, index: usize) -> [usize; 2] {
        self.texture.size.map(|side| (side as f64 * self.share(index)).round().max(1.0) as usize)
    }

    fn check_seams(&self, [height, width]: [usize; 2]) -> Result<(), TextureError> {
        let layer = self.texture.layers.layers().max().expect("lists of layers are not empty");
        let stride = layer.stride();
        if self.texture.seamless && (height % stride != 0 || width % stride != 0) {
            return Err(TextureError::Seam { layer, stride, width, height });
        }
        Ok(())
    }
}

impl Job for Scaled<'_> {
    fn scales(&self) -> &[Scale] {
        &self.scales
    }

    fn stage(&self, index: usize, so_far: Option<&Canvas>) -> Result<Stage, Error> {
        let Texture { example, network, layers, seamless, method, rate, clamp, seed, execution, .. } = &self.texture;
        let example = (*example).clone().fitted(self.example_side(index)).with_hidden_filled();
        let objective = texture_by(execution, network, network.normalise(&example.rgb.view()), layers)?;
        let network = if *seamless { (*network).clone().seamless() } else { (*network).clone() };
        let size = self.size(index);
        let canvas = match so_far {
            Some(canvas) => canvas.resized(size),
            None => Canvas::noise(size, &network, *seed),
        };
        let steps = self.scales[index].steps;
        let optimizer = method.optimizer(rate.for_spread(network.spread()), steps, clamp.then(|| canvas.bounds()));
        Ok(Stage { optimizer, execution: execution.clone(), ..Stage::new(canvas, objective, network, steps) })
    }

    fn load(&self, index: usize) -> Load {
        let Texture { example, network, layers, seamless, method, execution, .. } = &self.texture;
        let network = (*network).clone();
        Load {
            size: self.size(index),
            margin: 0,
            examples: vec![example.fitted_size(self.example_side(index))],
            places: layers.layers().map(Place::Gram).collect(),
            method: *method,
            network: if *seamless { network.seamless() } else { network },
            ranks: execution.ranks(),
        }
    }

    fn held(&self) -> usize {
        self.texture.example.bytes()
    }

    fn finished(&self, picture: Picture) -> Picture {
        let Texture { example, size: [height, width], histogram, .. } = &self.texture;
        let mut rgb = picture.resized(*height, *width).rgb;
        if *histogram {
            rgb = match_histogram(&rgb, &example.rgb);
        }
        Picture { profile: example.profile.clone(), ..Picture::new(rgb) }
    }
}
