//! Two places of DeployerPHP where a site's programs are synced and restarted, and the lines that hand
//! them over to this program. Pure.
//!
//! Lines are put in, none are changed: so they fit whatever an update makes of the rest, and taking
//! them out leaves the original byte for byte.

use std::fmt;

/// Where lines are put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntegrationPoint {
    /// At the beginning of the sync playbook, which they replace.
    Sync,
    /// At the beginning of the function of the deployment's playbook that restarts programs.
    Restart,
}

/// A file that is not as it is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// It is no playbook of DeployerPHP's for this.
    #[error("it is not the playbook that it is known as: {0}")]
    NotKnown(&'static str),
    /// Half of our lines are there.
    #[error("the lines of a former `integrate` are not complete")]
    HalfAMark,
}

const BEGIN: &str = "# >>> supervisor-sync >>>";
const END: &str = "# <<< supervisor-sync <<<";

/// The function of DeployerPHP that restarts the programs of a site.
const FUNCTION: &str = "restart_supervisor_programs";

/// Instead of the script that follows. bash reads that from its stdin, which is no one else's.
const SYNC: &str = r#"if ! command -v supervisor-sync > /dev/null 2>&1; then
	echo "Error: supervisor-sync is not installed on this server" >&2
	exit 1
fi
exec supervisor-sync playbook sync < /dev/null
"#;

/// A child, with a result of its own: the deployment's has more to say. It may take what is left of
/// the 300 seconds that the client gives the whole deployment.
const RESTART: &str = r#"	if [[ -z ${DEPLOYER_SUPERVISORS:-} || $DEPLOYER_SUPERVISORS == '[]' ]]; then
		return 0
	fi
	if command -v supervisor-sync > /dev/null 2>&1; then
		local restarted seconds=$((270 - SECONDS))
		if ((seconds < 10)); then
			seconds=10
		fi
		restarted=$(mktemp)
		DEPLOYER_OUTPUT_FILE=$restarted SUPERVISOR_SYNC_DEADLINE=$seconds \
			supervisor-sync playbook restart < /dev/null
		rm -f "$restarted"
		return 0
	fi
	echo "Warning: supervisor-sync is not installed on this server" >&2
"#;

impl IntegrationPoint {
    pub(crate) const ALL: [Self; 2] = [Self::Sync, Self::Restart];

    /// Its file, below the folder of DeployerPHP.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Sync => "playbooks/supervisor-sync.sh",
            Self::Restart => "playbooks/site-deploy.sh",
        }
    }

    /// The text with our lines, whatever former ones of ours it has.
    pub(crate) fn with_our_lines(self, text: &str) -> Result<String, Misfit> {
        let original = self.without_our_lines(text)?;
        let lines: Vec<&str> = original.split_inclusive('\n').collect();
        let at = self.line(&lines)?;
        let (before, after) = lines.split_at(at);
        let (indent, ours) = match self {
            Self::Sync => ("", SYNC),
            Self::Restart => ("\t", RESTART),
        };
        let by = "put in by `supervisor-sync integrate deployer-php`; --undo takes them out";
        Ok(format!(
            "{}{indent}{BEGIN} {by}\n{ours}{indent}{END}\n{}",
            before.concat(),
            after.concat()
        ))
    }

    /// The text as DeployerPHP has it.
    pub(crate) fn without_our_lines(self, text: &str) -> Result<String, Misfit> {
        let mut original = String::with_capacity(text.len());
        let mut inside = false;
        for line in text.split_inclusive('\n') {
            match (inside, line.trim_start()) {
                (false, line) if line.starts_with(BEGIN) => inside = true,
                (true, line) if line.starts_with(END) => inside = false,
                (_, line) if line.starts_with(BEGIN) || line.starts_with(END) => {
                    return Err(Misfit::HalfAMark);
                }
                (true, _) => {}
                (false, _) => original.push_str(line),
            }
        }
        if inside { Err(Misfit::HalfAMark) } else { Ok(original) }
    }

    /// Before which line ours come.
    fn line(self, lines: &[&str]) -> Result<usize, Misfit> {
        match self {
            Self::Sync => {
                let writes_result = lines.iter().any(|line| line.contains("supervisors_synced:"));
                if !writes_result {
                    return Err(Misfit::NotKnown("it writes no supervisors_synced"));
                }
                Ok(usize::from(lines.first().is_some_and(|line| line.starts_with("#!"))))
            }
            Self::Restart => {
                let head = format!("{FUNCTION}() {{");
                let mut heads =
                    lines.iter().enumerate().filter(|(_, line)| line.trim_end() == head);
                let (Some((at, _)), None) = (heads.next(), heads.next()) else {
                    return Err(Misfit::NotKnown(
                        "it does not have one function restart_supervisor_programs",
                    ));
                };
                if !lines.iter().any(|line| line.trim() == FUNCTION) {
                    return Err(Misfit::NotKnown("it does not call restart_supervisor_programs"));
                }
                Ok(at + 1)
            }
        }
    }
}

impl fmt::Display for IntegrationPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC_PLAYBOOK: &str =
        "#!/usr/bin/env bash\nset -o pipefail\necho supervisors_synced: 1\n";
    const DEPLOYMENT: &str = "#!/usr/bin/env bash\nrestart_supervisor_programs() {\n\techo old\n}\nmain() {\n\t\
         restart_supervisor_programs\n}\nmain";

    #[test]
    fn our_lines_come_out_without_trace() {
        for (point, text) in
            [(IntegrationPoint::Sync, SYNC_PLAYBOOK), (IntegrationPoint::Restart, DEPLOYMENT)]
        {
            let integrated = point.with_our_lines(text).unwrap();
            assert_ne!(integrated, text);
            assert_eq!(point.with_our_lines(&integrated).as_ref(), Ok(&integrated));
            assert_eq!(point.without_our_lines(&integrated).unwrap(), text);
            assert_eq!(point.without_our_lines(text).unwrap(), text);
            // Those of a former release go.
            let former = integrated.replacen("supervisor-sync playbook", "supervisor-sync old", 1);
            assert_eq!(point.with_our_lines(&former).as_ref(), Ok(&integrated));
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (point, text) in [
            (IntegrationPoint::Sync, ""),
            (IntegrationPoint::Sync, DEPLOYMENT),
            (IntegrationPoint::Restart, SYNC_PLAYBOOK),
            (IntegrationPoint::Restart, &DEPLOYMENT.replace("\trestart_supervisor_programs", "")),
            (IntegrationPoint::Restart, &DEPLOYMENT.repeat(2)),
        ] {
            assert!(matches!(point.with_our_lines(text), Err(Misfit::NotKnown(_))), "{text}");
        }
        let half = IntegrationPoint::Sync.with_our_lines(SYNC_PLAYBOOK).unwrap().replace(END, "");
        assert_eq!(IntegrationPoint::Sync.with_our_lines(&half), Err(Misfit::HalfAMark));
        assert_eq!(IntegrationPoint::Sync.without_our_lines(&half), Err(Misfit::HalfAMark));
    }
}
