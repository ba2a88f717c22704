//! `playbook sync`: the site's programs match the array, or nothing has changed.

use super::{
    ApplyEnd, Connect, Failed, Output, Perms, PlaybookEnvironment, ask, messages, warn_of_distro,
};
use crate::api::Target;
use crate::apply::{ApplyOptions, Outcome};
use crate::plan::PlanOptions;
use crate::system::{files, result_file, users};

pub(super) fn run(
    variable: &dyn Fn(&str) -> Option<String>,
    connect: &mut Connect<'_>,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let environment =
        PlaybookEnvironment::read(variable).map_err(|problem| output.fail_for(&problem))?;
    // Nothing is applied and then told as failed, as far as that can be known.
    result_file::check(&environment.output_file)
        .map_err(|source| no_result(&environment, &source, output, None))?;
    warn_of_distro(&environment, output);
    let mut host = connect(environment.perms, environment.deadline)
        .map_err(|error| output.fail(&error.message, &messages::rest_of(&error)))?;
    let result = sync(&environment, host.as_mut(), output)?;
    result_file::write(&environment.output_file, result.as_bytes()).map_err(|source| {
        let done = "everything else is done, only the result is missing";
        no_result(&environment, &source, output, Some(done))
    })?;
    output.tell_warnings();
    Ok(())
}

fn sync(
    environment: &PlaybookEnvironment,
    host: &mut dyn Target,
    output: &mut Output<'_>,
) -> Result<String, Failed> {
    let apply = ApplyOptions { verify: false, rollback: true, record: true };
    let plan = PlanOptions { missing_code_is_a_warning: true, ..PlanOptions::default() };
    let report = match ask(environment, host, output, "playbook sync", (plan, apply)) {
        Ok(ApplyEnd::Ended(report)) => report,
        Ok(ApplyEnd::GoesOn(goes_on)) => {
            let rest = goes_on.tell(environment, output);
            return Ok(result(environment) + &rest);
        }
        Err(words) => return Err(fail(environment, words, output)),
    };
    for warning in &report.plan.warnings {
        output.warn(warning);
    }
    for trouble in &report.troubles {
        output.warn(&messages::trouble(trouble));
    }
    if let Some(words) = messages::failure(&report) {
        return Err(fail(environment, words, output));
    }
    if report.outcome == Outcome::Unchanged {
        messages::remark(&report.plan, output);
    }
    if report.plan.empty {
        output.arrow(&report.plan.summary());
    }
    Ok(result(environment))
}

fn result(environment: &PlaybookEnvironment) -> String {
    let synced = environment.site.programs.len();
    format!("status: success\nsupervisors_synced: {synced}\n")
}

/// The script writes before it asks supervisord anything, so it tells first that it may not.
fn fail(
    environment: &PlaybookEnvironment,
    words: messages::Words,
    output: &mut Output<'_>,
) -> Failed {
    let messages::Words { first_line, mut rest } = words;
    let folder = environment.site.paths.conf_dir.as_path();
    let site = &environment.site;
    let first = site.programs.first().and_then(|program| {
        let full = site.full_name(program).ok()?;
        Some(site.config_file(program, &full))
    });
    let may_not = environment.perms == Perms::None
        && first_line == messages::REREAD_FAILED
        && !files::may_write_in(folder);
    match first {
        Some(path) if may_not => {
            let user = users::current();
            let cause = format!("Cause: user {user} may not write in {}", folder.display());
            rest.insert(0, cause);
            rest.push("Hint: run it as root, or let it use sudo: DEPLOYER_PERMS=sudo".to_owned());
            output.fail(&format!("Failed to write {}", path.display()), &rest)
        }
        _ => output.fail(&first_line, &rest),
    }
}

/// The result cannot be written, in the contract's words.
fn no_result(
    environment: &PlaybookEnvironment,
    source: &std::io::Error,
    output: &mut Output<'_>,
    note: Option<&str>,
) -> Failed {
    let path = environment.output_file.display();
    let mut rest = vec![format!("Cause: {path}: {source}")];
    rest.extend(note.map(|note| format!("Hint: {note}")));
    rest.push(
        "Hint: name a new file, or one of your own: DEPLOYER_OUTPUT_FILE=$(mktemp)".to_owned(),
    );
    output.fail("Failed to write output file", &rest)
}
