//! What is to be told: a change of how things are, from how sites and hosts ended or were found. Pure.

use std::collections::BTreeMap;

use crate::error::{CommandError, ErrorKind};
use crate::event::ProgramTrouble;
use crate::fleet::{Ended, EndedAs};
use crate::inventory::{Domain, NoticeKind};

/// A host, and a site of it; none for the host as a whole.
type Place = (String, Option<Domain>);

/// What has not been well before, and what that was.
pub(crate) type NotWell = BTreeMap<Place, NoticeKind>;

/// Something to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) kind: NoticeKind,
    pub(crate) host: String,
    pub(crate) site: Option<Domain>,
    /// Why, where it is no good news.
    pub(crate) failure: Option<CommandError>,
    /// The programs that are not as they should be.
    pub(crate) troubles: Vec<ProgramTrouble>,
}

/// What is to be told of a run. What was not well, and is, has recovered; what failed is noted.
pub(crate) fn news_of_run(ended: Vec<Ended>, not_well: &mut NotWell) -> Vec<News> {
    let mut news = Vec::new();
    for Ended { host, what } in ended {
        let (site, failure, troubles, has_changed) = match what {
            EndedAs::Unchanged(site) => (Some(site), None, Vec::new(), false),
            EndedAs::Site(end) => (Some(end.site), end.failure, end.troubles, true),
            EndedAs::Host(error) => (None, Some(error), Vec::new(), false),
        };
        // Whoever pressed Ctrl-C knows.
        if failure.as_ref().is_some_and(|failure| failure.kind == ErrorKind::Interrupted) {
            continue;
        }
        if site.is_some() && not_well.remove(&(host.clone(), None)).is_some() {
            // It answers again.
            news.push(News::recovered(host.clone()));
        }
        let place = (host.clone(), site.clone());
        let kind = match &failure {
            Some(failure) if failure.kind == ErrorKind::RolledBack => NoticeKind::RolledBack,
            Some(_) => NoticeKind::Failed,
            None if not_well.contains_key(&place) => NoticeKind::Recovered,
            None if has_changed => NoticeKind::Changed,
            None => continue,
        };
        note(not_well, place, kind, failure.is_some());
        news.push(News { kind, host, site, failure, troubles });
    }
    news
}

/// A site, or a host as a whole, that was looked at.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) host: String,
    pub(crate) site: Option<Domain>,
    /// Why it is not as wanted, or could not be looked at.
    pub(crate) failure: Option<CommandError>,
}

/// What is to be told of what was looked at: what has begun since it was last looked at, and what has ended.
pub(crate) fn news_of_drift(seen: Vec<Seen>, not_well: &mut NotWell) -> Vec<News> {
    let mut news = Vec::new();
    for Seen { host, site, failure } in seen {
        let place = (host.clone(), site.clone());
        let was = not_well.get(&place).copied();
        let kind = match (&failure, was) {
            (Some(_), Some(_)) | (None, None) => continue,
            (Some(_), None) if site.is_none() => NoticeKind::Failed,
            (Some(_), None) => NoticeKind::Drift,
            (None, Some(_)) => NoticeKind::Recovered,
        };
        note(not_well, place, kind, failure.is_some());
        news.push(News { kind, host, site, failure, troubles: Vec::new() });
    }
    news
}

/// Remembers what is told of a place.
fn note(not_well: &mut NotWell, place: Place, kind: NoticeKind, has_failed: bool) {
    match has_failed {
        true => not_well.insert(place, kind),
        false => not_well.remove(&place),
    };
}

impl News {
    fn recovered(host: String) -> Self {
        let kind = NoticeKind::Recovered;
        Self { kind, host, site: None, failure: None, troubles: Vec::new() }
    }

    /// One to try commands with.
    pub(crate) fn sample(kind: NoticeKind) -> Self {
        let failure = match kind {
            NoticeKind::Changed | NoticeKind::Recovered => None,
            NoticeKind::RolledBack => Some(ErrorKind::RolledBack),
            NoticeKind::Failed | NoticeKind::Drift => Some(ErrorKind::Refused),
        };
        let failure =
            failure.map(|kind| CommandError::new(kind, "this is a test; nothing has happened"));
        Self { kind, host: "test".to_owned(), site: None, failure, troubles: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SiteEnd;

    fn site() -> Domain {
        Domain::parse("shop.example.com").unwrap()
    }

    fn ended(failure: Option<ErrorKind>) -> Vec<Ended> {
        let failure = failure.map(|kind| CommandError::new(kind, "queue is FATAL"));
        let end = SiteEnd { site: site(), revision: None, failure, troubles: Vec::new() };
        vec![Ended { host: "web1".to_owned(), what: EndedAs::Site(end) }]
    }

    fn unchanged() -> Vec<Ended> {
        vec![Ended { host: "web1".to_owned(), what: EndedAs::Unchanged(site()) }]
    }

    fn kinds(news: &[News]) -> Vec<&'static str> {
        news.iter().map(|news| news.kind.word()).collect()
    }

    #[test]
    fn runs_tell_failures_and_recoveries() {
        let mut not_well = NotWell::new();
        let mut told = |ended| kinds(&news_of_run(ended, &mut not_well));
        assert_eq!(told(unchanged()), [""; 0]);
        assert_eq!(told(ended(None)), ["changed"]);
        assert_eq!(told(ended(Some(ErrorKind::RolledBack))), ["rolled_back"]);
        assert_eq!(told(ended(Some(ErrorKind::Stuck))), ["failed"]);
        assert_eq!(told(ended(Some(ErrorKind::Interrupted))), [""; 0]);
        assert_eq!(told(unchanged()), ["recovered"]);
        assert_eq!(told(ended(None)), ["changed"]);
    }

    #[test]
    fn drift_is_told_when_it_begins_and_ends() {
        let mut not_well = NotWell::new();
        let mut told = |site: Option<Domain>, is_well: bool| {
            let failure = (!is_well).then(|| CommandError::refused("queue is STOPPED"));
            kinds(&news_of_drift(
                vec![Seen { host: "web1".to_owned(), site, failure }],
                &mut not_well,
            ))
        };
        for (is_well, expected) in [
            (true, &[][..]),
            (false, &["drift"]),
            (false, &[]),
            (true, &["recovered"]),
            (true, &[]),
        ] {
            assert_eq!(told(Some(site()), is_well), expected);
        }
        assert_eq!(told(None, false), ["failed"], "a host that does not answer");
    }
}
