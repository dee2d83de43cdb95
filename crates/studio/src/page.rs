//! The page's files, which are compiled into the program.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use impasto::picture::Format;

use crate::answer::{bytes, refusal};
use crate::kept::Demo;

/// Path, content type and text of each file.
const FILES: [(&str, &str, &str); 22] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/vote", "text/html; charset=utf-8", include_str!("page/vote.html")),
    ("/studio.css", "text/css; charset=utf-8", include_str!("page/studio.css")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/studio.js", SCRIPT, include_str!("page/studio.js")),
    ("/vote.js", SCRIPT, include_str!("page/vote.js")),
    ("/api.js", SCRIPT, include_str!("page/api.js")),
    ("/curve.js", SCRIPT, include_str!("page/curve.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/draft.js", SCRIPT, include_str!("page/draft.js")),
    ("/forecast.js", SCRIPT, include_str!("page/forecast.js")),
    ("/form.js", SCRIPT, include_str!("page/form.js")),
    ("/lists.js", SCRIPT, include_str!("page/lists.js")),
    ("/options.js", SCRIPT, include_str!("page/options.js")),
    ("/palette.js", SCRIPT, include_str!("page/palette.js")),
    ("/regions.js", SCRIPT, include_str!("page/regions.js")),
    ("/shelf.js", SCRIPT, include_str!("page/shelf.js")),
    ("/sweep.js", SCRIPT, include_str!("page/sweep.js")),
    ("/toast.js", SCRIPT, include_str!("page/toast.js")),
    ("/view.js", SCRIPT, include_str!("page/view.js")),
    ("/weights.js", SCRIPT, include_str!("page/weights.js")),
    ("/words.js", SCRIPT, include_str!("page/words.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) fn routes() -> Router {
    let mut routes = Router::new();
    for (path, kind, text) in FILES {
        let text = &*Box::leak(with_formats(&with_parts(text)).into_boxed_str());
        let answer = move || async move {
            if path == "/" {
                Demo::draw_all();
            }
            bytes(kind, text)
        };
        routes = routes.route(path, get(answer));
    }
    routes
}

/// The page with the parts that all pages share in place of the comments that name them.
fn with_parts(page: &str) -> String {
    let parts = [
        ("<!-- head -->\n", include_str!("page/head.html").trim_start()),
        ("<!-- mark -->\n", include_str!("page/mark.html")),
    ];
    parts.into_iter().fold(page.to_owned(), |page, (name, part)| page.replace(name, part))
}

/// The page with file inputs that accept all readable formats.
fn with_formats(page: &str) -> String {
    let extensions = Format::ALL.iter().flat_map(|format| format.extensions()).map(|end| format!(".{end}"));
    let accepted = format!("accept=\"image/*,{}\"", extensions.collect::<Vec<_>>().join(","));
    let mut parts = page.split("accept=\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |page, part| page + &accepted + part.split_once('"').map_or("", |(_, rest)| rest))
}

/// Adds the responses for unknown paths and methods.
pub(crate) fn with_fallbacks(routes: Router) -> Router {
    let nothing = || async { refusal(StatusCode::NOT_FOUND, "page not found") };
    let otherwise = || async { refusal(StatusCode::METHOD_NOT_ALLOWED, "this address does not support this method") };
    routes.fallback(nothing).method_not_allowed_fallback(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_share_their_head() {
        let pages = FILES.iter().filter(|(_, kind, _)| kind.starts_with("text/html"));
        let pages: Vec<String> = pages.map(|(_, _, text)| with_parts(text)).collect();
        assert_eq!(pages.len(), 2);
        for page in pages {
            assert!(
                page.contains("  <meta charset=\"utf-8\">\n  <meta name=\"viewport\"")
                    && page.contains("<svg class=\"mark\"")
            );
            assert!(page.contains("studio.css") && !page.contains("<!--"), "{page}");
        }
    }
}
