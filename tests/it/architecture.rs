//! The rules of ARCHITECTURE.md, held against the source: who imports whom, which modules are pure,
//! how long a file may be.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "reads the source")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The longest file, in lines before its tests.
const LONGEST_FILE: usize = 400;

/// Modules without a disk, a clock, an environment, a process or output. A folder or a file.
const PURE: [&str; 18] = [
    "inventory",
    "lint",
    "check",
    "desired",
    "plan",
    "status",
    "import",
    "starter",
    "actual/ownership.rs",
    "host/way_back.rs",
    "api",
    "transport/refusals.rs",
    "transport/expected.rs",
    "setup/apt.rs",
    "setup/decide.rs",
    "setup/remarks.rs",
    "runner.rs",
    "store/listing.rs",
];
/// The edges within them.
const EDGES: [&str; 1] = ["inventory/load.rs"];

/// What a pure module has no business with.
const IMPURE: [&str; 17] = [
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "print!",
    "println!",
    ".exists()",
    ".is_file()",
    ".is_dir()",
    ".canonicalize()",
];

/// A source file without its tests and comments.
struct Source {
    /// Below `src`, e.g. `plan/view.rs`.
    name: String,
    /// Its lines before the tests, with comments emptied.
    lines: Vec<String>,
}

impl Source {
    /// The module right below the crate that it belongs to.
    fn module(&self) -> &str {
        self.name.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of `src`, but those that only tests compile (`tests.rs`, and `fake` parts).
fn sources() -> Vec<Source> {
    let mut folders = vec![root().join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && !path.to_string_lossy().ends_with("tests.rs")
            {
                sources.push(read(&path));
            }
        }
    }
    assert!(sources.len() > 50, "the source is somewhere else: {}", sources.len());
    sources
}

fn read(path: &Path) -> Source {
    let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    // Between the two may stand another attribute.
    let tests = text.find("\nmod tests {").and_then(|at| text[..at].rfind("#[cfg(test)]"));
    let before_tests = &text[..tests.unwrap_or(text.len())];
    let without_comment = |line: &str| {
        if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() }
    };
    Source { name, lines: before_tests.lines().map(without_comment).collect() }
}

/// The modules of this crate that a line names: `crate::plan::x`, `crate::{plan, state}`.
fn imports(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| is_word(c) || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(std::mem::take(&mut item));
                    }
                    _ if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            found.insert(item);
        } else {
            found.insert(rest.to_owned());
        }
    }
    let first_word =
        |text: String| text.trim().chars().take_while(|c| is_word(*c)).collect::<String>();
    found.into_iter().map(first_word).filter(|word| !word.is_empty()).collect()
}

/// The table of ARCHITECTURE.md in its order: a module and what it imports.
fn table() -> Vec<(String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("<!-- imports -->").unwrap();
    let (table, _) = rest.split_once("<!-- /imports -->").unwrap();
    let names = |cell: &str| -> BTreeSet<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let imported = names(cells[2]);
        names(cells[1]).into_iter().map(move |module| (module, imported.clone()))
    })
    .collect()
}

#[test]
fn modules_import_only_listed_ones() {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources() {
        if matches!(source.name.as_str(), "lib.rs" | "main.rs") {
            continue;
        }
        let imported = found.entry(source.module().to_owned()).or_default();
        for module in imports(&source.lines.join("\n")) {
            if module != source.module() {
                imported.entry(module).or_insert_with(|| source.name.clone());
            }
        }
    }
    let rows = table();
    let table: BTreeMap<_, _> = rows.into_iter().collect();
    let mut wrong = Vec::new();
    for (module, imported) in &found {
        let Some(allowed) = table.get(module) else {
            wrong.push(format!("{module} is not in the table"));
            continue;
        };
        let surplus = imported.iter().filter(|(name, _)| !allowed.contains(*name));
        wrong.extend(
            surplus.map(|(name, file)| {
                format!("{module} must not import {name}, but src/{file} does")
            }),
        );
        let unused = allowed.iter().filter(|name| !imported.contains_key(*name));
        wrong.extend(unused.map(|name| format!("{module} does not import {name} any more")));
    }
    wrong.extend(
        table
            .keys()
            .filter(|module| !found.contains_key(*module))
            .map(|module| format!("there is no module {module}")),
    );
    assert!(wrong.is_empty(), "the table of ARCHITECTURE.md and src differ:\n{}", wrong.join("\n"));
}

#[test]
fn no_module_imports_upwards() {
    let mut above: BTreeSet<String> = BTreeSet::new();
    for (module, imported) in table() {
        let below: Vec<_> = imported.difference(&above).collect();
        assert!(below.is_empty(), "{module} stands above {below:?}, which it imports");
        above.insert(module);
    }
}

/// Nobody may reach a neighbour without the table: `super` out of a top module is `crate`.
#[test]
fn nobody_leaves_a_module_through_super() {
    let mut wrong = Vec::new();
    for source in sources() {
        let depth =
            source.name.matches('/').count() + usize::from(!source.name.ends_with("mod.rs"));
        let way_out = "super::".repeat(depth);
        for (number, line) in source.lines.iter().enumerate() {
            if line.contains(&way_out) {
                wrong.push(format!("src/{}:{}: {}", source.name, number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "write `crate::` instead:\n{}", wrong.join("\n"));
}

#[test]
fn pure_modules_touch_nothing() {
    let mut wrong = Vec::new();
    for source in sources() {
        let below =
            |place: &&str| source.name == **place || source.name.starts_with(&format!("{place}/"));
        if !PURE.iter().any(below) || EDGES.contains(&source.name.as_str()) {
            continue;
        }
        for (number, line) in source.lines.iter().enumerate() {
            for impure in IMPURE.iter().filter(|impure| line.contains(**impure)) {
                wrong.push(format!("src/{}:{}: {impure}", source.name, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "pure modules that are not:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.lines.len() > LONGEST_FILE)
        .map(|source| format!("src/{}: {} lines before its tests", source.name, source.lines.len()))
        .collect();
    assert!(long.is_empty(), "more than {LONGEST_FILE}:\n{}", long.join("\n"));
}

#[test]
fn imports_are_found_in_every_form() {
    let found = imports(
        "use crate::plan::x;\nuse crate::{state, a::{b, c}, system::d};\ncrate::error::e()",
    );
    let expected = ["a", "error", "plan", "state", "system"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
    assert!(imports("use other_crate::plan; $crate::x").is_empty());
}
