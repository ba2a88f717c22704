//! What comes as it happens: server-sent events.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Web;
use super::acting::Proposal;
use super::content::{Content, of_kind};
use super::counters::Open;
use super::logs::{LogKey, Told};
use crate::event::LinePlace;
use crate::fleet::HostWork;
use crate::system::sanitized;

/// How often a page hears that somebody is there.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// How long a page is left alone after it was told of a change.
const MOMENT: Duration = Duration::from_secs(2);
/// The same where somebody looks on while hosts change.
const SHORT_MOMENT: Duration = Duration::from_millis(500);
/// How many events wait for a slow reader.
const WAITING: usize = 64;

/// Where a browser tries again by itself, so many milliseconds after it has lost the stream.
const BEGIN: &str = "retry: 2000\nevent: alive\ndata:\n\n";
const ALIVE: &str = "event: alive\ndata:\n\n";
/// A browser that is not told would come again at once, and have the host asked for nothing.
const END: &str = "event: end\ndata:\n\n";
const CHANGED: &str = "event: changed\ndata:\n\n";

/// Tells of each change of what is known of the fleet.
pub(super) fn changes(web: &Arc<Web>) -> Response<Content> {
    tell(web, web.answers.changes(), MOMENT)
}

/// Tells how far something has come that was asked for here.
pub(super) fn of_proposal(web: &Arc<Web>, proposal: &Proposal) -> Response<Content> {
    tell(web, proposal.changes(), SHORT_MOMENT)
}

/// Tells of each change, and leaves a page alone so long after it.
fn tell(web: &Arc<Web>, mut changes: watch::Receiver<u64>, moment: Duration) -> Response<Content> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let web = Arc::clone(web);
    tokio::spawn(async move {
        let _open = Open::count(&web, |counters| &counters.streams);
        let mut next = BEGIN;
        let rights = web.rights();
        while sender.send(Bytes::from_static(next.as_bytes())).await.is_ok() {
            // Who has left meanwhile is not counted any longer.
            if next == CHANGED && timeout(moment, sender.closed()).await.is_ok() {
                break;
            }
            next = match timeout(ALIVE_EVERY, changes.changed()).await {
                Ok(Ok(())) => CHANGED,
                Ok(Err(_)) => break,
                Err(_) => ALIVE,
            };
            if web.rights() != rights {
                break;
            }
        }
    });
    stream(receiver)
}

/// Tells each line of a log. `None` if too many are followed.
pub(super) fn log(
    web: &Arc<Web>,
    work: Arc<HostWork>,
    key: LogKey,
    grep: Option<String>,
) -> Option<Response<Content>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let open = Open::count(web, |counters| &counters.streams);
    let mut begun = false;
    let (rights, of) = (web.rights(), Arc::clone(web));
    web.logs.follow(work, key, grep, move |told| {
        // It goes with whoever tells.
        let _open = &open;
        let mut event = String::new();
        if !begun {
            begun = true;
            event += BEGIN;
        }
        event += &match told {
            Told::Line(line) => line_event(&line.text, line.place),
            Told::Remark(text) => line_event(text, None),
            Told::Alive => ALIVE.to_owned(),
            Told::End => END.to_owned(),
        };
        of.rights() == rights && sender.blocking_send(event.into()).is_ok()
    })?;
    Some(stream(receiver))
}

/// A line with its place as the id of the event. No line of a log can end its event and begin another: what would
/// break a line is not in it.
fn line_event(line: &str, place: Option<LinePlace>) -> String {
    let place = place.map(|place| place.to_string()).unwrap_or_default();
    format!("event: line\nid: {place}\ndata: {}\n\n", sanitized(&crate::error::cut(line)))
}

/// Tells only why nothing can be followed: a browser that gets another status comes again and again.
pub(super) fn wrong(why: &str) -> Response<Content> {
    let event = format!("event: wrong\ndata: {}\n\n", sanitized(why));
    of_kind(StatusCode::OK, "text/event-stream", event)
}

fn stream(receiver: mpsc::Receiver<Bytes>) -> Response<Content> {
    let mut response = Response::new(Content::Stream(receiver));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // nginx would collect them.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_one_event() {
        for line in ["a\n\nevent: changed\ndata: x", "a\r\revent: x", "\u{1b}[2J\u{2028}x"] {
            let event = line_event(line, None);
            assert_eq!(event.split(['\n', '\r']).filter(|line| !line.is_empty()).count(), 3);
        }
        assert_eq!(line_event("<b>", None), "event: line\nid: \ndata: <b>\n\n");
        let place = Some(LinePlace { start: 7, digest: 0xab });
        assert_eq!(line_event("a", place), "event: line\nid: 7-00000000000000ab\ndata: a\n\n");
    }
}
