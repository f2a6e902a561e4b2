//! [`Query`]: a message that asks.

use super::{Name, record::kind};

/// A question, with what its sender can take.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) id: u16,
    /// Operation and flags, as they came.
    pub(super) flags: u16,
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) edns: Option<Edns>,
}

/// What an OPT record says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edns {
    /// The largest datagram that the sender takes.
    pub(super) size: u16,
    pub(super) version: u8,
    /// The sender wants DNSSEC records, which there are none of.
    pub(super) dnssec: bool,
}

/// Why a message has no answer from the zone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No reply: it is one itself, or too short to be told.
    Silence,
    /// It is malformed.
    Form { id: u16, flags: u16 },
    /// It asks for another operation than a query.
    Operation { id: u16, flags: u16 },
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name without pointers: nothing stands before a question's that it could point to.
    fn name(&mut self) -> Option<Name> {
        let mut labels = Vec::new();
        loop {
            match self.u8()? {
                0 => return Name::of(labels),
                len if len < 64 => labels.push(self.take(len.into())?.to_vec()),
                _ => return None,
            }
        }
    }

    /// Passes a name with or without a pointer.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.u8()? {
                0 => return Some(()),
                len if len < 64 => drop(self.take(len.into())?),
                len if len >= 0xC0 => return self.u8().map(drop),
                _ => return None,
            }
        }
    }
}

impl Query {
    pub(super) fn parse(message: &[u8]) -> Result<Self, Fault> {
        let mut c = Cursor(message);
        let header = [(); 6].map(|()| c.u16());
        let [Some(id), Some(flags), Some(questions), Some(answers), Some(authority), Some(others)] =
            header
        else {
            return Err(Fault::Silence);
        };
        if flags & 0x8000 != 0 {
            return Err(Fault::Silence);
        }
        if flags & 0x7800 != 0 {
            return Err(Fault::Operation { id, flags });
        }
        let form = Fault::Form { id, flags };
        if questions != 1 || answers != 0 || authority != 0 {
            return Err(form);
        }
        let question = (|| Some((c.name()?, c.u16()?, c.u16()?)))();
        let Some((name, kind, class)) = question else { return Err(form) };
        let mut edns = None;
        for _ in 0..others {
            match extra(&mut c) {
                Some(None) => {}
                Some(found) if edns.is_none() => edns = found,
                _ => return Err(form),
            }
        }
        Ok(Self { id, flags, name, kind, class, edns })
    }
}

/// Reads an additional record: what it says if it is an OPT. `None`: it is cut off.
fn extra(c: &mut Cursor<'_>) -> Option<Option<Edns>> {
    let root = c.0.first() == Some(&0);
    c.skip_name()?;
    let (kind, size) = (c.u16()?, c.u16()?);
    let ttl = c.take(4)?;
    let len = c.u16()?;
    c.take(len.into())?;
    let edns = Edns { size, version: ttl[1], dnssec: ttl[2] & 0x80 != 0 };
    Some((kind == kind::OPT && root).then_some(edns))
}
