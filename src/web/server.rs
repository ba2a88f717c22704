//! Takes connections and hands their requests to `routes`. All limits on what a client can have us keep stand
//! here: how many connections there are, how long a request's head may take and be, how long a connection lasts.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::accounts::Accounts;
use super::address::Listener;
use super::content::{Content, text};
use super::counters::{Open, add};
use super::query::Query;
use super::tls::Tls;
use super::visitor::Peer;
use super::{News, Web, guard, query, routes};
use crate::error::CommandError;
use crate::report::Listening;
use crate::system::Interrupt;

/// Connections at once; others wait until one ends.
const CONNECTIONS: usize = 512;
/// How long the head of a request may take: who sends a letter a second is not waited for.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a browser may take to agree on how TLS is spoken.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a head may be, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a form may take, and how long it may be, in bytes.
const BODY_TIME: Duration = Duration::from_secs(10);
const BODY_BYTES: usize = 16 * 1024;
/// How long a connection lasts. Pages that follow something come again by themselves, and who reads nothing
/// of what was sent keeps it no longer.
const LASTS: Duration = Duration::from_secs(15 * 60);
/// Pages that are made at once.
const PAGES: usize = 4;
/// How soon it is seen that everything ends, or that a link was used.
const MOMENT: Duration = Duration::from_millis(100);

/// Serves until it is interrupted.
pub(super) fn run(
    web: &Arc<Web>,
    listener: &Listener,
    interrupt: &Interrupt,
    announce: &mut dyn FnMut(News),
) -> Result<(), CommandError> {
    let failed = |source: std::io::Error| {
        CommandError::refused(format!("cannot serve {}", listener.shown())).caused_by(&source)
    };
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_io().enable_time().max_blocking_threads(PAGES).build();
    let runtime = runtime.map_err(failed)?;
    runtime.block_on(take(web, listener, interrupt, announce)).map_err(failed)?;
    // What is being made is not waited for: its reader goes, too.
    runtime.shutdown_background();
    Ok(())
}

/// Takes connections until it is interrupted.
async fn take(
    web: &Arc<Web>,
    listener: &Listener,
    interrupt: &Interrupt,
    announce: &mut dyn FnMut(News),
) -> std::io::Result<()> {
    let doors = Doors::of(listener)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut is_next = false;
    while !interrupt.is_raised() {
        if let Some(listening) = news(web, listener, is_next) {
            announce(News::Listening(listening));
            is_next = true;
        }
        web.audit.news().into_iter().for_each(|done| announce(News::Done(done)));
        let trouble = web.accounts.as_ref().and_then(Accounts::trouble);
        let of_tls = web.tls.as_ref().and_then(Tls::trouble);
        trouble.into_iter().chain(of_tls).for_each(|trouble| announce(News::Trouble(trouble)));
        // Two waits in one, so that neither a full house nor a quiet one keeps us from the above.
        let taken = timeout(MOMENT, async {
            let permit = Arc::clone(&room).acquire_owned().await;
            doors.accept(web, permit.ok()).await
        });
        if let Ok(Err(_)) = taken.await {
            // No file is left, most often: some will be when a connection ends.
            tokio::time::sleep(MOMENT).await;
        }
    }
    Ok(())
}

/// Where to sign in, if nobody was told of it yet.
fn news(web: &Web, listener: &Listener, is_next: bool) -> Option<Listening> {
    let by_name = web.accounts.is_some();
    let mut sessions = web.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let once = sessions.news()?;
    let origin = listener.origin(web.speaks_tls());
    let link = match by_name {
        true => format!("{origin}/sign-in"),
        false => format!("{origin}/sign-in?once={once}"),
    };
    let allowed = web.proposals.allowed();
    Some(Listening { address: listener.shown(), link, allowed, by_name, is_next })
}

enum Doors {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Doors {
    fn of(listener: &Listener) -> std::io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener, _) => Self::Tcp(TcpListener::from_std(listener.try_clone()?)?),
            Listener::Unix(listener, _) => {
                Self::Unix(UnixListener::from_std(listener.try_clone()?)?)
            }
        })
    }

    async fn accept(
        &self,
        web: &Arc<Web>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> std::io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                begin(stream, Peer::Address(address), web, permit);
            }
            Self::Unix(listener) => {
                begin(listener.accept().await?.0, Peer::Socket, web, permit);
            }
        }
        Ok(())
    }
}

/// Serves a connection as long as it lasts.
fn begin(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    web: &Arc<Web>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let web = Arc::clone(web);
    tokio::spawn(async move {
        let _permit = permit;
        let _open = Open::count(&web, |counters| &counters.connections);
        match web.tls.as_ref().map(Tls::now) {
            None => serve(stream, peer, &web).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
                    serve(stream, peer, &web).await;
                }
            }
        }
    });
}

/// Answers what comes over a connection.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, web: &Arc<Web>) {
    let serve = service_fn(|request| answer(Arc::clone(web), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), serve);
    // Whatever a client does that ends it is its own affair.
    let _ = timeout(LASTS, connection).await;
}

/// The form that a request has as its body.
async fn form(body: Incoming) -> Result<Query, Response<Content>> {
    let read = timeout(BODY_TIME, Limited::new(body, BODY_BYTES).collect()).await;
    let (status, why) = match read {
        Ok(Ok(body)) => match std::str::from_utf8(&body.to_bytes()) {
            Ok(text) => return Ok(Query::parse(text)),
            Err(_) => (StatusCode::BAD_REQUEST, "A form is text.\n"),
        },
        Ok(Err(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "That is too long for a form.\n"),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "That took too long.\n"),
    };
    Err(guard::closing(text(status, why)))
}

async fn answer(
    web: Arc<Web>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response<Content>, Infallible> {
    add(&web.counters.requests);
    let has_body = request.body().size_hint().exact() != Some(0);
    let (mut request, body) = request.into_parts();
    request.extensions.insert(peer);
    let asked = match guard::refusal(&web, &request, has_body) {
        Some(refusal) => Err(refusal),
        None if request.method == Method::POST => form(body).await.map(Some),
        None => Ok(None),
    };
    let made = match asked {
        Err(refusal) => refusal,
        Ok(form) => {
            let web = Arc::clone(&web);
            // A page of a large fleet takes milliseconds, in which others are to be read from.
            let made = tokio::task::spawn_blocking(move || {
                let parts = query::parts(request.uri.path());
                parts.map_or_else(routes::not_found, |parts| {
                    routes::answer(&web, &request, &parts, form.as_ref())
                })
            });
            made.await.unwrap_or_else(|_| {
                text(StatusCode::INTERNAL_SERVER_ERROR, "This page cannot be made.\n")
            })
        }
    };
    if made.status().is_client_error() {
        add(&web.counters.refused);
    }
    Ok(guard::with_headers(made))
}
