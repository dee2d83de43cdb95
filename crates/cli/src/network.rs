//! `impasto network`: the table of layers.

use std::process::ExitCode;

use clap::Args;
use impasto::vgg::{Layer, LayerSummary};

use super::arguments::NetworkArguments;
use super::error::Error;
use super::print::result;

/// Show the network's layers: shapes, parameters, receptive fields, multiplications
#[derive(Args)]
pub(super) struct Arguments {
    /// Side in pixels of the square image to which shapes and multiplications refer
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    size: u32,

    #[command(flatten)]
    network: NetworkArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let (_, _, pool5) = Layer::of_convolution(Layer::CONVOLUTIONS - 1);
    let pool5 = pool5.expect("the last block ends in a pooling");
    let weights = arguments.network.find(false)?;
    let network = arguments.network.load(&weights, pool5)?;
    let size = arguments.size as usize;
    result(format_args!(
        "{:<8} {:>17} {:>11} {:>10} {:>16}",
        "layer", "shape", "parameters", "field", "multiplications"
    ));
    let (mut parameters, mut multiplications) = (0, 0);
    for LayerSummary { layer, shape, parameters: own, receptive_field, multiplications: work } in
        network.summary([size, size])
    {
        let shape = format!("{}×{}×{}", shape[0], shape[1], shape[2]);
        result(format_args!("{layer:<8} {shape:>17} {own:>11} {receptive_field:>10} {work:>16}"));
        parameters += own;
        multiplications += work;
    }
    result(format_args!("{:<8} {:>17} {parameters:>11} {:>10} {multiplications:>16}", "total", "", ""));
    Ok(ExitCode::SUCCESS)
}
