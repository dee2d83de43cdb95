//! `impasto texture`: texture synthesis.

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
use impasto::vgg::{Layer, PaddingMode, Pooling, Vgg19, WeightSource};

use super::common::Common;
use super::default_output;
use super::drive::Driver;
use super::error::Error;
use super::invocation::Invocation;
use super::job::JobCommand;
use super::memory::{dimensions, forecast};
use super::pictures;
use super::ranks;

/// Make a texture that resembles EXAMPLE everywhere
///
/// Optimises noise until its Gram matrices match EXAMPLE's (Gatys, Ecker & Bethge 2015). Uses average pooling unless
/// --pool is given.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The picture with the texture
    example: PathBuf,

    /// Size in pixels, N×N or WIDTH×HEIGHT [default: EXAMPLE's]
    #[arg(long, value_name = "N|WIDTH,HEIGHT")]
    size: Option<Size>,

    /// Longer side at which EXAMPLE is used; 0 keeps its own
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(..=65_536))]
    example_size: u32,

    /// Make a texture that tiles: opposite edges continue each other
    #[arg(long, conflicts_with = "edges")]
    seamless: bool,

    /// Do not match the colour histogram to EXAMPLE's
    #[arg(long)]
    no_histogram: bool,

    /// Layers of the Gram matrices with their weights [default: relu1_1,pool1,…,pool4]
    ///
    /// By default relu1_1, pool1, pool2, pool3 and pool4 with equal weights.
    #[arg(long, value_name = "LAYER[=W],…", conflicts_with = "up_to")]
    layers: Option<LayerWeights>,

    /// Use the default layers up to LAYER: conv1_1, pool1, pool2, …
    #[arg(long, value_name = "LAYER")]
    up_to: Option<Layer>,

    /// Scales: auto, their number, or their longer sides [default: 1]
    ///
    /// The picture is made from small to large.
    #[arg(long, value_name = "auto|N|A,B,C")]
    scales: Option<Scales>,

    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  impasto texture bricks.jpg --size 512
  impasto texture pebbles.jpg --seamless -o tile.png";

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
        let mut driver = Driver::new(Some(invocation), &self.common, &[&self.example])?;
        let method = self.common.run.method(Method::Lbfgs)?;
        let (example, (network, weights)) = (self.example()?, self.ready()?);
        let memory = self.memory();
        driver.note_weights(&weights);
        driver.note("layers", self.layers());
        driver.note("optimizer", method);
        driver.note("pool", self.common.network.pool.unwrap_or(Pooling::Average));
        if !self.seamless {
            driver.note("edges", self.common.network.edges.unwrap_or_default());
        }
        self.common.network.in_threads(|| {
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

    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }

    fn pictures_mut(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.example]
    }

    fn stem(&self) -> String {
        format!("{}-texture", default_output::stem(&self.example))
    }
}

impl Arguments {
    /// The memory limit in bytes.
    fn memory(&self) -> usize {
        self.common.memory_budget()
    }

    fn example(&self) -> Result<Picture, Error> {
        let longest = (self.example_size > 0).then_some(self.example_size as usize);
        pictures::open(&self.example, longest, self.common.run.verbosity.quiet)
    }

    fn layers(&self) -> LayerWeights {
        match (&self.layers, self.up_to) {
            (Some(layers), _) => layers.clone(),
            (None, Some(deepest)) => texture_layers_up_to(deepest),
            (None, None) => texture_layers(),
        }
    }

    /// The network, and the source of its weights.
    fn ready(&self) -> Result<(Vgg19<f32>, WeightSource), Error> {
        let found = self.common.network.find(self.common.run.verbosity.quiet)?;
        let deepest = self.layers().layers().max().expect("lists of layers are not empty");
        Ok((self.common.network.load_with(&found, deepest, (Pooling::Average, PaddingMode::default()))?, found.source))
    }

    /// The work of the job for a texture with longer side `side`.
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
            method: self.common.run.method(Method::Lbfgs)?,
            rate: self.common.run.optimizer.rate(default.rate),
            scales: self.scales.clone().unwrap_or(default.scales),
            steps: self.common.run.steps.clone().unwrap_or(default.steps),
            clamp: self.common.run.optimizer.clamp().unwrap_or(default.clamp),
            seed: self.common.run.seed.number(),
            execution: ranks::execution(),
            ..default
        })
    }
}
