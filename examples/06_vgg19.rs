//! Chapter 6: what the layers of VGG19 see: their receptive fields, and their activations for a photo.
//!
//! ```text
//! cargo run --release --example 06_vgg19 -- target/book photo.jpg
//! ```

mod book;

use std::error::Error;

use book::{Book, layers, wrong};
use impasto::ops::ConvAlgorithm;
use impasto::vgg::Pooling;
use impasto::{Layer, Picture, Tape, Vgg19, Weights};
use ndarray::{Array2, Array3, Axis, Ix3, s, stack};

// ANCHOR: field
/// The height of the patch of the image that one position of a layer depends on, by the gradient of its features.
fn measured_field(network: &Vgg19<f32>, layer: Layer) -> Result<usize, Box<dyn Error>> {
    let tape = Tape::new();
    let image = Array3::from_shape_fn((192, 192, 3), |(i, j, c)| ((i * 31 + j * 17 + c * 7) % 23) as f32 / 12.0 - 1.0);
    let image = tape.variable(image);
    let features = &network.features(&image, [layer])?[&layer];
    let (rows, columns) = (features.shape()[0], features.shape()[1]);
    let mut cotangent = Array3::zeros((rows, columns, features.shape()[2]));
    cotangent.slice_mut(s![rows / 2, columns / 2, ..]).fill(1.0);
    let gradient = features.backward_from(cotangent.into_dyn()).take(&image).ok_or("no gradient")?.into_array();
    Ok(gradient.outer_iter().filter(|row| row.iter().any(|&g| g != 0.0)).count())
}
// ANCHOR_END: field

/// A channel of a feature map as a grey picture.
fn grey(channel: &ndarray::ArrayView2<'_, f32>, [height, width]: [usize; 2]) -> Picture {
    let most = channel.fold(f32::MIN_POSITIVE, |most, &v| most.max(v));
    let (rows, columns) = channel.dim();
    let level = |(i, j)| channel[[i * rows / height, j * columns / width]] / most;
    let levels = Array2::from_shape_fn((height, width), level);
    Picture::new(stack(Axis(2), &[levels.view(); 3]).expect("equal shapes"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let photo = book.photo(book.either(256, 64))?;
    let network = &book.network;
    // ANCHOR: features
    let shown = layers(["relu1_1", "relu2_2", "relu3_4", "relu4_4"]);
    let tape = Tape::new();
    let image = tape.constant(network.normalise(&photo.rgb.view()));
    let features = network.features(&image, shown)?;
    // ANCHOR_END: features
    let mut rows = vec![vec![(photo.clone().resized(96, 128), "the photo".to_owned())]];
    for layer in shown {
        let map = features[&layer].of_rank::<Ix3>("features");
        let zeros = map.iter().filter(|&&v| v == 0.0).count() as f64 / map.len() as f64;
        println!("{layer}.shape = {:?}", map.dim());
        println!("{layer}.zeros = {zeros:.2}");
        // The channels with the largest sums of activations.
        let mut channels: Vec<_> = map.axis_iter(Axis(2)).map(|channel| (channel.sum(), channel)).collect();
        channels.sort_by(|a, b| b.0.total_cmp(&a.0));
        let tiles = channels.iter().take(4).map(|(_, channel)| (grey(channel, [96, 128]), layer.to_string()));
        rows.push(tiles.collect());
    }
    book.sheet("06-activations.jpg", rows)?;

    let firsts = layers(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]);
    // Fields do not depend on weights. A maximum passes the gradient to one of four pixels; a mean passes it to all.
    let small = Vgg19::new(Weights::random_with_widths([8; 5], 1, None)).with_pooling(Pooling::Average);
    // Fast convolutions leave rounding errors where the gradient is 0.
    let small = small.with_algorithm(ConvAlgorithm::Direct);
    for row in network.summary([192, 192]).iter().filter(|row| firsts.contains(&row.layer)) {
        println!("{}.field = {}", row.layer, row.receptive_field);
        println!("{}.field_measured = {}", row.layer, measured_field(&small, row.layer)?);
    }

    wrong::pooling();
    Ok(())
}
