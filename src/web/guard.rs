//! What is looked at before anything is answered, and what every answer tells the browser.

use std::sync::PoisonError;

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST,
    HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::Web;
use super::accounts::{Accounts, from, holder_of, named_by_proxy, proxy_of, user};
use super::content::{Content, text};
use super::sessions::Holder;
use super::visitor::{Peer, Visitor};
use crate::inventory::WebAuth;
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
pub(super) fn refusal(web: &Web, request: &Parts, has_body: bool) -> Option<Response<Content>> {
    let auth = web.accounts.as_ref().map(Accounts::now);
    if !is_for_us(web, auth.as_deref(), request) {
        let why = match auth {
            None => "This name does not lead here: use localhost or 127.0.0.1.\n",
            Some(_) => "This name does not lead here: it is none of `names`.\n",
        };
        return Some(text(StatusCode::MISDIRECTED_REQUEST, why));
    }
    if let Some(auth) = auth.filter(|auth| !web.speaks_tls() && !is_near(auth, peer(request))) {
        let why = match auth.proxy {
            Some(_) => "Come by the proxy: from here everything would be readable on the way.\n",
            None => "Nobody is served from there without TLS.\n",
        };
        return Some(closing(text(StatusCode::FORBIDDEN, why)));
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
    let (now, peer) = (web.clock.now(), peer(request));
    let auth = web.accounts.as_ref().map(Accounts::now);
    let named = auth.as_deref();
    if let Some(named) = named.and_then(|auth| named_by_proxy(auth, peer, &request.headers)) {
        return named;
    }
    let is_secure = is_secure(web, named, request);
    let sessions = web.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let cookies = request.headers.get_all(COOKIE).iter();
    let mut cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let holder = cookies.find_map(|cookies| sessions.holder(cookies, is_secure, now))?;
    match (holder, named) {
        (Holder::Owner, None) => Some(Visitor::owner(&web.owner, peer)),
        (Holder::User { name, .. }, Some(auth)) => {
            // Who was taken out of the file, or has another password there, has to come again.
            let user = user(auth, name).filter(|user| holder_of(user) == *holder)?;
            Some(Visitor::user(user, from(auth, peer, &request.headers), true))
        }
        (Holder::Owner, Some(_)) | (Holder::User { .. }, None) => None,
    }
}

/// The other end of the connection.
pub(super) fn peer(request: &Parts) -> Peer {
    request.extensions.get::<Peer>().copied().unwrap_or(Peer::Socket)
}

/// Whether the browser speaks TLS, to us or to the proxy before us.
pub(super) fn is_secure(web: &Web, auth: Option<&WebAuth>, request: &Parts) -> bool {
    web.speaks_tls() || auth.is_some_and(|auth| proxy_of(auth, peer(request)).is_some())
}

/// Whether what is said in clear is said on this machine, or to a proxy that was named.
fn is_near(auth: &WebAuth, peer: Peer) -> bool {
    match peer {
        Peer::Socket => true,
        Peer::Address(address) => {
            address.ip().to_canonical().is_loopback() || proxy_of(auth, peer).is_some()
        }
    }
}

/// What is still on its way is not read.
pub(super) fn closing(mut response: Response<Content>) -> Response<Content> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A page of elsewhere can have its own name lead to 127.0.0.1, and would then read ours as its own (DNS
/// rebinding). Its browser says that name here. The port is not looked at: a tunnel has another.
fn is_for_us(web: &Web, auth: Option<&WebAuth>, request: &Parts) -> bool {
    let is_ours = |host: &str| {
        let own = web.listens_on.iter().map(String::as_str);
        let named = auth.into_iter().flat_map(|auth| auth.names.iter().map(String::as_str));
        is_this_machine(host)
            || name_of(host)
                .is_some_and(|name| own.chain(named).any(|own| own.eq_ignore_ascii_case(name)))
    };
    let mut hosts = request.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let named = request.uri.authority().map(|authority| authority.as_str());
    host.to_str().is_ok_and(is_ours) && named.is_none_or(is_ours)
}

fn is_this_machine(host: &str) -> bool {
    name_of(host).is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
    })
}

/// A host without its port; `None` if what should be one is none.
fn name_of(host: &str) -> Option<&str> {
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let is_port = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_port.then_some(name)
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
