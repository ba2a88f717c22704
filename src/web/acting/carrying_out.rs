//! Does what was confirmed: what was shown, and nothing else.

use super::super::Web;
use super::super::visitor::Visitor;
use super::planning::{Ready, Screens, fleet, ready, show_edit};
use super::proposal::{Fingerprints, Proposal};
use super::told::Told;
use crate::error::CommandError;
use crate::fleet::{self, Order, Reviewed};
use crate::front::{After, Around, InventoryFile, commands_folder};
use crate::notify::Commands;
use crate::report::{Applying, AuditEvent, warn_unsent};

/// Does it on each host, and asks them how they are then.
pub(super) fn carry_out(
    web: &Web,
    proposal: &Proposal,
    order: Order,
    shown: Fingerprints,
    visitor: &Visitor,
) {
    let mut screens = Screens::of(&proposal.told, &web.proposals.tools);
    let run = order.run.id;
    let hosts: Vec<String> = shown.keys().cloned().collect();
    let status = match done(web, proposal, order, shown, visitor, &mut screens) {
        Ok(status) => status,
        Err(error) => {
            screens.error(&error);
            error.kind.exit_status()
        }
    };
    hosts.iter().for_each(|host| web.turns.now(host));
    let outcome = match status {
        0 => "done".to_owned(),
        status => format!("failed, with exit status {status}"),
    };
    // It is over: all that can be done is to say so.
    if let Err(error) = web.audit.record(visitor, AuditEvent::Ended { run, outcome }) {
        screens.error(&error);
    }
    proposal.ended(status);
}

fn done(
    web: &Web,
    proposal: &Proposal,
    order: Order,
    shown: Fingerprints,
    visitor: &Visitor,
    screens: &mut Screens,
) -> Result<u8, CommandError> {
    // The inventory may have changed since the plan was shown: then the plan of it is another one, too.
    let Ready { mut work, loaded, inventory, edited } = ready(web, proposal, visitor, screens)?;
    let reviewed = Reviewed {
        place: "on this page".to_owned(),
        hint: "have the plan made again".to_owned(),
        hosts: shown,
    };
    // Of a host that is not among them no plan was shown, or there was nothing to do.
    reviewed.choose(&mut work)?;
    let mut order = Order { reviewed: Some(reviewed), ..order };
    proposal.hosts(work.iter().map(|work| work.name().to_owned()));
    let after_edit = edited.as_deref().unwrap_or(&loaded.text);
    let mut file = InventoryFile::new(&loaded, after_edit);
    if let Some(commit) = &mut order.run.commit {
        commit.dirty |= file.differs();
    }
    let (order, folder) = (&order, commands_folder(&loaded));
    let inventory_path = order.run.inventory.as_ref().map_or("", |named| named.path.as_str());
    let interrupt = &proposal.interrupt;
    let commands = Commands { notices: &inventory.notices, folder: &folder, interrupt };
    let around = Around { commands, inventory: inventory_path };
    let mut before = || around.before(order).and_then(|()| file.write());
    let Screens { text, documents } = screens;
    let mut told = Told {
        text: Applying::new(&work, order, interrupt, text),
        documents: Applying::new(&work, order, interrupt, documents),
        proposal,
        before: &mut before,
    };
    let ends = fleet::run(&fleet(&web.proposals.tools, proposal), &work, order, &mut told)?;
    told.text.summarise();
    told.documents.summarise();
    let After { status, hook, sent } = around.after(order, ends);
    warn_unsent(&sent, &mut screens.text);
    hook.iter().for_each(|error| screens.error(error));
    let status = status?;
    file.settle(status)?;
    if let Some(after) = &edited {
        show_edit(&loaded, after, &proposal.asked, screens, |view, screen| {
            view.show_outcome(file.outcome, screen);
        });
    }
    Ok(status)
}
