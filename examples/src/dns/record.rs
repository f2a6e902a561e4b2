//! Records, and what they hold.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Name, writer::Message};

/// A record of the zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The name that it is of.
    pub name: Name,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// What it holds.
    pub data: Data,
}

/// What a record holds, by its type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are RFC 1035's and 2782's")]
pub enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ns(Name),
    Cname(Name),
    Ptr(Name),
    Mx { preference: u16, exchange: Name },
    Txt(Vec<Vec<u8>>),
    Srv { priority: u16, weight: u16, port: u16, target: Name },
    Soa { primary: Name, contact: Name, numbers: [u32; 5] },
}

/// Types of records.
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const MX: u16 = 15;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const ANY: u16 = 255;
}

impl Data {
    /// The number of its type.
    pub fn kind(&self) -> u16 {
        match self {
            Self::A(_) => kind::A,
            Self::Aaaa(_) => kind::AAAA,
            Self::Ns(_) => kind::NS,
            Self::Cname(_) => kind::CNAME,
            Self::Ptr(_) => kind::PTR,
            Self::Mx { .. } => kind::MX,
            Self::Txt(_) => kind::TXT,
            Self::Srv { .. } => kind::SRV,
            Self::Soa { .. } => kind::SOA,
        }
    }

    /// Writes it; names of the types of RFC 1035 may be compressed, others not.
    pub(super) fn write(&self, out: &mut Message) {
        match self {
            Self::A(ip) => out.bytes(&ip.octets()),
            Self::Aaaa(ip) => out.bytes(&ip.octets()),
            Self::Ns(name) | Self::Cname(name) | Self::Ptr(name) => out.name(name),
            Self::Mx { preference, exchange } => {
                out.u16(*preference);
                out.name(exchange);
            }
            Self::Txt(texts) => {
                for text in texts {
                    out.bytes(&[text.len() as u8]);
                    out.bytes(text);
                }
            }
            Self::Srv { priority, weight, port, target } => {
                [*priority, *weight, *port].into_iter().for_each(|n| out.u16(n));
                out.plain_name(target);
            }
            Self::Soa { primary, contact, numbers } => {
                out.name(primary);
                out.name(contact);
                numbers.iter().for_each(|&n| out.u32(n));
            }
        }
    }
}
