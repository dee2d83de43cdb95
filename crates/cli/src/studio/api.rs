//! The interface: what openapi.json describes.

use std::io::ErrorKind;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Multipart, Path, State};
use axum::http::header::{CONTENT_DISPOSITION, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use impasto::picture::Provenance;
use serde_json::{Value, json};

use super::answer::{Answer, bytes, failure, json_answer, refusal, unprocessable};
use super::queue::{Job, Queue};
use super::record::{Record, State as JobState};
use super::upload::{self, MOST_BYTES, MOST_BYTES_IN_ALL, MOST_TEXT, Upload, bad};
use super::{events, forecast, options, worker};
use crate::settings::Settings;

type Shared = State<Arc<Queue>>;

/// All of it.
pub(super) fn routes(queue: Arc<Queue>) -> Router {
    Router::new()
        .route("/api/openapi.json", get(|| async { bytes("application/json", include_str!("openapi.json")) }))
        .route("/api/options", get(|| async { json_answer(StatusCode::OK, &json!({"options": options::described()})) }))
        .route("/api/provenance", post(provenance).layer(DefaultBodyLimit::max(MOST_BYTES)))
        .route("/api/forecast", post(foresee).layer(DefaultBodyLimit::max(MOST_TEXT)))
        .route("/api/jobs", get(list).post(create))
        .route("/api/jobs/{id}", get(show).patch(change).delete(delete).layer(DefaultBodyLimit::max(MOST_TEXT)))
        .route("/api/jobs/{id}/pause", post(pause))
        .route("/api/jobs/{id}/resume", post(resume))
        .route("/api/jobs/{id}/stop", post(stop))
        .route("/api/jobs/{id}/events", get(follow))
        .route("/api/jobs/{id}/picture", get(picture))
        .route("/api/jobs/{id}/content", get(content))
        .route("/api/jobs/{id}/styles/{index}", get(style))
        .layer(DefaultBodyLimit::max(MOST_BYTES_IN_ALL))
        .with_state(queue)
}

fn no_job() -> Response {
    refusal(StatusCode::NOT_FOUND, "there is no such job")
}

fn number(id: &str) -> Result<u64, Response> {
    id.parse().map_err(|_| no_job())
}

async fn list(State(queue): Shared) -> Response {
    let jobs: Vec<Value> = queue.jobs().all().map(|job| job.to_json(&queue)).collect();
    json_answer(StatusCode::OK, &json!({"jobs": jobs}))
}

async fn show(State(queue): Shared, Path(id): Path<String>) -> Answer {
    let jobs = queue.jobs();
    let job = jobs.get(number(&id)?).ok_or_else(no_job)?;
    let mut value = job.to_json(&queue);
    value["losses"] = json!(job.record.losses);
    Ok(json_answer(StatusCode::OK, &value))
}

async fn create(State(queue): Shared, fields: Result<Multipart, MultipartRejection>) -> Answer {
    let fields = fields.map_err(|why| refusal(why.status(), why.body_text()))?;
    // Whatever happens, also if nobody waits for the answer any more, either a job comes of it or nothing is left.
    let folder = queue.folder_of_coming().map_err(failure)?;
    let upload = Upload::take(fields, folder.path()).await?;
    let record = described(&queue, folder.path(), upload)?;
    let id = queue.add(record, folder).map_err(failure)?;
    Ok(json_answer(StatusCode::CREATED, &json!({"id": id})))
}

/// The record of an upload, without its number.
fn described(queue: &Queue, folder: &FilePath, mut upload: Upload) -> Result<Record, Response> {
    // The other job may be taken away meanwhile.
    let lost = |why: std::io::Error| if why.kind() == ErrorKind::NotFound { no_job() } else { failure(why) };
    if let Some(like) = upload.like {
        let (root, other) = {
            let jobs = queue.jobs();
            let job = jobs.get(like).ok_or_else(no_job)?;
            (job.record.folder(&queue.root), job.record.clone())
        };
        if upload.content.is_none() {
            upload.content = Some(upload::copy(&root, &other.content, folder).map_err(lost)?);
        }
        if upload.styles.is_empty() {
            let copies = other.styles.iter().map(|style| upload::copy(&root, style, folder));
            upload.styles = copies.collect::<Result<_, _>>().map_err(lost)?;
        }
    }
    let content = upload.content.ok_or_else(|| bad("`content` is missing: the picture to repaint"))?;
    if upload.styles.is_empty() {
        return Err(bad("`style` is missing: the picture whose style to take"));
    }
    let stem = |name: &String| FilePath::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut picture = format!("{}-{}.png", stem(&content), stem(&upload.styles[0]));
    if upload.styles.contains(&picture) || content == picture {
        picture.insert_str(0, "painted-");
    }
    let record = Record {
        id: 0,
        state: JobState::Waiting,
        content,
        styles: upload.styles,
        picture,
        settings: options::checked(&upload.settings).map_err(unprocessable)?,
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        seconds: 0.0,
        size: None,
        error: None,
        changed: false,
        losses: Vec::new(),
    };
    let words = record.words(&queue.root).map_err(unprocessable)?;
    crate::settings::parse(&words).and_then(|transfer| transfer.check()).map_err(unprocessable)?;
    Ok(record)
}

async fn change(State(queue): Shared, Path(id): Path<String>, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body.map_err(|why| refusal(why.status(), why.body_text()))?;
    let given: Settings =
        serde_json::from_slice(&body).map_err(|why| bad(&format!("this is not a JSON object of settings: {why}")))?;
    with_job(&queue, &id, |job| {
        let mut settings = job.wishes.change.as_ref().unwrap_or(&job.record.settings).clone();
        settings.extend(given);
        let settings = options::checked(&settings).map_err(unprocessable)?;
        let changed = Record { settings: settings.clone(), ..job.record.clone() };
        let words = changed.words(&queue.root).map_err(unprocessable)?;
        crate::settings::parse(&words).and_then(|transfer| transfer.check()).map_err(unprocessable)?;
        match job.record.state {
            JobState::Waiting => {
                job.record.settings = settings;
                job.record.save(&queue.root).map_err(failure)
            }
            state if state.is_under_way() => {
                job.wishes.change = Some(settings);
                Ok(())
            }
            _ => Err(is_over()),
        }
    })
}

async fn pause(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(&queue, &id, |job| match job.record.state {
        JobState::Running => {
            job.wishes.pause = true;
            Ok(())
        }
        JobState::Paused => Ok(()),
        _ => Err(refusal(StatusCode::CONFLICT, "the job is not being painted, so it cannot be paused")),
    })
}

async fn resume(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(&queue, &id, |job| match job.record.state {
        JobState::Paused => {
            job.record.state = JobState::Running;
            job.record.save(&queue.root).map_err(failure)
        }
        JobState::Running => {
            job.wishes.pause = false;
            Ok(())
        }
        _ => Err(refusal(StatusCode::CONFLICT, "the job is not paused")),
    })
}

async fn stop(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(&queue, &id, |job| match job.record.state {
        JobState::Waiting => {
            job.record.state = JobState::Stopped;
            job.record.save(&queue.root).map_err(failure)
        }
        state if state.is_under_way() => {
            job.wishes.stop = true;
            Ok(())
        }
        _ => Err(is_over()),
    })
}

fn is_over() -> Response {
    refusal(StatusCode::CONFLICT, "the job is over; start another one with other settings")
}

/// Asks something of a job, and answers with it as it is then.
fn with_job(queue: &Queue, id: &str, ask: impl FnOnce(&mut Job) -> Result<(), Response>) -> Answer {
    let id = number(id)?;
    let mut jobs = queue.jobs();
    let job = jobs.get_mut(id).ok_or_else(no_job)?;
    ask(job)?;
    job.tell();
    queue.wake();
    Ok(json_answer(StatusCode::OK, &job.to_json(queue)))
}

async fn delete(State(queue): Shared, Path(id): Path<String>) -> Answer {
    match queue.remove(number(&id)?) {
        Ok(true) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(false) => Err(no_job()),
        Err(why) => Err(failure(format!("the job's folder cannot be deleted: {why}"))),
    }
}

async fn follow(State(queue): Shared, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    events::of(&queue, number(&id)?, last).ok_or_else(no_job)
}

/// The picture, or what there is of it.
async fn picture(State(queue): Shared, Path(id): Path<String>) -> Answer {
    let (path, name) = {
        let jobs = queue.jobs();
        let job = jobs.get(number(&id)?).ok_or_else(no_job)?;
        match (&job.frame, job.record.size) {
            (Some(frame), None) => return Ok(bytes("image/jpeg", frame.jpeg.clone())),
            (_, None) => return Err(refusal(StatusCode::NOT_FOUND, "there is no picture of this job yet")),
            (_, Some(_)) => (job.record.folder(&queue.root).join(&job.record.picture), job.record.picture.clone()),
        }
    };
    let mut response = file("image/png", path).await?;
    let name: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("inline; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

async fn content(State(queue): Shared, Path(id): Path<String>) -> Answer {
    preview(&queue, &id, |record| Some(&record.content)).await
}

async fn style(State(queue): Shared, Path((id, index)): Path<(String, String)>) -> Answer {
    preview(&queue, &id, |record| record.styles.get(index.parse::<usize>().ok()?.checked_sub(1)?)).await
}

async fn preview(queue: &Queue, id: &str, which: impl FnOnce(&Record) -> Option<&String>) -> Answer {
    let path = {
        let jobs = queue.jobs();
        let record = &jobs.get(number(id)?).ok_or_else(no_job)?.record;
        let name = which(record).ok_or_else(|| refusal(StatusCode::NOT_FOUND, "there is no such picture"))?;
        upload::preview_of(&record.folder(&queue.root), name)
    };
    file("image/jpeg", path).await
}

async fn file(kind: &'static str, path: std::path::PathBuf) -> Answer {
    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await.map_err(failure)?;
    read.map(|read| bytes(kind, read)).map_err(|_| refusal(StatusCode::NOT_FOUND, "the picture's file is gone"))
}

/// What a job would take.
async fn foresee(State(queue): Shared, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body.map_err(|why| refusal(why.status(), why.body_text()))?;
    let asked = forecast::Asked::read(&body).map_err(|why| bad(&why))?;
    let like = match asked.like {
        Some(id) => Some(queue.jobs().get(id).ok_or_else(no_job)?.record.clone()),
        None => None,
    };
    let plan = asked.plan(&queue.root, like.as_ref()).map_err(|why| bad(&why))?;
    let foreseen = tokio::task::spawn_blocking(move || worker::without_panics(|| plan.forecast(&queue)));
    let foreseen = foreseen.await.map_err(failure)?.map_err(unprocessable)?;
    Ok(json_answer(StatusCode::OK, &foreseen))
}

/// How a picture was made, and which of its settings a job may have.
async fn provenance(fields: Result<Multipart, MultipartRejection>) -> Answer {
    let mut fields = fields.map_err(|why| refusal(why.status(), why.body_text()))?;
    let Ok(Some(field)) = fields.next_field().await else { return Err(bad("`picture` is missing")) };
    let sent = field.bytes().await.map_err(|why| refusal(why.status(), why.body_text()))?;
    let read = move || -> Result<Option<Provenance>, String> {
        let mut file = tempfile::NamedTempFile::new().map_err(|why| why.to_string())?;
        std::io::Write::write_all(&mut file, &sent).map_err(|why| why.to_string())?;
        Provenance::read(file.path())
            .map_err(|why| why.to_string().replace(&file.path().display().to_string(), "that was sent"))
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(failure)?;
    let made = read.map_err(|why| refusal(StatusCode::UNPROCESSABLE_ENTITY, why))?;
    let none = || {
        let why = "the picture does not say how it was made: another program wrote it, or the metadata were left out";
        refusal(StatusCode::UNPROCESSABLE_ENTITY, why)
    };
    let made = made.ok_or_else(none)?;
    let [kind, words @ ..] = made.arguments.as_slice() else { return Err(none()) };
    if kind != "transfer" {
        let why = format!("the picture was made by `impasto {kind}`, whose settings a job cannot have");
        return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let settings = options::of_picture(words).map_err(unprocessable)?;
    Ok(json_answer(
        StatusCode::OK,
        &json!({"settings": settings, "command": made.as_command(), "version": made.version}),
    ))
}
