//! The chunks of a PNG, walked through before it is decoded: what the crate `png` does not tell, or too late.

use std::io::{Read, Seek, SeekFrom};

use super::Fault;

/// The signature.
const START: u64 = 8;

/// The most bytes of EXIF that are read.
const LONGEST_EXIF: u64 = 16 << 20;

/// What is known of a file before its pixels.
pub(super) struct Chunks {
    /// EXIF, as a TIFF file; it may stand after the pixels.
    pub(super) exif: Option<Vec<u8>>,
}

impl Chunks {
    /// Walks through all chunks. With `check`, those that the pixels are made of must have the checksums that they say:
    /// the crate `png` has all rows before it looks at the last.
    ///
    /// # Errors
    /// If such a chunk is damaged or cut short.
    pub(super) fn walk(stream: &mut (impl Read + Seek), check: bool) -> Result<Self, Fault> {
        let len = stream.seek(SeekFrom::End(0))?;
        let (mut at, mut exif) = (START, None);
        let mut header = [0; 8];
        loop {
            stream.seek(SeekFrom::Start(at))?;
            if stream.read_exact(&mut header).is_err() {
                break;
            }
            let [a, b, c, d, kind @ ..] = header;
            let size = u64::from(u32::from_be_bytes([a, b, c, d]));
            let end = at + 12 + size;
            let whole = end <= len;
            match &kind {
                b"IEND" => break,
                b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" if check => {
                    if !whole {
                        return Err(Fault::CutShort);
                    }
                    if !is_intact(stream, kind, size)? {
                        return Err(Fault::damaged("the checksum of its pixels is wrong"));
                    }
                }
                b"eXIf" if exif.is_none() && whole && size <= LONGEST_EXIF => {
                    let mut body = vec![0; size as usize + 4];
                    stream.read_exact(&mut body)?;
                    let (body, checksum) = body.split_at(size as usize);
                    exif = (checksum == checksum_of(kind, body).to_be_bytes()).then(|| body.to_vec());
                }
                _ => {}
            }
            at = end;
        }
        stream.rewind()?;
        Ok(Self { exif })
    }
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
