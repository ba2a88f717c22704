//! The sections that make a process group, by their headers: `[program:web]`.

use std::fmt;

/// The kinds of sections that make a process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// `program`: one, or `numprocs` of it.
    Program,
    /// `fcgi-program`: one that is given a socket.
    FcgiProgram,
    /// `eventlistener`: a pool of processes that supervisord tells of what happens.
    EventListener,
    /// `group`: takes in programs of other sections, which make no groups of their own then.
    Group,
}

impl GroupKind {
    const ALL: [Self; 4] = [Self::Program, Self::FcgiProgram, Self::EventListener, Self::Group];

    /// The word before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::FcgiProgram => "fcgi-program",
            Self::EventListener => "eventlistener",
            Self::Group => "group",
        }
    }
}

/// The header of such a section, as supervisord reads it: the kind to the letter, blanks around the
/// name dropped. Displays as it stands between the brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupHeader<'n> {
    /// What makes the group.
    pub kind: GroupKind,
    /// The group's name.
    pub name: &'n str,
}

impl<'n> GroupHeader<'n> {
    /// The header of a `[program:NAME]`.
    pub fn program(name: &'n str) -> Self {
        Self { kind: GroupKind::Program, name }
    }

    /// Reads the text between the brackets; `None` for a section that makes no group.
    pub fn parse(section: &'n str) -> Option<Self> {
        let (kind, name) = section.split_once(':')?;
        let kind = GroupKind::ALL.into_iter().find(|one| one.as_str() == kind)?;
        Some(Self { kind, name: name.trim() })
    }

    /// NAME of a `[program:NAME]`, and of no other kind.
    pub fn name_of_program(section: &'n str) -> Option<&'n str> {
        let header = Self::parse(section)?;
        (header.kind == GroupKind::Program).then_some(header.name)
    }
}

impl fmt::Display for GroupHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back() {
        for kind in GroupKind::ALL {
            let header = GroupHeader { kind, name: "a.com-web" };
            assert_eq!(GroupHeader::parse(&header.to_string()), Some(header));
        }
        assert_eq!(GroupHeader::program("web").to_string(), "program:web");
    }

    #[test]
    fn blanks_belong_to_no_name() {
        assert_eq!(GroupHeader::name_of_program("program: web "), Some("web"));
    }

    #[test]
    fn other_sections_make_no_group() {
        for other in ["program", "Program:web", "program :web", "supervisord", "rpcinterface:x"] {
            assert_eq!(GroupHeader::parse(other), None, "{other}");
        }
        for other in ["group:web", "eventlistener:web", "fcgi-program:web"] {
            assert_eq!(GroupHeader::name_of_program(other), None, "{other}");
        }
    }
}
