//! Responses: JSON, pictures, and errors of one sentence.

use std::io;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::Error;

/// The result of a handler.
pub(crate) type Answer = Result<Response, Response>;

/// An error response of one sentence.
pub(crate) fn refusal(status: StatusCode, why: impl Into<String>) -> Response {
    json_answer(status, &json!({"error": why.into()}))
}

/// The command's error as a response.
pub(crate) fn unprocessable(error: Error) -> Response {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}

/// A failure to read or write files: 507 if the disk is full.
pub(crate) fn disk(what: &str, why: &io::Error) -> Response {
    let full = matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let status = if full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::INTERNAL_SERVER_ERROR };
    let help = if full { "; free some space, or empty the trash" } else { "" };
    refusal(status, format!("{what}: {why}{help}"))
}

/// Runs work that may take long, such as all work with files, on another thread, so that the server's single thread
/// does not wait.
///
/// # Errors
/// If the work panics.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(failure)
}

/// An internal failure.
pub(crate) fn failure(why: impl std::fmt::Display) -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
}

pub(crate) fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], value.to_string()).into_response()
}

pub(crate) fn bytes(kind: &'static str, bytes: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], bytes).into_response()
}
