//! Answers: JSON, pictures, and refusals of one sentence.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::Error;

/// What a handler answers.
pub(super) type Answer = Result<Response, Response>;

/// Why not, in one sentence.
pub(super) fn refusal(status: StatusCode, why: impl Into<String>) -> Response {
    json_answer(status, &json!({"error": why.into()}))
}

/// What the command would have said.
pub(super) fn unprocessable(error: Error) -> Response {
    let (Error::Usage(why) | Error::Failure(why)) = error;
    refusal(StatusCode::UNPROCESSABLE_ENTITY, why)
}

/// A failure of this machine's.
pub(super) fn failure(why: impl std::fmt::Display) -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
}

pub(super) fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], value.to_string()).into_response()
}

pub(super) fn bytes(kind: &'static str, bytes: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], bytes).into_response()
}
