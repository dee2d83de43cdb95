//! What the programs of chapters 6 to 12 share: weights, two pictures, the folder to write to, and sheets of pictures.

#![allow(dead_code)] // Each program uses a part of it.

pub mod normalisations;
pub mod objective;
pub mod ranks;
pub mod textbook;
pub mod wrong;

use std::error::Error;
use std::path::PathBuf;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use impasto::picture::shape;
use impasto::vgg::{FoundWeights, Lineage, WeightSource, WeightsOrigin};
use impasto::{Layer, Picture, Vgg19, Weights};
use impasto_drawing::{Sheet, Tile, demo};

/// The quality of sheets.
const QUALITY: u8 = 70;

/// What the command line says: `PROGRAM [OUT [PHOTO [PAINTING]]]`.
pub struct Book {
    words: Vec<String>,
    /// The network: trained weights where [`FoundWeights::find`] finds them, else the thin random ones of the tests.
    pub network: Vgg19<f32>,
    /// Whether the weights are trained. If not, programs make small pictures in a few steps.
    pub trained: bool,
}

impl Book {
    /// Reads the command line, finds weights and makes the folder OUT.
    ///
    /// # Errors
    /// If the weights cannot be read or the folder not made.
    pub fn open() -> Result<Self, Box<dyn Error>> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let found = FoundWeights::find(None)?;
        let thin = WeightSource::File(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vgg19-thin.npz").into());
        let source = if found.origin == WeightsOrigin::Embedded { thin } else { found.source };
        let network = Vgg19::new(Weights::load(&source, None)?);
        let trained = matches!(network.lineage(), Lineage::Caffe | Lineage::Torchvision);
        let book = Self { words, network, trained };
        std::fs::create_dir_all(book.path(""))?;
        Ok(book)
    }

    /// The first value with trained weights, else the second.
    pub fn either<T>(&self, trained: T, thin: T) -> T {
        if self.trained { trained } else { thin }
    }

    /// A file in the folder OUT, by default target/book.
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.words.first().map_or("target/book", String::as_str)).join(name)
    }

    /// The reader's photo, with at most this longer side, or the demo's harbour with it.
    ///
    /// # Errors
    /// If the photo cannot be read.
    pub fn photo(&self, side: usize) -> Result<Picture, Box<dyn Error>> {
        self.given(1, side, || demo::content(3 * side / 4, side))
    }

    /// The reader's painting, with at most this longer side, or the demo's brush strokes with it.
    ///
    /// # Errors
    /// If the painting cannot be read.
    pub fn painting(&self, side: usize) -> Result<Picture, Box<dyn Error>> {
        self.given(2, side, || demo::style(side))
    }

    fn given(&self, word: usize, side: usize, demo: impl Fn() -> Picture) -> Result<Picture, Box<dyn Error>> {
        let Some(path) = self.words.get(word) else { return Ok(demo().fitted(side)) };
        let [height, width] = shape(path)?;
        Ok(Picture::open_fitted(path, side.min(height.max(width)))?)
    }

    /// Writes rows of pictures with captions to a JPEG in the folder OUT, small enough for a page.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn sheet(&self, name: &str, rows: Vec<Vec<(Picture, String)>>) -> Result<(), Box<dyn Error>> {
        let tile = |(picture, caption): (Picture, String)| Tile { picture, caption: vec![caption] };
        let rows = rows.into_iter().map(|row| row.into_iter().map(tile).collect()).collect();
        let picture = Sheet { title: String::new(), rows }.draw();
        let levels: Vec<u8> = picture.rgb.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        let file = std::fs::File::create(self.path(name))?;
        let (width, height) = (picture.width() as u32, picture.height() as u32);
        Ok(JpegEncoder::new_with_quality(file, QUALITY).encode(&levels, width, height, ExtendedColorType::Rgb8)?)
    }
}

/// The root of the mean squared difference of two pictures of one size, in levels of 1/255.
pub fn levels(a: &Picture, b: &Picture) -> f64 {
    let squares = (&a.rgb - &b.rgb).mapv(|v| f64::from(v).powi(2));
    255.0 * squares.mean().unwrap_or(0.0).sqrt()
}

/// The layers of these names.
///
/// # Panics
/// If a name is none of VGG19's.
pub fn layers<const N: usize>(names: [&str; N]) -> [Layer; N] {
    names.map(|name| name.parse().expect("a layer of VGG19"))
}
