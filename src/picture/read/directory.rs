//! The first directory of a TIFF, as it stands in the file: what the crate `tiff` does not tell, or not without harm.

use std::io::{Read, Seek, SeekFrom};

use super::Fault;

/// TIFF 6.0, section 2: the type of texts.
const ASCII: u64 = 2;

/// The tags of the first picture.
pub(super) struct Directory {
    /// Whether numbers begin with their least byte.
    pub(super) little: bool,
    pub(super) entries: Vec<Entry>,
}

/// A tag.
pub(super) struct Entry {
    pub(super) tag: u16,
    /// Where in the file its value stands, and the first two bytes of it.
    pub(super) place: u64,
    pub(super) value: [u8; 2],
}

impl Directory {
    /// Reads it. A text that would be longer than the file is an error here, because the crate `tiff` 0.11 prints a line of
    /// its own where one is longer than its limit.
    pub(super) fn first(stream: &mut (impl Read + Seek)) -> Result<Self, Fault> {
        let len = stream.seek(SeekFrom::End(0))?;
        stream.rewind()?;
        let mut header = [0; 16];
        stream.read_exact(&mut header[..8])?;
        let little = header[0] == b'I';
        let number = |bytes: &[u8]| {
            let most_first = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
            if little { bytes.iter().rev().fold(0, most_first) } else { bytes.iter().fold(0, most_first) }
        };
        let big = number(&header[2..4]) == 43;
        if big {
            stream.read_exact(&mut header[8..])?;
        }
        let start = if big { number(&header[8..16]) } else { number(&header[4..8]) };
        stream.seek(SeekFrom::Start(start))?;
        let mut count = [0; 8];
        let count = &mut count[..if big { 8 } else { 2 }];
        stream.read_exact(count)?;
        let (size, value) = if big { (20, 12) } else { (12, 8) };
        let start = start + count.len() as u64;
        let mut entries = Vec::new();
        for i in 0..number(count) {
            let mut bytes = [0; 20];
            stream.read_exact(&mut bytes[..size])?;
            if number(&bytes[2..4]) == ASCII && number(&bytes[4..value]) > len {
                return Err(Fault::damaged("a text in it is longer than the file"));
            }
            let place = start + i * size as u64 + value as u64;
            entries.push(Entry { tag: number(&bytes[..2]) as u16, place, value: [bytes[value], bytes[value + 1]] });
        }
        Ok(Self { little, entries })
    }
}
