//! [`Message`]: a reply as it is written, its names compressed.

use std::collections::HashMap;

use super::{Name, Record};

/// Pointers reach so far.
const POINTERS: usize = 0x4000;

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
    /// Where the name of these labels stands.
    known: HashMap<Vec<Vec<u8>>, u16>,
}

impl Message {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn u16(&mut self, n: u16) {
        self.bytes(&n.to_be_bytes());
    }

    pub(super) fn u32(&mut self, n: u32) {
        self.bytes(&n.to_be_bytes());
    }

    /// Overwrites the number at `at`.
    pub(super) fn set_u16(&mut self, at: usize, n: u16) {
        self.bytes[at..at + 2].copy_from_slice(&n.to_be_bytes());
    }

    /// Writes `name`: what stands already is pointed to.
    pub(super) fn name(&mut self, name: &Name) {
        let key = name.key();
        for (i, label) in name.labels().iter().enumerate() {
            if let Some(&at) = self.known.get(&key[i..]) {
                return self.u16(0xC000 | at);
            }
            if self.len() < POINTERS {
                self.known.insert(key[i..].to_vec(), self.len() as u16);
            }
            self.bytes.push(label.len() as u8);
            self.bytes(label);
        }
        self.bytes.push(0);
    }

    /// Writes `name` in full.
    pub(super) fn plain_name(&mut self, name: &Name) {
        for label in name.labels() {
            self.bytes.push(label.len() as u8);
            self.bytes(label);
        }
        self.bytes.push(0);
    }

    /// Writes `record` under `name`.
    pub(super) fn record(&mut self, name: &Name, record: &Record, ttl: u32) {
        self.name(name);
        self.u16(record.data.kind());
        self.u16(1);
        self.u32(ttl);
        let at = self.len();
        self.u16(0);
        record.data.write(self);
        self.set_u16(at, (self.len() - at - 2) as u16);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
