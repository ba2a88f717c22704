//! What stands at which path.

use std::sync::{Arc, PoisonError};

use hyper::header::{CONTENT_DISPOSITION, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::accounts::Accounts;
use super::acting::{self, Reader};
use super::answers::HostView;
use super::content::{Content, of_kind, page, text};
use super::logs::{LogEnd, LogKey};
use super::query::Query;
use super::site_on_host::SiteOnHost;
use super::visitor::Visitor;
use super::{Web, assets, counters, documents, guard, pages, sign_in, streams};
use crate::event::LinePlace;
use crate::inventory::Site;
use crate::report::AuditEvent;
use crate::system::{Clock as _, sanitized};

/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4";
/// A line of JSON each.
const JSON_LINES: &str = "application/jsonl; charset=utf-8";

/// A program on a host.
pub(super) struct Place<'h> {
    pub(super) host: &'h HostView,
    pub(super) site: &'h Site,
    pub(super) program: &'h str,
}

/// Answers a request that may be asked: first what anybody may see, then what is for who has signed in.
pub(super) fn answer(
    web: &Arc<Web>,
    request: &Parts,
    parts: &[String],
    form: Option<&Query>,
) -> Response<Content> {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let Some(form) = form {
        return of_form(web, request, &parts, form);
    }
    let query = Query::parse(request.uri.query().unwrap_or_default());
    match parts[..] {
        ["assets", name] => return assets::at(name).unwrap_or_else(not_found),
        ["favicon.ico"] => return assets::at("icon.svg").unwrap_or_else(not_found),
        ["healthz"] => return text(StatusCode::OK, "ok\n"),
        ["metrics"] => {
            // On this machine anybody may count; elsewhere that tells strangers how the fleet is.
            let may = |visitor: Visitor| visitor.sees_all();
            return match web.accounts.is_none() || guard::visitor(web, request).is_some_and(may) {
                true => of_kind(StatusCode::OK, METRICS, counters::metrics(web)),
                false => text(StatusCode::UNAUTHORIZED, "Sign in first.\n"),
            };
        }
        // Whoever only looks whether there is something does not use it up.
        ["sign-in"] if request.method == Method::GET => return sign_in(web, request, &query),
        ["sign-in"] => return page(StatusCode::FORBIDDEN, signed_out(web)),
        _ => {}
    }
    match guard::visitor(web, request) {
        Some(visitor) => signed_in(web, &visitor, &parts, &query),
        None => not_signed_in(web, &parts),
    }
}

/// Answers a form that was sent here.
fn of_form(web: &Arc<Web>, request: &Parts, parts: &[&str], form: &Query) -> Response<Content> {
    match (parts, &web.accounts) {
        (["sign-in"], Some(accounts)) => return sign_in::by_password(web, accounts, request, form),
        (["sign-out"], _) => return sign_in::out(web, request),
        _ => {}
    }
    let Some(visitor) = guard::visitor(web, request) else { return not_signed_in(web, parts) };
    let answer = match parts {
        ["plans", rest @ ..] => acting::answer(web, &visitor, rest, form, Reader::Person),
        ["api", "plans", rest @ ..] => acting::answer(web, &visitor, rest, form, Reader::Machine),
        _ => return guard::not_for_forms(),
    };
    answer.unwrap_or_else(not_found)
}

fn not_signed_in(web: &Web, parts: &[&str]) -> Response<Content> {
    match parts.first() {
        Some(&("api" | "live")) => text(StatusCode::UNAUTHORIZED, "Sign in first.\n"),
        _ => page(StatusCode::UNAUTHORIZED, signed_out(web)),
    }
}

/// How to sign in.
fn signed_out(web: &Web) -> maud::Markup {
    match web.accounts.as_ref().map(Accounts::now) {
        None => pages::signed_out(),
        Some(auth) if auth.users.iter().all(|user| user.password.is_none()) => pages::by_proxy(),
        Some(_) => pages::sign_in(None),
    }
}

fn signed_in(
    web: &Arc<Web>,
    visitor: &Visitor,
    parts: &[&str],
    query: &Query,
) -> Response<Content> {
    let found = |markup| page(StatusCode::OK, markup);
    let found_json = |text| json(StatusCode::OK, text);
    match parts {
        [] => found(pages::programs(web, visitor, query)),
        ["hosts"] => found(pages::hosts(web, visitor, query)),
        ["sites"] => found(pages::sites(web, visitor, query)),
        ["sites", site] => {
            let hosts = web.answers.hosts_for(visitor);
            match &SiteOnHost::all(&hosts, site)[..] {
                [] => not_found(),
                on => found(pages::site(web, visitor, site, on, true, query)),
            }
        }
        ["history"] => found(pages::history(web, visitor, query)),
        ["runs", run] => {
            let run = run.parse().ok().and_then(|run| pages::run(web, visitor, run, query));
            run.map_or_else(not_found, found)
        }
        ["live"] => streams::changes(web),
        ["plans"] => found(pages::plans(web, visitor)),
        ["plans", id, rest @ ..] => match (web.proposals.find(id, visitor), rest) {
            (Some(proposal), []) => found(pages::plan(web, visitor, &proposal)),
            (Some(proposal), ["live"]) => streams::of_proposal(web, &proposal),
            _ => not_found(),
        },
        ["api", "openapi.json"] => {
            of_kind(StatusCode::OK, "application/json", include_str!("assets/openapi.json"))
        }
        ["api", "plans"] => found_json(documents::plans(&web.proposals.of(visitor))),
        ["api", "plans", id] => match web.proposals.find(id, visitor) {
            Some(proposal) => found_json(documents::plan(&proposal)),
            None => not_found(),
        },
        ["api", "status"] => found_json(documents::status(web, visitor, query)),
        ["api", "history"] => found_json(documents::history(web, visitor, query)),
        ["api", "log"] => documents::log(web, visitor, query).map_or_else(not_found, found_json),
        ["hosts", host] => match web.answers.host_for(visitor, host) {
            Some(host) => found(pages::host(web, visitor, &host, query)),
            None => not_found(),
        },
        ["hosts", host, "sites", site] => {
            let Some(host) = web.answers.host_for(visitor, host) else { return not_found() };
            match SiteOnHost::on(&host, site) {
                Some(on) => found(pages::site(web, visitor, site, &[on], false, query)),
                None => not_found(),
            }
        }
        ["hosts", host, "sites", site, "programs", program, rest @ ..] => {
            let Some(host) = web.answers.host_for(visitor, host) else { return not_found() };
            let Some(place) = place(&host, site, program) else { return not_found() };
            of_program(web, visitor, &place, rest, query)
        }
        _ => not_found(),
    }
}

/// A page of a program, or what belongs to it.
fn of_program(
    web: &Arc<Web>,
    visitor: &Visitor,
    place: &Place<'_>,
    rest: &[&str],
    query: &Query,
) -> Response<Content> {
    let grep = match Grep::of(query) {
        Ok(grep) => grep,
        Err(_) if rest.is_empty() => Grep::default(),
        Err(why) if rest == ["log"] => return streams::wrong(&why),
        Err(why) => return text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    };
    let work = &place.host.work;
    match rest {
        [] => page(StatusCode::OK, pages::program(web, visitor, place, query)),
        ["log"] => streams::log(web, Arc::clone(work), place.log_key(), grep.pattern)
            .unwrap_or_else(|| {
                text(StatusCode::SERVICE_UNAVAILABLE, "Too many logs are followed.\n")
            }),
        ["log.txt"] => {
            let end = web.logs.end(work, &place.log_key());
            let lines = end.iter().flat_map(|end| grep.lines(end));
            let mut download =
                text(StatusCode::OK, lines.map(|(line, _)| line + "\n").collect::<String>());
            let as_file = HeaderValue::from_static("attachment; filename=\"log.txt\"");
            download.headers_mut().insert(CONTENT_DISPOSITION, as_file);
            download
        }
        _ => not_found(),
    }
}

/// Which lines of a log are shown.
#[derive(Default)]
pub(super) struct Grep {
    pub(super) pattern: Option<String>,
    regex: Option<regex_lite::Regex>,
}

impl Grep {
    /// `grep` of a query; an error says why it is no pattern.
    pub(super) fn of(query: &Query) -> Result<Self, String> {
        let pattern = query.value("grep");
        if pattern.is_empty() {
            return Ok(Self::default());
        }
        let regex = regex_lite::Regex::new(pattern);
        let regex = regex.map_err(|error| format!("this is no regular expression: {error}"))?;
        Ok(Self { pattern: Some(pattern.to_owned()), regex: Some(regex) })
    }

    /// The lines of a log in which it is found, as they can be shown.
    pub(super) fn lines(&self, end: &LogEnd) -> impl Iterator<Item = (String, Option<LinePlace>)> {
        let is_meant = |text: &str| self.regex.as_ref().is_none_or(|regex| regex.is_match(text));
        let lines = end.lines.iter().filter(move |line| is_meant(&line.text));
        lines.map(|line| (sanitized(&crate::error::cut(&line.text)), line.place))
    }
}

impl Place<'_> {
    pub(super) fn log_key(&self) -> LogKey {
        LogKey {
            host: self.host.name().to_owned(),
            site: self.site.domain.to_string(),
            program: self.program.to_owned(),
            around: None,
        }
    }
}

/// Only what the inventory has, or the host has told of, is looked for, by its name: no part of a path is ever
/// a path on a disk.
fn place<'h>(host: &'h HostView, site: &str, program: &'h str) -> Option<Place<'h>> {
    let site = host.work.sites.iter().find(|one| one.domain.as_str() == site)?;
    let mut told = host.rows.iter().filter(|row| row.site == site.domain.as_str());
    let is_known = site.program_names().any(|name| name.as_str() == program)
        || told.any(|row| row.program.as_deref() == Some(program));
    is_known.then_some(Place { host, site, program })
}

fn sign_in(web: &Web, request: &Parts, query: &Query) -> Response<Content> {
    if web.accounts.is_some() {
        return page(StatusCode::OK, signed_out(web));
    }
    let now = web.clock.now();
    let mut sessions = web.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let owner = Visitor::owner(&web.owner, guard::peer(request));
    let is_secure = guard::is_secure(web, None, request);
    let cookie = sessions.sign_in(query.value("once"), is_secure, now);
    let recorded = cookie.as_ref().map(|_| web.audit.record(&owner, AuditEvent::SignedIn));
    if let Some(Err(error)) = recorded {
        return sign_in::unwritten(&error);
    }
    match cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        Some(cookie) => {
            let mut signed_in = page(StatusCode::OK, pages::signed_in());
            signed_in.headers_mut().insert(SET_COOKIE, cookie);
            signed_in
        }
        None => page(StatusCode::FORBIDDEN, signed_out(web)),
    }
}

pub(super) fn json(status: StatusCode, text: String) -> Response<Content> {
    of_kind(status, JSON_LINES, text)
}

pub(super) fn not_found() -> Response<Content> {
    page(StatusCode::NOT_FOUND, pages::not_found())
}
