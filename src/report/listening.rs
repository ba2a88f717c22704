//! Where the web view is to be found.

use serde::Serialize;

use super::Screen;

/// Where the web view listens, and how to sign in.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listening {
    /// An address with its port, or the path of a unix socket.
    pub(crate) address: String,
    /// The link that signs a browser in, once; with `--auth` where people sign in. Of a unix socket it has no port: that is of the tunnel or proxy
    /// before it.
    pub(crate) link: String,
    /// What may be done from there, by its name.
    pub(crate) allowed: Vec<String>,
    /// Whether people sign in by name, and not by the link.
    #[serde(skip)]
    pub(crate) by_name: bool,
    /// Whether a former link was used, and this is the next.
    #[serde(skip)]
    pub(crate) is_next: bool,
}

impl Listening {
    /// Shows it, and each link after the first when the one before it was used.
    pub(crate) fn show(&self, screen: &mut Screen) {
        screen.document("web", None, self);
        let Self { address, link, allowed, by_name, is_next } = self;
        let may = match allowed.is_empty() {
            true => "Nothing can be changed from there".to_owned(),
            false => format!("What may be done from there: {}", allowed.join(", ")),
        };
        let open = match by_name {
            true => "Sign in there:",
            false => "Open this in a browser, it works once:",
        };
        screen.print(&match is_next {
            true => format!("A browser has signed in. The link for another one:\n  {link}\n"),
            false => format!(
                "Listening on {address}. {open}\n  {link}\n\
                 {may}. Ctrl-C ends it.\n"
            ),
        });
    }
}
