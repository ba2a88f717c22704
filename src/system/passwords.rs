//! What looks like a password or a token in a command line or an address. Pure.
//!
//! Only `environment` is meant for secrets, but people write them elsewhere, too. The rule is in
//! docs/inventory.md; in doubt it masks too much.

use std::borrow::Cow;
use std::ops::Range;

/// What is shown in place of a secret.
const MASK: &str = "***";

/// Programs whose `-pX` is a password.
const SHORT_OPTION: [&str; 4] = ["mysql", "mariadb", "mongo", "sshpass"];

/// Words that a secret's name ends with, also where they are joined to others.
const ENDINGS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
];

/// Words that name a secret where they stand alone, as `DB_PASS`, or as the whole name.
const WORDS: [&str; 6] = ["pass", "pwd", "pw", "credential", "credentials", "auth"];

/// The text with each of them masked.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let found = passwords(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in found {
        shown.push_str(text.get(from..secret.start).unwrap_or_default());
        shown.push_str(MASK);
        from = secret.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Their places, in order and disjoint.
pub fn passwords(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        found.extend(of_login(text, at + 3));
    }
    for (at, sign) in text.match_indices(['=', ':']) {
        found.extend(behind_name(text, at, sign == ":"));
    }
    found.extend(behind_options(text));
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in found {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// The password in `://user:password@host`; a long user without a password is a token.
fn of_login(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let word = rest.split([' ', '\t', '\n', '"', '\'']).next()?;
    let authority = word.split(['/', '?', '#']).next()?;
    // A password may hold an unescaped slash; a port may not hold anything but digits.
    let behind = authority.rsplit_once(':').map(|(_, behind)| behind);
    let torn = behind.is_some_and(|port| port.bytes().any(|byte| !byte.is_ascii_digit()));
    let end = authority.rfind('@').or_else(|| word.rfind('@').filter(|_| torn))?;
    match word.get(..end)?.find(':') {
        Some(colon) => Some(start + colon + 1..start + end),
        None => (end >= 20).then_some(start..start + end),
    }
}

/// The value in `--password=x`, `TOKEN=x`, `?token=x` and `Authorization: x`.
fn behind_name(text: &str, at: usize, is_header: bool) -> Option<Range<usize>> {
    let before = text.get(..at)?.trim_end_matches(' ');
    let in_front = before
        .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let from = in_front.len();
    let name = before.get(from..)?;
    let in_query = before.get(..from)?.ends_with(['?', '&']);
    let is_key = in_query && matches!(name.to_ascii_lowercase().as_str(), "key" | "sig");
    let is_authorization = is_header && name.to_ascii_lowercase().ends_with("authorization");
    if !is_secret(name) && !is_key && !is_authorization {
        return None;
    }
    let value = at + 1;
    let blanks = text.get(value..)?.len() - text.get(value..)?.trim_start_matches(' ').len();
    let value = value + blanks;
    let rest = text.get(value..)?;
    if in_query {
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\''));
        return Some(value..value + end.unwrap_or(rest.len()));
    }
    if is_header {
        let end = rest.find(['"', '\'', '\n']).unwrap_or(rest.len());
        return Some(value..value + end);
    }
    Some(value..value + one_word(rest))
}

/// The value in `--password x`, and in `-px` of a program that takes it so.
fn behind_options(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut takes_short, mut at) = (false, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let blanks = rest.len() - rest.trim_start().len();
        let start = at + blanks;
        let word = rest.trim_start().split(char::is_whitespace).next().unwrap_or_default();
        at = start + word.len();
        let name = word.trim_start_matches(['"', '\'']);
        let program = name.rsplit(['/', '=']).next().unwrap_or_default();
        takes_short |= SHORT_OPTION.iter().any(|known| program.starts_with(known));
        if takes_short && name.starts_with("-p") && !name.contains('=') {
            let mut value = start + word.len() - name.len() + 2;
            if name == "-p" {
                let behind = text.get(at..).unwrap_or_default();
                value = at + behind.len() - behind.trim_start().len();
            }
            found.push(value..(value + one_word(text.get(value..).unwrap_or_default())));
        } else if name.starts_with('-') && is_secret(name) {
            let behind = text.get(at..).unwrap_or_default();
            let value = at + behind.len() - behind.trim_start().len();
            let behind = behind.trim_start();
            if !behind.starts_with('-') {
                found.push(value..value + one_word(behind));
            }
        }
    }
    found
}

/// How long the first word is, as a shell has it: quotes hold blanks together.
fn one_word(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            _ if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c.is_whitespace() => return at,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
    }
    text.len()
}

/// Whether a name is one of a password, a token or a key.
pub fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let joined: String = name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    let last = name.rsplit(['-', '_', '.']).next().unwrap_or_default();
    ENDINGS.iter().any(|ending| joined.ends_with(ending)) || WORDS.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        for (text, shown) in [
            ("run --password=S3 --fast", "run --password=*** --fast"),
            ("run --db-password 'S 3' x", "run --db-password *** x"),
            ("run --api-key S3", "run --api-key ***"),
            ("env TOKEN=S3 DB_PASS=\"S 3\" x", "env TOKEN=*** DB_PASS=*** x"),
            ("x postgres://u:S3@h:5432/d", "x postgres://u:***@h:5432/d"),
            ("x redis://:S/3@h", "x redis://:***@h"),
            ("http://h/up?a=1&token=S3&b=2", "http://h/up?a=1&token=***&b=2"),
            ("http://h/up?key=S3", "http://h/up?key=***"),
            ("https://0123456789abcdef0123@h/x", "https://***@h/x"),
            ("curl -H \"Authorization: Bearer S3\" h", "curl -H \"Authorization: ***\" h"),
            ("/usr/bin/mysqldump -u me -pS3 db", "/usr/bin/mysqldump -u me -p*** db"),
            ("sshpass -p S3 ssh h", "sshpass -p *** ssh h"),
        ] {
            assert_eq!(without_passwords(text), shown, "{text}");
        }
    }

    #[test]
    fn what_does_not_is_shown() {
        for text in [
            "php artisan queue:work --tries=3 --max-tokens=5",
            "run -p8080 --token-file=/etc/t --key=value",
            "http://127.0.0.1:8080/up?key_id=1",
            "gunicorn app:main --bind 0.0.0.0:80",
            "mail me@h http://h/a:b@c",
            "",
        ] {
            assert_eq!(without_passwords(text), text);
        }
    }
}
