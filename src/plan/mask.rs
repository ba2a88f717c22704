//! The difference of two files with the values of environment variables masked, and with what looks
//! like a password elsewhere.

use crate::inventory::without_passwords;

/// The unified diff. A value that differs from its like on the other side is marked on both, so
/// that the diff still shows that it changes.
pub fn diff(before: &[u8], after: &[u8]) -> String {
    let (before, after) = (text(before), text(after));
    let (before, after) = (lines(&before), lines(&after));
    let (old, new) = (shown(&before, &after, "before"), shown(&after, &before, "after"));
    similar::TextDiff::from_lines(&old, &new).unified_diff().context_radius(3).to_string()
}

/// Whether a file holds values that are masked.
pub(super) fn holds_secrets(bytes: &[u8]) -> bool {
    lines(&text(bytes)).iter().any(|line| line.mask.is_some())
}

/// supervisord reads its files with universal line breaks: a lone carriage return ends a line.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n")
}

/// A line as it is, and how it is shown if it may not be shown so.
struct Line<'t> {
    raw: &'t str,
    mask: Option<String>,
}

/// An option's value goes on over indented lines; blank lines and comments do not end it, wherever
/// they begin. Comments are masked with it, and so is an option that is commented out.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut in_environment = false;
    let mut lines = Vec::new();
    for raw in text.split_inclusive('\n') {
        let line = raw.trim_start_matches(is_blank);
        let comment = uncommented(line);
        let mask = if let Some(comment) = comment {
            let is_secret = in_environment || is_environment(comment);
            if is_secret { Some("; ***".to_owned()) } else { without(raw) }
        } else if line.is_empty() {
            None
        } else if is_environment(line) {
            in_environment = true;
            Some(mask_option(raw))
        } else {
            in_environment &= line.len() < raw.len();
            if in_environment { Some(" ***".to_owned()) } else { without(raw) }
        };
        lines.push(Line { raw, mask });
    }
    lines
}

/// The line without what looks like a password; `None` if nothing does.
fn without(raw: &str) -> Option<String> {
    let line = raw.trim_end();
    let masked = without_passwords(line);
    (*masked != *line).then(|| masked.into_owned())
}

fn shown(lines: &[Line<'_>], other: &[Line<'_>], side: &str) -> String {
    let other: Vec<&str> =
        other.iter().filter(|line| line.mask.is_some()).map(|line| line.raw.trim_end()).collect();
    let mut text = String::new();
    for Line { raw, mask } in lines {
        let Some(mask) = mask else {
            text.push_str(raw);
            continue;
        };
        text.push_str(mask);
        if !other.is_empty() && !other.contains(&raw.trim_end()) {
            text.push_str(" (");
            text.push_str(side);
            text.push(')');
        }
        text.push('\n');
    }
    text
}

/// What Python takes for a blank: it counts four separators among them.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// What stands behind the sign of a comment, if the line is one. `rem` was one for Python 2.
fn uncommented(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix([';', '#']) {
        return Some(rest.trim_start_matches(|c| is_blank(c) || matches!(c, ';' | '#')));
    }
    let (word, rest) = line.split_once(is_blank)?;
    word.eq_ignore_ascii_case("rem").then(|| rest.trim_start_matches(is_blank))
}

fn is_environment(line: &str) -> bool {
    let key = line.split(['=', ':']).next().unwrap_or_default();
    key.trim_matches(is_blank).eq_ignore_ascii_case("environment")
}

/// `environment=A='***',B='***'`: the names stay, as far as they can be told from values safely.
fn mask_option(line: &str) -> String {
    let Some((key, value)) = line.split_once(['=', ':']) else { return "***".to_owned() };
    match environment_names(value) {
        Some(names) => {
            let shown: Vec<String> = names.iter().map(|name| format!("{name}='***'")).collect();
            format!("{key}={}", shown.join(","))
        }
        None => format!("{key}=***"),
    }
}

/// The names in `A='x',B="y"` as we write it; anything else is masked whole.
fn environment_names(value: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (_, behind) = after[1..].split_once(quote)?;
        names.push(name);
        rest = match behind.strip_prefix(',') {
            Some(more) => more,
            None if behind.is_empty() => "",
            None => return None,
        };
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of a value still shows, without the values.
    #[test]
    fn environment_values_never_reach_diff() {
        let before = b"command=x\nenvironment=KEY='hunter2',URL='a=b,c'\n";
        let after = b"command=x\nenvironment=KEY='hunter3',URL='a=b,c'\n";
        let diff = diff(before, after);
        assert!(!diff.contains("hunter"), "{diff}");
        assert!(diff.contains("-environment=KEY='***',URL='***' (before)"), "{diff}");
        assert!(diff.contains("+environment=KEY='***',URL='***' (after)"), "{diff}");
    }

    #[test]
    fn password_in_command_never_reaches_diff() {
        let before = b"command=run --password=hunter2 --fast\nuser=me\n";
        let after = b"command=run --password=hunter3 --fast\nuser=me\n";
        let diff = diff(before, after);
        assert!(!diff.contains("hunter"), "{diff}");
        assert!(diff.contains("-command=run --password=*** --fast (before)"), "{diff}");
        assert!(diff.contains("+command=run --password=*** --fast (after)"), "{diff}");
        assert!(holds_secrets(before));
    }

    #[test]
    fn foreign_environment_is_masked_whole() {
        for line in ["environment = A=x y,B=secret", "ENVIRONMENT: A=secret", "environment=secret"]
        {
            let shown = diff(format!("{line}\n  C='secret'\n").as_bytes(), b"");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    /// A value ends where supervisord ends it and not before: the rest would be shown.
    #[test]
    fn value_ends_as_for_supervisord() {
        for between in ["\n", "  \n", "; note\n", "# note\n", "  ; note\n", "rem x\n", "\r", "\r\n"]
        {
            for indent in ["  ", "\t", "\u{a0}", "\u{c}", "\u{1c}"] {
                let text =
                    format!("environment=A=\"x\",\n{between}{indent}T=\"hunter2\"\nuser=me\n");
                let shown = diff(text.as_bytes(), b"");
                assert!(!shown.contains("hunter2"), "{between:?} {indent:?}: {shown}");
                assert!(shown.contains("-user=me"), "{shown}");
            }
        }
        let shown = diff(b"command=x\renvironment=A='hunter2'\ruser=me\r", b"");
        assert!(!shown.contains("hunter2") && shown.contains("-user=me"), "{shown}");
        let shown = diff(b"; environment=A='hunter2'\n#;environment=A='hunter2'\n; note\n", b"");
        assert!(!shown.contains("hunter2") && shown.contains("; note"), "{shown}");
    }
}
