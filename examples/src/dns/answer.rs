//! From a message to its reply.

use super::{
    Data, Name, Record, Zone,
    query::{Edns, Fault, Query},
    record::kind,
    writer::Message,
};

/// Codes of replies.
const NO_ERROR: u16 = 0;
const FORM_ERROR: u16 = 1;
const NO_NAME: u16 = 3;
const NOT_IMPLEMENTED: u16 = 4;
const REFUSED: u16 = 5;
/// The upper bits are in the OPT record.
const BAD_VERSION: u16 = 16;

const REPLY: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
/// Operation and the wish for recursion, which a reply repeats.
const REPEATED: u16 = 0x7900;

/// The largest datagram that is sent: it passes without fragments nearly everywhere.
const SAFE: u16 = 1_232;

/// Aliases that are followed.
const ALIASES: usize = 8;

/// How long a reply may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A datagram: 512 bytes, or what the sender says that it takes, up to 1,232.
    Datagram,
    /// A message of a stream: 65,535 bytes.
    Stream,
}

/// What a reply says, before it is written.
#[derive(Default)]
struct Reply<'z> {
    code: u16,
    authoritative: bool,
    answers: Vec<(Name, &'z Record, u32)>,
    authority: Vec<(Name, &'z Record, u32)>,
    additional: Vec<(Name, &'z Record, u32)>,
}

/// The reply of `zone` to `message`; `None` where there must be none.
///
/// ```
/// use netpoll_examples::dns::{Limit, Zone, answer};
///
/// let zone = Zone::parse("x. SOA ns.x. a.x. 1 2 3 4 5\nx. A 192.0.2.1\n")?;
/// let ask = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01";
/// let reply = answer(&zone, ask, Limit::Datagram).unwrap();
/// assert_eq!((&reply[..2], &reply[reply.len() - 4..]), (&ask[..2], &[192, 0, 2, 1][..]));
/// assert_eq!(answer(&zone, &reply, Limit::Datagram), None);
/// # Ok::<(), String>(())
/// ```
pub fn answer(zone: &Zone, message: &[u8], limit: Limit) -> Option<Vec<u8>> {
    let query = match Query::parse(message) {
        Ok(query) => query,
        Err(Fault::Silence) => return None,
        Err(Fault::Form { id, flags }) => return Some(bare(id, flags, FORM_ERROR)),
        Err(Fault::Operation { id, flags }) => return Some(bare(id, flags, NOT_IMPLEMENTED)),
    };
    let reply = if query.edns.is_some_and(|edns| edns.version > 0) {
        Reply { code: BAD_VERSION, ..Reply::default() }
    } else {
        resolve(zone, &query)
    };
    let max = match (limit, query.edns) {
        (Limit::Stream, _) => u16::MAX,
        (Limit::Datagram, None) => 512,
        (Limit::Datagram, Some(edns)) => edns.size.clamp(512, SAFE),
    };
    Some(write(&query, &reply, max.into()))
}

/// A reply without a question.
fn bare(id: u16, flags: u16, code: u16) -> Vec<u8> {
    let mut out = Message::default();
    [id, REPLY | flags & REPEATED | code, 0, 0, 0, 0].into_iter().for_each(|n| out.u16(n));
    out.finish()
}

fn resolve<'z>(zone: &'z Zone, query: &Query) -> Reply<'z> {
    let mut reply = Reply::default();
    // Class IN, or any.
    if !query.name.is_within(zone.origin()) || !matches!(query.class, 1 | 255) {
        reply.code = REFUSED;
        return reply;
    }
    reply.authoritative = true;
    let mut name = query.name.clone();
    for _ in 0..ALIASES {
        if let Some((cut, servers)) = zone.delegation(&name) {
            refer(zone, &mut reply, &cut, &servers);
            return reply;
        }
        let (found, exists) = records(zone, &name);
        let wanted =
            |record: &&Record| matches!(query.kind, kind::ANY) || record.data.kind() == query.kind;
        let before = reply.answers.len();
        let matching = found.iter().filter(wanted);
        reply.answers.extend(matching.map(|record| (name.clone(), record, record.ttl)));
        if reply.answers.len() > before {
            add_addresses(zone, &mut reply);
            return reply;
        }
        let alias = found.iter().find_map(|record| match &record.data {
            Data::Cname(to) => Some((record, to)),
            _ => None,
        });
        let Some((record, to)) = alias else {
            let soa = zone.soa();
            let Data::Soa { numbers, .. } = &soa.data else { return reply };
            reply.code = if exists { NO_ERROR } else { NO_NAME };
            reply.authority.push((soa.name.clone(), soa, soa.ttl.min(numbers[4])));
            return reply;
        };
        reply.answers.push((name.clone(), record, record.ttl));
        if !to.is_within(zone.origin()) {
            return reply;
        }
        name = to.clone();
    }
    reply
}

/// The records of `name`, perhaps by a wildcard, and whether the name exists.
fn records<'z>(zone: &'z Zone, name: &Name) -> (&'z [Record], bool) {
    if zone.exists(name) {
        return (zone.at(name), true);
    }
    // The closest name that exists decides.
    let mut at = name.parent();
    while let Some(here) = at.filter(|here| here.is_within(zone.origin())) {
        if zone.exists(&here) {
            let wild = zone.at(&here.wildcard());
            return (wild, !wild.is_empty());
        }
        at = here.parent();
    }
    (&[], false)
}

/// Names the servers of the zone `cut`.
fn refer<'z>(zone: &'z Zone, reply: &mut Reply<'z>, cut: &Name, servers: &[&'z Record]) {
    reply.authoritative = !reply.answers.is_empty();
    reply.authority.extend(servers.iter().map(|&record| (cut.clone(), record, record.ttl)));
    add_addresses(zone, reply);
}

/// Adds the addresses of the servers that the reply names.
fn add_addresses<'z>(zone: &'z Zone, reply: &mut Reply<'z>) {
    let mut seen: Vec<&Name> = Vec::new();
    for (_, record, _) in reply.answers.iter().chain(&reply.authority) {
        let (Data::Ns(host) | Data::Mx { exchange: host, .. } | Data::Srv { target: host, .. }) =
            &record.data
        else {
            continue;
        };
        if seen.contains(&host) {
            continue;
        }
        seen.push(host);
        let addresses =
            zone.at(host).iter().filter(|r| matches!(r.data, Data::A(_) | Data::Aaaa(_)));
        reply.additional.extend(addresses.map(|record| (host.clone(), record, record.ttl)));
    }
}

fn write(query: &Query, reply: &Reply<'_>, max: usize) -> Vec<u8> {
    let full = write_all(query, reply, true);
    if full.len() <= max {
        return full;
    }
    // What is additional may be left out; without an answer the asker comes again by a stream.
    let short = write_all(query, &Reply { additional: Vec::new(), ..reply.copy() }, true);
    if short.len() <= max {
        return short;
    }
    let none = Reply { code: reply.code, authoritative: reply.authoritative, ..Reply::default() };
    write_all(query, &none, false)
}

impl<'z> Reply<'z> {
    fn copy(&self) -> Self {
        Self {
            code: self.code,
            authoritative: self.authoritative,
            answers: self.answers.clone(),
            authority: self.authority.clone(),
            additional: self.additional.clone(),
        }
    }
}

fn write_all(query: &Query, reply: &Reply<'_>, whole: bool) -> Vec<u8> {
    let mut flags = REPLY | query.flags & REPEATED | reply.code & 0xF;
    if reply.authoritative {
        flags |= AUTHORITATIVE;
    }
    if !whole {
        flags |= TRUNCATED;
    }
    let sections = [&reply.answers, &reply.authority, &reply.additional];
    let mut out = Message::default();
    [query.id, flags, 1].into_iter().for_each(|n| out.u16(n));
    sections.iter().for_each(|section| out.u16(section.len() as u16));
    if query.edns.is_some() {
        out.set_u16(10, reply.additional.len() as u16 + 1);
    }
    out.name(&query.name);
    out.u16(query.kind);
    out.u16(query.class);
    for (name, record, ttl) in sections.into_iter().flatten() {
        out.record(name, record, *ttl);
    }
    if let Some(Edns { dnssec, .. }) = query.edns {
        out.bytes(&[0]);
        out.u16(kind::OPT);
        out.u16(SAFE);
        out.bytes(&[(reply.code >> 4) as u8, 0, u8::from(dnssec) << 7, 0, 0, 0]);
    }
    out.finish()
}
