//! Access control: admits this machine's own pages and programs, or anyone with the token.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::answer::refusal;

/// The conditions of access.
#[derive(Clone)]
pub(crate) struct Guard {
    /// The token that requests must carry if other machines can connect.
    pub(crate) token: Option<String>,
}

/// The cookie that holds the token.
const COOKIE_NAME: &str = "impasto-token";

/// Headers of every response: it may load nothing from other sites, and no other site may embed it.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

/// Passes a request on, or refuses it.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.judge(&request) {
        Ok(()) => next.run(request).await,
        Err(response) => response,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

impl Guard {
    fn judge(&self, request: &Request) -> Result<(), Response> {
        let headers = request.headers();
        let host = text(headers, HOST.as_str()).or_else(|| request.uri().authority().map(Authority::as_str));
        let Some(host) = host else { return Err(refusal(StatusCode::BAD_REQUEST, "the request names no host")) };
        if self.token.is_none() && !is_loopback(host) {
            // Another site's name may resolve to this machine's address (DNS rebinding).
            let why = "this studio answers only to localhost and 127.0.0.1; start it with --listen for other names";
            return Err(refusal(StatusCode::FORBIDDEN, why));
        }
        let own = format!("http://{host}");
        let elsewhere = text(headers, ORIGIN.as_str()).is_some_and(|origin| origin != own)
            || headers.contains_key("sec-fetch-site")
                && text(headers, "sec-fetch-site") == Some("cross-site")
                && (request.method() != Method::GET || !matches!(request.uri().path(), "/" | "/vote"));
        if elsewhere {
            return Err(refusal(StatusCode::FORBIDDEN, "pages of other sites may not send requests to this studio"));
        }
        match &self.token {
            Some(token) => is_known(token, request),
            None => Ok(()),
        }
    }
}

/// Checks that a request has the token. If the address has it, it is moved into a cookie.
fn is_known(token: &str, request: &Request) -> Result<(), Response> {
    let headers = request.headers();
    let bearer = text(headers, AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    let cookies = text(headers, COOKIE.as_str()).unwrap_or_default().split(';');
    let cookie = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE_NAME);
    if bearer.or(cookie.map(|(_, value)| value)).is_some_and(|given| same(given, token)) {
        return Ok(());
    }
    let query = request.uri().query().and_then(|query| query.strip_prefix("token="));
    if matches!(request.uri().path(), "/" | "/vote") && query.is_some_and(|given| same(given, token)) {
        let cookie = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict; Path=/");
        return Err((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, request.uri().path().to_owned())])
            .into_response());
    }
    let why = "this studio needs the token that it printed when it was started: open the address with ?token=…, or send \
               the header `Authorization: Bearer …`";
    Err(refusal(StatusCode::UNAUTHORIZED, why))
}

/// Compares in constant time.
fn same(given: &str, token: &str) -> bool {
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a host is a name of this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost", "localhost:4700", "LOCALHOST:1", "127.0.0.1:4700", "127.0.0.1", "[::1]:4700", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["example.org", "localhost.example.org:4700", "192.168.0.1:4700", "127.0.0.1.example.org", "", ":4700"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
