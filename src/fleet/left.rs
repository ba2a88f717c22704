//! Sites that left the inventory: what hosts say of them, and which of them are removed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::host_work::HostWork;
use crate::api::{InventoryOnHost, Left, LeftSite, Run, RunInventory, Target, Writer};
use crate::error::{CommandError, ErrorKind};
use crate::inventory::{
    Domain, Inventory, Paths, PlacedSite, Selector, Site, no_sites, without_programs,
};

/// Which of the sites that left are removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prune {
    Nothing,
    /// Those that this inventory has applied.
    Own,
    /// These, whoever has applied them.
    Named(BTreeSet<Domain>),
}

impl Prune {
    /// Whether it has this site by its name.
    fn names(&self, domain: &Domain) -> bool {
        matches!(self, Self::Named(named) if named.contains(domain))
    }

    fn has(&self, left: &LeftSite) -> bool {
        match self {
            Self::Nothing => false,
            Self::Own => left.writer == Writer::ThisInventory,
            Self::Named(named) => named.contains(&left.site),
        }
    }
}

/// What is looked for on a host besides the selected sites.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    /// What the host must know of the inventory.
    pub(crate) inventory: InventoryOnHost,
    prune: Prune,
    /// Sites were selected, and nobody asked about the host as a whole.
    only_named: bool,
    /// The whole inventory has no site.
    inventory_is_empty: bool,
    /// Sites without the key `supervisors`, which DeployerPHP drops with the last program: one that
    /// this inventory had applied has none any more. Empty where nobody looks for them.
    without_key: BTreeSet<Domain>,
    emptied: Emptied,
}

/// What becomes of a site that has lost its key `supervisors`. `--prune` removes it in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emptied {
    /// Nobody looks for it.
    Unseen,
    /// It stays, and is told of: nobody is asked.
    Stays,
    /// It is removed, once a person has agreed.
    Goes,
}

impl Emptied {
    fn is_seen(self) -> bool {
        self != Self::Unseen
    }
}

/// What left a host, and the sites that are to be removed, as an apply takes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leavers {
    /// All that has left; `None` if nobody asked.
    pub(crate) left: Option<Left>,
    /// The sites that are to be removed.
    pub(crate) pruned: Vec<Site>,
    /// Those that are in the inventory, without the key `supervisors`; and whether `--prune` has them:
    /// else only a person's yes removes them.
    pub(crate) emptied: BTreeMap<Domain, bool>,
}

/// The selected hosts and programs, and what is to be known of the sites that left, unless sites are
/// selected. A host without a site is among them: it may have had one. `read` is what was read as the
/// inventory.
pub(crate) fn selected_with_leavers(
    inventory: &Inventory,
    read: Option<&RunInventory>,
    selector: &Selector,
    prune: &Prune,
    emptied: Emptied,
) -> Result<Vec<HostWork>, CommandError> {
    let about_sites = selector.is_about_sites();
    if about_sites && *prune == Prune::Own {
        let message = "--prune is about hosts as a whole, and sites or programs are selected";
        return Err(CommandError::new(ErrorKind::Usage, message)
            .hint("name the sites to remove: --prune=DOMAIN"));
    }
    let mut work = HostWork::of(selector.select(inventory)?);
    if about_sites && !matches!(prune, Prune::Named(_)) {
        return Ok(work);
    }
    let left_alone = inventory.left_alone.iter();
    let mut without_key: BTreeSet<Domain> =
        left_alone.filter_map(|domain| Domain::parse(domain).ok()).collect();
    without_key.retain(|domain| prune.names(domain) || emptied.is_seen() && !about_sites);
    let run = Run { inventory: read.cloned(), ..Run::begin("look") };
    let placed = inventory.sites_by_host();
    for work in &mut work {
        let placed = placed.get(&work.host.name).map_or(&[][..], Vec::as_slice);
        work.leaving = Some(Leaving {
            inventory: on_host(inventory, placed, run.clone(), &without_key),
            prune: prune.clone(),
            only_named: about_sites,
            inventory_is_empty: inventory.sites.is_empty() && inventory.left_alone.is_empty(),
            without_key: without_key.clone(),
            emptied,
        });
    }
    Ok(work)
}

/// What a host must know of the inventory, which has these sites on it.
fn on_host(
    inventory: &Inventory,
    placed: &[&PlacedSite],
    run: Run,
    without_key: &BTreeSet<Domain>,
) -> InventoryOnHost {
    let mut domains: BTreeSet<Domain> =
        placed.iter().map(|placed| placed.site.domain.clone()).collect();
    // They are in the inventory, wherever they are.
    domains.extend(inventory.left_alone.iter().filter_map(|domain| Domain::parse(domain).ok()));
    domains.retain(|domain| !without_key.contains(domain));
    let mut instances = vec![inventory.paths.clone()];
    for placed in placed {
        if !instances.contains(&placed.site.paths) {
            instances.push(placed.site.paths.clone());
        }
    }
    InventoryOnHost { run, domains, instances }
}

/// Asks a host what has left it.
pub(crate) fn ask(host: &mut dyn Target, work: &HostWork) -> Result<Leavers, CommandError> {
    let Some(leaving) = &work.leaving else { return Ok(Leavers::default()) };
    let mut left = host.left(&leaving.inventory)?;
    left.sites.retain(|left| leaving.concerns(left));
    let mut pruned: Vec<Site> = Vec::new();
    let mut emptied = BTreeMap::new();
    for left in &left.sites {
        let (is_emptied, prunes) = (leaving.is_emptied(left), leaving.prune.has(left));
        if is_emptied {
            emptied.insert(left.site.clone(), prunes);
        }
        let goes = prunes || is_emptied && leaving.emptied == Emptied::Goes;
        // One that has left two supervisords of a host goes from one after the other.
        if goes && !pruned.iter().any(|site| site.domain == left.site) {
            pruned.push(without_programs(&left.site, &left.paths)?);
        }
    }
    Ok(Leavers { left: Some(left), pruned, emptied })
}

/// Refuses a name of `--prune` that no host has, once each has answered: it is most often mistyped.
pub(crate) fn check_named<'l>(
    work: &[HostWork],
    answers: impl IntoIterator<Item = &'l Leavers>,
) -> Result<(), CommandError> {
    let named = work.iter().find_map(|work| match &work.leaving.as_ref()?.prune {
        Prune::Named(named) => Some(named),
        Prune::Nothing | Prune::Own => None,
    });
    let answers: Vec<&Leavers> = answers.into_iter().collect();
    if answers.len() < work.len() {
        return Ok(());
    }
    let pruned: BTreeSet<&Domain> =
        answers.iter().flat_map(|answer| &answer.pruned).map(|site| &site.domain).collect();
    let unknown = named.into_iter().flatten().find(|name| !pruned.contains(name));
    let Some(name) = unknown else { return Ok(()) };
    if work.iter().filter_map(|work| work.leaving.as_ref()).any(|leaving| leaving.is_in(name)) {
        return Err(CommandError::refused(format!("cannot prune {name}: it is in the inventory"))
            .hint(
                "remove it there first, or write `supervisors: []` to keep it without programs",
            ));
    }
    Err(CommandError::refused(format!("cannot prune {name}: no selected host has a record of it"))
        .hint("see what has left: supervisor-sync plan"))
}

impl Leaving {
    fn is_emptied(&self, left: &LeftSite) -> bool {
        self.without_key.contains(&left.site)
    }

    /// Whether it is among what is told of. What somebody else manages of a site without its key is left
    /// alone, unless it is named.
    fn concerns(&self, left: &LeftSite) -> bool {
        let is_own = left.writer == Writer::ThisInventory;
        self.prune.has(left) || !self.only_named && (is_own || !self.is_emptied(left))
    }

    /// Whether the inventory has the site, with or without the key `supervisors`.
    fn is_in(&self, domain: &Domain) -> bool {
        self.inventory.domains.contains(domain) || self.without_key.contains(domain)
    }
}

impl HostWork {
    /// The supervisords that the inventory knows of, where what left is looked for.
    pub(crate) fn other_instances(&self) -> &[Paths] {
        self.leaving.as_ref().map_or(&[], |leaving| &leaving.inventory.instances)
    }

    /// Whether sites that left are removed.
    pub(crate) fn prunes(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.prune != Prune::Nothing)
    }

    /// Whether sites whose last program went are removed.
    pub(crate) fn may_be_emptied(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| {
            leaving.emptied == Emptied::Goes && !leaving.without_key.is_empty()
        })
    }
}

impl Leavers {
    /// Whether it is to be removed.
    pub(crate) fn is_pruned(&self, left: &LeftSite) -> bool {
        self.pruned.iter().any(|site| site.domain == left.site && site.paths == left.paths)
    }

    /// The sites that are removed, as they left.
    pub(crate) fn pruned_as_left(&self) -> impl Iterator<Item = &LeftSite> {
        let left = self.left.iter().flat_map(|left| &left.sites);
        left.filter(|left| self.is_pruned(left))
    }
}

/// Refuses to take a `--yes` for the removal of everything: an inventory without a site is more
/// often the wrong file, or one that was cut off, than what somebody wants.
pub(crate) fn check_not_all(work: &[HostWork], is_asked: bool) -> Result<(), CommandError> {
    let prunes_all = work
        .iter()
        .filter_map(|work| work.leaving.as_ref())
        .any(|leaving| leaving.inventory_is_empty && leaving.prune == Prune::Own);
    if is_asked || !prunes_all {
        return Ok(());
    }
    let message =
        "the inventory has no site: --yes does not confirm that everything it ever had is removed";
    Err(CommandError::new(ErrorKind::Usage, message)
        .hint("leave out --yes to be asked, or name the sites: --prune=DOMAIN"))
}

/// The same before an apply, for which one that stays is nothing to do.
pub(super) fn check_something_to_apply(
    work: &[HostWork],
    answers: &[&Leavers],
) -> Result<(), CommandError> {
    let nothing = work.iter().all(|work| work.sites.is_empty() && !work.prunes())
        && answers.len() == work.len()
        && answers.iter().all(|answer| answer.pruned.is_empty());
    if nothing { Err(no_sites()) } else { Ok(()) }
}

/// Where no site is on the selected hosts and none has left them, that is an error, as it is for
/// verbs that know nothing of sites that left.
pub(crate) fn check_something(work: &[HostWork], answers: &[&Leavers]) -> Result<(), CommandError> {
    let nothing = work.iter().all(|work| work.sites.is_empty())
        && answers.len() == work.len()
        && answers.iter().flat_map(|answer| &answer.left).all(|left| *left == Left::default());
    if nothing { Err(no_sites()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Reply, Request};
    use crate::event::Event;
    use crate::inventory::read;

    /// A host that answers this, whatever is asked.
    struct Says(Left);

    impl Target for Says {
        fn ask(&mut self, _: Request, _: &mut dyn FnMut(Event)) -> Result<Reply, CommandError> {
            Ok(Reply::Left { left: self.0.clone() })
        }
    }

    fn left(site: &str, writer: Writer) -> LeftSite {
        LeftSite {
            site: Domain::parse(site).unwrap(),
            processes: 4,
            files: 2,
            run: Run::begin("apply"),
            writer,
            paths: Paths::default(),
        }
    }

    fn work(prune: Prune) -> HostWork {
        let text = "servers: [{name: a, host: h}]\nsites: [{domain: in.com, server: a, \
                    supervisors: []}, {domain: alone.com, server: a}, \
                    {domain: dropped.com, server: a}]\n";
        let inventory = read("i", text).unwrap();
        let host = inventory.hosts[0].clone();
        let without_key: BTreeSet<Domain> = [Domain::parse("dropped.com").unwrap()].into();
        let placed: Vec<&PlacedSite> = inventory.sites.iter().collect();
        let inventory = on_host(&inventory, &placed, Run::begin("look"), &without_key);
        let (only_named, inventory_is_empty) = (false, false);
        let emptied = Emptied::Goes;
        let leaving =
            Leaving { inventory, prune, only_named, inventory_is_empty, without_key, emptied };
        HostWork { host, sites: Vec::new(), programs: BTreeMap::new(), leaving: Some(leaving) }
    }

    fn asked(prune: Prune, sites: Vec<LeftSite>) -> Result<Leavers, CommandError> {
        let mut host = Says(Left { sites, unreadable: Vec::new() });
        super::ask(&mut host, &work(prune))
    }

    fn pruned(prune: Prune) -> Vec<String> {
        let all = [
            ("own.com", Writer::ThisInventory),
            ("other.com", Writer::OtherInventory),
            ("playbook.com", Writer::Playbook),
            ("old.com", Writer::Unknown),
        ];
        let sites = all.map(|(site, writer)| left(site, writer)).to_vec();
        asked(prune, sites).unwrap().pruned.iter().map(|site| site.domain.to_string()).collect()
    }

    #[test]
    fn prune_removes_own_or_named_sites() {
        assert!(pruned(Prune::Nothing).is_empty());
        assert_eq!(pruned(Prune::Own), ["own.com"]);
        let named = ["other.com", "old.com"].map(|name| Domain::parse(name).unwrap());
        assert_eq!(pruned(Prune::Named(named.into())), ["other.com", "old.com"]);
    }

    #[test]
    fn wanted_site_cannot_be_pruned() {
        for site in ["in.com", "alone.com"] {
            let answer = asked(Prune::Own, vec![left(site, Writer::ThisInventory)]);
            assert!(answer.is_err(), "{site}");
        }
    }

    /// A site whose key was dropped goes if this inventory had applied it.
    #[test]
    fn dropped_key_removes_own_site() {
        let gone = asked(Prune::Nothing, vec![left("dropped.com", Writer::ThisInventory)]).unwrap();
        assert_eq!(gone.pruned.len(), 1);
        for writer in [Writer::OtherInventory, Writer::Playbook, Writer::Unknown] {
            let stays = asked(Prune::Nothing, vec![left("dropped.com", writer)]).unwrap();
            assert_eq!((stays.pruned.len(), stays.left), (0, Some(Left::default())));
        }
    }

    /// A site that left two supervisords goes from one at a time.
    #[test]
    fn site_leaves_supervisords_one_by_one() {
        let mut second = left("own.com", Writer::ThisInventory);
        second.paths.conf_dir = crate::inventory::AbsolutePath::parse("/other").unwrap();
        let sites = vec![left("own.com", Writer::ThisInventory), second];
        let leavers = asked(Prune::Own, sites).unwrap();
        assert_eq!(leavers.pruned.len(), 1);
        let left = leavers.left.iter().flat_map(|left| &left.sites);
        assert_eq!(left.filter(|left| leavers.is_pruned(left)).count(), 1);
    }

    /// A name that no host has is refused, unless a host did not answer: it may have it.
    #[test]
    fn name_on_no_host_is_refused() {
        let named = [Domain::parse("x.com").unwrap()];
        let prune = Prune::Named(named.clone().into());
        let works = [work(prune.clone()), work(prune)];
        let has = Leavers {
            pruned: vec![without_programs(&named[0], &Paths::default()).unwrap()],
            ..Leavers::default()
        };
        let has_not = Leavers::default();
        assert_eq!(check_named(&works, [&has, &has_not]), Ok(()));
        assert_eq!(check_named(&works, [&has_not]), Ok(()));
        assert!(check_named(&works, [&has_not, &has_not]).is_err());
    }
}
