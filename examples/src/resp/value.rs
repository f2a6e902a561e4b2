//! What a key can hold.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::{Bytes, BytesMut};

use super::number::{self, Digits};

/// What a key can hold.
#[derive(Debug)]
pub(super) enum Value {
    Text(Text),
    List(List),
    Set(Set),
    Hash(Hash),
}

pub(super) type List = VecDeque<Bytes>;
pub(super) type Set = HashSet<Bytes>;
pub(super) type Hash = HashMap<Bytes, Bytes>;

impl Value {
    /// The kind's name, as `TYPE` tells it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
        }
    }

    /// Whether nothing is left in it: a collection without elements does not exist.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
        }
    }
}

/// One of the kinds that a [`Value`] can be.
pub(super) trait Kind: Default {
    fn of(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
}

impl Kind for Text {
    fn of(value: &mut Value) -> Option<&mut Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }

    fn into_value(self) -> Value {
        Value::Text(self)
    }
}

impl Kind for List {
    fn of(value: &mut Value) -> Option<&mut Self> {
        if let Value::List(list) = value { Some(list) } else { None }
    }

    fn into_value(self) -> Value {
        Value::List(self)
    }
}

impl Kind for Set {
    fn of(value: &mut Value) -> Option<&mut Self> {
        if let Value::Set(set) = value { Some(set) } else { None }
    }

    fn into_value(self) -> Value {
        Value::Set(self)
    }
}

impl Kind for Hash {
    fn of(value: &mut Value) -> Option<&mut Self> {
        if let Value::Hash(hash) = value { Some(hash) } else { None }
    }

    fn into_value(self) -> Value {
        Value::Hash(self)
    }
}

/// A string: bytes, or a counter that is spelled out only when it is read.
#[derive(Debug)]
pub(super) enum Text {
    Bytes(Bytes),
    Int(i64),
}

impl Default for Text {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl Text {
    #[cfg(test)]
    pub(super) fn copied(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }

    /// Its bytes, by reference; a counter is spelled out into `room`.
    pub(super) fn as_bytes<'a>(&'a self, room: &'a mut Digits) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Int(n) => room.of(*n),
        }
    }

    /// The integer that it spells, if it spells one.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Bytes(bytes) => number::parse(bytes),
            Self::Int(n) => Some(*n),
        }
    }

    /// Appends `tail` in place, unless a reply that is on its way still refers to the old bytes.
    pub(super) fn append(&mut self, tail: &[u8]) {
        self.change(|bytes| bytes.extend_from_slice(tail));
    }

    /// Writes `patch` at that position, over what is there, with zero bytes before it if need be.
    pub(super) fn overwrite(&mut self, at: usize, patch: &[u8]) {
        self.change(|bytes| {
            if bytes.len() < at + patch.len() {
                bytes.resize(at + patch.len(), 0);
            }
            bytes[at..at + patch.len()].copy_from_slice(patch);
        });
    }

    fn change(&mut self, change: impl FnOnce(&mut BytesMut)) {
        let old = match std::mem::take(self) {
            Self::Bytes(bytes) => bytes,
            Self::Int(n) => Bytes::copy_from_slice(Digits::default().of(n)),
        };
        let mut bytes = old.try_into_mut().unwrap_or_else(|old| BytesMut::from(&old[..]));
        change(&mut bytes);
        *self = Self::Bytes(bytes.freeze());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appending_leaves_shared_bytes_alone() {
        let mut text = Text::copied(b"ab");
        let Text::Bytes(shared) = &text else { unreachable!() };
        let shared = shared.clone();
        text.append(b"cd");
        assert_eq!(text.as_bytes(&mut Digits::default()), b"abcd");
        assert_eq!(&shared[..], b"ab");
    }

    #[test]
    fn a_counter_can_be_appended_to() {
        let mut text = Text::Int(-12);
        text.append(b"3");
        assert_eq!(text.as_int(), Some(-123));
    }
}
