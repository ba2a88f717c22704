//! What changes of a program, setting by setting. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::inventory::without_passwords;
use crate::supervisord::default_text;

/// A setting of a program that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingChange {
    /// supervisord's name of the option; of a member of a `[group:]`, `MEMBER.OPTION`.
    pub name: String,
    /// What it says now, supervisord's default where it says nothing. Both values are missing where
    /// they are secret: an environment, or passwords that are all that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it will say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The settings in which two sections differ, by name, with the values as they are.
pub(super) fn differences(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<SettingChange> {
    let mut names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.retain(|name| before.get(*name) != after.get(*name));
    let mut changes = Vec::new();
    for name in names {
        let said = |options: &BTreeMap<String, String>| {
            options.get(name).cloned().or_else(|| default_text(option_of(name)))
        };
        changes.push(SettingChange {
            name: name.clone(),
            before: said(before),
            after: said(after),
        });
    }
    changes
}

impl SettingChange {
    /// The change for showing.
    pub(super) fn masked(&self) -> Self {
        let mask = |value: &Option<String>| {
            value.as_deref().map(|value| without_passwords(value).into_owned())
        };
        let (before, after) = (mask(&self.before), mask(&self.after));
        let is_secret = option_of(&self.name) == "environment" || before == after;
        match is_secret {
            true => Self { name: self.name.clone(), before: None, after: None },
            false => Self { name: self.name.clone(), before, after },
        }
    }
}

/// The option itself, of a member's option.
fn option_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, option)| option)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, before: &str, after: &str) -> SettingChange {
        let options = |value: &str| match value {
            "" => BTreeMap::new(),
            value => BTreeMap::from([(name.to_owned(), value.to_owned())]),
        };
        let changes = differences(&options(before), &options(after));
        changes.first().map(SettingChange::masked).unwrap()
    }

    #[test]
    fn default_stands_for_nothing_said() {
        let change = of("numprocs", "", "4");
        assert_eq!((change.before.as_deref(), change.after.as_deref()), (Some("1"), Some("4")));
        let change = of("worker.autostart", "false", "");
        assert_eq!(
            (change.before.as_deref(), change.after.as_deref()),
            (Some("false"), Some("true"))
        );
        assert_eq!(of("umask", "", "022").before, None, "supervisord has no default of it");
    }

    #[test]
    fn secrets_are_only_said_to_change() {
        for (name, before, after) in [
            ("environment", "A='1'", "A='2'"),
            ("worker.environment", "A='1'", ""),
            ("command", "x --password=one", "x --password=two"),
        ] {
            let change = of(name, before, after);
            assert_eq!((change.before, change.after), (None, None), "{name}");
        }
        let change = of("command", "x --password=one", "y --password=two");
        assert_eq!(change.after.as_deref(), Some("y --password=***"));
    }
}
