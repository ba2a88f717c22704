//! What is left to a person once a site was given back.

use super::Screen;
use crate::inventory::Domain;

/// Tells that the inventory still has the site.
pub(crate) fn show_released(site: &Domain, screen: &mut Screen) {
    screen.complain(&format!(
        "note: take {site} out of the inventory, or the next apply takes its files over again"
    ));
}
