//! Plays a case on a host: does each operation, has what came of it judged, and learns from it.

use std::collections::BTreeMap;

use supervisor_sync::api::Writer;
use supervisor_sync::supervisord::ProcessInfo;

use super::case::{Case, Command, End, Hand, How, Kind, Op, Touch, Verb};
use super::judge::Judge;
use super::reference::{
    Expect, Reference, STRANGERS, is_staged, is_strangers, is_strangers_group, is_up, nth,
    program_named, program_of, seen, site_named,
};
use super::world::{Asked, Done, Ended, Files, Programs, World, left};

/// A host at one moment.
#[derive(Clone)]
pub(crate) struct Look {
    pub(crate) files: Files,
    pub(crate) processes: Vec<ProcessInfo>,
    pub(crate) loaded: BTreeMap<String, Option<String>>,
}

/// A host, and what is known of it.
pub(crate) struct Play<W> {
    pub(crate) world: W,
    pub(crate) reference: Reference,
}

impl<W: World> Play<W> {
    /// The inventory of two sites is applied, the other one is not yet.
    pub(crate) fn begin(world: W) -> Result<Self, String> {
        for (path, text) in STRANGERS {
            world.write(path, text);
        }
        let mut play = Self { world, reference: Reference::new() };
        play.world.boot();
        play.world.settle();
        play.run(&PLAIN_APPLY)?;
        Ok(play)
    }

    pub(crate) fn case(&mut self, case: &Case) -> Result<(), String> {
        for (number, op) in case.0.iter().enumerate() {
            self.step(op).map_err(|what| format!("operation {}, {op:?}: {what}", number + 1))?;
        }
        self.finish().map_err(|what| format!("at the end: {what}"))
    }

    fn step(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Edit { site, program, spec } => {
                self.reference.edit(site_named(site), program_named(program), spec);
            }
            Op::Leave { site } => self.reference.leave_or_come_back(site_named(site)),
            Op::Move { site } => self.reference.move_to_other(site_named(site)),
            Op::Run(command) => return self.run(&command),
            Op::Touch { file, how } => self.touch(file, how),
            Op::Process { process, how } => self.by_hand(process, how),
            Op::Boot => self.boot(),
        }
        Ok(())
    }

    /// Whatever the case has left, a full apply of each inventory puts right, and `--prune` removes what
    /// has left it.
    fn finish(&mut self) -> Result<(), String> {
        for inventory in &mut self.reference.inventories {
            for spec in inventory.values_mut().flat_map(BTreeMap::values_mut) {
                if !spec.is_good() {
                    spec.kind = Kind::Runs;
                }
            }
        }
        for verb in [Verb::Apply(How::Plain), Verb::Prune] {
            for inventory in 0..2 {
                self.run(&Command { inventory, verb, ..PLAIN_APPLY })?;
            }
        }
        Ok(())
    }

    fn touch(&mut self, file: u8, how: Touch) {
        let files = self.world.files();
        let ours: Vec<&String> =
            files.keys().filter(|path| self.reference.owner_of_file.contains_key(*path)).collect();
        let Some(path) = nth(&ours, file) else { return };
        let owner = &self.reference.owner_of_file[*path];
        let site = self.reference.sites.get_mut(owner).unwrap();
        site.touched = true;
        if !site.is_finished() && !site.recorded().contains_key(*path) {
            self.reference.persons.insert((*path).clone());
        }
        let (_, text) = files[*path].split_once(' ').unwrap();
        match how {
            Touch::Comment => self.world.write(path, &format!("{text}; edited\n")),
            Touch::Option => {
                let edited = text.replace("stopwaitsecs=10", "stopwaitsecs=11");
                self.world.write(path, &edited.replace("daily", "weekly"));
            }
            Touch::Remove => self.world.remove(path),
        }
    }

    fn by_hand(&mut self, process: u8, how: Hand) {
        let ours: Vec<ProcessInfo> = self.world.processes();
        let ours: Vec<&ProcessInfo> = ours
            .iter()
            .filter(|one| self.reference.owner_of_group.contains_key(&one.group))
            .collect();
        let Some(process) = nth(&ours, process) else { return };
        self.world.by_hand(&process.namespec(), how);
        self.world.settle();
        let site = self.reference.owner_of_group[&process.group].clone();
        let processes = self.world.processes();
        if self.reference.sites[&site].is_finished() {
            self.reference.learn_processes(&site, &processes);
        } else if how != Hand::Kill {
            // What a person has stopped cannot be told from what the killed verb has.
            self.reference.expected.insert(process.namespec(), Expect::Unknown);
        }
    }

    fn boot(&mut self) {
        self.world.boot();
        self.world.settle();
        let processes = self.world.processes();
        self.reference.learn_owners(&self.world.files(), &processes, &Done::default());
        let sites: Vec<String> = self.reference.sites.keys().cloned().collect();
        for site in sites {
            self.reference.learn_processes(&site, &processes);
            if !self.reference.sites[&site].is_finished() {
                // What it ran before is for the next apply to tell.
                let of_site =
                    processes.iter().filter(|one| self.reference.is_of(&site, &one.group));
                let unsure: Vec<String> =
                    of_site.filter(|one| !is_up(one)).map(ProcessInfo::namespec).collect();
                for namespec in unsure {
                    self.reference.expected.insert(namespec, Expect::Unknown);
                }
            }
        }
    }

    pub(crate) fn look(&self) -> Look {
        let processes = self.world.processes();
        let groups = processes.iter().map(|one| one.group.clone());
        Look {
            files: self.world.files(),
            loaded: groups.map(|group| (group.clone(), self.world.loaded(&group))).collect(),
            processes,
        }
    }

    /// Runs a verb, unless there is nothing that it could be asked for.
    fn run(&mut self, command: &Command) -> Result<(), String> {
        let Some(asked) = self.asked(command) else { return Ok(()) };
        self.reference.runs += 1;
        let before = self.look();
        let left = left(&self.world, asked.inventory, &asked.content);
        let mut targets = asked.sites.clone();
        if asked.verb == Verb::Prune {
            let own = left.iter().filter(|one| one.writer == Writer::ThisInventory);
            targets.extend(own.map(|one| one.site.to_string()));
        }
        let done = self.world.run(&asked);
        match asked.end {
            // The next operation comes while processes still start and stop.
            End::Kill(at) if done.killed && at % 2 == 1 => self.world.turn(),
            _ => self.world.settle(),
        }
        let after = self.look();
        let judge = Judge { play: self, asked: &asked, targets: &targets, before, after, done };
        let told = || format!("\n  {:?}\n  inventory {:?}", judge.done.ends, asked.content);
        judge.left(&left).and_then(|()| judge.all()).map_err(|what| what + &told())?;
        let Judge { before, after, done, .. } = judge;
        self.learn(&asked, &targets, &before, &after, &done);
        self.check_after(&asked, &targets, &done)
    }

    fn asked(&self, command: &Command) -> Option<Asked> {
        let inventory = usize::from(command.inventory) % 2;
        let content = self.reference.inventories[inventory].clone();
        let all: Vec<String> = content.keys().cloned().collect();
        let mut site = command.site;
        let mut program = command.program.map(program_named);
        match command.verb {
            Verb::Prune => (site, program) = (None, None),
            Verb::Rollback => program = None,
            Verb::RollbackTo(_) => (site, program) = (site.or(Some(0)), None),
            _ => {}
        }
        let mut sites = match site {
            Some(site) => vec![nth(&all, site)?.clone()],
            None => all,
        };
        if let Some(program) = program {
            sites.retain(|site| content[site].contains_key(program));
        }
        // An inventory without any site prunes nothing without being asked.
        let is_any = !sites.is_empty() || command.verb == Verb::Prune && !content.is_empty();
        is_any.then(|| Asked {
            inventory,
            content,
            verb: command.verb,
            sites,
            program: program.map(str::to_owned),
            end: command.end,
        })
    }

    /// What the verb has recorded, what it may have left, and whose is what now.
    fn learn(
        &mut self,
        asked: &Asked,
        targets: &[String],
        before: &Look,
        after: &Look,
        done: &Done,
    ) {
        for site in targets {
            let files = self.reference.files_of(site, &before.files);
            let ended = done.ends.get(site);
            let state = self.reference.sites.get_mut(site).unwrap();
            let is_success = ended.is_some_and(Ended::is_success);
            let is_nothing = matches!(ended, Some(Ended::Refused(_)));
            let is_left = done.killed || ended.is_some() && !is_success && !is_nothing;
            let records = !matches!(asked.verb, Verb::Start | Verb::Stop | Verb::Restart { .. });
            // What was put back is as it was, but for what was unfinished before.
            let is_put_back = matches!(ended, Some(Ended::RolledBack(_))) && state.is_finished();
            if is_left && !is_put_back && !matches!(asked.verb, Verb::Start | Verb::Stop) {
                state.former.push(files);
                state.restarting |=
                    matches!(asked.verb, Verb::Restart { .. } | Verb::Apply(How::Restart));
            }
            state.was_stopped |= asked.verb == Verb::Stop && !state.is_finished();
            let wanted = asked.content.get(site).cloned().unwrap_or_default();
            let is_bad = wanted.values().any(|spec| !spec.is_good());
            state.is_bad |= is_bad;
            state.was_bad |= is_bad;
            if is_success && records && asked.program.is_none() {
                state.former.clear();
                state.restarting = false;
                state.was_stopped = false;
                state.touched = false;
                if !matches!(asked.verb, Verb::Rollback | Verb::RollbackTo(_)) {
                    state.is_bad = is_bad;
                }
            }
        }
        self.reference.learn_owners(&after.files, &after.processes, done);
        self.learn_revisions(asked, after);
        self.reference.forget_owners(&after.files);
        for site in targets {
            self.learn_expected(site, asked, done, before, after);
        }
    }

    fn learn_revisions(&mut self, asked: &Asked, after: &Look) {
        let state = self.world.state();
        let sites: Vec<String> = self.reference.sites.keys().cloned().collect();
        for site in sites {
            let domain = super::world::domain(&site);
            let numbers =
                state.revision_numbers(&supervisor_sync::system::Disk, &domain).unwrap_or_default();
            let known = &self.reference.sites[&site].revisions;
            let new: Vec<u64> = numbers.into_iter().filter(|n| !known.contains_key(n)).collect();
            for number in new {
                let mut files = self.reference.files_of(&site, &after.files);
                if let Some(program) = &asked.program {
                    // Of the other programs it records what it has recorded before.
                    let is_selected =
                        |path: &String| path.ends_with(&format!("{site}-{program}.conf"));
                    files.retain(|path, _| is_selected(path));
                    let mut rest = self.reference.sites[&site].recorded();
                    rest.retain(|path, _| !is_selected(path));
                    files.extend(rest);
                }
                let run = self.reference.runs;
                let state = self.reference.sites.get_mut(&site).unwrap();
                let is_change = state.revisions.is_empty() || state.recorded() != files;
                let taken_back = state.in_effect.len() >= 2 && asked.verb == Verb::Rollback;
                if taken_back {
                    state.in_effect.pop();
                } else if is_change {
                    state.in_effect.push((run, files.clone()));
                }
                state.revisions.insert(number, files);
                state.writer = Some(asked.inventory);
            }
        }
    }

    fn learn_expected(
        &mut self,
        site: &str,
        asked: &Asked,
        done: &Done,
        before: &Look,
        after: &Look,
    ) {
        if self.reference.sites[site].is_finished() && !done.killed {
            return self.reference.learn_processes(site, &after.processes);
        }
        let is_success = done.ends.get(site).is_some_and(Ended::is_success);
        let of_site = after.processes.iter().filter(|one| self.reference.is_of(site, &one.group));
        let selected = of_site.filter(|one| {
            asked.program.as_ref().is_none_or(|name| program_of(site, &one.group) == name)
        });
        let mut learnt = Vec::new();
        for process in selected {
            let namespec = process.namespec();
            let was_up =
                before.processes.iter().any(|one| one.namespec() == namespec && is_up(one));
            let now = match asked.verb {
                // It is noted, so that whatever was left is finished without it.
                Verb::Stop if is_success && !was_up => Expect::Unknown,
                _ if is_success => seen(process),
                Verb::Stop | Verb::Start => Expect::Unknown,
                Verb::Apply(How::StartStopped) | Verb::Restart { start_stopped: true, .. } => {
                    match self.reference.expected.get(&namespec) {
                        Some(Expect::Up) => Expect::Up,
                        _ => Expect::Unknown,
                    }
                }
                _ => continue,
            };
            learnt.push((namespec, now));
        }
        self.reference.expected.extend(learnt);
        // One that has gone meanwhile comes back as a new one, or as it was.
        for (namespec, expect) in &mut self.reference.expected {
            let is_there = after.processes.iter().any(|one| one.namespec() == *namespec);
            if !is_there && *expect != Expect::Up {
                *expect = Expect::Unknown;
            }
        }
    }

    /// After a success, the same again has nothing to do.
    fn check_after(
        &mut self,
        asked: &Asked,
        targets: &[String],
        done: &Done,
    ) -> Result<(), String> {
        let verb = match asked.verb {
            Verb::Apply(How::NoRestart) => asked.verb,
            Verb::Apply(_) => Verb::Apply(How::Plain),
            Verb::Prune => Verb::Prune,
            _ => return Ok(()),
        };
        let is_success = |site: &String| done.ends.get(site).is_some_and(Ended::is_success);
        let is_bad = |site: &String| self.reference.sites[site].is_bad;
        if done.killed || !targets.iter().all(|site| is_success(site) && !is_bad(site)) {
            return Ok(());
        }
        let (inventory, content) = (asked.inventory, asked.content.clone());
        let (sites, program) = (asked.sites.clone(), asked.program.clone());
        let again = Asked { inventory, content, verb, sites, program, end: End::Itself };
        let before = self.look();
        let done = self.world.run(&again);
        let after = self.look();
        let pids = |look: &Look| -> Vec<(String, i64)> {
            look.processes.iter().map(|one| (one.namespec(), one.pid)).collect()
        };
        let is_idle = done.ends.values().all(|end| *end == Ended::Unchanged) && done.writes == 0;
        if !is_idle || before.files != after.files || pids(&before) != pids(&after) {
            return Err(format!("a second one does something: {done:?}"));
        }
        Ok(())
    }

    /// The programs that an inventory has of a site.
    pub(crate) fn wanted<'a>(&self, asked: &'a Asked, site: &str) -> Option<&'a Programs> {
        asked.content.get(site)
    }
}

const PLAIN_APPLY: Command = Command {
    inventory: 0,
    verb: Verb::Apply(How::Plain),
    site: None,
    program: None,
    end: End::Itself,
};

/// What is neither ours nor a staged file.
pub(crate) fn strangers(look: &Look) -> (Files, Vec<(String, i64)>) {
    let mut files = look.files.clone();
    files.retain(|path, _| is_strangers(path) && !is_staged(path));
    let theirs = look.processes.iter().filter(|one| is_strangers_group(&one.group));
    (files, theirs.map(|one| (one.namespec(), one.pid)).collect())
}
