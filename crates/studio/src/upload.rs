//! Uploads: limited in bytes and pixels, saved under safe names in the job's folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::Multipart;
use axum::extract::multipart::Field;
use axum::http::StatusCode;
use axum::response::Response;
use impasto::Picture;
use impasto::picture::{Format, SaveOptions};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::answer::{blocking, disk, failure, refusal};
use crate::kept::Kept;
use crate::names::{self, safe_name};
use crate::painter::Settings;
use crate::queue::Queue;

/// The largest size of a picture in bytes.
pub(crate) const MOST_BYTES: usize = 128 << 20;

/// The largest size of a request in bytes.
pub(crate) const MOST_BYTES_IN_ALL: usize = 512 << 20;

/// The largest number of pixels of a picture.
pub(crate) const MOST_PIXELS: u64 = 200_000_000;

/// The largest size of settings in bytes.
pub(crate) const MOST_TEXT: usize = 1 << 16;

/// The largest number of styles of a job.
pub(crate) const MOST_STYLES: usize = 16;

/// The largest length of a sweep's name in characters.
const LONGEST_GROUP: usize = 80;

/// The longer side in pixels of a picture in the gallery: enough for a card on a dense display.
const THUMBNAIL: usize = 480;

/// The longer side in pixels of the preview of an upload.
const PREVIEW: usize = 1024;

/// The folder of an upload, until it becomes a job's.
pub(crate) struct Coming(Option<TempDir>);

impl Coming {
    /// A new folder.
    pub(crate) async fn new(queue: &Arc<Queue>) -> Result<Self, Response> {
        let queue = Arc::clone(queue);
        let made = blocking(move || queue.coming_folder()).await?;
        made.map(|folder| Self(Some(folder))).map_err(|why| disk("the job's folder cannot be created", &why))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.as_ref().expect("it is there until it is kept or removed").path()
    }

    /// Keeps the folder: it has become a job's, under another name.
    pub(crate) fn keep(mut self) {
        let _ = self.0.take().map(TempDir::keep);
    }

    /// Deletes the folder with all files.
    pub(crate) fn remove(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Coming {
    /// The client has gone: delete the folder, but not on the server's thread.
    fn drop(&mut self) {
        if let (Some(folder), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(folder));
        }
    }
}

/// A picture of an upload: the name of a file in the folder, or the address of a picture in the studio.
pub(crate) enum Sent {
    File(String),
    Kept(Kept),
}

impl Sent {
    /// The name of the file in the folder; copies it there if necessary. Blocks.
    pub(crate) fn into_name(self, queue: &Queue, folder: &Path) -> Result<String, Response> {
        match self {
            Self::File(name) => Ok(name),
            Self::Kept(kept) => kept.copy_to(queue, folder),
        }
    }
}

/// The fields of an upload.
#[derive(Default)]
pub(crate) struct Upload {
    pub(crate) content: Option<Sent>,
    pub(crate) styles: Vec<Sent>,
    pub(crate) content_mask: Option<String>,
    pub(crate) style_masks: Vec<String>,
    /// The sweep to which the job belongs.
    pub(crate) group: Option<String>,
    pub(crate) settings: Settings,
    /// The job whose pictures to use if none were sent.
    pub(crate) like: Option<u64>,
}

impl Upload {
    /// Reads all fields, and writes pictures into the folder.
    pub(crate) async fn take(mut fields: Multipart, folder: &Path) -> Result<Self, Response> {
        let mut upload = Self::default();
        while let Some(field) = fields.next_field().await.map_err(broken)? {
            match field.name().unwrap_or_default() {
                "content" if upload.content.is_some() => return Err(bad("`content` was sent twice")),
                "content" => upload.content = Some(sent(field, folder).await?),
                "content-mask" if upload.content_mask.is_some() => {
                    return Err(bad("`content-mask` was sent twice"));
                }
                "content-mask" => upload.content_mask = Some(picture(field, folder).await?),
                "style-mask" if upload.style_masks.len() == MOST_STYLES => {
                    return Err(bad(&format!("more than {MOST_STYLES} style masks were sent")));
                }
                "style-mask" => upload.style_masks.push(picture(field, folder).await?),
                "group" => {
                    let group = text(field).await?;
                    if group.is_empty() || group.chars().count() > LONGEST_GROUP || group.chars().any(char::is_control)
                    {
                        return Err(bad(&format!("`group` is a name of 1 to {LONGEST_GROUP} characters")));
                    }
                    upload.group = Some(group);
                }
                "style" if upload.styles.len() == MOST_STYLES => {
                    return Err(bad(&format!("more than {MOST_STYLES} styles were sent")));
                }
                "style" => upload.styles.push(sent(field, folder).await?),
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
                    return Err(bad(&format!(
                        "there is no field `{other}`: send content, style, settings, like, content-mask, style-mask or group"
                    )));
                }
            }
        }
        Ok(upload)
    }
}

/// The path of the preview of a file.
pub(crate) fn preview_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.preview.jpg"))
}

/// Reads a picture: a file, or a text field with the address of a picture in the studio.
async fn sent(field: Field<'_>, folder: &Path) -> Result<Sent, Response> {
    if field.file_name().is_some() {
        return Ok(Sent::File(picture(field, folder).await?));
    }
    let address = text(field).await?;
    Ok(Sent::Kept(address.parse().map_err(|why: String| bad(&why))?))
}

/// Saves a picture under a free name in the folder, and checks that it can be read.
async fn picture(mut field: Field<'_>, folder: &Path) -> Result<String, Response> {
    let cannot = |why: std::io::Error| disk("the picture cannot be saved", &why);
    let sent = safe_name(field.file_name().unwrap_or_default());
    let (place, wanted) = (folder.to_owned(), sent.clone());
    let (name, file) = blocking(move || names::create_free(&place, &wanted)).await?.map_err(cannot)?;
    // tokio writes files on other threads.
    let mut file = tokio::fs::File::from_std(file);
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes += chunk.len();
        if bytes > MOST_BYTES {
            let why = format!("{sent} has more than {} MiB, the limit for a picture", MOST_BYTES >> 20);
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        file.write_all(&chunk).await.map_err(cannot)?;
    }
    file.flush().await.map_err(cannot)?;
    drop(file);
    let (path, preview) = (folder.join(&name), preview_of(folder, &name));
    let shown = name.clone();
    blocking(move || look(&path, &preview, &shown)).await?.map(|()| name)
}

/// Reads a picture at the size of its preview, if it does not have too many pixels.
fn look(path: &Path, preview: &Path, name: &str) -> Result<(), Response> {
    let said = |why: String| why.replace(&path.display().to_string(), name);
    let refused =
        |why: impasto::picture::PictureError| refusal(StatusCode::UNPROCESSABLE_ENTITY, said(why.to_string()));
    let [height, width] = impasto::picture::shape(path).map_err(refused)?;
    // Never enlarge.
    let longest = PREVIEW.min(width.max(height));
    if (width * height) as u64 > MOST_PIXELS {
        let why = format!("{name} has {width}×{height} pixels; the limit is {} million", MOST_PIXELS / 1_000_000);
        return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    save_preview(&Picture::open_fitted(path, longest).map_err(refused)?, preview).map_err(failure)
}

/// Writes the preview of a picture.
pub(crate) fn save_preview(picture: &Picture, preview: &Path) -> Result<(), impasto::picture::PictureError> {
    picture.save(preview)
}

/// A thumbnail of a job's finished picture as JPEG, created once and kept beside it. Blocks.
pub(crate) fn thumbnail(folder: &Path, name: &str) -> std::io::Result<Vec<u8>> {
    let (picture, small) = (folder.join(name), folder.join(format!(".{name}.thumbnail.jpg")));
    let age = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    if let (Some(of_small), Some(of_picture)) = (age(&small), age(&picture))
        && of_small >= of_picture
        && let Ok(bytes) = std::fs::read(&small)
    {
        return Ok(bytes);
    }
    let other = |why: impasto::picture::PictureError| std::io::Error::other(why.to_string());
    let [height, width] = impasto::picture::shape(&picture).map_err(other)?;
    let longest = THUMBNAIL.min(width.max(height));
    let opened = Picture::open_fitted(&picture, longest).map_err(other)?;
    // If it cannot be saved, it is created again next time.
    let _ = opened.save(&small);
    opened.encoded(Format::Jpeg, &SaveOptions::default())
}

/// Copies a picture and its preview from another job's folder.
pub(crate) fn copy(from: &Path, name: &str, folder: &Path) -> std::io::Result<String> {
    let (taken, file) = names::create_free(folder, name)?;
    std::io::copy(&mut File::open(from.join(name))?, &mut &file)?;
    // A copied folder may lack previews; only the picture matters.
    let _ = std::fs::copy(preview_of(from, name), preview_of(folder, &taken));
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

pub(crate) fn bad(why: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, why)
}

/// The response to truncated, oversized or invalid multipart data.
fn broken(error: axum::extract::multipart::MultipartError) -> Response {
    let status = error.status();
    let status = if status.is_server_error() { StatusCode::BAD_REQUEST } else { status };
    refusal(status, format!("the request cannot be read: {}", error.body_text()))
}
