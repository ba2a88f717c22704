//! Names of hosts as people read them, and hosts of which the same is told once.

use std::collections::HashMap;
use std::rc::Rc;

/// How many hosts or sites a headline names before the rest is counted.
pub(crate) const HEADLINE: usize = 6;

/// `web1, web2, web3 (3 hosts)`, and a single name as it is.
pub(crate) fn named(hosts: &[&str]) -> String {
    let shown = listed(hosts, HEADLINE);
    if hosts.len() > 1 { format!("{shown} ({} hosts)", hosts.len()) } else { shown }
}

/// `web1, web2, web3`, and of many the first: the rest beyond `most` is counted.
pub(crate) fn listed(names: &[&str], most: usize) -> String {
    let shown = names.get(..most).unwrap_or(names).join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 program`, `2 programs`, `2 processes`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    let plural = match count {
        1 => "",
        _ if what.ends_with("ss") => "es",
        _ => "s",
    };
    format!("{count} {what}{plural}")
}

/// Texts of hosts, each kept once with the hosts that have it, in the order in which it first came.
#[derive(Default)]
pub(crate) struct Folded<'h> {
    groups: Vec<(Vec<&'h str>, Rc<str>)>,
    places: HashMap<Rc<str>, usize>,
}

impl<'h> Folded<'h> {
    pub(crate) fn add(&mut self, host: &'h str, text: &str) {
        let place = match self.places.get(text) {
            Some(place) => *place,
            None => {
                let (place, text) = (self.groups.len(), Rc::from(text));
                self.groups.push((Vec::new(), Rc::clone(&text)));
                self.places.insert(text, place);
                place
            }
        };
        if let Some((hosts, _)) = self.groups.get_mut(place) {
            hosts.push(host);
        }
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&[&'h str], &str)> {
        self.groups.iter().map(|(hosts, text)| (hosts.as_slice(), &**text))
    }
}

/// Hosts with the same text together, in the order in which each text first comes.
pub(crate) fn folded(texts: Vec<(&str, String)>) -> Vec<(Vec<&str>, String)> {
    let mut folded = Folded::default();
    texts.into_iter().for_each(|(host, text)| folded.add(host, &text));
    folded.groups.into_iter().map(|(hosts, text)| (hosts, text.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_same_text_are_grouped() {
        let texts =
            [("a", "x"), ("b", "y"), ("c", "x")].map(|(host, text)| (host, text.to_owned()));
        let expected = vec![(vec!["a", "c"], "x".to_owned()), (vec!["b"], "y".to_owned())];
        assert_eq!(folded(texts.into()), expected);
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(named(&["web1"]), "web1");
        assert_eq!(named(&["web1", "web2"]), "web1, web2 (2 hosts)");
        let many = ["a"; 500];
        assert_eq!(named(&many), "a, a, a, a, a, a and 494 more (500 hosts)");
    }
}
