//! Plans as Markdown, for a comment on a pull request: what is done in all first, a folded block for hosts of
//! which it is the same, and no more than such a comment may hold.

use super::Screen;
use super::describe::describe_failure;
use super::names::{Folded, named};
use super::plan::HostText;
use super::plan_totals::Totals;
use crate::error::CommandError;
use crate::system::sanitized_lines;

/// How many characters a comment may have: GitHub takes 65,536.
const LONGEST: usize = 65_000;
/// How many of them are kept for saying what is left out.
const LEFT_OUT: usize = 200;

/// The plans of all hosts, to be shown at once.
#[derive(Default)]
pub(super) struct MarkdownPlans<'w> {
    /// The summary of a host, a line break, and its blocks.
    hosts: Folded<'w>,
    totals: Totals,
    unanswered: Folded<'w>,
}

impl<'w> MarkdownPlans<'w> {
    pub(super) fn add(&mut self, host: &'w str, plans: &HostText) {
        let text = format!("{}\n{}", plans.totals.parts(), plans.blocks.concat());
        self.hosts.add(host, &text);
        self.totals.extend(&plans.totals);
    }

    pub(super) fn fail(&mut self, host: &'w str, error: &CommandError) {
        self.unanswered.add(host, &describe_failure(error));
    }

    pub(super) fn show(&self, screen: &mut Screen) {
        screen.print(&self.text());
    }

    fn text(&self) -> String {
        let mut text = match self.totals.is_empty() {
            true => "**supervisor-sync: no plan**\n".to_owned(),
            false => format!("**supervisor-sync: {}**\n", self.totals.text()),
        };
        for (hosts, reason) in self.unanswered.groups() {
            let line = format!("- no answer from {}: {}\n", code(&named(hosts)), code(reason));
            if text.len() + line.len() + LEFT_OUT <= LONGEST {
                text.push_str(&line);
            }
        }
        let mut left_out = 0;
        for (hosts, page) in self.hosts.groups() {
            let (summary, blocks) = page.split_once('\n').unwrap_or((page, ""));
            let block = folded_block(&named(hosts), summary, blocks);
            let line = format!("- {}: {summary} (left out here)\n", code(&named(hosts)));
            // Where a block does not fit, its summary may; a later block may, too.
            match [block, line]
                .into_iter()
                .find(|part| text.len() + part.len() + LEFT_OUT <= LONGEST)
            {
                Some(part) => {
                    left_out += usize::from(part.starts_with('-')) * hosts.len();
                    text.push_str(&part);
                }
                None => left_out += hosts.len(),
            }
        }
        if left_out > 0 {
            let hosts = if left_out == 1 { "1 host is" } else { &format!("{left_out} hosts are") };
            text.push_str(&format!(
                "\nThe plan of {hosts} left out: a comment holds no more than {LONGEST} characters. \
                 All of it: `supervisor-sync plan`\n"
            ));
        }
        text
    }
}

fn folded_block(hosts: &str, summary: &str, blocks: &str) -> String {
    // Two columns less: what begins with a sign is coloured then.
    let lines = blocks.lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
    let lines = sanitized_lines(&lines.collect::<Vec<_>>().join("\n"));
    let fence = "`".repeat(longest_run(&lines).max(2) + 1);
    format!(
        "\n<details><summary><b>{}</b>: {}</summary>\n\n{fence}diff\n{lines}\n{fence}\n\n</details>\n",
        escaped(hosts),
        escaped(summary)
    )
}

/// Text that is neither Markdown nor a mention.
fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let text = text.replace('\n', " ");
    if fence.len() == 1 { format!("`{text}`") } else { format!("{fence} {text} {fence}") }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hosts: &[(&'static str, &str)]) -> String {
        let mut plans = MarkdownPlans::default();
        for (host, page) in hosts {
            plans.hosts.add(host, page);
        }
        plans.text()
    }

    #[test]
    fn text_of_a_host_ends_no_block() {
        let text = of(&[("web1", "1 starts\na.com\n  + ```\n  - </details> @all\n")]);
        assert!(text.contains("````diff\na.com\n+ ```\n- </details> @all\n````\n"), "{text}");
        assert!(folded_block("<b>", "", "").contains("<b>&lt;b&gt;</b>"));
        assert_eq!(code("a`b"), "`` a`b ``");
    }

    #[test]
    fn long_plans_say_what_is_left_out() {
        let page = |name: &str, size: usize| format!("{name} starts\n{}", "x".repeat(size));
        let (one, two, three) = (page("1", 50_000), page("2", 30_000), page("3", 100));
        let text = of(&[("web1", &one), ("web2", &two), ("web3", &three)]);
        assert!(text.len() <= LONGEST, "{}", text.len());
        assert!(text.contains("- `web2`: 2 starts (left out here)\n"), "{}", &text[50_000..]);
        assert!(text.contains("<b>web3</b>: 3 starts"), "what fits is there");
        assert!(text.contains("\nThe plan of 1 host is left out: "), "{}", &text[50_000..]);
        assert!(!of(&[("web1", &one)]).contains("left out"));
        let names: Vec<String> = (0..5_000).map(|number| format!("web{number}")).collect();
        let mut plans = MarkdownPlans::default();
        for name in &names {
            plans.hosts.add(name, &page(name, 2));
        }
        let text = plans.text();
        assert!(text.len() <= LONGEST && text.contains(" hosts are left out: "), "{}", text.len());
    }
}
