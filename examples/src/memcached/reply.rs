//! What the cache answers.

use bytes::Bytes;
use netpoll::frame::{Encode, EncodeError, Encoder};

/// An answer.
#[derive(Debug, PartialEq)]
pub enum Reply {
    /// A line that is known beforehand: `STORED` and so on.
    Line(&'static str),
    /// A counter's new value.
    Number(u64),
    /// Values, those of the keys that are there.
    Values {
        /// In the order of the keys.
        values: Vec<Value>,
        /// Whether the values' numbers are told.
        numbered: bool,
    },
    /// Names and figures.
    Stats(Vec<(&'static str, u64)>),
    /// The line is no command.
    Error,
    /// The client did something wrong.
    ClientError(&'static str),
    /// The server cannot do it.
    ServerError(&'static str),
}

/// A key's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The key.
    pub key: Bytes,
    /// What the client keeps with it.
    pub flags: u32,
    /// The value itself.
    pub data: Bytes,
    /// A number that changes whenever the value does.
    pub number: u64,
}

impl Value {
    fn head(&self, numbered: bool) -> String {
        let Self { flags, data, number, .. } = self;
        let len = data.len();
        if numbered {
            format!(" {flags} {len} {number}\r\n")
        } else {
            format!(" {flags} {len}\r\n")
        }
    }
}

impl Encode for Reply {
    fn encoded_len(&self) -> usize {
        match self {
            Self::Values { values, numbered } => {
                let size = |value: &Value| {
                    VALUE.len()
                        + value.key.len()
                        + value.head(*numbered).len()
                        + value.data.len()
                        + 2
                };
                values.iter().map(size).sum::<usize>() + END.len()
            }
            other => other.text().len(),
        }
    }

    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let Self::Values { values, numbered } = self else {
            return w.write(self.text().as_bytes());
        };
        for value in values {
            w.write(VALUE)?;
            w.write(&value.key)?;
            w.write(value.head(*numbered).as_bytes())?;
            if value.data.len() < SHARED {
                w.write(&value.data)?;
            } else {
                w.share_bytes(value.data.clone())?;
            }
            w.write(b"\r\n")?;
        }
        w.write(END)
    }
}

impl Reply {
    /// The answer, where it is text alone.
    fn text(&self) -> String {
        match self {
            Self::Line(line) => format!("{line}\r\n"),
            Self::Number(n) => format!("{n}\r\n"),
            Self::Stats(stats) => {
                let lines = stats.iter().map(|(name, figure)| format!("STAT {name} {figure}\r\n"));
                lines.chain(["END\r\n".to_owned()]).collect()
            }
            Self::Error => "ERROR\r\n".to_owned(),
            Self::ClientError(why) => format!("CLIENT_ERROR {why}\r\n"),
            Self::ServerError(why) => format!("SERVER_ERROR {why}\r\n"),
            Self::Values { .. } => String::new(),
        }
    }
}

/// The beginning of a value.
const VALUE: &[u8] = b"VALUE ";

/// The end of values.
const END: &[u8] = b"END\r\n";

/// From this length on, a reference is cheaper than a copy.
const SHARED: usize = 4096;
