//! What is said of a sandbox beside what its programs log.

use super::Screen;
use crate::inventory::Site;

/// Tells what of a site does not run in a sandbox.
pub(crate) fn show_left_out(site: &Site, screen: &mut Screen) {
    for config in &site.configs {
        screen.complain(&format!(
            "note: {} of {} is left out: a config by hand says itself where and as whom it runs",
            config.name, site.domain
        ));
    }
}

/// Tells that its programs are stopped now.
pub(crate) fn show_draining(screen: &mut Screen) {
    screen.complain("Stopping the programs of the sandbox");
}
