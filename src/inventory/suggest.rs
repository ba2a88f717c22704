//! "Did you mean": the nearest of the names that are there.

/// More names than this are not compared: a hint is not worth a wait.
const MOST_COMPARED: usize = 2000;

/// The candidate that was probably meant: a third of the letters may differ. Case and the signs
/// between words do not count, so that `stop_wait_secs` finds `stopwaitsecs`.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    best(word, candidates, |length| (length / 3).max(1))
}

/// The same with less tolerance, for maps that may hold keys of other tools: one slip, or two in
/// a long word.
pub(super) fn near_miss<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    best(word, candidates, |length| match length {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    })
}

fn best<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    tolerance: fn(usize) -> usize,
) -> Option<&'a str> {
    let plain = folded(word);
    if plain.is_empty() || plain.len() > 100 {
        return None;
    }
    candidates
        .into_iter()
        .take(MOST_COMPARED)
        .filter(|candidate| *candidate != word)
        .map(|candidate| {
            let other = folded(candidate);
            let allowed = tolerance(plain.len().max(other.len()));
            (strsim::damerau_levenshtein(&plain, &other), allowed, candidate)
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
}

fn folded(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .take(101)
        .flat_map(char::to_lowercase)
        .collect()
}

/// A text on one line and without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A name for a message: plain and not longer than a line.
pub(super) fn shown(name: &str) -> String {
    let end = name.char_indices().nth(60).map_or(name.len(), |(index, _)| index);
    let mut text = plain(&name[..end]);
    if end < name.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slips_get_suggestions() {
        let keys = ["supervisors", "server", "servers", "user", "defaults"];
        assert_eq!(nearest("supervisor", keys), Some("supervisors"));
        assert_eq!(nearest("Servers", keys), Some("servers"));
        assert_eq!(nearest("use_r", keys), Some("user"));
        assert_eq!(nearest("repository", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest(&"x".repeat(500), keys), None);
    }

    #[test]
    fn deployerphp_keys_are_no_near_misses() {
        let ours = [
            "domain",
            "server",
            "servers",
            "supervisors",
            "defaults",
            "format",
            "config_files",
            "paths",
            "user",
            "name",
            "host",
            "port",
            "username",
            "privateKeyPath",
            "tags",
            "connection",
            "privilege",
        ];
        for theirs in [
            "repo",
            "branch",
            "crons",
            "phpVersion",
            "php_version",
            "wwwMode",
            "www_mode",
            "hasWww",
            "has_www",
            "webRoot",
            "web_root",
            "provider",
            "dropletId",
            "instanceId",
        ] {
            assert_eq!(near_miss(theirs, ours), None, "{theirs}");
        }
        assert_eq!(near_miss("supervisor", ours), Some("supervisors"));
        assert_eq!(near_miss("Domain", ours), Some("domain"));
    }

    #[test]
    fn hostile_name_is_shown_plain() {
        assert_eq!(shown("a\u{1b}[31m\n"), "a\u{fffd}[31m\u{fffd}");
        assert_eq!(shown(&"é".repeat(300)).chars().count(), 61);
    }
}
