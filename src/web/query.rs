//! What stands behind the `?` of an address, and links with it.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// More of it is cut off: nobody types it, and it would be searched for in every row.
const LONGEST: usize = 500;

/// The names and values of a query, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !pairs.iter().any(|(other, _)| *other == name) {
                let value: String = value.chars().take(LONGEST).collect();
                pairs.push((name.into_owned(), value));
            }
        }
        Self(pairs)
    }

    /// The value of a name, without blanks around it; empty where there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.trim())
    }

    /// The same as it was typed: a password may begin with a blank.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// What is looked for: each word in small letters.
    pub(super) fn words(&self) -> Vec<String> {
        self.value("q").split_whitespace().map(str::to_lowercase).collect()
    }

    /// The number of a page, from 1.
    pub(super) fn page(&self) -> usize {
        self.value("page").parse().unwrap_or(1).max(1)
    }

    /// The query of a link with these values; none that is empty.
    pub(super) fn with(pairs: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { "?".to_owned() } else { format!("?{query}") }
    }
}

/// The parts of a path. `None` if one is no UTF-8.
pub(super) fn parts(path: &str) -> Option<Vec<String>> {
    let parts = path.trim_start_matches('/').split('/').filter(|part| !part.is_empty());
    parts.map(|part| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned())).collect()
}

/// A path of these parts.
pub(super) fn path(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |mut path, part| {
        let _ = write!(path, "/{}", utf8_percent_encode(part, PART));
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_has_each_name_once() {
        let query = Query::parse("q=+a%20b+&q=c&page=3&empty");
        assert_eq!((query.value("q"), query.page(), query.value("x")), ("a b", 3, ""));
        for odd in ["page=0", "page=-1", "page=x", "page=99999999999999999999999", ""] {
            assert_eq!(Query::parse(odd).page(), 1, "{odd}");
        }
        assert_eq!(Query::parse(&format!("q={}", "ä".repeat(600))).value("q").chars().count(), 500);
    }

    #[test]
    fn parts_survive_a_path() {
        let names = ["a/b", "..", "ä ?#%", "<script>"];
        assert_eq!(parts(&path(&names)).unwrap(), names);
        assert_eq!(path(&["hosts", "web-1.x_y"]), "/hosts/web-1.x_y");
        assert_eq!(parts("/%ff"), None);
        assert_eq!(parts("//a//"), Some(vec!["a".to_owned()]));
    }

    #[test]
    fn link_leaves_out_what_is_empty() {
        assert_eq!(Query::with(&[("q", "a&b"), ("page", "")]), "?q=a%26b");
        assert_eq!(Query::with(&[("q", "")]), "?");
    }
}
