//! Who is told what came of a run, and what comes before and after one: commands of this machine, which the
//! inventory names under `notify` and `hooks`.
//!
//! What is told is a change of how things are, once: what has failed is [`remembered`], so that its recovery
//! can be told, and so that a drift which is seen every five minutes is told when it begins and when it ends.

mod news;
mod remembered;
mod sending;

pub(crate) use news::{News, NotWell, Seen, news_of_drift, news_of_run};
pub(crate) use remembered::Remembered;
pub(crate) use sending::{Commands, Message, Sent};
