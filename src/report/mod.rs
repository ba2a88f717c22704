//! What people and machines see: text on a terminal or in a log, JSON lines for machines. A file for each
//! document, with what people read of it and what machines do.

mod annotations;
mod applying;
#[cfg(feature = "web")]
mod audited;
mod awaited;
mod check;
mod colour;
pub(crate) mod describe;
mod destination;
#[cfg(feature = "web")]
mod documents;
mod edit;
mod explain;
mod fitting;
mod frames;
mod history;
mod import;
mod integrate;
mod json;
mod left;
#[cfg(feature = "web")]
mod listening;
mod live;
mod logs;
mod metrics;
mod nameless;
mod names;
mod notification;
mod notified;
mod paragraph;
mod plan;
mod plan_markdown;
mod plan_text;
mod plan_totals;
#[cfg(feature = "web")]
mod proposal;
#[cfg(test)]
mod published_tests;
mod pull;
mod questions;
mod release;
mod revision_diff;
mod runner;
mod sandbox;
mod screen;
mod setup;
mod site_end;
mod starter;
mod status;
mod status_text;
mod taking_back;
#[cfg(feature = "web")]
mod transcript;
mod typed;
mod unmanaged;
mod waits;

pub(crate) use annotations::Here;
pub(crate) use applying::Applying;
#[cfg(feature = "web")]
pub(crate) use applying::BeforeChanges;
#[cfg(feature = "web")]
pub(crate) use audited::{AuditEvent, Audited};
pub(crate) use check::{CheckFormat, CheckOutput, Checked, show_problems};
pub use colour::Colour;
#[cfg(feature = "web")]
pub(crate) use describe::{EventLine, describe, describe_failure};
pub(crate) use destination::Page;
#[cfg(feature = "web")]
pub(crate) use documents::Documents;
pub(crate) use edit::{EditOutcome, EditView};
pub(crate) use explain::{show_checks, show_page};
pub(crate) use frames::Frames;
pub(crate) use history::{Histories, HostHistory, run_in_a_line};
#[cfg(feature = "web")]
pub(crate) use history::{RunSite, RunView, runs_of};
pub(crate) use import::ShownImport;
pub(crate) use integrate::show_integrated;
#[cfg(feature = "web")]
pub(crate) use listening::Listening;
use live::Live;
pub(crate) use logs::LogOutput;
pub(crate) use metrics::Metrics;
pub(crate) use notified::{show_sent, warn_unsent};
pub(crate) use paragraph::paragraph;
pub(crate) use plan::{HostPage, PlanFormat, Plans};
pub use plan_text::FileDetail;
#[cfg(feature = "web")]
pub(crate) use proposal::{ProposalDocument, ProposalHost, ProposalStage};
#[cfg(feature = "web")]
pub(crate) use pull::host_said;
pub(crate) use pull::{show_draft, show_fleet_status, show_hold, show_published, show_pulled};
pub(crate) use release::show_released;
pub(crate) use revision_diff::{NumberedDiff, no_revision_of, show_revision_diffs};
pub(crate) use runner::{Runners, WrittenRunner};
pub(crate) use sandbox::{show_draining, show_left_out};
pub(crate) use screen::{Mode, Progress, Screen};
pub(crate) use setup::show_setup;
pub(crate) use starter::{show_first_inventory, show_script, show_script_kinds};
pub(crate) use status::{HostStatus, Statuses};
pub(crate) use status_text::Detail;
#[cfg(feature = "web")]
pub(crate) use status_text::duration;
pub(crate) use taking_back::{histories, nothing_to_take_back, show_taken_back};
#[cfg(feature = "web")]
pub(crate) use transcript::Transcript;
pub(crate) use typed::{Typed, shown};
