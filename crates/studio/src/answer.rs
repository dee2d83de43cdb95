//! Answers: JSON, pictures, and refusals of one sentence.

use std::io;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::Error;

/// What a handler answers.
pub(crate) type Answer = Result<Response, Response>;

/// Why not, in one sentence.
pub(crate) fn refusal(status: StatusCode, why: impl Into<String>) -> Response {
    json_answer(status, &json!({"error": why.into()}))
}

/// What the command would have said.
pub(crate) fn unprocessable(error: Error) -> Response {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}

/// A disk that does not take or give what it should: 507 if it is full.
pub(crate) fn disk(what: &str, why: &io::Error) -> Response {
    let full = matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let status = if full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::INTERNAL_SERVER_ERROR };
    let help = if full { "; make room, or empty the trash" } else { "" };
    refusal(status, format!("{what}: {why}{help}"))
}

/// Does what may take long, such as all work with files, on a thread of its own: the server's one thread must not wait.
///
/// # Errors
/// If the work panics.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(failure)
}

/// A failure of this machine's.
pub(crate) fn failure(why: impl std::fmt::Display) -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
}

pub(crate) fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], value.to_string()).into_response()
}

pub(crate) fn bytes(kind: &'static str, bytes: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], bytes).into_response()
}
