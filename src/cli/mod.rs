//! The command line: one verb a file.

mod add;
mod agent;
mod agree;
mod apply;
mod asking;
mod by_flag;
mod check;
mod colour;
mod completing;
mod control;
mod edit;
mod explain;
mod fleet;
mod generate;
mod help;
mod history;
mod hold;
mod import;
mod init;
mod integrate;
mod logs;
mod metrics;
mod notify;
mod plan;
mod playbook;
mod publish;
#[cfg(test)]
mod published_tests;
mod pull;
mod pulled;
mod release;
mod remove;
mod restart;
mod rollback;
mod run;
mod runner;
mod sandbox;
mod scaffold;
mod scale;
mod selected;
mod set;
mod setup;
mod status;
mod taking_up;
#[cfg(feature = "web")]
mod web;

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::api::RunInventory;
use crate::error::{CommandError, ErrorKind};
use crate::fleet::Fleet;
use crate::inventory::Notices;
use crate::report::{Mode, Progress, Screen, Typed};
use crate::system::Interrupt;

/// Makes the programs under supervisord match an inventory: planned, applied as one transaction,
/// verified, rolled back if it fails.
#[derive(Debug, Parser)]
#[command(name = "supervisor-sync", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    shared: GlobalArguments,
}

/// The command line as clap has it, for what reads it besides: manuals, completions and tests.
pub fn command() -> clap::Command {
    help::with_examples(Cli::command())
}

/// Verbs that read no inventory.
const WITHOUT_INVENTORY: [&str; 12] = [
    "explain",
    "scaffold",
    "metrics",
    "playbook",
    "pull",
    "hold",
    "resume",
    "integrate",
    "agent",
    "completions",
    "man",
    "schema",
];

/// Whether a verb takes a flag, with its dashes.
fn takes(verb: &str, flag: &str) -> bool {
    let command = command();
    let Some(verb) = command.find_subcommand(verb) else { return false };
    let of_all = flag == "--inventory" && !WITHOUT_INVENTORY.contains(&verb.get_name());
    let long = flag.strip_prefix("--");
    of_all || verb.get_arguments().any(|argument| argument.get_long() == long)
}

/// The headings of arguments that several verbs take.
const GLOBAL: &str = "Global options";
const SELECTION: &str = "Selection";

/// What every verb takes.
#[derive(Debug, Args)]
struct GlobalArguments {
    /// The inventory, `-` for stdin [default: $SUPERVISOR_SYNC_INVENTORY, else deployer.yml here or above]
    #[arg(long, short, global = true, value_name = "FILE", help_heading = GLOBAL)]
    inventory: Option<PathBuf>,
    /// Whether text has colours ($NO_COLOR, $FORCE_COLOR and $CLICOLOR_FORCE say so, too)
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = GLOBAL
    )]
    color: clap::ColorChoice,
    /// Print JSON, one document a line
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// Print no progress, and nothing of a change that succeeds
    #[arg(long, short, global = true, help_heading = GLOBAL, conflicts_with = "verbose")]
    quiet: bool,
    /// Print each step, also those that only say what comes
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check the inventory alone: every problem, and what hurts; no host touched
    #[command(alias = "validate")]
    Check(check::CheckArguments),
    /// Explain a check that warns, or list them all
    Explain(explain::ExplainArguments),
    /// Show what an apply would do, host by host
    #[command(alias = "diff")]
    Plan(plan::PlanArguments),
    /// Make the hosts match the inventory
    Apply(apply::ApplyArguments),
    /// Show what is wanted beside what runs
    #[command(aliases = ["ps", "list"])]
    Status(status::StatusArguments),
    /// Write a first inventory that works, for what is in this folder
    Init(init::InitArguments),
    /// Write a worker script to begin with, or list the kinds there are
    Scaffold(scaffold::ScaffoldArguments),
    /// Add a program to the inventory, and apply it
    Add(add::AddArguments),
    /// Remove a program from the inventory and from its servers
    Remove(remove::RemoveArguments),
    /// Change keys of a program in the inventory, and apply them
    Set(set::SetArguments),
    /// Change how many processes a program has, in the inventory and on its servers
    Scale(scale::ScaleArguments),
    /// Start programs that do not run, and watch them
    Start(control::StartArguments),
    /// Stop programs; an apply leaves them stopped
    Stop(control::StopArguments),
    /// Show the ends of the programs' logs, and follow them
    #[command(alias = "tail")]
    Logs(logs::LogsArguments),
    /// Print this machine's metrics for Prometheus, from what was applied here; no inventory is read
    Metrics(metrics::MetricsArguments),
    /// Show the fleet in a browser until Ctrl-C; what may be done there is said by --allow
    #[cfg(feature = "web")]
    Web(web::WebArguments),
    /// Show the runs, newest first, and what became of each site
    History(history::HistoryArguments),
    /// Take back a run on every site and host it changed, or a site to a former revision
    Rollback(rollback::RollbackArguments),
    /// Give a site's files back to whoever had them, and forget the site; its programs run on
    Release(release::ReleaseArguments),
    /// Restart programs, each process exactly once
    Restart(restart::RestartArguments),
    /// Install and start what a server needs, and say what is left to a person
    Setup(setup::SetupArguments),
    /// Bring what a server's supervisord runs into the inventory, without a restart
    Import(import::ImportArguments),
    /// Run the programs on this machine under a supervisord of their own, until Ctrl-C
    Sandbox(sandbox::SandboxArguments),
    /// Write a site's runner.sh
    Runner(runner::RunnerArguments),
    /// Look whether everything is as wanted, and tell whoever `notify` names when that changes; for a timer
    CheckDrift(status::CheckDriftArguments),
    /// Publish the inventory as a signed bundle, for hosts that pull it
    Publish(publish::PublishArguments),
    /// Take up what was published for this host
    Pull(pull::PullArguments),
    /// Take up nothing on this host until `resume`, and say why
    Hold(hold::HoldArguments),
    /// Take up again what is published
    Resume(hold::ResumeArguments),
    /// Try the commands that the inventory names under `notify`
    Notify(notify::NotifyArguments),
    /// The environment contract of DeployerPHP's supervisor-sync.sh
    Playbook {
        #[command(subcommand)]
        playbook: playbook::PlaybookVerb,
    },
    /// Have another tool's sites synced and restarted by this program
    Integrate {
        #[command(subcommand)]
        tool: integrate::Tool,
    },
    /// The far end of sudo and SSH: one request on stdin, events and a reply on stdout
    #[command(hide = true)]
    Agent,
    /// Print a completion script for a shell
    Completions {
        /// The shell that reads it
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one of each verb
    Man {
        /// Write all of them to this folder
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print the JSON Schema of the inventory, for editors
    Schema,
    /// Print the version, as --version does
    #[command(hide = true)]
    Version,
}

/// Runs the command line of this process and returns the exit status.
pub fn run() -> u8 {
    if completing::has_answered() {
        return 0;
    }
    colour::as_asked();
    let parsed = command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let as_json = matches!(&cli.verb, Verb::Check(arguments) if arguments.is_json());
    let mode = if cli.shared.json || as_json { Mode::Json } else { Mode::Text };
    let progress = match (cli.shared.quiet, cli.shared.verbose) {
        (true, _) => Progress::None,
        (_, true) => Progress::EachStep,
        _ => Progress::Steps,
    };
    let mut screen = Screen::new(mode, Typed::here(takes)).with_progress(progress);
    let ended = verb(cli, &mut screen);
    screen.finish();
    match ended {
        Ok(status) => status,
        Err(error) => {
            screen.error(None, &error);
            error.kind.exit_status()
        }
    }
}

/// Says what is wrong with the command line, or what was asked of it: help, or the version.
fn not_parsed(error: &clap::Error) -> u8 {
    let verb = error.get(ContextKind::InvalidSubcommand);
    if let Some(ContextValue::String(verb)) = verb
        && let Some((why, hint)) = help::elsewhere(verb)
    {
        let message = format!("there is no verb `{verb}`: {why}");
        let error = CommandError::new(ErrorKind::Usage, message).hint(hint);
        Screen::new(Mode::Text, Typed::here(takes)).error(None, &error);
        return error.kind.exit_status();
    }
    let typed = Typed::here(takes);
    if let Some(error) = by_flag::misused(error, &typed) {
        Screen::new(Mode::Text, typed).error(None, &error);
        return error.kind.exit_status();
    }
    let _ = error.print();
    if error.use_stderr() { ErrorKind::Usage.exit_status() } else { 0 }
}

fn verb(cli: Cli, screen: &mut Screen) -> Result<u8, CommandError> {
    let interrupt = Interrupt::listen()
        .map_err(|source| CommandError::refused("cannot take signals").caused_by(&source))?;
    let watcher = screen.watcher();
    let fleet = Fleet { ssh: fleet::ssh_settings(), interrupt, watcher };
    let context =
        Context { shared: cli.shared, fleet, inventory: OnceLock::new(), notices: OnceLock::new() };
    match cli.verb {
        Verb::Check(arguments) => check::run(&context, &arguments, screen),
        Verb::Explain(arguments) => explain::run(&arguments, screen),
        Verb::Plan(arguments) => plan::run(&context, &arguments, screen),
        Verb::Apply(arguments) => apply::run(&context, &arguments, screen),
        Verb::Status(arguments) => status::run(&context, &arguments, screen),
        Verb::Init(arguments) => init::run(&context, &arguments, screen),
        Verb::Scaffold(arguments) => scaffold::run(&arguments, screen),
        Verb::Add(arguments) => add::run(&context, &arguments, screen),
        Verb::Remove(arguments) => remove::run(&context, &arguments, screen),
        Verb::Set(arguments) => set::run(&context, &arguments, screen),
        Verb::Scale(arguments) => scale::run(&context, &arguments, screen),
        Verb::Start(arguments) => control::start(&context, &arguments, screen),
        Verb::Stop(arguments) => control::stop(&context, &arguments, screen),
        Verb::Logs(arguments) => logs::run(&context, &arguments, screen),
        Verb::Metrics(arguments) => metrics::run(&context, &arguments, screen),
        #[cfg(feature = "web")]
        Verb::Web(arguments) => web::run(&context, arguments, screen),
        Verb::History(arguments) => history::run(&context, &arguments, screen),
        Verb::Rollback(arguments) => rollback::run(&context, &arguments, screen),
        Verb::Release(arguments) => release::run(&context, &arguments, screen),
        Verb::Restart(arguments) => restart::run(&context, &arguments, screen),
        Verb::Setup(arguments) => setup::run(&context, &arguments, screen),
        Verb::Import(arguments) => import::run(&context, &arguments, screen),
        Verb::Sandbox(arguments) => sandbox::run(&context, &arguments, screen),
        Verb::Runner(arguments) => runner::run(&context, &arguments, screen),
        Verb::Publish(arguments) => publish::run(&context, &arguments, screen),
        Verb::Pull(arguments) => pull::run(&context, &arguments, screen),
        Verb::Hold(arguments) => hold::hold(&arguments, screen),
        Verb::Resume(arguments) => hold::resume(&arguments, screen),
        Verb::Notify(arguments) => notify::run(&context, &arguments, screen),
        Verb::CheckDrift(arguments) => status::check_drift(&context, arguments, screen),
        Verb::Playbook { playbook } => Ok(playbook::run(&context, playbook)),
        Verb::Integrate { tool } => integrate::run(&tool, screen),
        Verb::Agent => Ok(agent::run(&context)),
        Verb::Completions { shell } => generate::completions(shell, screen),
        Verb::Man { out } => generate::manual(out.as_deref(), screen),
        Verb::Schema => generate::schema(screen),
        Verb::Version => generate::version(screen),
    }
}

/// What every verb works with.
struct Context {
    shared: GlobalArguments,
    fleet: Fleet,
    /// The inventory that was read.
    inventory: OnceLock<RunInventory>,
    /// Who is told what came of it, and its folder.
    notices: OnceLock<(Notices, PathBuf)>,
}
