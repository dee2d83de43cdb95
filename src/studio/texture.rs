//! Texture synthesis: from noise, a picture that looks like an example in every part (Gatys, Ecker & Bethge 2015).

use std::ops::ControlFlow;

use super::iterate::{Evaluation, Outcome, Progress, iterate};
use super::start::{FAINT, noise};
use super::transfer::{Optimiser, pixel_bounds};
use crate::objective::{LayerWeights, TextureTarget};
use crate::picture::{Picture, match_histogram};
use crate::vgg::{Layer, NetworkError, Vgg19};

/// A texture synthesis, described field by field and then [run](Self::run).
pub struct Texture<'a> {
    /// What to look like.
    pub example: &'a Picture,
    /// The network; the paper's has average pooling.
    pub network: &'a Vgg19<f32>,
    /// Layers whose Gram matrices are to agree with the example's, and their weights.
    pub layers: LayerWeights,
    /// Height and width of the texture in pixels.
    pub size: [usize; 2],
    /// Whether the texture is to tile: the network's convolutions then wrap around its edges.
    pub seamless: bool,
    /// Whether the texture gets the example's colour histogram in the end; see [`match_histogram`].
    pub histogram: bool,
    /// What moves the pixels; rates are in units of the normalised image.
    pub optimiser: Optimiser,
    /// How many iterations.
    pub steps: usize,
    /// Whether pixels are kept in 0..1 while they move; otherwise they are clamped when written.
    pub clamp: bool,
    /// The seed of the noise.
    pub seed: u64,
}

/// Why a texture cannot be made.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum TextureError {
    /// The network cannot compute the layers.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The poolings would cut off what has to meet the opposite edge.
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
    /// A texture of the example's size by 500 iterations of L-BFGS on [the paper's layers](TextureTarget::layers), with
    /// the example's histogram.
    pub fn new(example: &'a Picture, network: &'a Vgg19<f32>) -> Self {
        Self {
            example,
            network,
            layers: TextureTarget::<f32>::layers(),
            size: [example.height(), example.width()],
            seamless: false,
            histogram: true,
            optimiser: Optimiser::Lbfgs,
            steps: 500,
            clamp: false,
            seed: 0,
        }
    }

    /// Runs it, telling `watch` of every iteration; `watch` may stop it. There is one term, `gram`, which is the total.
    ///
    /// # Errors
    /// If the network has not all layers, an image is too small for them, or a seamless one has a size that is no
    /// multiple of their stride.
    pub fn run(self, watch: impl FnMut(&Progress<'_>) -> ControlFlow<()>) -> Result<Outcome<Picture>, TextureError> {
        let [height, width] = self.size;
        let layer = self.layers.layers().max().expect("lists of layers are not empty");
        let stride = layer.stride();
        if self.seamless && (height % stride != 0 || width % stride != 0) {
            return Err(TextureError::Seam { layer, stride, width, height });
        }
        let example = self.network.normalise(&self.example.rgb.view());
        let target = TextureTarget::new(self.network, example, &self.layers)?;
        let network = if self.seamless { self.network.clone().seamless() } else { self.network.clone() };
        let outcome = iterate(
            (noise(self.size, self.seed) * (FAINT * self.network.spread()) as f32).into_dyn(),
            self.steps,
            &mut *self.optimiser.build(self.steps, self.clamp.then(|| pixel_bounds(self.network))),
            |image| {
                let (total, _) = target.evaluate(&network, image)?;
                let gram = f64::from(total.scalar());
                Ok(Evaluation { total, terms: vec![("gram", gram)] })
            },
            watch,
        )?;
        let Outcome { picture, iterations, ended } = outcome;
        let image = picture.into_dimensionality().expect("an image");
        let mut rgb = network.denormalise(&image.view());
        if self.histogram {
            rgb = match_histogram(&rgb, &self.example.rgb);
        }
        let picture = Picture { profile: self.example.profile.clone(), ..Picture::new(rgb) };
        Ok(Outcome { picture, iterations, ended })
    }
}
