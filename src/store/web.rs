//! A web server: objects by GET and PUT below an address, a folder as the JSON that nginx makes of it.

use super::access::{NoAnswer, is_too_long};
use super::curl::{CurlError, Login, Request, Response};
use super::listing;
use super::{Access, Answer, ObjectName, Store};
use crate::error::CommandError;
use crate::system::shell;

pub(super) struct WebStore {
    /// Without a slash at its end.
    base: String,
    access: Access,
}

impl WebStore {
    pub(super) fn new(base: String, access: Access) -> Self {
        Self { base, access }
    }

    fn url(&self, name: &ObjectName) -> String {
        format!("{}/{name}", self.base)
    }

    fn send(&self, request: &Request<'_>, what: &str) -> Result<Response, CommandError> {
        request
            .send(&self.access)
            .map_err(|error: CurlError| error.of(what.to_owned(), request.url))
    }
}

/// A question for what is there.
fn question(url: &str) -> Request<'_> {
    Request { url, put: None, headers: Vec::new(), login: Login::Netrc }
}

impl Store for WebStore {
    fn get(&self, name: &ObjectName, known: Option<&str>) -> Result<Answer, CommandError> {
        let (url, what) = (self.url(name), format!("cannot get {name} from {}", self.base));
        let mut request = question(&url);
        request.known(known);
        let response = self.send(&request, &what)?;
        match response.status {
            200 => Ok(Answer::Object { bytes: response.body, tag: response.etag }),
            304 if known.is_some() => Ok(Answer::Unchanged),
            404 | 410 => Ok(Answer::Absent),
            _ => Err(refused(what, &url, &response)),
        }
    }

    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), CommandError> {
        let (url, what) = (self.url(name), format!("cannot put {name} to {}", self.base));
        if is_too_long(bytes) {
            return Err(NoAnswer::TooLong.of(what));
        }
        let request = Request { put: Some(bytes), ..question(&url) };
        let response = self.send(&request, &what)?;
        let error = match response.status {
            200..=299 => return Ok(()),
            404 | 405 | 409 | 501 => refused(what, &url, &response)
                .hint("the server has to allow PUT and to make folders for it: docs/stores.md"),
            413 => refused(what, &url, &response)
                .hint("the server has to take 128 MiB: client_max_body_size 128m; in nginx"),
            _ => refused(what, &url, &response),
        };
        Err(error)
    }

    fn list(&self, folder: &ObjectName) -> Result<Vec<ObjectName>, CommandError> {
        let (url, what) =
            (format!("{}/", self.url(folder)), format!("cannot list {folder} of {}", self.base));
        let response = self.send(&question(&url), &what)?;
        match response.status {
            200 => {}
            404 | 410 => return Ok(Vec::new()),
            _ => return Err(refused(what, &url, &response)),
        }
        listing::of_json(&response.body, folder).map_err(|problem| {
            CommandError::refused(what)
                .because(problem)
                .hint("the server has to list folders as JSON: autoindex on; autoindex_format json; in nginx")
        })
    }
}

/// The failure that an answer of the server is.
fn refused(what: String, url: &str, response: &Response) -> CommandError {
    let error = CommandError::refused(what);
    let status = &response.status_line;
    match (response.status, &response.location) {
        (300..=399, Some(to)) => {
            error.because(format!("the server sends elsewhere ({status}): {to}"))
        }
        (401 | 403, _) => {
            let host = url.split('/').nth(2).unwrap_or_default();
            let host = host.split(':').next().unwrap_or_default();
            error.because(format!("the server answers {status}")).hint(format!(
                "the login is read from ~/.netrc: machine {host} login USER password PASSWORD"
            ))
        }
        (500.., _) => error.because(format!("the server answers {status}")),
        _ => error
            .because(format!("the server answers {status}"))
            .hint(format!("see what it says: curl -sS {}", shell::word(url))),
    }
}
