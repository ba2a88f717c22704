//! What an edit changes, as lines that can be shown: secrets are masked, and a line in which only a secret
//! changes still shows that it does.

use similar::{ChangeTag, TextDiff};

use crate::inventory::file;
use crate::inventory::resolve::all_keys;
use crate::inventory::source::Source;

/// How many lines around a change are shown.
const CONTEXT: usize = 3;

/// What a line of a diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Where the next lines are.
    Place,
    /// On both sides.
    Same,
    Removed,
    Added,
}

/// The unified diff of two texts of an inventory, line by line.
pub(crate) fn diff(before: &str, after: &str) -> Vec<(Sign, String)> {
    let (old, new) = (masked_lines(before), masked_lines(after));
    let lines = TextDiff::from_lines(before, after);
    let mut diff = Vec::new();
    for group in lines.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (from, to) = (first.old_range(), first.new_range());
        diff.push((
            Sign::Place,
            format!(
                "@@ -{},{} +{},{} @@",
                from.start + 1,
                last.old_range().end - from.start,
                to.start + 1,
                last.new_range().end - to.start,
            ),
        ));
        for change in group.iter().flat_map(|op| lines.iter_changes(op)) {
            let (sign, mark, side, index) = match change.tag() {
                ChangeTag::Equal => (Sign::Same, ' ', &new, change.new_index()),
                ChangeTag::Delete => (Sign::Removed, '-', &old, change.old_index()),
                ChangeTag::Insert => (Sign::Added, '+', &new, change.new_index()),
            };
            let line = index.and_then(|index| side.get(index)).map(String::as_str);
            diff.push((sign, format!("{mark}{}", line.unwrap_or_default())));
        }
    }
    diff
}

pub(super) fn masked_lines(text: &str) -> Vec<String> {
    let mut source = Source::new("", text, all_keys());
    if let Ok(root) = file::parse(text) {
        source.hide_secrets(&root);
    }
    source.masked_lines()
}
