//! The pages of the checks.

use serde::Serialize;

use super::Screen;
use crate::lint::{self, Check, Sample};

/// How wide a page is, in characters.
const WIDTH: usize = 88;

/// What the checks find, and what to do about it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Explained {
    checks: Vec<Explanation>,
}

/// One check.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Explanation {
    /// By which it is silenced and explained.
    name: &'static str,
    /// What it finds, in one line.
    summary: &'static str,
    /// What to do about it, in one line.
    fix: &'static str,
    /// Why it hurts, in Markdown.
    why: &'static str,
    /// What it finds.
    wrong: Sample,
    /// What it does not find.
    right: Sample,
}

impl Explanation {
    fn of(check: &Check) -> Self {
        let Check { name, summary, fix, why, wrong, right, .. } = *check;
        Self { name, summary, fix, why, wrong, right }
    }
}

/// The page of one check.
pub(crate) fn show_page(check: &Check, screen: &mut Screen) {
    screen.document("explanation", None, &Explained { checks: vec![Explanation::of(check)] });
    screen.print(&page(check));
}

/// All checks, a line each.
pub(crate) fn show_checks(screen: &mut Screen) {
    let checks = lint::all().map(Explanation::of).collect();
    screen.document("explanation", None, &Explained { checks });
    let width = lint::NAMES.iter().map(|name| name.len()).max().unwrap_or(0);
    let line = |check: &Check| format!("{:width$}  {}\n", check.name, check.summary);
    screen.print(&lint::all().map(line).collect::<String>());
}

fn page(check: &Check) -> String {
    let Check { name, summary, fix, why, wrong, right, .. } = check;
    let mut text = format!("{name}: {summary}\n\n{}\n", wrapped(why));
    text += &format!("What to do: {fix}\n\n");
    text += &format!("Found:\n\n{}\nInstead:\n\n{}\n", indented(*wrong), indented(*right));
    text += &format!("Where it is wanted:\n\n    lint: {{allow: [{name}]}}\n");
    text
}

/// A sample as it is shown: a script's carriage returns as the characters that stand for them.
fn lines(sample: Sample) -> Vec<String> {
    match sample {
        Sample::Program(text) => vec![format!("- {text}")],
        Sample::Script(text) => {
            let lines = text.trim_end_matches('\n').split('\n');
            lines.map(|line| line.replace('\r', "\\r")).collect()
        }
    }
}

fn indented(sample: Sample) -> String {
    lines(sample).iter().map(|line| format!("    {line}\n")).collect()
}

/// A paragraph in lines that fit.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let more = word.chars().count() + 1;
        if length > 0 && length + more > WIDTH {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
        }
        lines.push_str(word);
        length += more;
    }
    lines + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::published_tests::assert_published;

    /// docs/checks.md. `UPDATE_DOCS=1 cargo test --lib published` writes it anew.
    #[test]
    fn published_pages_are_those_of_the_checks() {
        let mut text = include_str!("checks.md").to_owned();
        text += "| check | finds |\n|---|---|\n";
        for check in lint::all() {
            text += &format!("| [`{0}`](#{0}) | {1} |\n", check.name, check.summary);
        }
        for check in lint::all() {
            let Check { name, summary, fix, why, wrong, right, .. } = check;
            let block = |sample: Sample| {
                let kind = if matches!(sample, Sample::Script(_)) { "sh" } else { "yaml" };
                format!("```{kind}\n{}\n```\n", lines(sample).join("\n"))
            };
            text += &format!("\n## {name}\n\n{summary}.\n\n{}\n", wrapped(why));
            text += &format!("{}\nInstead ({fix}):\n\n{}", block(*wrong), block(*right));
        }
        assert_published("checks.md", &text);
    }

    #[test]
    fn page_is_wrapped() {
        for check in lint::all() {
            assert!(wrapped(check.why).lines().all(|line| line.chars().count() <= WIDTH));
            assert!(page(check).contains(check.name));
        }
    }
}
