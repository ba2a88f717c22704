//! The answers to forms that have something planned and done.

use std::sync::Arc;

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

use super::super::content::{Content, page, text};
use super::super::query::{Query, path};
use super::super::visitor::Visitor;
use super::super::{Web, documents, pages, routes};
use super::asked::{Asked, Confirmed};
use super::proposal::{NotConfirmed, Proposal, Stage};
use super::proposals::Refused;
use crate::error::CommandError;
use crate::report::{AuditEvent, Documents};

/// For whom an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Reader {
    /// A page, or the address of one.
    Person,
    /// A document.
    Machine,
}

/// What a form is sent to, below `/plans`. `None` if nothing is.
pub(in crate::web) fn answer(
    web: &Arc<Web>,
    visitor: &Visitor,
    parts: &[&str],
    form: &Query,
    reader: Reader,
) -> Option<Response<Content>> {
    let (id, action) = match parts {
        [] => return Some(propose(web, visitor, form, reader)),
        [id, action] => (id, *action),
        _ => return None,
    };
    let proposal = web.proposals.find(id, visitor)?;
    let answer = match action {
        "confirm" => confirm(web, visitor, &proposal, form),
        "stop" => stop(web, visitor, &proposal),
        _ => return None,
    };
    Some(answer.map_or_else(
        |(status, why)| refusal(reader, status, &why),
        |()| to_proposal(&proposal, reader, StatusCode::OK),
    ))
}

/// A status with the reason, in words.
type No = (StatusCode, String);

fn propose(web: &Arc<Web>, visitor: &Visitor, form: &Query, reader: Reader) -> Response<Content> {
    let proposed =
        Asked::parse(form).map_err(|why| (StatusCode::BAD_REQUEST, why)).and_then(|asked| {
            // What an apply would do is only told.
            if !matches!(asked.deed, super::Deed::Apply { .. }) {
                is_allowed(web, visitor, &asked)?;
            }
            note(web, visitor, AuditEvent::Planned { what: asked.title() })?;
            web.proposals.propose(web, asked, visitor).map_err(not_begun)
        });
    match proposed {
        Ok(proposal) => to_proposal(&proposal, reader, StatusCode::CREATED),
        Err((status, why)) => refusal(reader, status, &why),
    }
}

fn confirm(
    web: &Arc<Web>,
    visitor: &Visitor,
    proposal: &Arc<Proposal>,
    form: &Query,
) -> Result<(), No> {
    is_allowed(web, visitor, &proposal.asked)?;
    let said = Confirmed::parse(form).map_err(|why| (StatusCode::BAD_REQUEST, why))?;
    let confirmed = (form.value("fingerprint"), &said);
    web.proposals.confirm(web, proposal, confirmed, visitor).map_err(not_begun)
}

fn stop(web: &Web, visitor: &Visitor, proposal: &Proposal) -> Result<(), No> {
    is_allowed(web, visitor, &proposal.asked)?;
    let run = match proposal.view().stage {
        Stage::AtWork(of) => Some(of.run),
        _ => None,
    };
    note(web, visitor, AuditEvent::Stopped { what: proposal.asked.title(), run })?;
    proposal.stop(&visitor.name);
    Ok(())
}

/// What cannot be noted is not done.
fn note(web: &Web, visitor: &Visitor, event: AuditEvent) -> Result<(), No> {
    web.audit.record(visitor, event).map_err(|error| not_noted(&error))
}

fn not_noted(error: &CommandError) -> No {
    let why = format!("Nothing was done, since it cannot be noted: {error}.");
    (StatusCode::SERVICE_UNAVAILABLE, why)
}

fn is_allowed(web: &Web, visitor: &Visitor, asked: &Asked) -> Result<(), No> {
    let right = asked.right();
    match web.proposals.allow(right, visitor) {
        true => Ok(()),
        false => Err((StatusCode::FORBIDDEN, pages::why_not(web, right))),
    }
}

fn not_begun(refused: Refused) -> No {
    match refused {
        Refused::NotNoted(error) => not_noted(&error),
        Refused::NotConfirmed(NotConfirmed::OtherPlan) => (
            StatusCode::CONFLICT,
            "Another plan was shown than is to be done: look at it again.".to_owned(),
        ),
        Refused::NotConfirmed(NotConfirmed::NotNow) => {
            (StatusCode::CONFLICT, "It was confirmed before, or there is nothing to do.".to_owned())
        }
        Refused::TooMany => (
            StatusCode::SERVICE_UNAVAILABLE,
            "So much is going on that this has to wait: try again in a moment.".to_owned(),
        ),
        Refused::NoMeans => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The system has no thread, or no random number, for it.".to_owned(),
        ),
    }
}

fn to_proposal(proposal: &Proposal, reader: Reader, status: StatusCode) -> Response<Content> {
    let (mut answer, below) = match reader {
        Reader::Person => (text(StatusCode::SEE_OTHER, "It is shown on its page.\n"), "plans"),
        Reader::Machine => (routes::json(status, documents::plan(proposal)), "api/plans"),
    };
    let parts: Vec<&str> = below.split('/').chain([proposal.id.as_str()]).collect();
    if let Ok(location) = HeaderValue::try_from(path(&parts)) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

fn refusal(reader: Reader, status: StatusCode, why: &str) -> Response<Content> {
    match reader {
        Reader::Person => page(status, pages::refused("Not done", why)),
        Reader::Machine => {
            let mut documents = Documents::default();
            documents.add_error(None, &CommandError::refused(why));
            routes::json(status, documents.into_text())
        }
    }
}
