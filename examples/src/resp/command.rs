//! What the table knows of a command.

use super::{call::Call, fault::Outcome};

/// What the table knows of a command.
pub(super) struct Command {
    /// In lower case.
    pub(super) name: &'static str,
    /// How many arguments with the name; if negative, at least as many.
    pub(super) arity: i32,
    pub(super) keys: Keys,
    pub(super) group: Group,
    /// Whether it changes keys.
    pub(super) writes: bool,
    /// One line for `COMMAND DOCS`.
    pub(super) summary: &'static str,
    pub(super) run: fn(&mut Call<'_>) -> Outcome,
}

impl Command {
    /// Whether `count` arguments, with the name, can be right.
    pub(super) fn accepts(&self, count: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { count >= wanted } else { count == wanted }
    }
}

/// Which arguments are keys: they are locked while the command runs.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// None.
    None,
    /// The first argument.
    One,
    /// All arguments.
    Each,
    /// Every second argument, from the first on.
    Pairs,
    /// No argument is, but the command goes over all keys that there are.
    All,
}

impl Keys {
    /// First, last and step, as `COMMAND` tells them.
    pub(super) fn positions(self) -> (usize, i64, usize) {
        match self {
            Self::None | Self::All => (0, 0, 0),
            Self::One => (1, 1, 1),
            Self::Each => (1, -1, 1),
            Self::Pairs => (1, -1, 2),
        }
    }
}

/// What a command is about.
#[derive(Clone, Copy)]
pub(super) enum Group {
    Connection,
    Generic,
    Hash,
    List,
    Server,
    Set,
    String,
}

impl Group {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Generic => "generic",
            Self::Hash => "hash",
            Self::List => "list",
            Self::Server => "server",
            Self::Set => "set",
            Self::String => "string",
        }
    }
}
