//! [`Name`]: a domain name, as its labels.

use std::fmt;

/// A domain name. Two are equal whatever the case of their letters.
#[derive(Clone, Debug, Default)]
pub struct Name {
    /// From the leftmost on; none for the root.
    labels: Vec<Vec<u8>>,
}

/// Bytes of a name on the wire, at most.
const LONGEST: usize = 255;

impl Name {
    /// Reads `text`, in which `\.` and `\123` are bytes of a label; relative to `origin` unless it ends
    /// with a dot.
    pub fn parse(text: &str, origin: &Name) -> Option<Self> {
        match text {
            "@" => return Some(origin.clone()),
            "." => return Some(Self::default()),
            _ => {}
        }
        let (mut labels, mut label) = (Vec::new(), Vec::new());
        let mut bytes = text.bytes();
        let mut absolute = false;
        while let Some(byte) = bytes.next() {
            absolute = false;
            match byte {
                b'.' if label.is_empty() => return None,
                b'.' => {
                    labels.push(std::mem::take(&mut label));
                    absolute = true;
                }
                b'\\' => match bytes.next()? {
                    digit @ b'0'..=b'9' => {
                        let digits = [digit, bytes.next()?, bytes.next()?];
                        label.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
                    }
                    other => label.push(other),
                },
                byte => label.push(byte),
            }
        }
        if !label.is_empty() {
            labels.push(label);
        }
        if !absolute {
            labels.extend(origin.labels.iter().cloned());
        }
        Self::of(labels)
    }

    /// The name of `labels`, if there is one.
    pub(super) fn of(labels: Vec<Vec<u8>>) -> Option<Self> {
        let fits = labels.iter().all(|label| (1..=63).contains(&label.len()));
        let name = Self { labels };
        (fits && name.wire_len() <= LONGEST).then_some(name)
    }

    fn wire_len(&self) -> usize {
        1 + self.labels.iter().map(|label| 1 + label.len()).sum::<usize>()
    }

    /// The labels, from the leftmost on.
    pub(super) fn labels(&self) -> &[Vec<u8>] {
        &self.labels
    }

    /// Whether this is `zone` or a name below it.
    pub fn is_within(&self, zone: &Name) -> bool {
        let (n, of) = (self.labels.len(), zone.labels.len());
        n >= of && same(&self.labels[n - of..], &zone.labels)
    }

    /// The name without its leftmost label.
    pub(super) fn parent(&self) -> Option<Self> {
        self.labels.split_first().map(|(_, rest)| Self { labels: rest.to_vec() })
    }

    /// `*` below this name.
    pub(super) fn wildcard(&self) -> Self {
        let mut labels = vec![b"*".to_vec()];
        labels.extend(self.labels.iter().cloned());
        Self { labels }
    }

    /// The key of maps: letters in lower case.
    pub(super) fn key(&self) -> Vec<Vec<u8>> {
        self.labels.iter().map(|label| label.to_ascii_lowercase()).collect()
    }
}

fn same(a: &[Vec<u8>], b: &[Vec<u8>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        same(&self.labels, &other.labels)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.labels.is_empty() {
            return f.write_str(".");
        }
        self.labels.iter().try_for_each(|label| write!(f, "{}.", label.escape_ascii()))
    }
}
