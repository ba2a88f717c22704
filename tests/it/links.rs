//! Every link of the pages leads to a file and a heading that are there, and every page of the guide can be found
//! from its index.

#![expect(clippy::disallowed_methods, reason = "reads the project's own pages")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    std::fs::read_to_string(repository().join(page)).unwrap()
}

/// Every page, from the repository's root: those beside the README, and all of `docs/`.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![repository().join("docs")];
    let top = std::fs::read_dir(repository()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = top.filter(|path| path.is_file()).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    for path in paths.iter().filter(|path| path.extension().is_some_and(|kind| kind == "md")) {
        pages.push(path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned());
    }
    pages.sort();
    pages
}

/// A page without its code: what is fenced, and what is between backticks.
fn prose(text: &str) -> String {
    let mut prose = String::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let outside = line.split('`').step_by(2);
            prose += &outside.collect::<Vec<_>>().join("``");
            prose.push('\n');
        }
    }
    prose
}

/// The links of a page, as they are written: `[text](link)`, pictures too, and `[text]: link`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let inline = prose.match_indices("](").map(|(at, _)| {
        let rest = &prose[at + 2..];
        rest[..rest.find(')').unwrap_or(rest.len())].to_owned()
    });
    let below = prose.lines().filter_map(|line| {
        let (_, link) = line.strip_prefix('[')?.split_once("]: ")?;
        Some(link.trim().to_owned())
    });
    inline.chain(below).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a page. A heading that appears again has a number behind it.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if !is_code && line.starts_with('#') {
            let anchor = anchor(line);
            let again = (1..).map(|number| format!("{anchor}-{number}"));
            let free = std::iter::once(anchor.clone()).chain(again);
            anchors.extend(free.into_iter().find(|name| !anchors.contains(name)));
        }
    }
    anchors
}

/// Where a link of a page leads, from the repository's root. One without a file leads to the page itself.
fn target(page: &str, link: &str) -> String {
    let file = link.split('#').next().unwrap_or_default();
    if file.is_empty() {
        return page.to_owned();
    }
    let mut path = Path::new(page).parent().unwrap().to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => _ = path.pop(),
            part => path.push(part),
        }
    }
    path.to_str().unwrap().to_owned()
}

/// The links of a page that lead nowhere; those to other sites are not looked at.
fn dead(page: &str, text: &str) -> Vec<String> {
    let leads = |link: &String| {
        let (_, fragment) = link.split_once('#').unwrap_or((link, ""));
        let target = target(page, link);
        repository().join(&target).exists()
            && (fragment.is_empty() || anchors(&read(&target)).contains(fragment))
    };
    let own = |link: &String| !link.contains("://") && !link.starts_with("mailto:");
    links(text).into_iter().filter(|link| own(link) && !leads(link)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 20, "{pages:?}");
    let found = pages.iter().flat_map(|page| {
        dead(page, &read(page)).into_iter().map(move |link| format!("{page}: {link}"))
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "links that lead nowhere:\n{}", found.join("\n"));
}

/// So that the site, which is made of docs/ alone, has no dead link.
#[test]
fn guide_links_to_itself_alone() {
    let guide = pages().into_iter().filter(|page| page.starts_with("docs/"));
    let out = guide.flat_map(|page| {
        let text = read(&page);
        let out =
            move |link: &String| !link.contains("://") && !target(&page, link).starts_with("docs/");
        links(&text).into_iter().filter(out).collect::<Vec<_>>()
    });
    assert_eq!(out.collect::<Vec<String>>(), [] as [String; 0]);
}

#[test]
fn dead_link_is_found() {
    let text = "# One\n\n[a](README.md) [b](README.md#no-such) [c](no-such.md) [d](#one) [e](#two)\n\n\
                `[f](no-such.md)` ![g](no-such.svg) [h](https://example.com/)\n\n[i]: no-such.md\n";
    let expected = ["README.md#no-such", "no-such.md", "#two", "no-such.svg", "no-such.md"];
    // As a page in the repository's root that is not there; its own headings are those of CHANGELOG.md.
    let found: Vec<String> =
        dead("CHANGELOG.md", text).into_iter().filter(|link| link != "#one").collect();
    assert_eq!(found, expected);
}

#[test]
fn every_page_is_found_from_the_index() {
    let mut reached = BTreeSet::new();
    let mut next = vec!["docs/README.md".to_owned()];
    while let Some(page) = next.pop() {
        if !page.ends_with(".md") || !reached.insert(page.clone()) {
            continue;
        }
        for link in links(&read(&page)) {
            let leads_to = target(&page, &link);
            if !link.contains("://") && leads_to.starts_with("docs/") {
                next.push(leads_to);
            }
        }
    }
    let lost: Vec<String> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/") && !reached.contains(page))
        .collect();
    assert!(lost.is_empty(), "not linked from docs/README.md: {lost:?}");
}
