//! Words of a shell: paths and values in the commands that `sh`, or a person, is given.

use std::path::Path;

/// One word of a POSIX shell, whatever `text` holds: as it is where it means itself, else in quotes.
pub fn word(text: &str) -> String {
    let mut chars = text.chars();
    match !text.is_empty() && chars.all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A path as one word.
pub fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// One word in single quotes, for files in which every value has them. Between single quotes a shell
/// knows no escape: a single quote ends them, stands for itself behind a backslash, and begins them
/// again.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The word that [`quoted`] makes, read back; `None` where that is not what made it.
pub fn unquoted(word: &str) -> Option<String> {
    let inside = word.strip_prefix('\'')?.strip_suffix('\'')?;
    let text = inside.replace(r"'\''", "'");
    (quoted(&text) == word).then_some(text)
}

/// The command that moves something out of the way, under its own name with this ending.
pub fn move_away(path: &Path, ending: &str) -> String {
    let path = path.to_string_lossy();
    format!("mv {} {}", word(&path), word(&format!("{path}{ending}")))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "asks a shell")]
mod tests {
    use super::*;

    const TEXTS: [&str; 8] =
        ["", "plain/._-", "a b", "it's", "'", "$(reboot) `x` \\ \"", "a\nb", "~root/*?[x]"];

    #[test]
    fn shell_reads_words_back() {
        for text in TEXTS {
            for word in [word(text), quoted(text)] {
                let script = format!("printf %s. {word}");
                let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
                assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("{text}."), "{word}");
            }
        }
        assert_eq!(word("/etc/a-b_c.conf"), "/etc/a-b_c.conf");
    }

    #[test]
    fn only_quoted_text_is_read_back() {
        for text in TEXTS {
            assert_eq!(unquoted(&quoted(text)).as_deref(), Some(text));
        }
        for other in ["'", "a", "'a'b'", "'a''b'", "\"a\"", "'a"] {
            assert_eq!(unquoted(other), None, "{other}");
        }
    }

    #[test]
    fn moved_name_is_quoted() {
        let command = move_away(Path::new("/srv/a b"), ".old");
        assert_eq!(command, "mv '/srv/a b' '/srv/a b.old'");
    }
}
