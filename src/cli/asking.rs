//! What an edit of the inventory still has to be told: asked on a terminal, with the command that says it
//! all at once.

use super::Context;
use super::edit::refused;
use crate::error::{CommandError, ErrorKind};
use crate::inventory::edit::{Assignment, ProgramNames, SiteNames, names};
use crate::inventory::{Beside, Loaded, SCRIPT_FOLDER};
use crate::report::{Screen, shown};
use crate::system::shell;

/// Asks for what the command line leaves out.
pub(super) struct Asking<'a> {
    context: &'a Context,
    screen: &'a mut Screen,
    /// How the command is to be typed, for who cannot be asked.
    usage: &'static str,
    /// The sites with their programs.
    sites: Vec<SiteNames>,
    /// The command so far, and whether anything of it was asked for.
    said: Vec<String>,
    was_asked: bool,
}

impl<'a> Asking<'a> {
    /// For a verb that is typed like `usage`.
    pub(super) fn new(
        context: &'a Context,
        loaded: &Loaded,
        usage: &'static str,
        screen: &'a mut Screen,
    ) -> Result<Self, CommandError> {
        let (name, text, folder) = (loaded.name(), &loaded.text, loaded.folder());
        let sites = names(&name, text, &folder).map_err(|error| refused(error, screen))?;
        let verb = usage.split(' ').next().unwrap_or_default();
        let said = vec!["supervisor-sync".to_owned(), verb.to_owned()];
        Ok(Self { context, screen, usage, sites, said, was_asked: false })
    }

    /// What was typed, with a name of a program as it is printed (or short, where no other site has it) in
    /// place of its site and program.
    pub(super) fn in_full(&self, typed: &[&String]) -> Result<Vec<String>, CommandError> {
        let typed: Vec<String> = typed.iter().map(|word| (*word).clone()).collect();
        let Some((first, rest)) = typed.split_first() else { return Ok(typed) };
        if self.sites.iter().any(|site| site.domain == *first) {
            return Ok(typed);
        }
        let by = |name: fn(&ProgramNames) -> &String| -> Vec<(&SiteNames, &ProgramNames)> {
            let all = self
                .sites
                .iter()
                .flat_map(|site| site.programs.iter().map(move |program| (site, program)));
            all.filter(|(_, program)| name(program) == first).collect()
        };
        let mut found = by(|program| &program.full);
        if found.is_empty() {
            found = by(|program| &program.short);
        }
        match found[..] {
            [] => Ok(typed),
            [(site, program)] => {
                let named = [site.domain.clone(), program.short.clone()];
                Ok(named.into_iter().chain(rest.iter().cloned()).collect())
            }
            [..] => {
                let full: Vec<&str> = found.iter().map(|(_, one)| one.full.as_str()).collect();
                let message = format!("`{first}` is a program of {} sites", full.len());
                Err(CommandError::refused(message).hint(format!("name one: {}", full.join(", "))))
            }
        }
    }

    /// The site; the only one need not be asked for.
    pub(super) fn site(&mut self, given: Option<&String>) -> Result<String, CommandError> {
        let sites: Vec<String> = self.sites.iter().map(|site| site.domain.clone()).collect();
        let site = match (given, &sites[..]) {
            (Some(given), _) => given.clone(),
            (None, [only]) if self.screen.can_ask() => only.clone(),
            (None, _) => self.ask("site", &sites, None)?,
        };
        self.was_asked |= given.is_none();
        Ok(self.say(site))
    }

    /// A program of the site.
    pub(super) fn program(
        &mut self,
        site: &str,
        given: Option<&String>,
    ) -> Result<String, CommandError> {
        let site = self.sites.iter().find(|known| known.domain == site);
        let programs = site.into_iter().flat_map(|site| &site.programs);
        let programs: Vec<String> = programs.map(|program| program.short.clone()).collect();
        self.word("program", &programs, None, given)
    }

    /// Something else, which may be one of `choices`.
    pub(super) fn word(
        &mut self,
        what: &str,
        choices: &[String],
        others: Option<&str>,
        given: Option<&String>,
    ) -> Result<String, CommandError> {
        let word = match given {
            Some(given) => given.clone(),
            None => self.ask(what, choices, others)?,
        };
        Ok(self.say(word))
    }

    /// Whether it is run as a script or as a command, and which.
    pub(super) fn script_or_command(
        &mut self,
        loaded: &Loaded,
    ) -> Result<(&'static str, String), CommandError> {
        let scripts = scripts_beside(loaded);
        let answer = self.ask("script or command line", &scripts, Some("a command line"))?;
        let is_script =
            scripts.contains(&answer) || (answer.ends_with(".sh") && !answer.contains(['/', ' ']));
        let key = if is_script { "script" } else { "command" };
        self.say(format!("--{key}"));
        Ok((key, self.say(answer)))
    }

    fn ask(
        &mut self,
        what: &str,
        choices: &[String],
        others: Option<&str>,
    ) -> Result<String, CommandError> {
        self.was_asked = true;
        let interrupt = &self.context.fleet.interrupt;
        self.screen.choose(what, choices, others, self.usage, interrupt)
    }

    /// One word more of the command.
    pub(super) fn say(&mut self, word: String) -> String {
        self.said.push(word.clone());
        word
    }

    /// Says how to type it without questions, if there were any.
    pub(super) fn end(self) {
        if self.was_asked {
            let words = self.said.iter().map(|word| shell::word(&shown(word)));
            let command = words.collect::<Vec<_>>().join(" ");
            self.screen.complain(&format!("Without questions: {command}"));
        }
    }
}

/// The worker scripts of the repository that the inventory is in; DeployerPHP keeps one beside them.
fn scripts_beside(loaded: &Loaded) -> Vec<String> {
    let folder = loaded.folder();
    let found = [SCRIPT_FOLDER, "supervisors"].map(|of| folder.matching(&format!("{of}/*")));
    let paths = found.into_iter().flatten().flatten();
    paths.filter_map(|path| Some(path.rsplit_once('/')?.1.to_owned())).collect()
}

/// What is typed as `KEY=VALUE`.
pub(super) fn assignments(given: &[String]) -> Result<Vec<Assignment>, CommandError> {
    let parsed = given.iter().map(|text| Assignment::parse(text));
    parsed.collect::<Result<_, _>>().map_err(wrong)
}

/// A wrong `KEY=VALUE`.
pub(super) fn wrong(reason: String) -> CommandError {
    CommandError::new(ErrorKind::Usage, reason)
}
