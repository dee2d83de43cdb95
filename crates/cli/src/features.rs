//! `impasto features`: the features of an image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use impasto::tape::Tape;
use impasto::vgg::{Execution, Layer, Request};

use super::arguments::{ArraysOutput, NetworkArguments, SizeArguments};
use super::arrays;
use super::error::Error;

/// Write an image's features at given layers to an npz file
///
/// Arrays are named by layer and have the shape (height, width, channels).
#[derive(Args)]
pub(super) struct Arguments {
    /// The image
    image: PathBuf,

    /// The layers, such as relu1_1,conv3_2,pool4
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',', required = true)]
    layers: Vec<Layer>,

    #[command(flatten)]
    output: ArraysOutput,

    #[command(flatten)]
    size: SizeArguments,

    #[command(flatten)]
    network: NetworkArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    arrays::check(&arguments.output.output, &arguments.network.files(&[&arguments.image]))?;
    let picture = arguments.size.open(&arguments.image, false)?.with_hidden_filled();
    let deepest = *arguments.layers.iter().max().expect("clap requires a layer");
    let weights = arguments.network.find(false)?;
    let network = arguments.network.load(&weights, deepest)?;
    arguments.network.in_threads(|| {
        let tape = Tape::new();
        let image = tape.constant(network.normalise(&picture.rgb.view()));
        let features = Execution::default()
            .observe(&network, &image, &Request::new(arguments.layers.iter().copied(), []))?
            .features;
        let named: Vec<_> = features.iter().map(|(layer, value)| (layer.to_string(), value.value().view())).collect();
        arrays::write(&arguments.output.output, &named)
    })??;
    Ok(ExitCode::SUCCESS)
}
