//! Several pictures as one zip file.

use std::fs::File;
use std::io::{self, Seek};
use std::path::PathBuf;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncReadExt;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The number of bytes sent at a time.
const CHUNK: usize = 1 << 18;

/// Writes pictures with their names into a temporary zip file, uncompressed, since pictures are compressed already.
/// Blocks.
///
/// # Errors
/// If reading or writing fails.
pub(crate) fn pack(pictures: &[(PathBuf, String)]) -> io::Result<File> {
    let mut zip = ZipWriter::new(tempfile::tempfile()?);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    for (path, name) in pictures {
        zip.start_file(name.as_str(), options)?;
        io::copy(&mut File::open(path)?, &mut zip)?;
    }
    let mut file = zip.finish()?;
    file.rewind()?;
    Ok(file)
}

/// Responds with a file, in chunks.
pub(crate) fn send(file: File, length: u64, name: &str) -> Response {
    let file = tokio::fs::File::from_std(file);
    let pieces = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; CHUNK];
        let length = file.read(&mut piece).await?;
        piece.truncate(length);
        Ok::<_, io::Error>((length > 0).then(|| (Bytes::from(piece), file)))
    });
    let headers = [
        (CONTENT_TYPE, "application/zip".to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}
