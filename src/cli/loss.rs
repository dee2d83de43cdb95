//! `impasto loss`: the objective of an image, and its gradient.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use impasto::objective::StyleTransfer;
use impasto::tape::Tape;
use ndarray::{ArrayD, arr0};

use super::arguments::{ArraysOutput, NetworkArguments, ObjectiveArguments, SizeArguments};
use super::arrays;
use super::error::Error;

/// Write an image's loss and its gradient to an npz file
///
/// Arrays: loss.total, loss.content, loss.style, loss.tv, loss.style.LAYER for each style layer, and grad (height,
/// width, 3), the gradient of loss.total with respect to the normalised image, (pixel − mean)/std.
#[derive(Args)]
pub(super) struct Arguments {
    /// The image
    image: PathBuf,

    /// The content image, of the same size
    #[arg(long, value_name = "IMAGE")]
    content: PathBuf,

    /// The style image
    #[arg(long, value_name = "IMAGE")]
    style: PathBuf,

    #[command(flatten)]
    output: ArraysOutput,

    #[command(flatten)]
    size: SizeArguments,

    #[command(flatten)]
    objective: ObjectiveArguments,

    #[command(flatten)]
    network: NetworkArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    arrays::check(&arguments.output.output)?;
    let open = |path| arguments.size.open(path);
    let (image, content, style) = (open(&arguments.image)?, open(&arguments.content)?, open(&arguments.style)?);
    if image.rgb.dim() != content.rgb.dim() {
        return Err(Error::Failure(format!(
            "{} has {}×{} pixels, but the content {} has {}×{}; both must have the same size",
            arguments.image.display(),
            image.width(),
            image.height(),
            arguments.content.display(),
            content.width(),
            content.height()
        )));
    }
    let weights = arguments.network.find(false)?;
    let settings = arguments.objective.settings(weights.source.is_trained());
    let network = arguments.network.load(&weights, settings.deepest(), arguments.objective.preset())?;
    arguments.network.in_threads(|| {
        let normalised = |rgb: &ndarray::Array3<f32>| network.normalise(&rgb.view());
        let objective = StyleTransfer::new(settings, &network, normalised(&content.rgb), normalised(&style.rgb))?;
        let tape = Tape::new();
        let image = tape.variable(normalised(&image.rgb));
        let losses = objective.evaluate(&network, &image)?;
        let gradients = losses.total.backward();
        let gradient = gradients.get(&image).expect("the objective depends on the image");
        let scalar = |value: f64| arr0(value as f32).into_dyn();
        let mut values: Vec<(String, ArrayD<f32>)> = vec![
            ("loss.total".into(), arr0(losses.total.scalar()).into_dyn()),
            ("loss.content".into(), scalar(losses.content)),
            ("loss.style".into(), scalar(losses.style)),
            ("loss.tv".into(), scalar(losses.tv)),
        ];
        values.extend(losses.style_layers.iter().map(|(layer, loss)| (format!("loss.style.{layer}"), scalar(*loss))));
        let mut named: Vec<_> = values.iter().map(|(name, value)| (name.clone(), value.view())).collect();
        named.push(("grad".into(), gradient.view()));
        arrays::write(&arguments.output.output, &named)
    })??;
    Ok(ExitCode::SUCCESS)
}
