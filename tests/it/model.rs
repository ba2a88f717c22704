//! Promise: whatever happens to a host, in whatever order, what is others' stays as it is, no process is
//! restarted without a reason, a second apply does nothing, a rollback restores, records can be read, and
//! the next full apply puts everything right.

#![expect(clippy::disallowed_methods, reason = "builds hosts and reads kept cases")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that fails fails the test")]

mod case;
mod judge;
mod play;
mod real;
mod reference;
mod simulation;
mod world;

use std::path::Path;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use case::{Case, any_case};
use play::Play;
use real::Real;
use simulation::Simulation;

/// Cases in the suite, beside those of `model.cases`.
const CASES: u32 = 100;
/// The most operations of one.
const OPERATIONS: usize = 14;
/// The same on a real supervisord, where each takes seconds.
const REAL_CASES: u32 = 2;
const REAL_OPERATIONS: usize = 8;

fn play_simulated(case: &Case) -> Result<(), String> {
    Play::begin(Simulation::new())?.case(case)
}

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Cases that have failed once.
fn kept_cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/model.cases");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Tries this many cases, those that follow from the seed.
fn try_cases(seed: u32, cases: u32, operations: usize, play: impl Fn(&Case) -> Result<(), String>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&any_case(operations), |case| {
        play(&case).map_err(proptest::test_runner::TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("MODEL_SEED={seed}: {error}");
    }
}

#[test]
fn any_case_keeps_every_promise() {
    let (seed, cases) = (number("MODEL_SEED", 1), number("MODEL_CASES", CASES));
    try_cases(seed, cases, OPERATIONS, play_simulated);
}

/// With the program itself and a real supervisord, where there is one.
#[test]
fn few_cases_hold_on_real_supervisord() {
    let play = |case: &Case| {
        let Some(real) = Real::new() else { return Ok(()) };
        Play::begin(real)?.case(case)
    };
    try_cases(
        number("MODEL_SEED", 1),
        number("MODEL_REAL_CASES", REAL_CASES),
        REAL_OPERATIONS,
        play,
    );
}

#[test]
fn former_failures_stay_fixed() {
    for case in kept_cases() {
        if let Err(what) = play_simulated(&case) {
            panic!("{case:?}\n{what}");
        }
    }
}
