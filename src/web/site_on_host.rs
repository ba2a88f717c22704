//! A site as it is on a host: what its page and the overview of sites are made of.

use std::sync::Arc;

use jiff::Timestamp;

use super::answers::HostView;
use super::rows::Row;
use crate::api::{SiteHistory, SiteStatusReply};
use crate::error::CommandError;
use crate::inventory::Site;
use crate::status::SiteStatus;

/// A site on one of its hosts.
#[derive(Clone, Copy)]
pub(super) struct SiteOnHost<'h> {
    pub(super) host: &'h HostView,
    pub(super) site: &'h Site,
}

impl<'h> SiteOnHost<'h> {
    /// A site of the inventory on this host.
    pub(super) fn on(host: &'h HostView, domain: &str) -> Option<Self> {
        let site = host.work.sites.iter().find(|site| site.domain.as_str() == domain)?;
        Some(Self { host, site })
    }

    /// Wherever the inventory has it, in the order of hosts.
    pub(super) fn all(hosts: &'h [Arc<HostView>], domain: &str) -> Vec<Self> {
        hosts.iter().filter_map(|host| Self::on(host, domain)).collect()
    }

    /// Its programs, and what it has to tell beside them.
    pub(super) fn rows(self) -> impl Iterator<Item = &'h Row> {
        let domain = self.site.domain.as_str();
        self.host.rows.iter().filter(move |row| row.site == domain)
    }

    /// What the host has said of it last, or why it could not.
    pub(super) fn status(self) -> Option<Result<&'h SiteStatus, &'h CommandError>> {
        let sites: &'h [SiteStatusReply] = &self.host.last.as_deref()?.sites;
        let reply = sites.iter().find(|reply| reply.site == self.site.domain)?;
        Some(reply.status.as_ref())
    }

    /// What was applied there, as far as that is known.
    pub(super) fn history(self) -> Option<&'h SiteHistory> {
        let history = self.host.last.as_deref()?.history.as_ref().ok()?;
        history.iter().find(|history| history.site == self.site.domain && history.paths.is_none())
    }
}

/// When the last of these runs began.
pub(super) fn last_run<'h>(
    histories: impl IntoIterator<Item = &'h SiteHistory>,
) -> Option<Timestamp> {
    let at = |history: &'h SiteHistory| {
        let revisions = history.revisions.iter().flatten();
        let revisions = revisions.map(|revision| {
            let origin = &revision.origin;
            origin.run.as_ref().map_or(origin.at, |run| run.at)
        });
        revisions.chain(history.outcomes.iter().map(|outcome| outcome.run.at)).max()
    };
    histories.into_iter().filter_map(at).max()
}
