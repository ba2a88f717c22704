//! The documents of `--json`, a line each, made of the answers that are kept.

use std::sync::Arc;

use super::Web;
use super::acting::{HostLine, Proposal, Stage, View};
use super::answers::HostView;
use super::logs::LogKey;
use super::query::Query;
use super::visitor::Visitor;
use crate::error::CommandError;
use crate::fleet::HostWork;
use crate::report::{Documents, ProposalDocument, ProposalHost, ProposalStage, runs_of};
use crate::system::sanitized;

/// As `status --json`, with what no inventory has.
pub(super) fn status(web: &Web, visitor: &Visitor, query: &Query) -> String {
    of_hosts(web, visitor, query, |documents, host| {
        let Some(last) = &host.last else { return };
        let unmanaged = last.unmanaged.as_deref().and_then(|unmanaged| unmanaged.as_ref().ok());
        documents.add_status(host.name(), &last.sites, last.left.as_ref(), unmanaged);
    })
}

/// As `history --json`.
pub(super) fn history(web: &Web, visitor: &Visitor, query: &Query) -> String {
    let mut text = of_hosts(web, visitor, query, |documents, host| {
        if let Some(Ok(sites)) = host.last.as_ref().map(|last| &last.history) {
            documents.add_history(host.name(), sites);
        }
    });
    let hosts = web.answers.hosts_for(visitor);
    let hosts = hosts.iter().filter(|host| is_meant(host, query));
    let histories = hosts.filter_map(|host| {
        let history = host.last.as_ref()?.history.as_ref().ok()?;
        Some((host.work.as_ref() as &HostWork, history.as_slice()))
    });
    let mut documents = Documents::default();
    documents.add_runs(&runs_of(histories));
    text += &documents.into_text();
    text
}

/// As `logs --json`; `None` if there is no such program.
pub(super) fn log(web: &Web, visitor: &Visitor, query: &Query) -> Option<String> {
    let part = |name| query.value(name).to_owned();
    let key =
        LogKey { host: part("host"), site: part("site"), program: part("program"), around: None };
    let host = web.answers.host_for(visitor, &key.host)?;
    let site = host.work.sites.iter().find(|site| site.domain.as_str() == key.site)?;
    site.program_names().find(|name| name.as_str() == key.program)?;
    let mut documents = Documents::default();
    match web.logs.end(&host.work, &key) {
        None => documents.add_error(
            Some(&key.host),
            &CommandError::refused("the log was not read yet").hint("ask again in a moment"),
        ),
        Some(end) => {
            end.lines.iter().for_each(|line| documents.add_log_line(&key.host, line));
            for remark in &end.remarks {
                documents.add_error(Some(&key.host), &CommandError::refused(sanitized(remark)));
            }
        }
    }
    Some(documents.into_text())
}

/// What was asked for here: how far each has come.
pub(super) fn plans(proposals: &[Arc<Proposal>]) -> String {
    let mut documents = Documents::default();
    proposals.iter().for_each(|proposal| documents.add_proposal(&how_far(proposal)));
    documents.into_text()
}

/// Something that was asked for here: how far it has come, then the documents of its plan, then those of what
/// was done.
pub(super) fn plan(proposal: &Proposal) -> String {
    let mut documents = Documents::default();
    documents.add_proposal(&how_far(proposal));
    let written = [&proposal.plan, &proposal.told].map(|written| written.documents.read().0);
    documents.into_text() + &written.concat()
}

fn how_far(proposal: &Proposal) -> ProposalDocument {
    let View { stage, hosts, .. } = proposal.view();
    let of_stage = match &stage {
        Stage::Planning => ProposalStage::Planning,
        Stage::Planned { .. } => ProposalStage::Planned,
        Stage::NotToConfirm { .. } => ProposalStage::NotToConfirm,
        Stage::AtWork(_) => ProposalStage::AtWork,
        Stage::Ended { .. } => ProposalStage::Ended,
    };
    let confirmed = match &stage {
        Stage::AtWork(of) | Stage::Ended { of, .. } => Some(of),
        _ => None,
    };
    let hosts = hosts.into_iter().map(|HostLine { host, state, last }| ProposalHost {
        host,
        state: state.to_string(),
        last: sanitized(&last),
    });
    ProposalDocument {
        id: proposal.id.clone(),
        title: sanitized(&proposal.asked.title()),
        asked_by: proposal.by.clone(),
        asked_at: proposal.at,
        stage: of_stage,
        fingerprint: match &stage {
            Stage::Planned { fingerprint } => Some(fingerprint.clone()),
            _ => None,
        },
        confirmed_by: confirmed.map(|of| of.by.clone()),
        run: confirmed.map(|of| of.run),
        exit_status: match stage {
            Stage::NotToConfirm { status } | Stage::Ended { status, .. } => Some(status),
            _ => None,
        },
        hosts: hosts.collect(),
    }
}

/// What each host has answered, and which do not answer.
fn of_hosts(
    web: &Web,
    visitor: &Visitor,
    query: &Query,
    add: impl Fn(&mut Documents, &HostView),
) -> String {
    let mut documents = Documents::default();
    for host in web.answers.hosts_for(visitor).iter().filter(|host| is_meant(host, query)) {
        add(&mut documents, host);
        if let Some(silence) = &host.silence {
            documents.add_error(Some(host.name()), &silence.error);
        } else if host.last.is_none() {
            let error = CommandError::refused("the host was not asked yet");
            documents.add_error(Some(host.name()), &error.hint("ask again in a moment"));
        }
    }
    documents.into_text()
}

fn is_meant(host: &HostView, query: &Query) -> bool {
    let named = query.value("host");
    named.is_empty() || named == host.name()
}
