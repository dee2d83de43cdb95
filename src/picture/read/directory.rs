//! The directories of a TIFF, one for each page: what the crate `tiff` cannot read, or cannot read safely.

use std::io::{Read, Seek, SeekFrom};

use super::Fault;

// TIFF 6.0, section 2: types of values.
const BYTE: u16 = 1;
const ASCII: u16 = 2;
const UNDEFINED: u16 = 7;

/// The largest numbers of pages, and of pages within a page.
const MOST_PAGES: usize = 64;

/// The largest number of tags of a page: the limit of a plain TIFF.
const MOST_TAGS: u64 = 65_535;

/// The most bytes of a value that is read.
const LONGEST_VALUE: u64 = 16 << 20;

/// The most bytes of a text that is read.
const LONGEST_TEXT: u64 = 1 << 20;

// TIFF 6.0, section 8, and its supplement 1.
const NEW_SUBFILE_TYPE: u16 = 254;
const SUBFILE_TYPE: u16 = 255;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const SUB_DIRECTORIES: u16 = 330;

/// A first page counts as a thumbnail, even unmarked, if its sides are at most this many pixels and a later page has the same
/// proportions and at least twice the size.
const THUMBNAIL: u64 = 512;

/// The encoding of numbers in a file.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    /// Whether they begin with their least byte.
    pub(super) little: bool,
    /// Whether places have 64 bits (BigTIFF).
    big: bool,
}

impl Numbers {
    fn of(self, bytes: &[u8]) -> u64 {
        let most_first = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        if self.little { bytes.iter().rev().fold(0, most_first) } else { bytes.iter().fold(0, most_first) }
    }

    /// The bytes of a place in the file.
    pub(super) fn place(self, place: u64) -> Vec<u8> {
        let mut bytes = place.to_le_bytes()[..if self.big { 8 } else { 4 }].to_vec();
        if !self.little {
            bytes.reverse();
        }
        bytes
    }

    /// Where in the file the place of its first directory stands.
    pub(super) fn first(self) -> u64 {
        if self.big { 8 } else { 4 }
    }
}

/// The tags of a page.
pub(super) struct Directory {
    /// Where it stands in the file.
    pub(super) start: u64,
    entries: Vec<Entry>,
    numbers: Numbers,
    /// Where the next page's stands; 0 after the last.
    next: u64,
}

/// A tag.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where in the file its value stands, if that fits there; else where the place of the value does.
    place: u64,
    value: Vec<u8>,
}

impl Directory {
    /// The main page: the first one or, if that is a thumbnail, the full picture.
    ///
    /// # Errors
    /// If the first directory cannot be read.
    pub(super) fn of_picture(stream: &mut (impl Read + Seek)) -> Result<(Self, Numbers), Fault> {
        let (numbers, start) = header(stream)?;
        let first = Self::at(stream, start, numbers)?;
        let mut pages = vec![first];
        // Ignore pages that cannot be read.
        while let Some(last) = pages.last()
            && last.next != 0
            && pages.len() < MOST_PAGES
            && pages.iter().all(|page| page.start != last.next)
            && let Ok(page) = Self::at(stream, last.next, numbers)
        {
            pages.push(page);
        }
        if pages[0].is_reduced() {
            for place in pages[0].places(SUB_DIRECTORIES, stream) {
                pages.extend(Self::at(stream, place, numbers));
            }
        }
        let chosen = (1..pages.len())
            .filter(|&i| pages[0].is_thumbnail_of(&pages[i]))
            // Of equal ones the first.
            .max_by_key(|&i| (pages[i].area(), std::cmp::Reverse(i)));
        Ok((pages.swap_remove(chosen.unwrap_or(0)), numbers))
    }

    /// Reads the one at a place.
    fn at(stream: &mut (impl Read + Seek), start: u64, numbers: Numbers) -> Result<Self, Fault> {
        stream.seek(SeekFrom::Start(start))?;
        let mut count = [0; 8];
        let count = &mut count[..if numbers.big { 8 } else { 2 }];
        stream.read_exact(count)?;
        let (size, value) = if numbers.big { (20, 12) } else { (12, 8) };
        let first = start + count.len() as u64;
        let mut entries = Vec::new();
        let count = numbers.of(count);
        if count > MOST_TAGS {
            return Err(Fault::damaged("it has more tags than any page"));
        }
        for i in 0..count {
            let mut bytes = [0; 20];
            stream.read_exact(&mut bytes[..size])?;
            entries.push(Entry {
                tag: numbers.of(&bytes[..2]) as u16,
                kind: numbers.of(&bytes[2..4]) as u16,
                count: numbers.of(&bytes[4..value]),
                place: first + i * size as u64 + value as u64,
                value: bytes[value..size].to_vec(),
            });
        }
        let mut next = [0; 8];
        let next = &mut next[..if numbers.big { 8 } else { 4 }];
        // Some writers leave it out after the last.
        let next = if stream.read_exact(next).is_ok() { numbers.of(next) } else { 0 };
        Ok(Self { start, entries, numbers, next })
    }

    fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// Where a tag's value stands, which fits there, and its first number.
    pub(super) fn number(&self, tag: u16) -> Option<(u64, u64)> {
        let entry = self.entry(tag).filter(|entry| entry.count > 0)?;
        let bytes = entry.value.get(..size_of_kind(entry.kind)?)?;
        Some((entry.place, self.numbers.of(bytes)))
    }

    /// A tag's numbers that are places in the file.
    fn places(&self, tag: u16, stream: &mut (impl Read + Seek)) -> Vec<u64> {
        let Some(entry) = self.entry(tag) else { return Vec::new() };
        let Some(size) = size_of_kind(entry.kind) else { return Vec::new() };
        let bytes = entry.count.min(MOST_PAGES as u64) as usize * size;
        let mut values = entry.value.clone();
        if bytes > values.len() {
            let place = self.numbers.of(&values);
            values = vec![0; bytes];
            if stream.seek(SeekFrom::Start(place)).is_err() || stream.read_exact(&mut values).is_err() {
                return Vec::new();
            }
        }
        values[..bytes].chunks_exact(size).map(|value| self.numbers.of(value)).collect()
    }

    /// A text, as its bytes are.
    pub(super) fn text(&self, tag: u16, stream: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
        let mut text = self.bytes(tag, stream).filter(|text| text.len() as u64 <= LONGEST_TEXT)?;
        text.truncate(text.iter().position(|&byte| byte == 0).unwrap_or(text.len()));
        Some(text).filter(|text| !text.is_empty())
    }

    /// A value that is bytes or a text.
    pub(super) fn bytes(&self, tag: u16, stream: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
        let bytes = [BYTE, ASCII, UNDEFINED];
        let entry = self.entry(tag).filter(|entry| bytes.contains(&entry.kind) && entry.count <= LONGEST_VALUE)?;
        let len = entry.count as usize;
        let mut value = entry.value.clone();
        if len > value.len() {
            stream.seek(SeekFrom::Start(self.numbers.of(&value))).ok()?;
            value.clear();
            stream.take(entry.count).read_to_end(&mut value).ok()?;
        }
        (value.len() >= len).then(|| value[..len].to_vec())
    }

    /// A text that would be longer than the file is an error here, because the crate `tiff` 0.11 prints a line of its
    /// own where one is longer than its limit.
    pub(super) fn check_texts(&self, len: u64) -> Result<(), Fault> {
        if self.entries.iter().any(|entry| entry.kind == ASCII && entry.count > len) {
            return Err(Fault::damaged("a text in it is longer than the file"));
        }
        Ok(())
    }

    /// Whether it marks its picture as a smaller version of another.
    pub(super) fn is_reduced(&self) -> bool {
        let number = |tag| self.number(tag).map(|(_, value)| value);
        number(NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 1 == 1) || number(SUBFILE_TYPE) == Some(2)
    }

    fn size(&self) -> Option<[u64; 2]> {
        Some([self.number(HEIGHT)?.1, self.number(WIDTH)?.1])
    }

    fn area(&self) -> u64 {
        self.size().map_or(0, |[height, width]| height.saturating_mul(width))
    }

    fn is_thumbnail_of(&self, other: &Self) -> bool {
        let (Some(small), Some(large)) = (self.size(), other.size()) else { return false };
        if other.is_reduced() || small.contains(&0) {
            return false;
        }
        // Sides of thumbnails are rounded.
        let [height, width] = [0, 1].map(|i| large[i] as f64 / small[i] as f64);
        let proportional = (height / width - 1.0).abs() <= 1.0 / *small.iter().min().expect("two sides") as f64;
        self.is_reduced() || small.iter().all(|&side| side <= THUMBNAIL) && height.min(width) >= 2.0 && proportional
    }
}

/// How numbers stand in the file, and where its first directory does.
fn header(stream: &mut (impl Read + Seek)) -> Result<(Numbers, u64), Fault> {
    stream.rewind()?;
    let mut header = [0; 16];
    stream.read_exact(&mut header[..8])?;
    let mut numbers = Numbers { little: header[0] == b'I', big: false };
    if numbers.of(&header[2..4]) == 43 {
        numbers.big = true;
        stream.read_exact(&mut header[8..])?;
        return Ok((numbers, numbers.of(&header[8..16])));
    }
    Ok((numbers, numbers.of(&header[4..8])))
}

/// Bytes of a whole number (TIFF 6.0, section 2; BigTIFF): BYTE, SHORT, LONG, IFD, LONG8, IFD8.
fn size_of_kind(kind: u16) -> Option<usize> {
    match kind {
        1 => Some(1),
        3 => Some(2),
        4 | 13 => Some(4),
        16 | 18 => Some(8),
        _ => None,
    }
}
