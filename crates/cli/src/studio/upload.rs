//! What a browser or a program sends: bounded in bytes and pixels, under safe names, in the job's own folder.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use axum::extract::Multipart;
use axum::extract::multipart::Field;
use axum::http::StatusCode;
use axum::response::Response;
use impasto::Picture;

use super::answer::{failure, refusal};
use super::record::safe_name;
use crate::settings::Settings;

/// The most bytes of one picture.
pub(super) const MOST_BYTES: usize = 128 << 20;

/// The most bytes of one request.
pub(super) const MOST_BYTES_IN_ALL: usize = 512 << 20;

/// The most pixels of one picture.
pub(super) const MOST_PIXELS: u64 = 200_000_000;

/// The most bytes of settings.
pub(super) const MOST_TEXT: usize = 1 << 16;

/// The most styles of one job.
pub(super) const MOST_STYLES: usize = 16;

/// The longer side in pixels of what the page shows of an upload.
const PREVIEW: usize = 1024;

/// What was sent: names of files in the folder, and texts.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) content: Option<String>,
    pub(super) styles: Vec<String>,
    pub(super) settings: Settings,
    /// The number of the job whose pictures to take where none were sent.
    pub(super) like: Option<u64>,
}

impl Upload {
    /// Takes all fields, and writes pictures into the folder.
    pub(super) async fn take(mut fields: Multipart, folder: &Path) -> Result<Self, Response> {
        let mut upload = Self::default();
        while let Some(field) = fields.next_field().await.map_err(broken)? {
            match field.name().unwrap_or_default() {
                "content" if upload.content.is_some() => return Err(bad("`content` was sent twice")),
                "content" => upload.content = Some(picture(field, folder).await?),
                "style" if upload.styles.len() == MOST_STYLES => {
                    return Err(bad(&format!("more than {MOST_STYLES} styles were sent")));
                }
                "style" => upload.styles.push(picture(field, folder).await?),
                "settings" => {
                    let text = text(field).await?;
                    let wrong = |why| bad(&format!("`settings` is not a JSON object: {why}"));
                    upload.settings = serde_json::from_str(&text).map_err(wrong)?;
                }
                "like" => {
                    let id = text(field).await?;
                    upload.like = Some(id.trim().parse().map_err(|_| bad("`like` is the number of a job"))?);
                }
                other => {
                    return Err(bad(&format!("there is no field `{other}`: send content, style, settings or like")));
                }
            }
        }
        Ok(upload)
    }
}

/// Where the page's view of a file is.
pub(super) fn preview_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.preview.jpg"))
}

/// Takes one picture under a name that is free in the folder, and looks whether it is one.
async fn picture(mut field: Field<'_>, folder: &Path) -> Result<String, Response> {
    let sent = safe_name(field.file_name().unwrap_or_default());
    let (name, file) = free_name(folder, &sent).map_err(failure)?;
    let mut file = std::io::BufWriter::new(file);
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes += chunk.len();
        if bytes > MOST_BYTES {
            let why = format!("{sent} has more than {} MiB, the most for a picture", MOST_BYTES >> 20);
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        file.write_all(&chunk).map_err(failure)?;
    }
    file.flush().map_err(failure)?;
    drop(file);
    let (path, preview) = (folder.join(&name), preview_of(folder, &name));
    let shown = name.clone();
    let looked = tokio::task::spawn_blocking(move || look(&path, &preview, &shown)).await.map_err(failure)?;
    looked.map(|()| name)
}

/// A file that was not there, with a name like the one wanted.
fn free_name(folder: &Path, wanted: &str) -> std::io::Result<(String, File)> {
    let (stem, end) = wanted.rsplit_once('.').map_or((wanted, String::new()), |(stem, end)| (stem, format!(".{end}")));
    let names = std::iter::once(wanted.to_owned()).chain((2..).map(|n| format!("{stem}-{n}{end}")));
    for name in names {
        match File::create_new(folder.join(&name)) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("there are names without end")
}

/// Reads a picture as small as the page shows it, if it has not too many pixels.
fn look(path: &Path, preview: &Path, name: &str) -> Result<(), Response> {
    let said = |why: String| why.replace(&path.display().to_string(), name);
    let refused =
        |why: impasto::picture::PictureError| refusal(StatusCode::UNPROCESSABLE_ENTITY, said(why.to_string()));
    let [height, width] = impasto::picture::shape(path).map_err(refused)?;
    // Nothing is made larger.
    let longest = PREVIEW.min(width.max(height));
    if (width * height) as u64 > MOST_PIXELS {
        let why = format!("{name} has {width}×{height} pixels; at most {} million are taken", MOST_PIXELS / 1_000_000);
        return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Picture::open_fitted(path, longest).map_err(refused)?.save(preview).map_err(failure)
}

/// Copies a picture and its preview from another job's folder.
pub(super) fn copy(from: &Path, name: &str, folder: &Path) -> std::io::Result<String> {
    let (taken, file) = free_name(folder, name)?;
    std::io::copy(&mut File::open(from.join(name))?, &mut &file)?;
    std::fs::copy(preview_of(from, name), preview_of(folder, &taken))?;
    Ok(taken)
}

async fn text(mut field: Field<'_>) -> Result<String, Response> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        if text.len() + chunk.len() > MOST_TEXT {
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "a text field is too long"));
        }
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).map_err(|_| bad("a text field is not UTF-8"))
}

pub(super) fn bad(why: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, why)
}

/// Multipart data that break off, are too long, or are none.
fn broken(error: axum::extract::multipart::MultipartError) -> Response {
    let status = error.status();
    let status = if status.is_server_error() { StatusCode::BAD_REQUEST } else { status };
    refusal(status, format!("what was sent cannot be read: {}", error.body_text()))
}
