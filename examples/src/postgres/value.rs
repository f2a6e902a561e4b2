//! Values, and their kinds.

use std::{borrow::Cow, cmp::Ordering};

/// A kind of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bigint`.
    Integer,
    /// `text`.
    Text,
}

impl Kind {
    /// The number of the type in PostgreSQL's catalogue.
    pub(super) fn oid(self) -> u32 {
        match self {
            Self::Integer => 20,
            Self::Text => 25,
        }
    }

    /// The size of a value in bytes; -1 if they differ.
    pub(super) fn size(self) -> i16 {
        match self {
            Self::Integer => 8,
            Self::Text => -1,
        }
    }

    /// The kind that a type's name means.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "bigint" | "int8" | "int" | "integer" | "int4" => Some(Self::Integer),
            "text" | "varchar" => Some(Self::Text),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Integer => "bigint",
            Self::Text => "text",
        }
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Value {
    /// Its kind, unless it is null.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Null => None,
            Self::Integer(_) => Some(Kind::Integer),
            Self::Text(_) => Some(Kind::Text),
        }
    }

    /// It as text; `None` for null.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Integer(n) => Some(n.to_string().into()),
            Self::Text(text) => Some(text.into()),
        }
    }

    /// The order of two values of one kind; none where one is null.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}
