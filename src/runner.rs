//! The text of a site's `runner.sh`, the wrapper that supervisord starts: it runs one script of the
//! live release with the deployment's facts in its environment. Pure; writing it is not done here.
//!
//! It is written for `/bin/sh`, which every Debian and Ubuntu has however small (and bash, dash and
//! busybox all can be), and needs `readlink` and `chmod` of the essential coreutils. `/usr/bin/env
//! bash` would look bash up in the PATH that supervisord was started with, for nothing gained.
//!
//! A process it starts has the real folder of its release as working directory, not the symlink's
//! name, so that `/proc/PID/cwd` tells which release a worker still runs.

use crate::inventory::{AbsolutePath, Domain, NameError};
use crate::system::shell;

/// More than any runner.sh has, in bytes.
pub const LARGEST: u64 = 64 * 1024;

/// What is fixed in a runner.sh when a release is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerSpec {
    /// `DEPLOYER_RELEASE_PATH`: the folder of the release that was deployed.
    pub release: AbsolutePath,
    /// `DEPLOYER_SHARED_PATH`: what the releases of the site share.
    pub shared: AbsolutePath,
    /// `DEPLOYER_CURRENT_PATH`: the symlink to the live release.
    pub current: AbsolutePath,
    /// `DEPLOYER_DOMAIN`: the site.
    pub domain: Domain,
    /// `DEPLOYER_BRANCH`: the branch that was deployed.
    pub branch: ExportedText,
    /// `DEPLOYER_PHP`: as the deployment names it, a version or the path of a binary.
    pub php: ExportedText,
}

/// A text for the environment of the scripts: any one line of at most 4096 bytes, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedText(String);

impl ExportedText {
    /// Refuses control characters: a line break would not end the quotes, but nobody could tell
    /// from the file where its value does.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.chars().any(char::is_control) {
            return Err(NameError::new("must not hold a control character"));
        }
        if text.len() > 4096 {
            return Err(NameError::new("is too long: at most 4096 bytes fit"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The whole file.
pub fn script(spec: &RunnerSpec) -> String {
    let RunnerSpec { release, shared, current, domain, branch, php } = spec;
    let exports = [
        ("DEPLOYER_RELEASE_PATH", release.as_str()),
        ("DEPLOYER_SHARED_PATH", shared.as_str()),
        ("DEPLOYER_CURRENT_PATH", current.as_str()),
        ("DEPLOYER_DOMAIN", domain.as_str()),
        ("DEPLOYER_BRANCH", &branch.0),
        ("DEPLOYER_PHP", &php.0),
    ]
    .map(|(name, value)| format!("export {name}={}", shell::quoted(value)))
    .join("\n");
    // The values go in last, so that nothing in them can be taken for a mark of the template.
    include_str!("runner.sh.template")
        .replace("@DOMAIN@", domain.as_str())
        .replace("@EXPORTS@", &exports)
}

/// Whether this text is what [`script`] makes of some site, and nobody else's.
pub fn is_ours(text: &str) -> bool {
    let mark = include_str!("runner.sh.template").lines().nth(2).unwrap_or_default();
    text.lines().nth(2) == Some(mark)
}

/// The value that a runner.sh exports under a name: in single quotes, as here, or in double ones, as
/// DeployerPHP's. `None` where it has none, or one that only a shell could tell.
pub fn exported(text: &str, name: &str) -> Option<String> {
    let start = format!("export {name}=");
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix(&start))?;
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) => (!inside.contains(['$', '`', '\\', '"'])).then(|| inside.to_owned()),
        None => shell::unquoted(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    #[test]
    fn values_are_quoted_at_top() {
        let text = script(&RunnerSpec {
            release: path("/srv/a.com/releases/7"),
            shared: path("/srv/a.com/shared"),
            current: path("/srv/a.com/current"),
            domain: Domain::parse("a.com").unwrap(),
            branch: ExportedText::parse("it's $(reboot) @EXPORTS@").unwrap(),
            php: ExportedText::parse("").unwrap(),
        });
        let head: Vec<_> = text.lines().take(11).collect();
        insta::assert_snapshot!(head.join("\n"), @r"
        #!/bin/sh
        # Runs one script of the live release of a.com.
        # Written by supervisor-sync; the next deployment writes it anew.
        set -u

        export DEPLOYER_RELEASE_PATH='/srv/a.com/releases/7'
        export DEPLOYER_SHARED_PATH='/srv/a.com/shared'
        export DEPLOYER_CURRENT_PATH='/srv/a.com/current'
        export DEPLOYER_DOMAIN='a.com'
        export DEPLOYER_BRANCH='it'\''s $(reboot) @EXPORTS@'
        export DEPLOYER_PHP=''
        ");
        assert_eq!(text.matches("export ").count(), 6);
    }

    /// What is exported is read back from both kinds of runner.sh.
    #[test]
    fn exported_values_are_read_back() {
        let ours = script(&RunnerSpec {
            release: path("/r"),
            shared: path("/s"),
            current: path("/c"),
            domain: Domain::parse("a.com").unwrap(),
            branch: ExportedText::parse("it's $(main)").unwrap(),
            php: ExportedText::parse("").unwrap(),
        });
        assert!(is_ours(&ours));
        assert_eq!(exported(&ours, "DEPLOYER_BRANCH").as_deref(), Some("it's $(main)"));
        assert_eq!(exported(&ours, "DEPLOYER_PHP").as_deref(), Some(""));
        let theirs = "#!/usr/bin/env bash\nexport DEPLOYER_PHP=\"/usr/bin/php8.4\"\n\
                      export DEPLOYER_BRANCH=\"$(main)\"\n";
        assert!(!is_ours(theirs));
        assert_eq!(exported(theirs, "DEPLOYER_PHP").as_deref(), Some("/usr/bin/php8.4"));
        assert_eq!(exported(theirs, "DEPLOYER_BRANCH"), None);
        assert_eq!(exported(theirs, "DEPLOYER"), None);
    }

    #[test]
    fn a_value_is_one_line() {
        for bad in ["a\nb", "a\0", "\u{1b}[31m", &"x".repeat(4097)] {
            assert!(ExportedText::parse(bad).is_err(), "{bad:?}");
        }
    }
}
