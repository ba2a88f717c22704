//! What the programs of a site need to run: folders, users, scripts, commands and runner.sh.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ActualSite, MissingCode, Shared};
use crate::desired::DesiredSite;
use crate::error::CommandError;
use crate::inventory::{Program, Programs, Run, Site, UserName, config_file};
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
        self.look_for_log_folders(actual)?;
        self.look_for_users(actual)?;
        self.look_for_code(actual);
        Ok(())
    }

    fn meant(&self) -> impl Iterator<Item = &Program> {
        self.site.programs.iter().filter(|program| self.programs.have(program.goes_by()))
    }

    /// supervisord refuses every file for a log whose folder is missing.
    fn look_for_log_folders(&self, actual: &mut ActualSite) -> Result<(), CommandError> {
        let site = self.site;
        let own = self
            .meant()
            .filter(|program| program.logs.path.is_some() || program.logs.stderr.is_some());
        let own = own.filter_map(|program| {
            Some(site.all_log_files(program, &site.full_name(program).ok()?))
        });
        let by_hand = config_file::groups(&site.configs).into_iter().flat_map(|group| {
            let logs = group.members.iter().flat_map(|member| member.log_files(&group.name));
            logs.collect::<Vec<_>>()
        });
        let own = own.flatten().chain(by_hand);
        let own = own.filter_map(|log| Some(log.parent()?.to_owned()));
        let folders = std::iter::once(site.paths.log_dir.as_path().to_owned()).chain(own);
        for log_folder in folders {
            // Its missing parents too: what an apply makes, an undo removes.
            let mut missing = Vec::new();
            for folder in log_folder.ancestors() {
                let is_there = self.shared.is_folder(self.files, folder);
                if is_there.map_err(|error| cannot_read(folder, &error))? {
                    break;
                }
                missing.insert(0, folder.to_owned());
            }
            missing.retain(|folder| !actual.missing_log_folders.contains(folder));
            actual.missing_log_folders.extend(missing);
        }
        Ok(())
    }

    fn look_for_users(&self, actual: &mut ActualSite) -> Result<(), CommandError> {
        let mut wanted_by: BTreeMap<UserName, Vec<String>> = BTreeMap::new();
        for program in self.meant() {
            let Some(user) = self.site.user_of(program) else { continue };
            wanted_by.entry(user).or_default().push(program.name.to_string());
        }
        for (user, programs) in wanted_by {
            let known = self.shared.is_user(&user).map_err(|error| {
                CommandError::refused(format!("cannot look up user {user}")).caused_by(&error)
            })?;
            if !known {
                actual.missing_users.insert(user, programs);
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
                    need(format!("{current}/{}", script.in_release()), false);
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
