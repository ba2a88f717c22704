//! What happens in a case: operations that any state of the host can take, so that a case that fails
//! still is one when some of its operations are left out.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// The sites. What the first calls `eu-w` is the `w` of the second by its name.
pub(crate) const SITES: [&str; 3] = ["one", "one-eu", "two"];
pub(crate) const PROGRAMS: [&str; 3] = ["w", "x", "eu-w"];
/// The inventories, each on a host with the other.
pub(crate) const INVENTORIES: [&str; 2] = ["shop", "blog"];

/// A program as an inventory has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    /// Its command differs where this does.
    pub(crate) version: u8,
    pub(crate) numprocs: u8,
    /// Each process in a group of its own.
    pub(crate) separate: bool,
    pub(crate) autostart: bool,
    pub(crate) policy: Policy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Runs,
    /// Takes its time to stop.
    Drains,
    /// Exits as soon as it is started.
    Exits,
    /// supervisord does not take its file.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    Immediate,
    Rolling,
    Deferred,
}

impl Spec {
    /// What every case begins with.
    pub(crate) const PLAIN: Self = Self {
        kind: Kind::Runs,
        version: 0,
        numprocs: 1,
        separate: false,
        autostart: true,
        policy: Policy::Immediate,
    };

    /// Whether it can be applied at all.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.kind, Kind::Runs | Kind::Drains)
    }
}

/// One operation. Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    /// Somebody edits the inventory: the program gets this, or goes.
    Edit { site: u8, program: u8, spec: Option<Spec> },
    /// The site goes out of its inventory, or back into it.
    Leave { site: u8 },
    /// The site goes from one inventory to the other.
    Move { site: u8 },
    /// One of our verbs.
    Run(Command),
    /// Somebody is at a file of ours.
    Touch { file: u8, how: Touch },
    /// Somebody is at a process of ours.
    Process { process: u8, how: Hand },
    /// supervisord ends and starts again.
    Boot,
}

/// One of our verbs, for all sites of an inventory or some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) inventory: u8,
    pub(crate) verb: Verb,
    pub(crate) site: Option<u8>,
    pub(crate) program: Option<u8>,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    Apply(How),
    /// With `--prune`.
    Prune,
    Restart {
        rolling: bool,
        start_stopped: bool,
    },
    Start,
    Stop,
    /// Of the last run.
    Rollback,
    /// Of the site to one of its revisions.
    RollbackTo(u8),
}

/// The options of an apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Plain,
    Restart,
    StartStopped,
    NoRestart,
    NoVerify,
    NoRollback,
}

/// What becomes of our process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    Itself,
    /// It is killed before its n-th change to the disk, or before or after it asks supervisord.
    Kill(u16),
    /// It gets a signal there, and ends by itself.
    Interrupt(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Touch {
    /// A comment, which supervisord does not see.
    Comment,
    /// Another value of an option.
    Option,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hand {
    Kill,
    Stop,
    Start,
}

/// A case, as it stands in `model.cases`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Case(pub(crate) Vec<Op>);

/// As a line of `model.cases`.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap())
    }
}

/// Any case of at most so many operations.
pub(crate) fn any_case(operations: usize) -> impl Strategy<Value = Case> {
    vec(any_op(), 1..=operations).prop_map(Case)
}

fn any_op() -> impl Strategy<Value = Op> {
    let site = || 0..3_u8;
    let edit = (site(), 0..3_u8, prop::option::weighted(0.8, any_spec()));
    let touch = prop_oneof![Just(Touch::Comment), Just(Touch::Option), Just(Touch::Remove)];
    let hand = prop_oneof![Just(Hand::Kill), Just(Hand::Stop), Just(Hand::Start)];
    prop_oneof![
        8 => edit.prop_map(|(site, program, spec)| Op::Edit { site, program, spec }),
        1 => site().prop_map(|site| Op::Leave { site }),
        1 => site().prop_map(|site| Op::Move { site }),
        14 => any_command().prop_map(Op::Run),
        2 => (0..8_u8, touch).prop_map(|(file, how)| Op::Touch { file, how }),
        3 => (0..8_u8, hand).prop_map(|(process, how)| Op::Process { process, how }),
        1 => Just(Op::Boot),
    ]
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let kind = prop_oneof![
        8 => Just(Kind::Runs),
        4 => Just(Kind::Drains),
        1 => Just(Kind::Exits),
        1 => Just(Kind::Broken),
    ];
    let policy = prop_oneof![
        6 => Just(Policy::Immediate),
        1 => Just(Policy::Rolling),
        1 => Just(Policy::Deferred),
    ];
    let autostart = prop::bool::weighted(0.8);
    let separate = prop::bool::weighted(0.2);
    (kind, 0..3_u8, 1..=3_u8, separate, autostart, policy).prop_map(
        |(kind, version, numprocs, separate, autostart, policy)| Spec {
            kind,
            version,
            numprocs,
            separate,
            autostart,
            policy,
        },
    )
}

fn any_command() -> impl Strategy<Value = Command> {
    let how = prop_oneof![
        8 => Just(How::Plain),
        1 => Just(How::Restart),
        1 => Just(How::StartStopped),
        1 => Just(How::NoRestart),
        1 => Just(How::NoVerify),
        1 => Just(How::NoRollback),
    ];
    let restart = (any::<bool>(), prop::bool::weighted(0.3));
    let verb = prop_oneof![
        10 => how.prop_map(Verb::Apply),
        1 => Just(Verb::Prune),
        2 => restart.prop_map(|(rolling, start_stopped)| Verb::Restart { rolling, start_stopped }),
        1 => Just(Verb::Start),
        2 => Just(Verb::Stop),
        3 => Just(Verb::Rollback),
        1 => (0..4_u8).prop_map(Verb::RollbackTo),
    ];
    let end = prop_oneof![
        5 => Just(End::Itself),
        // Most of what they do is at the beginning; the rest is waiting.
        4 => (1..32_u16).prop_map(End::Kill),
        1 => (1..120_u16).prop_map(End::Kill),
        1 => (1..40_u16).prop_map(End::Interrupt),
    ];
    let site = prop::option::weighted(0.3, 0..3_u8);
    let program = prop::option::weighted(0.2, 0..3_u8);
    (0..2_u8, verb, site, program, end).prop_map(|(inventory, verb, site, program, end)| Command {
        inventory,
        verb,
        site,
        program,
        end,
    })
}
