//! Requests: a head and a body.

use std::borrow::Cow;

use super::{Head, head};

/// A request. What it borrows lies where it was received; a body in several chunks is put together.
#[derive(Debug)]
pub struct Request<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) head: Head,
    /// The body; empty if there is none.
    pub body: Cow<'a, [u8]>,
}

impl Request<'_> {
    /// The method: `GET`, `POST` and so on.
    pub fn method(&self) -> &str {
        str::from_utf8(&self.bytes[self.head.method.clone()]).unwrap_or_default()
    }

    /// The target's path, without its query.
    pub fn path(&self) -> &str {
        let target = str::from_utf8(&self.bytes[self.head.path.clone()]).unwrap_or_default();
        match target.split('?').next() {
            Some("") | None => "/",
            Some(path) => path,
        }
    }

    /// Whether the version is HTTP/1.1, and not 1.0.
    pub fn is_1_1(&self) -> bool {
        self.head.is_1_1
    }

    /// Whether the connection goes on after the answer.
    pub fn keep_alive(&self) -> bool {
        self.head.keep_alive
    }

    /// The values of the header fields of that name, in their order.
    pub fn field(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.bytes[self.head.fields..].split(|c| *c == b'\n').filter_map(move |line| {
            let colon = line.iter().position(|c| *c == b':')?;
            let value = line[colon + 1..].strip_suffix(b"\r")?;
            line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| head::trim(value))
        })
    }
}
