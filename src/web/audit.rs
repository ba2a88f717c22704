//! Who has done what here: a line of JSON each in a file, and a line on the output.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::visitor::Visitor;
use crate::error::{CommandError, cut};
use crate::report::{AuditEvent, Audited};
use crate::system::{Clock as _, SystemClock, sanitized};

/// The audit log. What it cannot take is not to be done.
pub(super) struct Audit {
    path: Option<PathBuf>,
    opened: Mutex<Option<File>>,
    /// What was not shown yet.
    news: Mutex<Vec<Audited>>,
}

impl Audit {
    /// One that is written to a file, or shown alone.
    pub(super) fn new(path: Option<PathBuf>) -> Result<Self, CommandError> {
        let audit = Self { path, opened: Mutex::default(), news: Mutex::default() };
        // Not only with the first action.
        audit.write("")?;
        Ok(audit)
    }

    /// Notes what a visitor is about to do. With an error it must not be done.
    pub(super) fn record(&self, visitor: &Visitor, event: AuditEvent) -> Result<(), CommandError> {
        self.record_of(&visitor.name, &visitor.from, event)
    }

    /// The same of somebody who is nobody's visitor.
    pub(super) fn record_of(
        &self,
        who: &str,
        from: &str,
        event: AuditEvent,
    ) -> Result<(), CommandError> {
        // Whoever tries to sign in says any name.
        let who = sanitized(&cut(who));
        let at = SystemClock::start().timestamp();
        let audited = Audited { at, who, from: from.to_owned(), event };
        let line = audited.line().map_err(|source| {
            CommandError::refused("cannot write the audit log").caused_by(&source)
        })?;
        self.write(&(line.trim_end().to_owned() + "\n"))?;
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(audited);
        Ok(())
    }

    /// What was not shown yet.
    pub(super) fn news(&self) -> Vec<Audited> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, line: &str) -> Result<(), CommandError> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |source: std::io::Error| {
            let message = format!("cannot write {}", path.display());
            CommandError::refused(message).caused_by_io(&source, path)
        };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever rotates it has given it another name.
        let is_there = opened.as_ref().is_some_and(|file| {
            let same = file.metadata().ok().zip(path.metadata().ok());
            same.is_some_and(|(own, there)| (own.dev(), own.ino()) == (there.dev(), there.ino()))
        });
        if !is_there {
            *opened = None;
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            *opened = Some(file.map_err(failed)?);
        }
        match opened.as_mut() {
            // In one call, so that no line of another process comes between.
            Some(file) => file.write_all(line.as_bytes()).map_err(failed),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks at the file")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn line_is_appended_also_where_it_was_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::new(Some(path.clone())).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
        audit.record_of("ann", "192.0.2.1", AuditEvent::SignedIn).unwrap();
        audit.record_of("ann", "192.0.2.1", AuditEvent::SignedOut).unwrap();
        assert_eq!(lines(), 2);
        std::fs::rename(&path, folder.path().join("audit.1")).unwrap();
        audit.record_of("bob\n{}", "192.0.2.1", AuditEvent::SignInFailed).unwrap();
        assert_eq!(lines(), 1);
        let line: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((&line["version"], &line["action"]), (&1.into(), &"sign_in_failed".into()));
        assert_eq!(audit.news().len(), 3);
        assert!(audit.news().is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::new(Some(path.clone())).unwrap();
        std::fs::rename(&path, folder.path().join("other")).unwrap();
        std::fs::create_dir_all(&path).unwrap();
        assert!(audit.record_of("ann", "192.0.2.1", AuditEvent::SignedIn).is_err());
        assert!(audit.news().is_empty(), "it was not done");
        assert!(Audit::new(Some(path)).is_err());
    }
}
