//! What pages are shown with. All of it is in the binary: nothing comes from elsewhere.

use hyper::{Response, StatusCode};

use super::content::{Content, of_kind};

/// What stands at a path below `/assets/`.
pub(super) fn at(name: &str) -> Option<Response<Content>> {
    let (kind, text) = match name {
        "style.css" => ("text/css; charset=utf-8", include_str!("assets/style.css")),
        "live.js" => ("text/javascript; charset=utf-8", include_str!("assets/live.js")),
        "icon.svg" => ("image/svg+xml", include_str!("assets/icon.svg")),
        _ => return None,
    };
    Some(of_kind(StatusCode::OK, kind, text))
}
