//! What the programs of a site need to run: folders, users, scripts, commands and runner.sh.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ActualSite, MissingCode, Shared};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::inventory::{Program, Programs, Run, Site, UserName};
use crate::runner;
use crate::system::files::Files;

/// What the programs that are meant need to run.
pub(super) struct Needs<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) site: &'a Site,
    pub(super) programs: &'a Programs,
    pub(super) shared: &'a Shared,
}

impl Needs<'_> {
    pub(super) fn look_for_them(
        &self,
        desired: &DesiredSite,
        actual: &mut ActualSite,
    ) -> Result<(), CommandError> {
        if desired.groups.is_empty() {
            return Ok(());
        }
        // Its missing parents too: what an apply makes, an undo removes.
        for folder in self.site.paths.log_dir.as_path().ancestors() {
            let is_there = self.shared.is_folder(self.files, folder);
            if is_there.map_err(|error| cannot_read(folder, &error))? {
                break;
            }
            actual.missing_log_folders.insert(0, folder.to_owned());
        }
        self.look_for_users(actual)?;
        self.look_for_code(actual);
        Ok(())
    }

    fn meant(&self) -> impl Iterator<Item = &Program> {
        self.site.programs.iter().filter(|program| self.programs.have(program.name.as_str()))
    }

    fn look_for_users(&self, actual: &mut ActualSite) -> Result<(), CommandError> {
        let mut wanted_by: BTreeMap<&UserName, Vec<String>> = BTreeMap::new();
        for program in self.meant() {
            let user = program.user.as_ref().unwrap_or(&self.site.user);
            wanted_by.entry(user).or_default().push(program.name.to_string());
        }
        for (user, programs) in wanted_by {
            let known = self.shared.is_user(user).map_err(|error| {
                CommandError::refused(format!("cannot look up user {user}")).caused_by(&error)
            })?;
            if !known {
                actual.missing_users.insert(user.clone(), programs);
            }
        }
        Ok(())
    }

    /// runner.sh and the scripts. Commands are looked up by supervisord itself, through its own PATH:
    /// only an absolute one can be looked for here.
    fn look_for_code(&self, actual: &mut ActualSite) {
        let mut needs: BTreeMap<(PathBuf, bool), Vec<String>> = BTreeMap::new();
        for program in self.meant() {
            let mut need = |path: String, executable: bool| {
                let wanted_by = needs.entry((PathBuf::from(path), executable)).or_default();
                wanted_by.push(program.name.to_string());
            };
            match &program.run {
                Run::Script(script) => {
                    need(self.site.runner(), true);
                    // runner.sh makes the script executable by itself.
                    let current = self.site.current();
                    need(format!("{current}/.deployer/supervisors/{script}"), false);
                }
                Run::Command(command) => {
                    let first = command.as_str().split_whitespace().next().unwrap_or_default();
                    if first.starts_with('/') && !first.contains(['\'', '"', '\\']) {
                        need(first.to_owned(), true);
                    }
                }
            }
        }
        if self.meant().any(|program| matches!(program.run, Run::Script(_))) {
            // One that cannot be read is told with what is missing.
            // The folder is the site user's, so it is read as a log is: root follows no link of theirs
            // and waits for no pipe.
            let runner = self.files.tail(Path::new(&self.site.runner()), runner::LARGEST, None);
            actual.runner_without =
                runner_without(&String::from_utf8_lossy(&runner.unwrap_or_default()));
        }
        for ((path, executable), programs) in needs {
            if let Some(problem) = self.files.problem_with_code(&path, executable) {
                actual.missing_code.push(MissingCode { programs, path, problem });
            }
        }
    }
}

/// Of a hand-made runner.sh nobody expects them.
fn runner_without(text: &str) -> Vec<&'static str> {
    let mut wanted = vec!["DEPLOYER_PHP", "DEPLOYER_BRANCH"];
    let is_of_deployment = text.contains("export DEPLOYER_");
    wanted.retain(|name| match runner::exported(text, name) {
        Some(value) => value.is_empty(),
        // One that only a shell could tell is there.
        None => is_of_deployment && !text.contains(&format!("{name}=")),
    });
    wanted
}

pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::refused(format!("cannot read {}", path.display())).caused_by(error)
}
