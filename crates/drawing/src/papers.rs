//! The cells of the papers' figures. Layers have impasto's names: the papers' conv, with in-place ReLUs, is relu here.

use super::cell::{Cell, CellJob};
use impasto::objective::{Priors, texture_layers, texture_layers_up_to};
use impasto::picture::Picture;
use impasto::recipe::{LayerWeights, Preset, Recipe, Scales};
use impasto::vgg::{Layer, Pooling};

fn original(image: &Picture) -> Cell<'_> {
    Cell { label: "original".into(), image, job: CellJob::Original }
}

/// The layers that a network ending at `last` can compute for the image.
fn possible(layers: impl IntoIterator<Item = Layer>, last: Layer, image: &Picture) -> Vec<Layer> {
    let side = image.height().min(image.width());
    layers.into_iter().filter(|layer| *layer <= last && layer.stride() <= side).collect()
}

fn named(names: &[&str]) -> Vec<Layer> {
    names.iter().map(|name| name.parse().expect("a layer's name")).collect()
}

/// Mahendran & Vedaldi 2014, figure 6: the original, and its inversion at each of the given layers that the network
/// has, with [light priors](Priors::light).
pub fn inversions<'a>(image: &'a Picture, layers: &[Layer], last: Layer) -> Vec<Cell<'a>> {
    let invert = |layer: Layer| {
        let job = CellJob::Invert { layer, priors: Priors::light(layer) };
        Cell { label: layer.to_string(), image, job }
    };
    std::iter::once(original(image))
        .chain(possible(layers.iter().copied(), last, image).into_iter().map(invert))
        .collect()
}

/// The influence of the total variation: one layer inverted with each of the given published λ.
pub fn lambda<'a>(image: &'a Picture, layer: Layer, values: &[f64]) -> Vec<Cell<'a>> {
    let invert = |&lambda_tv: &f64| {
        let job = CellJob::Invert { layer, priors: Priors { lambda_tv, ..Priors::published(layer) } };
        Cell { label: format!("{layer}, λ = {lambda_tv}"), image, job }
    };
    std::iter::once(original(image)).chain(values.iter().map(invert)).collect()
}

/// Gatys, Ecker & Bethge 2016, figure 1, content reconstructions: relu1_2, relu2_2, relu3_2, relu4_2 and relu5_2
/// inverted without any prior.
pub fn content(image: &Picture, last: Layer) -> Vec<Cell<'_>> {
    let layers = named(&["relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2"]);
    let invert = |layer: Layer| Cell { label: layer.to_string(), image, job: CellJob::Content { layer } };
    std::iter::once(original(image)).chain(possible(layers, last, image).into_iter().map(invert)).collect()
}

/// The cumulative sets relu1_1; relu1_1 and relu2_1; … up to relu5_1 or the network's last layer.
fn style_sets(last: Layer, image: &Picture) -> Vec<(String, LayerWeights)> {
    let layers = possible(named(&["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]), last, image);
    let set = |count: usize| {
        let set = layers[..count].iter().map(|&layer| (layer, 1.0 / count as f64));
        (format!("up to {}", layers[count - 1]), LayerWeights::new(set).expect("each layer once"))
    };
    (1..=layers.len()).map(set).collect()
}

/// Gatys, Ecker & Bethge 2016, figure 1, style reconstructions: textures from relu1_1, relu1_1 and relu2_1, and so on
/// up to relu5_1.
pub fn style(image: &Picture, last: Layer) -> Vec<Cell<'_>> {
    let sets = style_sets(last, image).into_iter();
    let cells = sets.map(|(label, layers)| Cell { label, image, job: CellJob::Texture { layers } });
    std::iter::once(original(image)).chain(cells).collect()
}

/// Gatys, Ecker & Bethge 2015, figure 2: textures from the layers up to `conv1_1`, pool1, … pool4, and the original.
pub fn textures(image: &Picture, last: Layer) -> Vec<Cell<'_>> {
    let layers = possible(texture_layers().layers(), last, image);
    let texture = |layer: Layer| {
        let job = CellJob::Texture { layers: texture_layers_up_to(layer) };
        Cell { label: format!("up to {layer}"), image, job }
    };
    layers.into_iter().map(texture).chain([original(image)]).collect()
}

/// Gatys, Ecker & Bethge 2016, figure 4 (2015's figure 3): a row for each cumulative set of style layers, a column for
/// each ratio α/β of the weights of content and style (of the [balanced](Preset::Balanced) formula). The content layer
/// is relu4_2, or the network's deepest second convolution.
pub fn weights<'a>(
    image: &'a Picture,
    style: &'a Picture,
    last: Layer,
    pooling: Pooling,
    ratios: &[f64],
) -> Vec<Vec<Cell<'a>>> {
    let content = possible(named(&["relu1_2", "relu2_2", "relu3_2", "relu4_2"]), last, image);
    let Some(&content) = content.last() else { return Vec::new() };
    let row = |(label, style_layers): (String, LayerWeights)| {
        let cell = |&ratio: &f64| {
            let recipe = Recipe {
                content_layers: LayerWeights::new([(content, 1.0)]).expect("one layer"),
                style_layers: style_layers.clone(),
                content_weight: ratio,
                style_weight: 1.0,
                pooling,
                clamp: false,
                scales: Scales::Count(1),
                finish: None,
                ..Preset::Balanced.recipe(true)
            };
            Cell { label: format!("{label}, α/β = {ratio}"), image, job: CellJob::Transfer { style, recipe } }
        };
        ratios.iter().map(cell).collect()
    };
    style_sets(last, image).into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn labels(cells: &[Cell<'_>]) -> Vec<String> {
        cells.iter().map(|cell| cell.label.clone()).collect()
    }

    fn layer(name: &str) -> Layer {
        name.parse().unwrap()
    }

    #[test]
    fn figures_go_as_deep_as_network_and_image_allow() {
        let image = Picture::new(Array3::zeros((64, 32, 3)));
        let all: Vec<Layer> = Layer::all().collect();
        assert_eq!(inversions(&image, &all, layer("pool5")).len(), 1 + 37);
        assert_eq!(inversions(&image, &all, layer("pool3")).len(), 1 + 19);
        assert_eq!(labels(&content(&image, layer("pool3"))), ["original", "relu1_2", "relu2_2", "relu3_2"]);
        assert_eq!(labels(&style(&image, layer("pool2"))), ["original", "up to relu1_1", "up to relu2_1"]);
        let names = ["up to relu1_1", "up to pool1", "up to pool2", "up to pool3", "up to pool4", "original"];
        assert_eq!(labels(&textures(&image, layer("pool5"))), names);
        let tiny = Picture::new(Array3::zeros((4, 4, 3)));
        assert_eq!(labels(&textures(&tiny, layer("pool5"))), [&names[..3], &["original"]].concat());
    }

    #[test]
    fn the_grid_has_a_row_for_each_set_and_a_column_for_each_ratio() {
        let image = Picture::new(Array3::zeros((64, 32, 3)));
        let grid = weights(&image, &image, layer("pool3"), Pooling::Average, &[0.01, 1.0]);
        assert_eq!(grid.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        assert_eq!(grid[2][0].label, "up to relu3_1, α/β = 0.01");
        let CellJob::Transfer { recipe, .. } = &grid[2][1].job else { panic!("a transfer") };
        assert_eq!(recipe.content_layers.to_string(), "relu3_2=1");
        assert_eq!(recipe.style_layers.layers().count(), 3);
    }

    #[test]
    fn a_sweep_changes_lambda_alone() {
        let image = Picture::new(Array3::zeros((64, 32, 3)));
        let cells = lambda(&image, layer("relu2_1"), &[0.1, 10.0]);
        assert_eq!(labels(&cells), ["original", "relu2_1, λ = 0.1", "relu2_1, λ = 10"]);
        assert_ne!(cells[1].description(), cells[2].description());
    }
}
