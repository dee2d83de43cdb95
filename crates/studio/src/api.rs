//! The HTTP interface, as described in openapi.json.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Multipart, Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use impasto::picture::Provenance;
use serde_json::{Value, json};
use strum::VariantNames;

use crate::answer::{Answer, blocking, bytes, disk, json_answer, refusal, unprocessable};
use crate::kept::Demo;
use crate::painter::Settings;
use crate::queue::{Queue, Requests};
use crate::record::{Record, State as JobState};
use crate::upload::{self, Coming, MOST_BYTES, MOST_BYTES_IN_ALL, MOST_TEXT, Upload, bad};
use crate::votes::Better;
use crate::{bundle, events, forecast, names, trash, votes, worker};

type Shared = State<Arc<Queue>>;

/// All routes.
pub(crate) fn routes(queue: Arc<Queue>) -> Router {
    Router::new()
        .route("/api/openapi.json", get(|| async { bytes("application/json", include_str!("openapi.json")) }))
        .route("/api/options", get(options))
        .route("/api/provenance", post(provenance).layer(DefaultBodyLimit::max(MOST_BYTES)))
        .route("/api/forecast", post(estimate).layer(DefaultBodyLimit::max(MOST_TEXT)))
        .route("/api/jobs", get(list).post(create))
        .route("/api/jobs/{id}", get(show).patch(change).delete(delete).layer(DefaultBodyLimit::max(MOST_TEXT)))
        .route("/api/trash", get(show_trash).delete(empty_trash))
        .route("/api/trash/{id}/restore", post(restore))
        .route("/api/jobs/{id}/pause", post(pause))
        .route("/api/jobs/{id}/resume", post(resume))
        .route("/api/jobs/{id}/stop", post(stop))
        .route("/api/jobs/{id}/events", get(follow))
        .route("/api/jobs/{id}/picture", get(picture))
        .route("/api/jobs/{id}/thumbnail", get(thumbnail))
        .route("/api/jobs/{id}/favourite", put(like).delete(dislike))
        .route("/api/pictures.zip", get(pictures))
        .route("/api/demo/{name}", get(demo))
        .route("/api/weights", get(weights).post(fetch_weights))
        .route("/api/votes", post(ask))
        .route("/api/votes/{question}", post(vote).layer(DefaultBodyLimit::max(MOST_TEXT)))
        .route("/api/votes/{question}/{side}", get(voted_picture))
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

async fn options(State(queue): Shared) -> Response {
    json_answer(StatusCode::OK, &json!({"options": queue.painter.options()}))
}

async fn list(State(queue): Shared) -> Response {
    let jobs: Vec<Value> = queue.jobs().all().map(|job| job.to_json(&queue)).collect();
    json_answer(StatusCode::OK, &json!({"jobs": jobs, "unreadable": queue.unreadable}))
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
    // Even if the client disconnects, this either creates a job or leaves nothing behind.
    let coming = Coming::new(&queue).await?;
    let upload = match Upload::take(fields, coming.path()).await {
        Ok(upload) => upload,
        Err(response) => {
            blocking(move || coming.remove()).await?;
            return Err(response);
        }
    };
    blocking(move || {
        let added = described(&queue, coming.path(), upload)
            .and_then(|record| queue.add(record, coming.path()).map_err(|why| disk("the job cannot be saved", &why)));
        match added {
            Ok(id) => {
                coming.keep();
                Ok(json_answer(StatusCode::CREATED, &json!({"id": id})))
            }
            Err(response) => {
                coming.remove();
                Err(response)
            }
        }
    })
    .await?
}

/// The record of an upload, without its number.
fn described(queue: &Queue, folder: &FilePath, mut upload: Upload) -> Result<Record, Response> {
    // The other job may be deleted meanwhile.
    let lost = |why: std::io::Error| match why.kind() {
        ErrorKind::NotFound => no_job(),
        _ => disk("the pictures cannot be copied", &why),
    };
    let (mut content, mut styles) = (None, Vec::new());
    if let Some(sent) = upload.content.take() {
        content = Some(sent.into_name(queue, folder)?);
    }
    for sent in upload.styles {
        styles.push(sent.into_name(queue, folder)?);
    }
    let (mut content_mask, mut style_masks) = (upload.content_mask, upload.style_masks);
    if let Some(like) = upload.like {
        let own_styles = !styles.is_empty();
        let own_content = content.is_some();
        let (root, other) = {
            let jobs = queue.jobs();
            let job = jobs.get(like).ok_or_else(no_job)?;
            (job.record.folder(&queue.root), job.record.clone())
        };
        let copies = |names: &[String]| -> Result<Vec<String>, Response> {
            names.iter().map(|name| upload::copy(&root, name, folder).map_err(lost)).collect()
        };
        if !own_content {
            content = copies(std::slice::from_ref(&other.content))?.pop();
        }
        if !own_styles {
            styles = copies(&other.styles)?;
        }
        // Masks belong to their pictures.
        if !own_content && !own_styles && content_mask.is_none() && style_masks.is_empty() {
            content_mask = copies(other.content_mask.as_slice())?.pop();
            style_masks = copies(&other.style_masks)?;
        }
    }
    let content = content.ok_or_else(|| bad("`content` is missing: the picture to repaint"))?;
    if styles.is_empty() {
        return Err(bad("`style` is missing: the picture in whose style to paint"));
    }
    let record = Record {
        id: 0,
        state: JobState::Waiting,
        picture: names::of_picture(folder, &content, &styles[0]),
        content,
        styles,
        content_mask,
        style_masks,
        settings: queue.painter.checked(&upload.settings).map_err(unprocessable)?,
        created: trash::now(),
        seconds: 0.0,
        size: None,
        error: None,
        changed: false,
        losses: Vec::new(),
        deleted: None,
        favourite: false,
        group: upload.group,
    };
    if record.content_mask.is_some() == record.style_masks.is_empty() {
        return Err(bad("regions need `content-mask` and one `style-mask` for each style"));
    }
    if record.content_mask.is_some() && queue.root.to_string_lossy().contains(',') {
        return Err(bad("regions cannot be painted in a studio whose folder has a comma in its path"));
    }
    check(&record, queue)?;
    Ok(record)
}

/// Refuses a job that the command would refuse.
fn check(record: &Record, queue: &Queue) -> Result<(), Response> {
    let words = record.words(&queue.root, &*queue.painter).map_err(unprocessable)?;
    queue.painter.check(&words).map_err(unprocessable)
}

/// The effect of a request on a job.
enum Effect {
    /// Changes the job's record.
    Save(Box<dyn Fn(&mut Record)>),
    /// Sends a request to the worker.
    Request(Box<dyn FnOnce(&mut Requests)>),
    /// Nothing: the request is already fulfilled.
    None,
}

async fn change(State(queue): Shared, Path(id): Path<String>, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body.map_err(|why| refusal(why.status(), why.body_text()))?;
    let given: Settings =
        serde_json::from_slice(&body).map_err(|why| bad(&format!("this is not a JSON object of settings: {why}")))?;
    let owner = Arc::clone(&queue);
    with_job(queue, &id, move |record, pending| {
        let mut settings = pending.unwrap_or_else(|| record.settings.clone());
        settings.extend(given);
        let settings = owner.painter.checked(&settings).map_err(unprocessable)?;
        let state = record.state;
        check(&Record { settings: settings.clone(), ..record }, &owner)?;
        match state {
            JobState::Waiting => Ok(Effect::Save(Box::new(move |record| record.settings.clone_from(&settings)))),
            state if state.is_under_way() => {
                Ok(Effect::Request(Box::new(move |requests| requests.change = Some(settings))))
            }
            _ => Err(is_over()),
        }
    })
    .await
}

async fn pause(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(queue, &id, |record, _| match record.state {
        JobState::Running => Ok(Effect::Request(Box::new(|requests| requests.pause = true))),
        JobState::Paused => Ok(Effect::None),
        _ => Err(refusal(StatusCode::CONFLICT, "the job is not being painted, so it cannot be paused")),
    })
    .await
}

async fn resume(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(queue, &id, |record, _| match record.state {
        JobState::Paused => Ok(Effect::Save(Box::new(|record| record.state = JobState::Running))),
        JobState::Running => Ok(Effect::Request(Box::new(|requests| requests.pause = false))),
        _ => Err(refusal(StatusCode::CONFLICT, "the job is not paused")),
    })
    .await
}

async fn stop(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(queue, &id, |record, _| match record.state {
        JobState::Waiting => Ok(Effect::Save(Box::new(|record| record.state = JobState::Stopped))),
        state if state.is_under_way() => Ok(Effect::Request(Box::new(|requests| requests.stop = true))),
        _ => Err(is_over()),
    })
    .await
}

fn is_over() -> Response {
    refusal(StatusCode::CONFLICT, "the job is over; start another one with other settings")
}

/// Applies the effect that `decide` returns for a job's record and the settings with which it continues. Responds with
/// the updated job.
async fn with_job(
    queue: Arc<Queue>,
    id: &str,
    decide: impl FnOnce(Record, Option<Settings>) -> Result<Effect, Response> + Send + 'static,
) -> Answer {
    let id = number(id)?;
    blocking(move || {
        // While this is held, neither the worker nor another request changes the record.
        let files = queue.files();
        let (record, pending) = {
            let jobs = queue.jobs();
            let job = jobs.get(id).ok_or_else(no_job)?;
            (job.record.clone(), job.requests.change.clone())
        };
        match decide(record, pending)? {
            Effect::Save(change) => {
                queue.save(&files, id, false, change).map_err(|why| disk("the job cannot be saved", &why))?;
            }
            Effect::Request(request) => {
                if let Some(job) = queue.jobs().get_mut(id) {
                    request(&mut job.requests);
                    job.tell();
                }
            }
            Effect::None => {}
        }
        queue.wake();
        let jobs = queue.jobs();
        Ok(json_answer(StatusCode::OK, &jobs.get(id).ok_or_else(no_job)?.to_json(&queue)))
    })
    .await?
}

async fn delete(State(queue): Shared, Path(id): Path<String>) -> Answer {
    let id = number(&id)?;
    match blocking(move || queue.remove(id)).await? {
        Ok(true) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(false) => Err(no_job()),
        Err(why) => Err(disk("the job cannot be moved to the trash", &why)),
    }
}

async fn show_trash(State(queue): Shared) -> Response {
    let jobs: Vec<Value> = queue.jobs().trash.values().map(|job| job.to_json(&queue)).collect();
    json_answer(StatusCode::OK, &json!({"jobs": jobs}))
}

async fn empty_trash(State(queue): Shared) -> Answer {
    match blocking(move || queue.empty_trash(true)).await? {
        Ok(deleted) => Ok(json_answer(StatusCode::OK, &json!({"deleted": deleted}))),
        Err(why) => Err(disk("the trash cannot be emptied", &why)),
    }
}

async fn restore(State(queue): Shared, Path(id): Path<String>) -> Answer {
    let id = number(&id)?;
    blocking(move || match queue.restore(id) {
        Ok(true) => Ok(json_answer(StatusCode::OK, &queue.jobs().get(id).ok_or_else(no_job)?.to_json(&queue))),
        Ok(false) => Err(refusal(StatusCode::NOT_FOUND, "there is no such job in the trash")),
        Err(why) => Err(disk("the job cannot be restored", &why)),
    })
    .await?
}

async fn follow(State(queue): Shared, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    events::of(&queue, number(&id)?, last).ok_or_else(no_job)
}

/// The finished picture, or the picture so far.
async fn picture(State(queue): Shared, Path(id): Path<String>) -> Answer {
    let (path, name) = {
        let jobs = queue.jobs();
        let job = jobs.get(number(&id)?).ok_or_else(no_job)?;
        match (&job.frame, job.record.size) {
            (Some(frame), None) => {
                let name = FilePath::new(&job.record.picture).with_extension("jpg");
                return Ok(named(bytes("image/jpeg", frame.jpeg.clone()), &name.to_string_lossy()));
            }
            (_, None) => return Err(refusal(StatusCode::NOT_FOUND, "this job has no picture yet")),
            (_, Some(_)) => (job.record.folder(&queue.root).join(&job.record.picture), job.record.picture.clone()),
        }
    };
    Ok(named(file("image/png", path).await?, &name))
}

/// Sets the name under which a browser saves the response (RFC 6266: in ASCII, and in UTF-8 for other names).
fn named(mut response: Response, name: &str) -> Response {
    let plain: String = name.chars().map(|c| if c.is_ascii_graphic() && c != '"' { c } else { '_' }).collect();
    let encoded: String = name.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text + &char::from(byte).to_string(),
        _ => text + &format!("%{byte:02X}"),
    });
    let value = format!("inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

async fn thumbnail(State(queue): Shared, Path(id): Path<String>) -> Answer {
    let (folder, name) = finished(&queue, number(&id)?)?;
    let small = blocking(move || upload::thumbnail(&folder, &name)).await?;
    small.map(|small| bytes("image/jpeg", small)).map_err(|_| gone())
}

/// The folder and the name of a finished picture.
fn finished(queue: &Queue, id: u64) -> Result<(std::path::PathBuf, String), Response> {
    let jobs = queue.jobs();
    let record = &jobs.get(id).ok_or_else(no_job)?.record;
    if record.size.is_none() {
        return Err(refusal(StatusCode::NOT_FOUND, "there is no finished picture of this job"));
    }
    Ok((record.folder(&queue.root), record.picture.clone()))
}

async fn like(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(queue, &id, |_, _| Ok(Effect::Save(Box::new(|record| record.favourite = true)))).await
}

async fn dislike(State(queue): Shared, Path(id): Path<String>) -> Answer {
    with_job(queue, &id, |_, _| Ok(Effect::Save(Box::new(|record| record.favourite = false)))).await
}

/// Several finished pictures in a zip file: `?jobs=1,2,3`.
async fn pictures(State(queue): Shared, RawQuery(query): RawQuery) -> Answer {
    let wrong = || bad("name the pictures by job, as in /api/pictures.zip?jobs=1,2,3");
    let query = query.ok_or_else(wrong)?;
    let list = query.strip_prefix("jobs=").ok_or_else(wrong)?.replace("%2C", ",");
    let ids: Vec<u64> = list.split(',').map(|id| id.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let mut chosen: Vec<(std::path::PathBuf, String)> = Vec::new();
    for id in ids {
        let (folder, name) = finished(&queue, id)?;
        // Results of the same inputs have the same name.
        chosen.push((folder.join(&name), format!("{id:04}-{name}")));
    }
    let packed = blocking(move || bundle::pack(&chosen).and_then(|file| Ok((file.metadata()?.len(), file)))).await?;
    let (length, file) = packed.map_err(|why| disk("the pictures cannot be packed", &why))?;
    Ok(bundle::send(file, length, "pictures.zip"))
}

async fn demo(Path(name): Path<String>) -> Answer {
    let unknown = |_| refusal(StatusCode::NOT_FOUND, &format!("the demo's pictures are {}", Demo::VARIANTS.join(", ")));
    let which: Demo = name.parse().map_err(unknown)?;
    Ok(bytes("image/png", blocking(move || which.png()).await?))
}

async fn weights(State(queue): Shared) -> Answer {
    let training = queue.training.clone();
    Ok(json_answer(StatusCode::OK, &blocking(move || training.to_json()).await?))
}

async fn fetch_weights(State(queue): Shared) -> Answer {
    queue.training.begin(Arc::clone(&queue.painter));
    let training = queue.training.clone();
    Ok(json_answer(StatusCode::ACCEPTED, &blocking(move || training.to_json()).await?))
}

/// A question of the blind test.
async fn ask(State(queue): Shared) -> Answer {
    let asked = blocking(move || queue.votes.ask(&queue)).await?;
    let none = || {
        let why = "there are no two finished pictures of the same photograph and style, made with different settings";
        refusal(StatusCode::NOT_FOUND, why)
    };
    let question = asked.map_err(|why| disk("the pictures cannot be compared", &why))?.ok_or_else(none)?;
    Ok(json_answer(StatusCode::CREATED, &question))
}

fn no_question() -> Response {
    refusal(StatusCode::NOT_FOUND, "there is no such question, or it was answered")
}

async fn vote(State(queue): Shared, Path(question): Path<String>, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body.map_err(|why| refusal(why.status(), why.body_text()))?;
    let given: BTreeMap<String, Better> = serde_json::from_slice(&body).unwrap_or_default();
    let wrong = || bad("say which is better: {\"better\": \"left\"}, \"right\" or \"neither\"");
    let better = *given.get("better").ok_or_else(wrong)?;
    match blocking(move || queue.votes.answer(&queue, &question, better)).await? {
        Ok(true) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(false) => Err(no_question()),
        Err(why) => Err(disk("the answer cannot be saved", &why)),
    }
}

/// A picture of a question, anonymously.
async fn voted_picture(State(queue): Shared, Path((question, side)): Path<(String, String)>) -> Answer {
    let pair = queue.votes.jobs_of(&question).ok_or_else(no_question)?;
    let id = match side.as_str() {
        "left" => pair[0],
        "right" => pair[1],
        _ => return Err(no_question()),
    };
    let (folder, name) = finished(&queue, id)?;
    // Metadata would reveal how it was made.
    let bare = blocking(move || votes::without_metadata(&folder.join(name))).await?;
    bare.map(|bare| bytes("image/png", bare)).map_err(|_| gone())
}

fn gone() -> Response {
    refusal(StatusCode::NOT_FOUND, "the picture's file is gone")
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
    let read = blocking(move || std::fs::read(path)).await?;
    read.map(|read| bytes(kind, read)).map_err(|_| gone())
}

/// The forecast of a job.
async fn estimate(State(queue): Shared, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body.map_err(|why| refusal(why.status(), why.body_text()))?;
    let asked = forecast::Asked::read(&body).map_err(|why| bad(&why))?;
    let like = match asked.like {
        Some(id) => Some(queue.jobs().get(id).ok_or_else(no_job)?.record.clone()),
        None => None,
    };
    let plan = asked.plan(&queue, like.as_ref())?;
    let forecast = blocking(move || worker::without_panics(|| plan.forecast(&queue))).await?;
    let forecast = forecast.map_err(unprocessable)?;
    Ok(json_answer(StatusCode::OK, &forecast))
}

/// How a picture was made, and those of its settings that a job may have.
async fn provenance(State(queue): Shared, fields: Result<Multipart, MultipartRejection>) -> Answer {
    let mut fields = fields.map_err(|why| refusal(why.status(), why.body_text()))?;
    let Ok(Some(field)) = fields.next_field().await else { return Err(bad("`picture` is missing")) };
    let sent = field.bytes().await.map_err(|why| refusal(why.status(), why.body_text()))?;
    let read = move || -> Result<Option<Provenance>, String> {
        let mut file = tempfile::NamedTempFile::new().map_err(|why| why.to_string())?;
        std::io::Write::write_all(&mut file, &sent).map_err(|why| why.to_string())?;
        Provenance::read(file.path())
            .map_err(|why| why.to_string().replace(&file.path().display().to_string(), "that was sent"))
    };
    let read = blocking(read).await?;
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
    let settings = queue.painter.settings_of(words).map_err(unprocessable)?;
    Ok(json_answer(
        StatusCode::OK,
        &json!({"settings": settings, "command": made.as_command(), "version": made.version}),
    ))
}
