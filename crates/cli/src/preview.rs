//! The picture so far, shown in the terminal above the bar.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use console::Term;
use impasto::Picture;

use super::error::Error;

/// The shortest time between pictures: a terminal needs time for each.
const BETWEEN: Duration = Duration::from_secs(1);

/// The longer side of pictures sent to terminals that show pixels.
#[cfg(feature = "preview")]
const SIDE: usize = 512;

/// Rows of the terminal left for the bar and earlier output.
const OTHER_ROWS: u16 = 4;

/// Shows pictures, each in place of the previous one.
pub(super) struct Preview {
    terminal: Term,
    /// Rows of the picture above the cursor.
    rows: usize,
    last: Option<Instant>,
}

impl Preview {
    /// A preview, if the terminal can show one.
    pub(super) fn new() -> Result<Self, Error> {
        if cfg!(not(feature = "preview")) {
            let message = "--preview is not in this build, which was made without the feature `preview`; --save-every N \
                           writes intermediate pictures to files";
            return Err(Error::Usage(message.into()));
        }
        // viuer asks the terminal what it can show and waits for the answer, which a dumb one does not give.
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if dumb || !std::io::stderr().is_terminal() || !std::io::stdout().is_terminal() {
            let message = "--preview needs a terminal that can show colours, and standard output or standard error is \
                           not; --save-every N writes intermediate pictures to files";
            return Err(Error::Usage(message.into()));
        }
        Ok(Self { terminal: Term::stdout(), rows: 0, last: None })
    }

    /// Whether it is time for another picture.
    pub(super) fn due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= BETWEEN)
    }

    /// Shows a picture in place of the previous one.
    pub(super) fn show(&mut self, picture: Picture) {
        let (rows, columns) = self.terminal.size();
        let size = [picture.height(), picture.width()];
        let columns = columns_of(size, rows.saturating_sub(OTHER_ROWS), columns);
        // Continue painting even if the terminal cannot show the picture.
        if self.rows > 0 {
            let _ = self.terminal.move_cursor_up(self.rows);
        }
        self.rows = print(picture, columns);
        self.last = Some(Instant::now());
    }

    /// Leaves the picture in place, because something was written below it; the next one appears under that.
    pub(super) fn leave(&mut self) {
        self.rows = 0;
    }
}

/// The number of columns with which a picture fits into a terminal. A cell is about twice as high as wide.
fn columns_of([height, width]: [usize; 2], rows: u16, columns: u16) -> u32 {
    let of_rows = 2 * usize::from(rows) * width / height.max(1);
    of_rows.clamp(1, usize::from(columns).max(1)) as u32
}

/// Prints a picture of this width in columns at the cursor. Returns its number of rows, 0 if it cannot be shown.
#[cfg(feature = "preview")]
fn print(picture: Picture, columns: u32) -> usize {
    let config = viuer::Config { absolute_offset: false, width: Some(columns), ..viuer::Config::default() };
    viuer::print(&eight_bits(picture), &config).map_or(0, |(_, rows)| rows as usize)
}

#[cfg(not(feature = "preview"))]
fn print(_: Picture, _: u32) -> usize {
    0
}

#[cfg(feature = "preview")]
fn eight_bits(picture: Picture) -> image::DynamicImage {
    let longest = picture.height().max(picture.width());
    let picture = picture.fitted(longest.min(SIDE));
    let level = |value: f32| (value * 255.0).round().clamp(0.0, 255.0) as u8;
    let pixel = |x: u32, y: u32| image::Rgb([0, 1, 2].map(|c| level(picture.rgb[[y as usize, x as usize, c]])));
    image::RgbImage::from_fn(picture.width() as u32, picture.height() as u32, pixel).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_into_rows_and_columns() {
        assert_eq!(columns_of([100, 200], 20, 80), 80);
        assert_eq!(columns_of([100, 100], 20, 80), 40);
        assert_eq!(columns_of([400, 100], 20, 80), 10);
        assert_eq!(columns_of([10_000, 1], 20, 80), 1);
    }

    #[test]
    #[cfg(feature = "preview")]
    fn what_is_sent_has_the_pictures_colours_and_is_no_larger_than_needed() {
        let picture = Picture::new(ndarray::Array3::from_shape_fn((4, 1024, 3), |(_, _, c)| [0.0, 0.5, 2.0][c]));
        let sent = eight_bits(picture).to_rgb8();
        assert_eq!(sent.dimensions(), (512, 2));
        assert_eq!(sent.get_pixel(100, 1).0, [0, 128, 255]);
    }
}
