//! [`Zone`]: the records of a zone file (RFC 1035, section 5).

use std::collections::HashMap;

use super::{Data, Name, Record, record::kind};

/// A zone: its records by name.
#[derive(Debug)]
pub struct Zone {
    origin: Name,
    records: HashMap<Vec<Vec<u8>>, Vec<Record>>,
}

impl Zone {
    /// Reads a zone file: records of the types A, AAAA, NS, CNAME, PTR, MX, TXT, SRV and SOA, `$ORIGIN`,
    /// `$TTL`, comments, parentheses. The name of the SOA is the zone's.
    ///
    /// ```
    /// use netpoll_examples::dns::Zone;
    ///
    /// let zone = Zone::parse(
    ///     "$ORIGIN example.\n\
    ///      @ 3600 IN SOA ns admin (1 7200 900 1209600 300) ; a comment\n\
    ///      ns IN A 192.0.2.1\n",
    /// )?;
    /// assert_eq!(zone.origin().to_string(), "example.");
    /// assert!(Zone::parse("a.example. IN A 192.0.2.1").is_err());
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// A line that is no record, with its number; no SOA, or two.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut records: HashMap<_, Vec<Record>> = HashMap::new();
        let (mut origin, mut owner, mut ttl) = (Name::default(), None, 3_600);
        let mut soa = None;
        for (number, indented, words) in lines(text)? {
            let wrong = |why: &str| format!("line {number}: {why}");
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                ["$ORIGIN", name] => {
                    origin = Name::parse(name, &origin).ok_or_else(|| wrong("no name"))?;
                    continue;
                }
                ["$TTL", seconds] => {
                    ttl = seconds.parse().map_err(|_| wrong("no number of seconds"))?;
                    continue;
                }
                _ => {}
            }
            let (name, mut rest) = match (indented, &owner, &words[..]) {
                (true, Some(owner), rest) => (Name::clone(owner), rest),
                (false, _, [name, rest @ ..]) => {
                    (Name::parse(name, &origin).ok_or_else(|| wrong("no name"))?, rest)
                }
                _ => return Err(wrong("no name, and none before it")),
            };
            owner = Some(name.clone());
            let mut own = ttl;
            while let [word, more @ ..] = rest {
                if let Ok(seconds) = word.parse() {
                    own = seconds;
                } else if !word.eq_ignore_ascii_case("IN") {
                    break;
                }
                rest = more;
            }
            let [kind, values @ ..] = rest else { return Err(wrong("no type")) };
            let data = data(kind, values, &origin)
                .ok_or_else(|| wrong(&format!("this is no {kind} record")))?;
            if matches!(data, Data::Soa { .. }) && soa.replace(name.clone()).is_some() {
                return Err(wrong("a second SOA"));
            }
            records.entry(name.key()).or_default().push(Record { name, ttl: own, data });
        }
        let origin = soa.ok_or("there is no SOA record")?;
        if let Some(other) = records.values().flatten().find(|r| !r.name.is_within(&origin)) {
            return Err(format!("{} is not within {origin}", other.name));
        }
        Ok(Self { origin, records })
    }

    /// The zone's name.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// The records of `name`.
    pub(super) fn at(&self, name: &Name) -> &[Record] {
        self.records.get(&name.key()).map_or(&[], Vec::as_slice)
    }

    /// Whether `name` or a name below it has records.
    pub(super) fn exists(&self, name: &Name) -> bool {
        self.records.contains_key(&name.key())
            || self.records.values().flatten().any(|record| record.name.is_within(name))
    }

    /// The SOA record.
    pub(super) fn soa(&self) -> &Record {
        let soa = self.at(&self.origin).iter().find(|record| record.data.kind() == kind::SOA);
        soa.expect("a zone has its SOA")
    }

    /// The servers of the zone below this one that `name` is in.
    pub(super) fn delegation(&self, name: &Name) -> Option<(Name, Vec<&Record>)> {
        let (mut at, mut found) = (Some(name.clone()), None);
        while let Some(here) =
            at.filter(|here| here.is_within(&self.origin) && *here != self.origin)
        {
            let servers: Vec<_> =
                self.at(&here).iter().filter(|record| record.data.kind() == kind::NS).collect();
            at = here.parent();
            if !servers.is_empty() {
                found = Some((here, servers));
            }
        }
        found
    }
}

/// Words of each line that has some: its number, whether it begins with a blank.
fn lines(text: &str) -> Result<Vec<(usize, bool, Vec<String>)>, String> {
    let mut lines: Vec<(usize, bool, Vec<String>)> = Vec::new();
    let mut open = false;
    for (i, line) in text.lines().enumerate() {
        if !open {
            lines.push((i + 1, line.starts_with([' ', '\t']), Vec::new()));
        }
        let words = &mut lines.last_mut().expect("one was pushed").2;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                ';' => break,
                '(' => open = true,
                ')' => open = false,
                '"' => {
                    let mut word = String::from('"');
                    loop {
                        match chars.next() {
                            Some('"') => break,
                            Some('\\') => word.extend(chars.next()),
                            Some(c) => word.push(c),
                            None => return Err(format!("line {}: a quote is not closed", i + 1)),
                        }
                    }
                    words.push(word);
                }
                c if c.is_whitespace() => {}
                c => {
                    let mut word = String::from(c);
                    while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"();".contains(*c))
                    {
                        word.push(c);
                    }
                    words.push(word);
                }
            }
        }
    }
    lines.retain(|(_, _, words)| !words.is_empty());
    if open { Err("a parenthesis is not closed".into()) } else { Ok(lines) }
}

fn data(kind: &str, values: &[&str], origin: &Name) -> Option<Data> {
    let name = |text: &str| Name::parse(text, origin);
    Some(match (kind.to_ascii_uppercase().as_str(), values) {
        ("A", [ip]) => Data::A(ip.parse().ok()?),
        ("AAAA", [ip]) => Data::Aaaa(ip.parse().ok()?),
        ("NS", [of]) => Data::Ns(name(of)?),
        ("CNAME", [of]) => Data::Cname(name(of)?),
        ("PTR", [of]) => Data::Ptr(name(of)?),
        ("MX", [n, of]) => Data::Mx { preference: n.parse().ok()?, exchange: name(of)? },
        ("TXT", texts @ [_, ..]) => {
            let texts: Vec<Vec<u8>> =
                texts.iter().map(|text| text.trim_start_matches('"').into()).collect();
            texts.iter().all(|text| text.len() < 256).then_some(Data::Txt(texts))?
        }
        ("SRV", [priority, weight, port, target]) => Data::Srv {
            priority: priority.parse().ok()?,
            weight: weight.parse().ok()?,
            port: port.parse().ok()?,
            target: name(target)?,
        },
        ("SOA", [primary, contact, numbers @ ..]) if numbers.len() == 5 => {
            let mut values = [0; 5];
            for (value, text) in values.iter_mut().zip(numbers) {
                *value = text.parse().ok()?;
            }
            Data::Soa { primary: name(primary)?, contact: name(contact)?, numbers: values }
        }
        _ => return None,
    })
}
