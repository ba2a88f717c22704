//! Signing in by name and password, and out.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::header::{COOKIE, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::accounts::{self, Accounts};
use super::content::{Content, page, text};
use super::query::Query;
use super::{Web, guard, pages};
use crate::error::CommandError;
use crate::report::AuditEvent;
use crate::system::Clock as _;

/// Passwords that are looked at once: each takes memory and a core.
const AT_ONCE: usize = 2;

/// What is kept for it.
#[derive(Default)]
pub(super) struct Desk {
    at_once: AtomicUsize,
}

struct Turn<'d>(&'d Desk);

impl Desk {
    fn turn(&self) -> Option<Turn<'_>> {
        let turn = Turn(self);
        (self.at_once.fetch_add(1, Ordering::Relaxed) < AT_ONCE).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Signs in whoever has sent the form, if the password is right.
pub(super) fn by_password(
    web: &Web,
    accounts: &Accounts,
    request: &Parts,
    form: &Query,
) -> Response<Content> {
    let (name, password) = (form.value("name"), form.raw("password"));
    let auth = accounts.now();
    let peer = guard::peer(request);
    let (client, from) = (
        accounts::client_of(&auth, peer, &request.headers),
        accounts::from(&auth, peer, &request.headers),
    );
    // Who is not there has perhaps typed a password in its place.
    let who = accounts::user(&auth, name).map_or("(no such user)", |user| user.name.as_str());
    let record = |event| web.audit.record_of(who, &from, event);
    let Some(_turn) = web.desk.turn() else { return later(Duration::from_secs(1)) };
    let attempts = || web.attempts.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = attempts().begin(client, name, web.clock.now());
    if let Err(early) = begun {
        let event = AuditEvent::SignInLimited { wait: early.wait.as_secs() };
        let recorded = if early.is_news { record(event) } else { Ok(()) };
        return match recorded {
            Ok(()) => later(early.wait),
            Err(error) => unwritten(&error),
        };
    }
    let Some(user) = accounts::signed_in_by(&auth, name, password) else {
        return match record(AuditEvent::SignInFailed) {
            Ok(()) => page(StatusCode::UNAUTHORIZED, pages::sign_in(Some(WRONG))),
            Err(error) => unwritten(&error),
        };
    };
    attempts().succeeded(client, name);
    if let Err(error) = record(AuditEvent::SignedIn) {
        return unwritten(&error);
    }
    let is_secure = guard::is_secure(web, Some(&auth), request);
    let mut sessions = web.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    // Whoever was signed in on this browser is not any more.
    cookies(request).for_each(|cookies| drop(sessions.close(cookies, is_secure)));
    let cookie = sessions.open(accounts::holder_of(user), is_secure, web.clock.now());
    let cookie = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    match cookie {
        Some(cookie) => to("/", Some(cookie)),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "The system gives no random numbers.\n"),
    }
}

const WRONG: &str = "The name or the password is wrong.";

/// Signs a browser out.
pub(super) fn out(web: &Web, request: &Parts) -> Response<Content> {
    let Some(visitor) = guard::visitor(web, request) else { return to("/sign-in", None) };
    if let Err(error) = web.audit.record(&visitor, AuditEvent::SignedOut) {
        return unwritten(&error);
    }
    let auth = web.accounts.as_ref().map(Accounts::now);
    let is_secure = guard::is_secure(web, auth.as_deref(), request);
    let mut sessions = web.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let gone = cookies(request).map(|cookies| sessions.close(cookies, is_secure)).last();
    web.signed_out.fetch_add(1, Ordering::Relaxed);
    to("/sign-in", gone.and_then(|gone| HeaderValue::from_str(&gone).ok()))
}

/// The answer where the audit log cannot be written: nothing was done.
pub(super) fn unwritten(error: &CommandError) -> Response<Content> {
    page(StatusCode::SERVICE_UNAVAILABLE, pages::unwritten(error))
}

fn later(wait: Duration) -> Response<Content> {
    let seconds = wait.as_secs().max(1);
    let why = format!("Too many tries: the next one is looked at in {seconds} s.");
    let mut answer = page(StatusCode::TOO_MANY_REQUESTS, pages::sign_in(Some(&why)));
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

fn to(place: &'static str, cookie: Option<HeaderValue>) -> Response<Content> {
    let mut answer = text(StatusCode::SEE_OTHER, "");
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(place));
    if let Some(cookie) = cookie {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

fn cookies(request: &Parts) -> impl Iterator<Item = &str> {
    request.headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok())
}
