//! What a server says.

use netpoll::{
    Reply,
    frame::{EncodeError, Encoder},
};

use super::value::{Kind, Value};

/// What is answered to one message: messages that leave together.
#[derive(Debug, Default)]
pub struct Output(pub Vec<Message>);

impl Reply for Output {}

impl Output {
    /// Whether what follows up to a `Sync` is skipped: an error without a sign of readiness behind it.
    pub(super) fn skips(&self) -> bool {
        matches!(self.0.last(), Some(Message::Failed(_)))
    }
}

/// One message of a server's.
#[derive(Debug)]
pub enum Message {
    /// Encryption is refused: a single byte.
    NoEncryption,
    /// A password is wanted, in clear text.
    AskPassword,
    /// The client is who it says.
    Authenticated,
    /// A parameter of the session.
    Parameter(&'static str, String),
    /// The key by which a query could be cancelled.
    Key(u32, u32),
    /// The next query may come.
    Ready,
    /// The columns of the rows that follow.
    Columns(Vec<Column>),
    /// A row.
    Row(Vec<Value>),
    /// A statement is complete; the tag says what it did.
    Complete(String),
    /// There was no statement.
    Empty,
    /// A statement, or the connection, has failed.
    Failed(Failure),
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
}

/// An error, with its code from PostgreSQL's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The connection ends after it.
    pub fatal: bool,
    /// The SQLSTATE.
    pub code: &'static str,
    /// For a person.
    pub why: String,
}

impl Failure {
    /// A statement cannot be carried out.
    pub fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self { fatal: false, code, why: why.into() }
    }

    /// The protocol was broken.
    pub(super) fn protocol(why: String) -> Self {
        Self { fatal: true, ..Self::new("08P01", why) }
    }

    /// A text is not UTF-8.
    pub(super) fn not_utf8() -> Self {
        Self { fatal: true, ..Self::new("22021", "a text is not UTF-8") }
    }

    /// Something that PostgreSQL has and this has not.
    pub(super) fn unsupported(why: impl Into<String>) -> Self {
        Self::new("0A000", why)
    }
}

impl Message {
    pub(super) fn write(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let (kind, body) = match self {
            Self::NoEncryption => return w.write(b"N"),
            Self::AskPassword => (b'R', 3u32.to_be_bytes().to_vec()),
            Self::Authenticated => (b'R', 0u32.to_be_bytes().to_vec()),
            Self::Parameter(name, value) => (b'S', strings(&[name, value])),
            Self::Key(process, secret) => {
                (b'K', [process.to_be_bytes(), secret.to_be_bytes()].concat())
            }
            Self::Ready => (b'Z', b"I".to_vec()),
            Self::Columns(columns) => (b'T', description(columns)),
            Self::Row(values) => (b'D', row(values)),
            Self::Complete(tag) => (b'C', strings(&[tag])),
            Self::Empty => (b'I', Vec::new()),
            Self::Failed(failure) => (b'E', fields(failure)),
        };
        w.write(&[kind])?;
        w.write(&(body.len() as u32 + 4).to_be_bytes())?;
        w.write(&body)
    }
}

fn strings(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| text.bytes().chain([0])).collect()
}

fn description(columns: &[Column]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for Column { name, kind } in columns {
        body.extend(strings(&[name]));
        // No table, and no column of it.
        body.extend([0; 6]);
        body.extend(kind.oid().to_be_bytes());
        body.extend(kind.size().to_be_bytes());
        // No modifier; as text.
        body.extend((-1i32).to_be_bytes());
        body.extend([0; 2]);
    }
    body
}

fn row(values: &[Value]) -> Vec<u8> {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        match value.text() {
            None => body.extend((-1i32).to_be_bytes()),
            Some(text) => {
                body.extend((text.len() as u32).to_be_bytes());
                body.extend_from_slice(text.as_bytes());
            }
        }
    }
    body
}

fn fields(failure: &Failure) -> Vec<u8> {
    let severity = if failure.fatal { "FATAL" } else { "ERROR" };
    let mut body = Vec::new();
    for (kind, text) in
        [(b'S', severity), (b'V', severity), (b'C', failure.code), (b'M', &failure.why)]
    {
        body.push(kind);
        // A zero byte would end the text.
        body.extend(text.bytes().filter(|byte| *byte != 0).chain([0]));
    }
    body.push(0);
    body
}
