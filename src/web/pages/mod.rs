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

use layout::{bare, error};

use crate::error::CommandError;

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

/// For who has to sign in by name; with what was wrong with the last try.
pub(super) fn sign_in(wrong: Option<&str>) -> Markup {
    bare(
        "Sign in",
        false,
        html! {
            form.sign-in method="post" action="/sign-in" {
                @if let Some(wrong) = wrong { p.error role="alert" { (wrong) } }
                label for="name" { "Name" }
                input #name name="name" required autofocus autocomplete="username" autocapitalize="none" spellcheck="false";
                label for="password" { "Password" }
                input #password name="password" type="password" required autocomplete="current-password";
                button { "Sign in" }
            }
        },
    )
}

/// For who should have come by a proxy that says who they are.
pub(super) fn by_proxy() -> Markup {
    bare(
        "Sign in",
        false,
        html! { p { "People sign in at the proxy before this, and it has not named anybody who may look." } },
    )
}

/// Where the audit log could not be written.
pub(super) fn unwritten(why: &CommandError) -> Markup {
    bare(
        "Not done",
        false,
        html! { p { "Nothing was done, since it cannot be noted." } (error(why)) },
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
