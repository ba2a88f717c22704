//! What servers say is in a folder. Pure. Whatever in it cannot be an object of ours is passed over: a server
//! lists what others have put there, too.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use serde::Deserialize;

use super::ObjectName;
use super::access::words;

/// Far below what a bucket's answers are nested.
const DEEPEST: usize = 16;

/// An entry of the JSON that nginx makes of a folder.
#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// One page of what a bucket lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects on it, as they come.
    pub names: Vec<ObjectName>,
    /// What the next page is asked for with.
    pub next: Option<String>,
}

/// Reads nginx's `autoindex_format json`.
///
/// # Errors
/// If it is something else, in words for people.
pub fn of_json(body: &[u8], folder: &ObjectName) -> Result<Vec<ObjectName>, String> {
    let entries: Vec<Entry> = serde_json::from_slice(body).map_err(|error| {
        let is_page = body.trim_ascii_start().starts_with(b"<");
        let what = if is_page { "a page of HTML" } else { "no listing" };
        words(&format!("what the server says of the folder is {what}: {error}"))
    })?;
    let files = entries.iter().filter(|entry| entry.kind == "file");
    let mut names: Vec<_> = files.filter_map(|entry| folder.child(&entry.name)).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Reads the answer to ListObjectsV2, in which keys begin with `prefix` and a slash.
///
/// # Errors
/// If it is something else, in words for people.
pub fn of_bucket(body: &str, prefix: &str, folder: &ObjectName) -> Result<Page, String> {
    let mut page = Page::default();
    let mut is_listing = false;
    elements(body, |path, text| {
        is_listing |= path.first() == Some(&"ListBucketResult");
        match path {
            ["ListBucketResult", "Contents", "Key"] => {
                let word = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
                page.names.extend(word.and_then(|word| folder.child(word)));
            }
            ["ListBucketResult", "NextContinuationToken"] => page.next = Some(text.to_owned()),
            _ => {}
        }
    })?;
    if is_listing { Ok(page) } else { Err("what the server says is no listing".to_owned()) }
}

/// The code and the message of an error that a bucket answers, if that is what it is.
pub fn error_of_bucket(body: &str) -> Option<(String, String)> {
    let (mut code, mut message) = (None, String::new());
    let read = elements(body, |path, text| match path {
        ["Error", "Code"] => code = Some(text.to_owned()),
        ["Error", "Message"] => message = text.to_owned(),
        _ => {}
    });
    read.ok().and(code).map(|code| (code, message))
}

/// Tells of each element its way from the root and its text, at its end.
fn elements(body: &str, mut tell: impl FnMut(&[&str], &str)) -> Result<(), String> {
    let broken = |error: &dyn std::fmt::Display| {
        words(&format!("what the server says is broken XML: {error}"))
    };
    let mut reader = Reader::from_str(body);
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut text) = (Vec::<String>::new(), String::new());
    loop {
        match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(start) => {
                path.push(start.name().0.to_owned());
                text.clear();
                if path.len() > DEEPEST {
                    return Err(broken(&"it is nested too deep"));
                }
            }
            Event::Text(part) => text.push_str(&part.into_inner()),
            Event::GeneralRef(reference) => {
                let escaped = format!("&{};", &*reference);
                text.push_str(&unescape(&escaped).map_err(|error| broken(&error))?);
            }
            Event::CData(part) => text.push_str(&part.into_inner()),
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                tell(&names, &text);
                path.pop();
                text.clear();
            }
            // Nothing of ours needs one, and its entities could grow without end.
            Event::DocType(_) => return Err(broken(&"it has a document type")),
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err(broken(&"it ends too early")),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> ObjectName {
        ObjectName::parse("status").unwrap()
    }

    fn texts(names: &[ObjectName]) -> Vec<&str> {
        names.iter().map(ObjectName::as_str).collect()
    }

    #[test]
    fn hostile_names_are_passed_over() {
        let json = r#"[
            {"name": "web2", "type": "file", "mtime": "x", "size": 3},
            {"name": "web1", "type": "file"}, {"name": "web1", "type": "file"},
            {"name": "deeper", "type": "directory"}, {"name": "link", "type": "other"},
            {"name": "../up", "type": "file"}, {"name": "a/b", "type": "file"},
            {"name": "", "type": "file"}, {"name": ".x~", "type": "file"},
            {"name": "a\u001b[2J", "type": "file"}, {"name": "a\"b", "type": "file"}
        ]"#;
        let names = of_json(json.as_bytes(), &folder()).unwrap();
        assert_eq!(texts(&names), ["status/web1", "status/web2"]);
    }

    #[test]
    fn other_answers_are_no_listing() {
        for (body, problem) in [
            ("<html>", "a page of HTML"),
            ("", "no listing"),
            ("{}", "no listing"),
            ("[{\"name\": 1}]", "no listing"),
        ] {
            let refused = of_json(body.as_bytes(), &folder()).unwrap_err();
            assert!(refused.contains(problem), "{body}: {refused}");
        }
        let deep = "<a>".repeat(17);
        for (body, problem) in [
            ("", "no listing"),
            ("<html></html>", "no listing"),
            ("<a>", "ends too early"),
            ("<a></b>", "broken XML"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
            ("<a>&b;</a>", "broken XML"),
            (deep.as_str(), "nested too deep"),
        ] {
            let refused = of_bucket(body, "eu/status", &folder()).unwrap_err();
            assert!(refused.contains(problem), "{body}: {refused}");
        }
    }

    #[test]
    fn page_of_bucket_has_its_keys() {
        let xml = r#"<?xml version="1.0"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Name>fleet</Name><IsTruncated>true</IsTruncated>
              <Contents><Key>eu/status/web1</Key><Size>3</Size></Contents>
              <Contents><Key>eu/status/</Key></Contents>
              <Contents><Key>eu/status/a/b</Key></Contents>
              <Contents><Key>elsewhere/web1</Key></Contents>
              <Contents><Key>eu/status/a&amp;b</Key></Contents>
              <Contents><Key><![CDATA[eu/status/web2]]></Key></Contents>
              <CommonPrefixes><Prefix>eu/status/a/</Prefix></CommonPrefixes>
              <NextContinuationToken>a&lt;b/=</NextContinuationToken>
            </ListBucketResult>"#;
        let page = of_bucket(xml, "eu/status", &folder()).unwrap();
        assert_eq!(texts(&page.names), ["status/web1", "status/web2"]);
        assert_eq!(page.next.as_deref(), Some("a<b/="));
        let last = of_bucket("<ListBucketResult/>", "eu/status", &folder()).unwrap();
        assert_eq!(last, Page::default());
    }

    #[test]
    fn error_of_bucket_has_code_and_message() {
        let error = "<Error><Code>NoSuchKey</Code><Message>It is not there.</Message></Error>";
        let expected = ("NoSuchKey".to_owned(), "It is not there.".to_owned());
        assert_eq!(error_of_bucket(error), Some(expected));
        for other in ["", "<html/>", "<Error><Message>x</Message></Error>", "<Error>"] {
            assert_eq!(error_of_bucket(other), None, "{other}");
        }
    }
}
