//! The chunks of a PNG. The decoder gets only the chunks with pixels. This module reads the others, so that damage to them affects
//! nothing else.

use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};

use super::super::colour::{Calibrated, Declared, Points};
use super::Fault;
use super::input::Stream;

/// The signature.
const START: u64 = 8;

/// The most bytes of EXIF or of a colour profile that are read.
const LONGEST: u64 = 16 << 20;

/// The chunk that ends a PNG. Without it all pixels may be there, but the decoder would keep the last rows to itself.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// The contents of a file apart from its pixels.
#[derive(Default)]
pub(super) struct Chunks {
    /// EXIF, as a TIFF file; it may stand after the pixels.
    pub(super) exif: Option<Vec<u8>>,
    points: Option<Declared>,
    profile: Option<Declared>,
    srgb: bool,
    gamma: Option<f64>,
    chromaticities: Option<[[f64; 2]; 4]>,
    /// The ranges of the signature and of the chunks that hold pixels.
    pixels: Vec<(u64, u64)>,
}

impl Chunks {
    /// Reads all chunks. With `check`, verifies the checksums of chunks with pixels, since the crate `png` returns all
    /// rows before it checks the last one.
    ///
    /// # Errors
    /// If such a chunk is damaged or cut short.
    pub(super) fn walk(stream: &mut (impl Read + Seek), check: bool) -> Result<Self, Fault> {
        let len = stream.seek(SeekFrom::End(0))?;
        let mut chunks = Self { pixels: vec![(0, START)], ..Self::default() };
        let (mut at, mut header) = (START, [0; 8]);
        loop {
            stream.seek(SeekFrom::Start(at))?;
            if stream.read_exact(&mut header).is_err() {
                break;
            }
            let [a, b, c, d, kind @ ..] = header;
            let size = u64::from(u32::from_be_bytes([a, b, c, d]));
            let end = at + 12 + size;
            match &kind {
                b"IEND" => break,
                b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" => {
                    chunks.pixels.push((at, end.min(len)));
                    if check && end > len {
                        return Err(Fault::CutShort);
                    }
                    if check && !is_intact(stream, kind, size)? {
                        return Err(Fault::damaged("the checksum of its pixels is wrong"));
                    }
                }
                b"cICP" | b"iCCP" | b"sRGB" | b"gAMA" | b"cHRM" | b"eXIf" if end <= len && size <= LONGEST => {
                    let mut body = vec![0; size as usize + 4];
                    stream.read_exact(&mut body)?;
                    let (body, checksum) = body.split_at(size as usize);
                    let intact = checksum == checksum_of(kind, body).to_be_bytes();
                    chunks.note(kind, body, intact);
                }
                _ => {}
            }
            at = end;
        }
        stream.rewind()?;
        Ok(chunks)
    }

    /// Records a chunk; of several of a kind, the first counts.
    fn note(&mut self, kind: [u8; 4], body: &[u8], intact: bool) {
        let number = |i: usize| body.get(4 * i..4 * i + 4).and_then(|bytes| bytes.first_chunk());
        let number = |i: usize| number(i).map(|bytes| f64::from(u32::from_be_bytes(*bytes)) / 100_000.0);
        match &kind {
            b"eXIf" if intact => _ = self.exif.get_or_insert_with(|| body.to_vec()),
            b"cICP" => {
                let points = match *body {
                    [primaries, transfer, matrix, range] if intact => {
                        Declared::Points(Points { primaries, transfer, matrix, full_range: range != 0, largest: 255.0 })
                    }
                    _ => Declared::Unusable("its code points are damaged".into()),
                };
                self.points.get_or_insert(points);
            }
            b"iCCP" => {
                let profile = if intact { inflated(body) } else { None };
                let damaged = || Declared::Unusable("it is damaged".into());
                self.profile.get_or_insert_with(|| profile.map_or_else(damaged, Declared::Profile));
            }
            b"sRGB" => self.srgb |= intact,
            b"gAMA" if intact && self.gamma.is_none() => self.gamma = number(0),
            b"cHRM" if intact && self.chromaticities.is_none() => {
                let values: Vec<_> = (0..8).map_while(number).collect();
                if let [a, b, c, d, e, f, g, h] = values[..] {
                    self.chromaticities = Some([[a, b], [c, d], [e, f], [g, h]]);
                }
            }
            _ => {}
        }
    }

    /// The file's colour information, in order of precedence (PNG, third edition, 4.3), for 8-bit or 16-bit samples.
    pub(super) fn colours(&self, wide: bool) -> Vec<Declared> {
        let points = self.points.clone().map(|points| match points {
            Declared::Points(points) if wide => Declared::Points(Points { largest: 65535.0 / 256.0, ..points }),
            points => points,
        });
        let calibrated = (self.gamma.is_some() || self.chromaticities.is_some()).then(|| {
            Declared::Calibrated(Calibrated {
                gammas: self.gamma.map(|gamma| [1.0 / gamma; 3]),
                chromaticities: self.chromaticities.unwrap_or(Calibrated::BT709),
            })
        });
        let srgb = self.srgb.then_some(Declared::Srgb);
        [points, self.profile.clone(), srgb, calibrated].into_iter().flatten().collect()
    }

    /// The file reduced to the chunks that hold pixels, and an end.
    pub(super) fn pixels<'a>(&self, stream: Box<dyn Stream + 'a>) -> Pixels<'a> {
        Pixels { source: BufReader::new(Parts { stream, places: self.pixels.clone(), at: 0 }.chain(Cursor::new(END))) }
    }
}

/// A colour profile: a name, a zero, the method 0, and the profile by zlib.
fn inflated(body: &[u8]) -> Option<Vec<u8>> {
    let end = body.iter().position(|&byte| byte == 0)?;
    let compressed = body.get(end + 1..)?.strip_prefix(&[0])?;
    let mut profile = Vec::new();
    flate2::read::ZlibDecoder::new(compressed).take(LONGEST).read_to_end(&mut profile).ok()?;
    Some(profile)
}

/// Whether the next `size` bytes, of a chunk of that kind, have the checksum that follows them.
fn is_intact(stream: &mut impl Read, kind: [u8; 4], mut size: u64) -> Result<bool, Fault> {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&kind);
    let mut buffer = [0; 1 << 13];
    while size > 0 {
        let part = size.min(buffer.len() as u64) as usize;
        stream.read_exact(&mut buffer[..part])?;
        checksum.update(&buffer[..part]);
        size -= part as u64;
    }
    let mut said = [0; 4];
    stream.read_exact(&mut said)?;
    Ok(checksum.finalize().to_be_bytes() == said)
}

fn checksum_of(kind: [u8; 4], body: &[u8]) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&kind);
    checksum.update(body);
    checksum.finalize()
}

/// Several parts of a file, read in sequence.
struct Parts<'a> {
    stream: Box<dyn Stream + 'a>,
    /// Start and end of the rest of each part.
    places: Vec<(u64, u64)>,
    /// The current part.
    at: usize,
}

impl Read for Parts<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((start, end)) = self.places.get_mut(self.at) {
            if *start >= *end {
                self.at += 1;
                continue;
            }
            if self.stream.stream_position()? != *start {
                self.stream.seek(SeekFrom::Start(*start))?;
            }
            let most = (*end - *start).min(buffer.len() as u64) as usize;
            let read = self.stream.read(&mut buffer[..most])?;
            if read == 0 {
                break;
            }
            *start += read as u64;
            return Ok(read);
        }
        Ok(0)
    }
}

/// The decoder's input. The decoder requires a seekable stream but never seeks.
pub(super) struct Pixels<'a> {
    source: BufReader<io::Chain<Parts<'a>, Cursor<[u8; 12]>>>,
}

impl BufRead for Pixels<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.source.consume(amount);
    }
}

impl Read for Pixels<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

impl Seek for Pixels<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
