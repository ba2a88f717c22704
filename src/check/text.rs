//! Places in texts that are no inventory: configs by hand, files of a host, scripts.

use crate::inventory::Place;
use crate::lint::Part;
use crate::supervisord::ini::Section;

/// A line of a text.
pub(super) fn place_in(text: &str, line: u32) -> Place {
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    Place::of_line(line, text.lines().nth(index).unwrap_or_default())
}

/// The place of a part of a section in the file that says it.
pub(super) fn place_of(text: &str, section: &Section, part: &Part) -> Place {
    let line_of = |option: &str| {
        let entry = section.entries.iter().rev().find(|entry| entry.key == option);
        entry.map(|entry| entry.line)
    };
    match part {
        Part::Option("environment") | Part::Variable(_) => match line_of("environment") {
            // Its values are secrets, also those that do not look like it.
            Some(line) => Place::of_line(line, "environment=***"),
            None => place_in(text, section.line),
        },
        Part::Option(option) => place_in(text, line_of(option).unwrap_or(section.line)),
        Part::Probe | Part::ScriptLine(_) => place_in(text, section.line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisord::ini;

    #[test]
    fn part_is_found_where_it_is_said_last() {
        let text =
            "[program:w]\ncommand=x --password=hunter2\nuser=a\nuser=b\nenvironment=A=\"s\"\n";
        let section = ini::parse(text).unwrap().sections.remove(0);
        let at = |part: Part| {
            let place = place_of(text, &section, &part);
            format!("{}: {}", place.line, place.text)
        };
        assert_eq!(at(Part::Option("user")), "4: user=b");
        assert_eq!(at(Part::Option("command")), "2: command=x --password=***");
        assert_eq!(at(Part::Option("stopwaitsecs")), "1: [program:w]");
        assert_eq!(at(Part::Variable("A".to_owned())), "5: environment=***");
    }
}
