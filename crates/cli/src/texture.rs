//! `impasto texture`: more of a texture.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use impasto::jobs::Texture;
use impasto::objective::{texture_layers, texture_layers_up_to};
use impasto::optim::Method;
use impasto::picture::{Dimensions, Picture};
use impasto::recipe::{LayerWeights, Scales};
use impasto::run::{Forecast, Work};
use impasto::vgg::{Layer, Pooling, Vgg19, WeightSource};

use super::arguments::NetworkArguments;
use super::drive::{Driver, RunArguments};
use super::error::Error;
use super::invocation::Invocation;
use super::job::JobCommand;
use super::memory::{dimensions, forecast};
use super::pictures;
use super::ranks;

/// Make a picture from noise that looks like EXAMPLE in every part
///
/// Gatys, Ecker & Bethge 2015: the picture's Gram matrices come to agree with EXAMPLE's. Poolings average unless --pool
/// says otherwise.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture to write: .png, .jpg, .webp, .tiff or .bmp
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// The picture with the texture
    example: PathBuf,

    /// Size of the texture in pixels, N×N or WIDTH×HEIGHT [default: as EXAMPLE is used]
    #[arg(long, value_name = "N|WIDTH,HEIGHT")]
    size: Option<Size>,

    /// The longer side at which EXAMPLE is used, in pixels; 0 keeps its own
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(..=65_536))]
    example_size: u32,

    /// Make a texture that tiles: opposite edges continue each other
    #[arg(long)]
    seamless: bool,

    /// Do not match the colour histogram to EXAMPLE's
    #[arg(long)]
    no_histogram: bool,

    /// Layers of the Gram matrices, with their weights [default: relu1_1,pool1,pool2,pool3,pool4, equal weights]
    #[arg(long, value_name = "LAYER[=W],…", conflicts_with = "up_to")]
    layers: Option<LayerWeights>,

    /// The default layers as deep as LAYER, and LAYER: conv1_1, pool1, pool2, … as in the paper
    #[arg(long, value_name = "LAYER")]
    up_to: Option<Layer>,

    /// Scales from small to large: auto, their number, or their longer sides in pixels [default: 1]
    #[arg(long, value_name = "auto|N|A,B,C")]
    scales: Option<Scales>,

    #[command(flatten)]
    run: RunArguments,

    #[command(flatten)]
    network: NetworkArguments,
}

/// `N` or `WIDTH,HEIGHT`.
#[derive(Clone, Copy)]
struct Size {
    width: usize,
    height: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (width, height) = text.split_once(',').unwrap_or((text, text));
        let side = |text: &str| text.trim().parse().ok().filter(|n| (1..=65_536).contains(n));
        match (side(width), side(height)) {
            (Some(width), Some(height)) => Ok(Self { width, height }),
            _ => Err("give pixels from 1 to 65536, as in 256 or 512,256".into()),
        }
    }
}

impl JobCommand for Arguments {
    fn run(&self, invocation: &Invocation) -> Result<ExitCode, Error> {
        let mut driver = Driver::new(Some(invocation), &self.run, &self.network, &self.output, &[&self.example])?;
        let method = self.run.method(Method::Lbfgs)?;
        let (example, (network, weights)) = (self.example()?, self.ready()?);
        let memory = self.memory();
        driver.note_weights(&weights);
        driver.note("layers", self.layers());
        driver.note("optimizer", method);
        driver.note("pool", self.network.pool.unwrap_or(Pooling::Average));
        self.network.in_threads(|| {
            let texture = self.texture(&example, &network)?;
            let side = texture.size[0].max(texture.size[1]);
            forecast(|side| Self::at(&texture, side), side, memory)?;
            driver.complete(texture.run_within(memory)?)
        })?
    }

    fn forecast(&self, memory: usize) -> Result<(Forecast, Work), Error> {
        let (network, _) = self.ready()?;
        let example = dimensions(&self.example)?;
        let example = match self.example_size {
            0 => example,
            longest => example.fitted(longest as usize),
        };
        let texture = self.texture(example, &network)?;
        let side = texture.size[0].max(texture.size[1]);
        forecast(|side| Self::at(&texture, side), side, memory)
    }

    fn network_arguments(&self) -> &NetworkArguments {
        &self.network
    }

    fn run_arguments(&self) -> &RunArguments {
        &self.run
    }

    fn run_arguments_mut(&mut self) -> &mut RunArguments {
        &mut self.run
    }

    fn pictures_mut(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.example]
    }
}

impl Arguments {
    /// Bytes that may be used.
    fn memory(&self) -> usize {
        self.run.memory.budget()
    }

    fn example(&self) -> Result<Picture, Error> {
        let longest = (self.example_size > 0).then_some(self.example_size as usize);
        pictures::open(&self.example, longest, self.run.verbosity.quiet)
    }

    fn layers(&self) -> LayerWeights {
        match (&self.layers, self.up_to) {
            (Some(layers), _) => layers.clone(),
            (None, Some(deepest)) => texture_layers_up_to(deepest),
            (None, None) => texture_layers(),
        }
    }

    /// The network, and where its weights come from.
    fn ready(&self) -> Result<(Vgg19<f32>, WeightSource), Error> {
        let found = self.network.find(self.run.verbosity.quiet)?;
        let deepest = self.layers().layers().max().expect("lists of layers are not empty");
        Ok((self.network.load_with(&found, deepest, Pooling::Average)?, found.source))
    }

    /// What the job takes where the longer side of the texture is `side`.
    fn at<P: Copy + Into<Dimensions>>(texture: &Texture<'_, P>, side: usize) -> Result<Work, Error> {
        let own = texture.size[0].max(texture.size[1]);
        let size = texture.size.map(|length| (length * side).div_ceil(own).max(1));
        Ok(Texture { size, ..texture.clone() }.work()?)
    }

    fn texture<'a, P: Copy + Into<Dimensions>>(
        &self,
        example: P,
        network: &'a Vgg19<f32>,
    ) -> Result<Texture<'a, P>, Error> {
        let default = Texture::new(example, network);
        Ok(Texture {
            layers: self.layers(),
            size: self.size.map_or(default.size, |size| [size.height, size.width]),
            seamless: self.seamless,
            histogram: !self.no_histogram,
            method: self.run.method(Method::Lbfgs)?,
            rate: self.run.optimizer.rate(default.rate),
            scales: self.scales.clone().unwrap_or(default.scales),
            steps: self.run.steps.clone().unwrap_or(default.steps),
            clamp: self.run.optimizer.clamp().unwrap_or(default.clamp),
            seed: self.run.seed,
            execution: ranks::execution(),
            ..default
        })
    }
}
