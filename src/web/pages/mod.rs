//! What people see. All text goes through `maud`, which escapes it; nothing here is put into a page as it is.

mod history;
mod host;
mod hosts;
mod layout;
mod log;
mod painted;
mod plans;
mod program;
mod programs;
mod pull;
mod run;
mod settings;
mod site;
mod sites;

use maud::{Markup, html};

pub(super) use history::history;
pub(super) use host::host;
pub(super) use hosts::hosts;
pub(super) use plans::{plan, plans, refused, why_not};
pub(super) use program::program;
pub(super) use programs::programs;
pub(super) use run::run;
pub(super) use site::site;
pub(super) use sites::sites;

use layout::bare;

/// For who has not signed in.
pub(super) fn signed_out() -> Markup {
    bare(
        "Sign in",
        false,
        html! {
            p { "Open the link that was printed when this was started. It works once: after that, the next one is printed." }
        },
    )
}

/// Behind the link. The page goes on by itself: a cookie that is set on the way from elsewhere is not sent with
/// that very request.
pub(super) fn signed_in() -> Markup {
    bare("Signed in", true, html! { p { a href="/" { "Go on to the fleet" } } })
}

/// Where nothing stands.
pub(super) fn not_found() -> Markup {
    bare(
        "Not found",
        false,
        html! { p { "Nothing stands here: perhaps the inventory does not have it any more. " a href="/" { "All programs" } } },
    )
}
