//! A bucket of Amazon's S3, or of what speaks like it.
//!
//! curl signs what is asked (`--aws-sigv4`), with keys out of the environment.

use std::fmt::Write as _;
use std::sync::OnceLock;

use super::access::{NoAnswer, is_too_long};
use super::curl::{self, CurlError, Login, Request, Response};
use super::listing::{self, error_of_bucket};
use super::location::Bucket;
use super::{Access, Answer, ObjectName, Store, digest};
use crate::error::CommandError;
use crate::system::sanitized;

/// How many pages of a listing are read: with a thousand names each more than any fleet has hosts.
const MOST_PAGES: usize = 100;
/// The region of a bucket of which nobody says one.
const REGION: &str = "us-east-1";
/// The first curl that signs what S3 wants signed: the digest of what is sent, and every other header.
const OLDEST_CURL: (u32, u32) = (7, 87);

pub(super) struct BucketStore {
    bucket: Bucket,
    region: String,
    /// Of the bucket itself, without a slash at its end.
    url: String,
    access: Access,
    /// Whether curl has been found to be new enough.
    signs: OnceLock<()>,
}

/// Who may do it.
struct Keys<'k> {
    key: &'k str,
    secret: &'k str,
    /// Of keys for a while.
    token: Option<&'k str>,
}

impl BucketStore {
    pub(super) fn new(bucket: Bucket, access: Access) -> Self {
        let of_environment = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        let region = bucket.region.clone().or_else(|| {
            of_environment.iter().find_map(|name| access.variable(name)).map(str::to_owned)
        });
        let region = region.unwrap_or_else(|| REGION.to_owned());
        let url = url(&bucket, &region);
        Self { bucket, region, url, access, signs: OnceLock::new() }
    }

    /// The key of an object in the bucket.
    fn key(&self, name: &ObjectName) -> String {
        match &self.bucket.prefix {
            Some(prefix) => format!("{prefix}/{name}"),
            None => name.to_string(),
        }
    }

    fn keys(&self) -> Option<Keys<'_>> {
        Some(Keys {
            key: self.access.variable("AWS_ACCESS_KEY_ID")?,
            secret: self.access.variable("AWS_SECRET_ACCESS_KEY")?,
            token: self.access.variable("AWS_SESSION_TOKEN"),
        })
    }

    /// Asks with the keys, or as nobody, which is enough to read what everybody may.
    fn send(
        &self,
        url: &str,
        put: Option<&[u8]>,
        known: Option<&str>,
        what: &str,
    ) -> Result<Response, CommandError> {
        let keys = self.keys();
        let mut request = Request { url, put, headers: Vec::new(), login: Login::Nobody };
        request.known(known);
        if let Some(keys) = &keys {
            self.curl_signs(what)?;
            let digest = digest(put.unwrap_or_default());
            request.headers.push(format!("x-amz-content-sha256: {digest}"));
            let token = keys.token.map(|token| format!("x-amz-security-token: {token}"));
            request.headers.extend(token);
            request.login =
                Login::Keys { key: keys.key, secret: keys.secret, region: &self.region };
        }
        request.send(&self.access).map_err(|error: CurlError| error.of(what.to_owned(), url))
    }

    /// An older curl would sign something else, and the server would say that the keys are wrong.
    fn curl_signs(&self, what: &str) -> Result<(), CommandError> {
        if self.signs.get().is_some() {
            return Ok(());
        }
        let version = curl::version(&self.access).map_err(|error| error.of(what.to_owned()))?;
        let words: Vec<&str> = version.split('.').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
        if (number(0), number(1)) < OLDEST_CURL {
            let (major, minor) = OLDEST_CURL;
            let because = format!(
                "curl {version} cannot sign for a bucket, which takes {major}.{minor} or newer"
            );
            let hint = "Debian has one from release 12 on, Ubuntu from 24.04 on; or serve the bucket's objects by https://";
            return Err(CommandError::refused(what).because(because).hint(hint));
        }
        let _ = self.signs.set(());
        Ok(())
    }

    /// The failure that an answer of the server is.
    fn refused(&self, what: String, response: &Response) -> CommandError {
        let error = CommandError::refused(what);
        let status = &response.status_line;
        let Some((code, message)) = error_of_bucket(&String::from_utf8_lossy(&response.body))
        else {
            return self.with_hint(
                error.because(format!("the server answers {status}")),
                response,
                "",
            );
        };
        let (code, message) = (sanitized(&code), sanitized(&message));
        let cause = match message.as_str() {
            "" => format!("the server answers {status} ({code})"),
            message => format!("the server answers {status} ({code}): {message}"),
        };
        self.with_hint(error.because(crate::error::cut(&cause).into_owned()), response, &code)
    }

    fn with_hint(&self, error: CommandError, response: &Response, code: &str) -> CommandError {
        match (response.status, code) {
            (401 | 403, _) if self.keys().is_none() => {
                error.hint("the keys are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
            }
            (_, "NoSuchBucket") => error.hint(format!(
                "the bucket `{}` has to be made beforehand: docs/stores.md",
                self.bucket.name
            )),
            (301 | 307, _) | (400, "AuthorizationHeaderMalformed") => error.hint(format!(
                "it was looked for in the region {}: add ?region=REGION to its address",
                self.region
            )),
            (403, "AccessDenied") => error
                .hint("the keys need s3:GetObject, s3:PutObject and s3:ListBucket: docs/stores.md"),
            _ => error,
        }
    }
}

impl Store for BucketStore {
    fn get(&self, name: &ObjectName, known: Option<&str>) -> Result<Answer, CommandError> {
        let what = format!("cannot get {name} from {}", self.url);
        let response =
            self.send(&format!("{}/{}", self.url, self.key(name)), None, known, &what)?;
        match response.status {
            200 => Ok(Answer::Object { bytes: response.body, tag: response.etag }),
            304 if known.is_some() => Ok(Answer::Unchanged),
            404 if is_no_such_key(&response) => Ok(Answer::Absent),
            _ => Err(self.refused(what, &response)),
        }
    }

    fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), CommandError> {
        let what = format!("cannot put {name} to {}", self.url);
        if is_too_long(bytes) {
            return Err(NoAnswer::TooLong.of(what));
        }
        let url = format!("{}/{}", self.url, self.key(name));
        let response = self.send(&url, Some(bytes), None, &what)?;
        match response.status {
            200..=299 => Ok(()),
            _ => Err(self.refused(what, &response)),
        }
    }

    fn list(&self, folder: &ObjectName) -> Result<Vec<ObjectName>, CommandError> {
        let what = format!("cannot list {folder} of {}", self.url);
        let prefix = self.key(folder);
        let (mut names, mut next) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            // In the order in which they are signed.
            let token = next.iter().map(|token| format!("continuation-token={}&", escaped(token)));
            let query: String = token.collect();
            let prefix_and_slash = escaped(&format!("{prefix}/"));
            let url =
                format!("{}/?{query}delimiter=%2F&list-type=2&prefix={prefix_and_slash}", self.url);
            let response = self.send(&url, None, None, &what)?;
            if response.status != 200 {
                return Err(self.refused(what, &response));
            }
            let page =
                listing::of_bucket(&String::from_utf8_lossy(&response.body), &prefix, folder)
                    .map_err(|problem| CommandError::refused(&what).because(problem))?;
            names.extend(page.names);
            next = page.next;
            if next.is_none() {
                names.sort_unstable();
                names.dedup();
                return Ok(names);
            }
        }
        Err(CommandError::refused(what).because(format!("it has more than {MOST_PAGES} pages")))
    }
}

/// Where the bucket is. The name of a bucket is a part of the host at Amazon, unless it has a dot, for which
/// its certificate does not stand; elsewhere it is the beginning of the path.
fn url(bucket: &Bucket, region: &str) -> String {
    let name = &bucket.name;
    if let Some(endpoint) = &bucket.endpoint {
        return format!("{endpoint}/{name}");
    }
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    match name.contains('.') {
        true => format!("https://s3.{region}.{domain}/{name}"),
        false => format!("https://{name}.s3.{region}.{domain}"),
    }
}

/// Not: no such bucket.
fn is_no_such_key(response: &Response) -> bool {
    error_of_bucket(&String::from_utf8_lossy(&response.body))
        .is_some_and(|(code, _)| code == "NoSuchKey")
}

/// A value in the query of an address.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => escaped.push(char::from(b)),
            b => {
                let _ = write!(escaped, "%{b:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Location;
    use crate::store::location::Place;

    fn bucket(text: &str) -> Bucket {
        match Location::parse(text).unwrap().place {
            Place::Bucket(bucket) => bucket,
            _ => panic!("{text} is no bucket"),
        }
    }

    #[test]
    fn bucket_has_its_address() {
        for (text, region, expected) in [
            ("s3://fleet/eu", "eu-central-1", "https://fleet.s3.eu-central-1.amazonaws.com"),
            ("s3://fleet", "cn-north-1", "https://fleet.s3.cn-north-1.amazonaws.com.cn"),
            ("s3://a.fleet", "us-east-1", "https://s3.us-east-1.amazonaws.com/a.fleet"),
            ("s3://fleet?endpoint=http://h:9000/", "us-east-1", "http://h:9000/fleet"),
        ] {
            assert_eq!(url(&bucket(text), region), expected);
        }
    }

    #[test]
    fn token_is_escaped() {
        assert_eq!(escaped("a/b=+ä&~"), "a%2Fb%3D%2B%C3%A4%26~");
    }
}
