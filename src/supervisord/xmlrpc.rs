//! XML-RPC as supervisord speaks it: requests written by hand, answers read with quick-xml.
//!
//! Python's `xmlrpc.client.dumps` escapes `&`, `<` and `>` and nothing else, so an answer may hold
//! raw control characters (a log line, a spawn error): no legal XML, but what is really sent. The
//! other way, supervisord's parser refuses a whole request for one of them.

use std::borrow::Cow;
use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper than any answer of supervisord (reloadConfig in a multicall is 4), and far below what
/// recursion on a small thread stack allows.
const MAX_DEPTH: u32 = 32;

/// A value of an answer. Types we never ask for (double, date, base64) stay text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Int(i64),
    Bool(bool),
    Text(String),
    Array(Vec<Value>),
    Struct(Vec<(String, Value)>),
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    Value(Value),
    /// `faultCode`, `faultString` and whatever else the struct holds.
    Fault(Value),
}

/// One method call of a batch.
pub(super) struct Method<'a> {
    pub(super) name: &'static str,
    pub(super) params: Vec<Param<'a>>,
}

/// A parameter. No method we use takes anything else.
pub(super) enum Param<'a> {
    Text(&'a str),
    Bool(bool),
}

/// The body of one `system.multicall`.
pub(super) fn multicall(methods: &[Method<'_>]) -> String {
    let mut body = String::with_capacity(256 + methods.len() * 288);
    body.push_str(
        "<?xml version='1.0'?>\n<methodCall><methodName>system.multicall</methodName>\
         <params><param><value><array><data>",
    );
    for method in methods {
        let _ = write!(
            body,
            "<value><struct><member><name>methodName</name><value><string>{}</string></value>\
             </member><member><name>params</name><value><array><data>",
            method.name
        );
        for param in &method.params {
            match param {
                Param::Text(text) => {
                    body.push_str("<value><string>");
                    escape_into(&mut body, text);
                    body.push_str("</string></value>");
                }
                Param::Bool(flag) => {
                    let digit = u8::from(*flag);
                    let _ = write!(body, "<value><boolean>{digit}</boolean></value>");
                }
            }
        }
        body.push_str("</data></array></value></member></struct></value>");
    }
    body.push_str("</data></array></value></param></params></methodCall>");
    body
}

/// Escapes markup and the carriage return (which a parser would turn into a newline). A character
/// that XML cannot carry at all becomes U+FFFD: supervisord then answers BAD_NAME to the one call,
/// where the character itself would cost the whole batch an HTTP 400.
fn escape_into(body: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => body.push_str("&amp;"),
            '<' => body.push_str("&lt;"),
            '>' => body.push_str("&gt;"),
            '\r' => body.push_str("&#13;"),
            '\t' | '\n' => body.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => body.push('\u{fffd}'),
            _ => body.push(character),
        }
    }
}

/// Reads a `methodResponse`. The error says what is wrong with it.
pub(super) fn parse_response(text: &str) -> Result<Response, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut parser = Parser { reader };
    parser.open("methodResponse")?;
    let response = match parser.markup()? {
        Some(name) if name == "params" => {
            parser.open("param")?;
            parser.open("value")?;
            let value = parser.value(0)?;
            parser.close()?;
            Response::Value(value)
        }
        Some(name) if name == "fault" => {
            parser.open("value")?;
            Response::Fault(parser.value(0)?)
        }
        _ => return Err("a methodResponse without params or fault".to_owned()),
    };
    parser.close()?;
    parser.close()?;
    Ok(response)
}

/// What the grammar is made of; comments, declarations and processing instructions fall away.
enum Token<'a> {
    Open(String),
    Close,
    Text(Cow<'a, str>),
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
}

impl<'a> Parser<'a> {
    fn token(&mut self) -> Result<Token<'a>, String> {
        loop {
            match self.reader.read_event().map_err(|error| shorten(&error.to_string()))? {
                Event::Start(start) => return Ok(Token::Open(start.name().0.to_owned())),
                Event::End(_) => return Ok(Token::Close),
                Event::Text(text) => return Ok(Token::Text(text.into_inner())),
                Event::CData(text) => return Ok(Token::Text(text.into_inner())),
                Event::GeneralRef(reference) => {
                    return resolve(&reference).map(|text| Token::Text(Cow::Owned(text)));
                }
                // No entity of our own making is ever resolved, so there is nothing to bomb with.
                Event::DocType(_) => return Err("a document type is not allowed".to_owned()),
                Event::Eof => return Err("the XML ends too early".to_owned()),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// The next tag: the name of an opening one, nothing for a closing one.
    fn markup(&mut self) -> Result<Option<String>, String> {
        loop {
            match self.token()? {
                Token::Open(name) => return Ok(Some(name)),
                Token::Close => return Ok(None),
                Token::Text(text) if text.trim().is_empty() => {}
                Token::Text(_) => return Err("text between elements".to_owned()),
            }
        }
    }

    fn open(&mut self, wanted: &str) -> Result<(), String> {
        match self.markup()? {
            Some(name) if name == wanted => Ok(()),
            Some(name) => Err(format!("<{}> where <{wanted}> belongs", shorten(&name))),
            None => Err(format!("an end where <{wanted}> belongs")),
        }
    }

    /// quick-xml has already checked that the name is the one that was opened.
    fn close(&mut self) -> Result<(), String> {
        match self.markup()? {
            None => Ok(()),
            Some(name) => Err(format!("<{}> where an element should end", shorten(&name))),
        }
    }

    /// The inside of an opened `<value>`, up to and with its end.
    fn value(&mut self, depth: u32) -> Result<Value, String> {
        if depth >= MAX_DEPTH {
            return Err(format!("values nested more than {MAX_DEPTH} deep"));
        }
        let mut text = String::new();
        loop {
            match self.token()? {
                Token::Text(part) => text.push_str(&part),
                Token::Close => return Ok(Value::Text(text)),
                Token::Open(kind) if text.trim().is_empty() => {
                    let value = self.typed(&kind, depth)?;
                    self.close()?;
                    return Ok(value);
                }
                Token::Open(_) => return Err("text beside a typed value".to_owned()),
            }
        }
    }

    /// The inside of an opened `<int>`, `<array>` and so on, up to and with its end.
    fn typed(&mut self, kind: &str, depth: u32) -> Result<Value, String> {
        match kind {
            "array" => self.array(depth),
            "struct" => self.members(depth),
            "int" | "i4" | "i8" => {
                let text = self.text()?;
                let number = text.trim().parse();
                number.map(Value::Int).map_err(|_| format!("`{}` is not an int", shorten(&text)))
            }
            "boolean" => match self.text()?.trim() {
                "1" => Ok(Value::Bool(true)),
                "0" => Ok(Value::Bool(false)),
                other => Err(format!("`{}` is not a boolean", shorten(other))),
            },
            "string" | "double" | "dateTime.iso8601" | "base64" | "nil" => {
                self.text().map(Value::Text)
            }
            _ => Err(format!("a value of unknown type <{}>", shorten(kind))),
        }
    }

    fn array(&mut self, depth: u32) -> Result<Value, String> {
        self.open("data")?;
        let mut values = Vec::new();
        while let Some(name) = self.markup()? {
            if name != "value" {
                return Err(format!("<{}> in an array", shorten(&name)));
            }
            values.push(self.value(depth + 1)?);
        }
        self.close()?;
        Ok(Value::Array(values))
    }

    fn members(&mut self, depth: u32) -> Result<Value, String> {
        let mut members = Vec::new();
        while let Some(name) = self.markup()? {
            if name != "member" {
                return Err(format!("<{}> in a struct", shorten(&name)));
            }
            self.open("name")?;
            let name = self.text()?;
            self.open("value")?;
            members.push((name, self.value(depth + 1)?));
            self.close()?;
        }
        Ok(Value::Struct(members))
    }

    /// Text alone, up to and with the end of its element.
    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.token()? {
                Token::Text(part) => text.push_str(&part),
                Token::Close => return Ok(text),
                Token::Open(name) => return Err(format!("<{}> inside a text", shorten(&name))),
            }
        }
    }
}

/// XML's own five entities and character references; nothing else can be defined.
fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    quick_xml::escape::resolve_xml_entity(name)
        .map(str::to_owned)
        .ok_or_else(|| format!("the unknown entity &{};", shorten(name)))
}

/// An untrusted text, short enough for an error message and without control characters.
pub(super) fn shorten(text: &str) -> String {
    let start = text.chars().take(40);
    let mut short: String = start.map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value_of(xml: &str) -> Result<Value, String> {
        let body = format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>{xml}</value>\n\
             </param>\n</params>\n</methodResponse>\n"
        );
        match parse_response(&body)? {
            Response::Value(value) => Ok(value),
            Response::Fault(_) => Err("a fault".to_owned()),
        }
    }

    #[test]
    fn scalars() {
        assert_eq!(value_of("<int>-42</int>"), Ok(Value::Int(-42)));
        assert_eq!(value_of("<i4> 7 </i4>"), Ok(Value::Int(7)));
        assert_eq!(value_of("<boolean>1</boolean>"), Ok(Value::Bool(true)));
        assert_eq!(value_of("<string> a b </string>"), Ok(Value::Text(" a b ".into())));
        assert_eq!(value_of("untyped"), Ok(Value::Text("untyped".into())));
        assert_eq!(value_of("<string/>"), Ok(Value::Text(String::new())));
        assert_eq!(value_of(""), Ok(Value::Text(String::new())));
        assert!(value_of("<int>4x</int>").is_err());
        assert!(value_of("<boolean>true</boolean>").is_err());
        assert!(value_of("<widget>1</widget>").is_err());
    }

    #[test]
    fn control_characters_come_through() {
        assert_eq!(
            value_of(
                "<string>a &amp;&lt;&gt;&#233;&#x1b; \u{1b}[31m\0\r\n<![CDATA[<&>]]></string>"
            ),
            Ok(Value::Text("a &<>é\u{1b} \u{1b}[31m\0\r\n<&>".into()))
        );
    }

    #[test]
    fn fault_is_told_from_value() {
        let body = "<methodResponse><fault><value><struct><member><name>faultCode</name>\
            <value><int>92</int></value></member></struct></value></fault></methodResponse>";
        let members = vec![("faultCode".to_owned(), Value::Int(92))];
        assert_eq!(parse_response(body), Ok(Response::Fault(Value::Struct(members))));
    }

    #[test]
    fn entity_bombs_are_refused() {
        let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><methodResponse>\
            <params><param><value>&b;</value></param></params></methodResponse>";
        assert_eq!(parse_response(bomb), Err("a document type is not allowed".to_owned()));
        assert_eq!(value_of("&b;"), Err("the unknown entity &b;".to_owned()));
        assert!(value_of("&#0;").is_err());
        assert!(value_of("&#xD800;").is_err());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{}{}", "<array><data><value>".repeat(100_000), "x");
        assert_eq!(value_of(&deep), Err("values nested more than 32 deep".to_owned()));
        assert!(parse_response(&"<a>".repeat(100_000)).is_err());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let body = "<methodResponse><params><param><value><array><data><value><struct><member>\
            <name>a</name><value><int>1</int></value></member></struct></value></data></array>\
            </value></param></params></methodResponse>";
        assert!(parse_response(body).is_ok());
        for end in 0..body.len() {
            assert!(parse_response(&body[..end]).is_err(), "{}", &body[..end]);
        }
    }

    #[test]
    fn request_matches_pythons() {
        let body = multicall(&[Method {
            name: "supervisor.stopProcess",
            params: vec![Param::Text("a<&>\r:\u{1b}b"), Param::Bool(false)],
        }]);
        assert!(body.contains("<string>supervisor.stopProcess</string>"));
        assert!(body.contains(
            "<value><string>a&lt;&amp;&gt;&#13;:\u{fffd}b</string></value>\
             <value><boolean>0</boolean></value>"
        ));
    }

    proptest! {
        #[test]
        fn any_xml_text_survives(text in "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\u{fffe}\u{ffff}]*") {
            let mut escaped = String::new();
            escape_into(&mut escaped, &text);
            prop_assert_eq!(value_of(&format!("<string>{escaped}</string>")), Ok(Value::Text(text)));
        }

        #[test]
        fn nothing_panics(text in "(<|>|/|&|;|value|array|data|struct|member|name|int|[^a]){0,60}") {
            let _ = value_of(&text);
            let _ = parse_response(&text);
        }
    }
}
