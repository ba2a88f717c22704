//! What is looked at before anything is answered, and what every answer tells the browser.

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST,
    HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::Web;
use super::content::{Content, text};
use super::visitor::{Peer, Visitor};
use crate::system::Clock as _;

/// Nothing that a host tells can become anything else than text: no script, style, picture or form that is not
/// ours, nothing within a line of HTML, no page of ours in another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What every answer has. With `no-referrer`, browsers would say of our own forms, too, that they come from nowhere
/// (`Origin: null`).
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds what every answer has.
pub(super) fn with_headers(mut response: Response<Content>) -> Response<Content> {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The answer to what nobody should ask, whoever it is.
pub(super) fn refusal(request: &Parts, has_body: bool) -> Option<Response<Content>> {
    if !is_for_this_machine(request) {
        let why = "This name does not lead here: use localhost or 127.0.0.1.\n";
        return Some(text(StatusCode::MISDIRECTED_REQUEST, why));
    }
    match request.method {
        Method::GET | Method::HEAD if has_body => {
            Some(closing(text(StatusCode::PAYLOAD_TOO_LARGE, "A question has no body.\n")))
        }
        Method::GET | Method::HEAD => None,
        Method::POST => not_from_here(request).map(closing),
        _ => Some(closing(not_allowed("GET, HEAD, POST"))),
    }
}

/// The answer to a form that was sent to where none is taken.
pub(super) fn not_for_forms() -> Response<Content> {
    not_allowed("GET, HEAD")
}

fn not_allowed(methods: &'static str) -> Response<Content> {
    let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "That cannot be done here.\n");
    refusal.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    refusal
}

/// Why this is not what a page of ours has sent. A browser says of each form from which page it comes, and no page
/// can have it say something else; one that says nothing gets no further.
fn not_from_here(request: &Parts) -> Option<Response<Content>> {
    let header = |name: HeaderName| {
        let mut all = request.headers.get_all(name).iter();
        match (all.next().map(HeaderValue::to_str), all.next()) {
            (Some(Ok(value)), None) => Some(value),
            _ => None,
        }
    };
    let forbidden = |why: &'static str| Some(text(StatusCode::FORBIDDEN, why));
    let fetch_site = HeaderName::from_static("sec-fetch-site");
    let is_sent = request.headers.contains_key(&fetch_site);
    // Browsers leave it out where a page came over plain http from another machine.
    if is_sent && header(fetch_site) != Some("same-origin") {
        return forbidden("This was sent by another page (Sec-Fetch-Site).\n");
    }
    let origin = header(ORIGIN).and_then(|origin| origin.split_once("://"));
    let named = origin.filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    if named.is_none_or(|(_, host)| header(HOST) != Some(host)) {
        return forbidden("This was sent by another page, or by none (Origin).\n");
    }
    let kind = header(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).map(str::trim);
    match kind {
        Some("application/x-www-form-urlencoded") => None,
        _ => Some(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "A form is sent urlencoded.\n")),
    }
}

/// Who asks; `None` if that is nobody who was let in.
pub(super) fn visitor(web: &Web, request: &Parts) -> Option<Visitor> {
    let now = web.clock.now();
    let sessions = web.sessions.lock();
    let sessions = sessions.unwrap_or_else(std::sync::PoisonError::into_inner);
    let cookies = request.headers.get_all(COOKIE).iter();
    let mut cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let peer = request.extensions.get::<Peer>()?;
    cookies.any(|cookies| sessions.has(cookies, now)).then(|| Visitor::owner(&web.owner, *peer))
}

/// What is still on its way is not read.
pub(super) fn closing(mut response: Response<Content>) -> Response<Content> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A page of elsewhere can have its own name lead to 127.0.0.1, and would then read ours as its own (DNS
/// rebinding). Its browser says that name here. The port is not looked at: a tunnel has another.
fn is_for_this_machine(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let named = request.uri.authority().map(|authority| authority.as_str());
    host.to_str().is_ok_and(is_this_machine) && named.is_none_or(is_this_machine)
}

fn is_this_machine(host: &str) -> bool {
    let (name, port) = match host.strip_prefix("[::1]") {
        Some(rest) => ("localhost", rest),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_port && (name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_lead_here() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:9190", "127.0.0.1", "[::1]:1", "[::1]"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost:80@evil.example",
            "127.0.0.1.evil.example:9190",
            "evil.example:127.0.0.1",
            "localhost:",
            "localhost:80:80",
            "[::1]evil.example",
            "[::1",
            "0.0.0.0:9190",
            "2130706433",
            "user@localhost",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
