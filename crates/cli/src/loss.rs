//! `impasto loss`: the objective of an image, and its gradient.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use impasto::objective::style_transfer;
use impasto::tape::Tape;
use ndarray::{ArrayD, arr0};

use super::arguments::{ArraysOutput, NetworkArguments, RecipeArguments, SizeArguments};
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

    /// The style image; several styles are blended in equal parts
    #[arg(long, value_name = "IMAGE", required = true)]
    style: Vec<PathBuf>,

    #[command(flatten)]
    output: ArraysOutput,

    #[command(flatten)]
    size: SizeArguments,

    #[command(flatten)]
    recipe: RecipeArguments,

    #[command(flatten)]
    network: NetworkArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    let styles = arguments.style.iter().map(PathBuf::as_path);
    let inputs: Vec<&Path> = [&*arguments.image, &*arguments.content].into_iter().chain(styles.clone()).collect();
    arrays::check(&arguments.output.output, &arguments.network.files(&inputs))?;
    let open = |path| arguments.size.open(path, false).map(impasto::Picture::with_hidden_filled);
    let (image, content) = (open(&arguments.image)?, open(&arguments.content)?);
    let styles = styles.map(open).collect::<Result<Vec<_>, _>>()?;
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
    let recipe = arguments.recipe.recipe(weights.source.is_trained());
    let network = arguments.network.load_with(&weights, recipe.deepest(), (recipe.pooling, recipe.edges))?;
    arguments.network.in_threads(|| {
        let normalised = |rgb: &ndarray::Array3<f32>| network.normalise(&rgb.view());
        let share = 1.0 / styles.len() as f64;
        let styles = styles.iter().map(|style| (normalised(&style.rgb), share)).collect();
        let objective =
            style_transfer(&recipe, &network, normalised(&content.rgb), styles).map_err(impasto::Error::from)?;
        let tape = Tape::new();
        let image = tape.variable(normalised(&image.rgb));
        let losses = objective.evaluate(&network, &image, &image).map_err(impasto::Error::from)?;
        let gradient = losses.gradient(&image);
        let mut gradient = gradient.map_or_else(|| ArrayD::zeros(image.shape()), impasto::tape::Tensor::into_array);
        gradient.mapv_inplace(|v| (f64::from(v) / losses.factor) as f32);
        let scalar = |value: f64| arr0(value as f32).into_dyn();
        let mut values: Vec<(String, ArrayD<f32>)> = vec![("loss.total".into(), scalar(losses.total))];
        for group in &losses.groups {
            values.push((format!("loss.{}", group.name), scalar(group.value)));
        }
        let style = losses.groups.iter().filter(|group| group.name == "style").flat_map(|group| &group.terms);
        values.extend(style.map(|(layer, loss)| (format!("loss.style.{layer}"), scalar(*loss))));
        let mut named: Vec<_> = values.iter().map(|(name, value)| (name.clone(), value.view())).collect();
        named.push(("grad".into(), gradient.view()));
        arrays::write(&arguments.output.output, &named)
    })??;
    Ok(ExitCode::SUCCESS)
}
