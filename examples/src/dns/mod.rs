//! An authoritative DNS server (RFC 1034, 1035, 6891) for one small zone: what it answers, whatever the
//! transport.
//!
//! [`Zone::parse`] reads a zone file, [`answer`] makes the reply to a message. Referrals, wildcards,
//! aliases within the zone, negative answers with their SOA, EDNS sizes and truncation are there; DNSSEC,
//! transfers and updates are not.

mod answer;
mod name;
mod query;
mod record;
mod writer;
mod zone;

pub use answer::{Limit, answer};
pub use name::Name;
pub use record::{Data, Record};
pub use zone::Zone;
