//! The logrotate config of one program.
//!
//! `classic` copies the log and then empties it (`copytruncate`): what is written between the two
//! is lost, and supervisord, which may rotate the same file by itself, can be left with a file
//! full of NUL bytes. `hardened` renames the log, makes a new one and has supervisord open that.

use std::path::{Path, PathBuf};

use crate::inventory::{Format, Logs};
use crate::system::shell;

/// The file's text. `logs` are those it rotates; `pidfile` is supervisord's, if known.
///
/// Without a usable `pidfile` the hardened form copies and empties as well: a log that was renamed
/// while nobody told supervisord would swallow everything written from then on.
pub(super) fn text(
    format: Format,
    logs: &Logs,
    files: &[PathBuf],
    pidfile: Option<&Path>,
) -> String {
    let Logs { rotate, maxage, size, frequency, compress, .. } = logs;
    let mut lines =
        vec![frequency.as_str().to_owned(), format!("rotate {rotate}"), format!("maxage {maxage}")];
    lines.extend(size.map(|bytes| format!("maxsize {bytes}")));
    lines.extend(["missingok", "notifempty"].map(str::to_owned));
    if *compress {
        // With a rotation's delay supervisord has long let go of the file that is compressed.
        lines.extend(["compress", "delaycompress"].map(str::to_owned));
    }
    let reopen = match format {
        Format::Classic => None,
        Format::Hardened | Format::Plain => pidfile.and_then(|pidfile| reopen(files, pidfile)),
    };
    lines.extend(reopen.unwrap_or_else(|| vec!["copytruncate".to_owned()]));
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    let files: Vec<String> = files.iter().map(|file| in_header(file)).collect();
    let mut text = format!("{} {{\n{lines}}}\n", files.join(" "));
    // Thousands of them may be held for as long as an apply takes.
    text.shrink_to_fit();
    text
}

/// A path at the head of a block, where a blank ends it unless it is in quotes.
fn in_header(file: &Path) -> String {
    let path = file.display().to_string();
    if path.contains(' ') { format!("\"{path}\"") } else { path }
}

/// `create` and a script that has supervisord open its logs anew, which it does on USR2 for all of
/// them. No arguments to `create`: the new log gets the old one's owner and mode.
///
/// The script signals only a process that has an argument called supervisord: the pid of a stale
/// pidfile may belong to anybody by now, and USR2 kills what does not expect it. `sharedscripts`
/// keeps it to one signal should somebody add a path.
///
/// Then it waits, 3 seconds at most, until supervisord has let go of the renamed log: that can take
/// a second, because Python's `poll` goes on waiting after a signal. Were the log rotated once more
/// in that second, what supervisord still wrote to it would go into a file already compressed.
///
/// `None` for a path that cannot be written.
fn reopen(files: &[PathBuf], pidfile: &Path) -> Option<Vec<String>> {
    let pidfile = quoted(pidfile)?;
    // Checked paths: no character of them means anything to `find`'s patterns.
    let mut tests = Vec::new();
    for file in files {
        let pattern = quoted(Path::new(&format!("{}?*", file.display())))?;
        tests.push(format!("-lname {pattern}"));
    }
    let rotated = match &tests[..] {
        [one] => one.clone(),
        several => format!("'(' {} ')'", several.join(" -o ")),
    };
    let script = [
        format!("pid=$(cat {pidfile} 2>/dev/null) || exit 0"),
        r#"case "$pid" in '' | *[!0-9]*) exit 0 ;; esac"#.to_owned(),
        r#"grep -Eqsz '(^|[/.])supervisord(\.py)?$' "/proc/$pid/cmdline" || exit 0"#.to_owned(),
        r#"kill -USR2 "$pid" || exit 0"#.to_owned(),
        "tries=30".to_owned(),
        format!(r#"while find "/proc/$pid/fd" {rotated} 2>/dev/null | grep -q . &&"#),
        r#"    [ "$tries" -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done"#.to_owned(),
    ];
    let mut lines = ["create", "sharedscripts", "postrotate"].map(str::to_owned).to_vec();
    lines.extend(script.map(|line| format!("    {line}")));
    lines.push("endscript".to_owned());
    Some(lines)
}

/// A path as one word of a shell, unless it has characters that logrotate could take for the end
/// of the script.
fn quoted(path: &Path) -> Option<String> {
    let path = path.to_str().filter(|path| !path.contains(char::is_control))?;
    Some(shell::quoted(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::LogFrequency;

    fn with(format: Format, logs: &Logs, pidfile: Option<&str>) -> String {
        let log = Path::new("/var/log/supervisor/example.com-queue-worker.log");
        text(format, logs, &[log.to_owned()], pidfile.map(Path::new))
    }

    #[test]
    fn classic_is_the_scripts_bytes() {
        let expected = "/var/log/supervisor/example.com-queue-worker.log {\n    daily\n    rotate 5\n    maxage 30\n    missingok\n    notifempty\n    compress\n    delaycompress\n    copytruncate\n}\n";
        assert_eq!(with(Format::Classic, &Logs::default(), None), expected);
        assert_eq!(with(Format::Classic, &Logs::default(), Some("/run/s.pid")), expected);
        assert_eq!(with(Format::Hardened, &Logs::default(), None), expected);
    }

    #[test]
    fn log_settings_reach_config() {
        let logs = Logs {
            rotate: 2,
            maxage: 7,
            size: Some(1_048_576),
            frequency: LogFrequency::Weekly,
            compress: false,
            ..Logs::default()
        };
        insta::assert_snapshot!(with(Format::Classic, &logs, None), @r"
        /var/log/supervisor/example.com-queue-worker.log {
            weekly
            rotate 2
            maxage 7
            maxsize 1048576
            missingok
            notifempty
            copytruncate
        }
        ");
    }

    #[test]
    fn hardened_makes_supervisord_reopen() {
        let text = with(Format::Hardened, &Logs::default(), Some("/run/supervisord.pid"));
        insta::assert_snapshot!(text, @r#"
        /var/log/supervisor/example.com-queue-worker.log {
            daily
            rotate 5
            maxage 30
            missingok
            notifempty
            compress
            delaycompress
            create
            sharedscripts
            postrotate
                pid=$(cat '/run/supervisord.pid' 2>/dev/null) || exit 0
                case "$pid" in '' | *[!0-9]*) exit 0 ;; esac
                grep -Eqsz '(^|[/.])supervisord(\.py)?$' "/proc/$pid/cmdline" || exit 0
                kill -USR2 "$pid" || exit 0
                tries=30
                while find "/proc/$pid/fd" -lname '/var/log/supervisor/example.com-queue-worker.log?*' 2>/dev/null | grep -q . &&
                    [ "$tries" -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done
            endscript
        }
        "#);
    }

    /// A pidfile of any name stays one word of the script, or is not written.
    #[test]
    fn odd_pidfile_name_cannot_break_script() {
        let text = with(Format::Hardened, &Logs::default(), Some("/run/it's; $(reboot)"));
        assert!(text.contains(r"$(cat '/run/it'\''s; $(reboot)' 2>/dev/null)"), "{text}");
        let text = with(Format::Hardened, &Logs::default(), Some("/run/a\nendscript"));
        assert!(text.contains("copytruncate") && !text.contains("endscript"), "{text}");
    }
}
