//! Options for writing pictures.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use impasto::picture::{Depth, Format, SaveOptions};

/// Options for the output picture.
#[derive(Args)]
pub(super) struct OutputArguments {
    /// Format if OUT has no extension: png, jpeg, webp, tiff or bmp
    ///
    /// For example with `-o -`, which writes to standard output.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<Format>,

    /// Bits per colour; 16 for PNG and TIFF only [default: 8]
    #[arg(long, value_name = "8|16", value_parser = PossibleValuesParser::new(["8", "16"]).map(depth), hide_possible_values = true)]
    depth: Option<Depth>,

    /// Write sRGB instead of the photo's colour profile
    #[arg(long)]
    srgb: bool,

    /// Leave out how the picture was made, and the photo's metadata
    #[arg(long)]
    no_metadata: bool,

    /// Keep the photo's location, which is left out by default
    #[arg(long)]
    keep_location: bool,
}

impl OutputArguments {
    /// The options for saving, without provenance.
    pub(super) fn options(&self) -> SaveOptions {
        SaveOptions {
            format: self.format,
            depth: self.depth.unwrap_or_default(),
            srgb: self.srgb,
            no_metadata: self.no_metadata,
            keep_location: self.keep_location,
            provenance: None,
        }
    }
}

fn format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|()| {
        let written = Format::ALL.iter().filter(|format| format.is_written());
        let names: Vec<_> = written.map(|format| format.to_string().to_lowercase()).collect();
        format!("give one of {}", names.join(", "))
    })
}

fn depth(bits: String) -> Depth {
    if bits == "16" { Depth::Sixteen } else { Depth::Eight }
}
