//! Why a command did not succeed.

use std::borrow::Cow;

/// What a command's function returns: its reply is written by then.
pub(super) type Outcome<T = ()> = Result<T, Fault>;

/// Why a command did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    /// What the client did wrong: the line that answers it, with its code in front.
    Client(Cow<'static, [u8]>),
    /// The output took no more: nothing can be answered, the connection has to be closed.
    Output(netpoll::Error),
}

impl Fault {
    /// The key holds a value of another kind.
    pub(super) const WRONG_TYPE: Self =
        Self::text("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// An argument is no integer of 64 bits.
    pub(super) const NOT_AN_INTEGER: Self =
        Self::text("ERR value is not an integer or out of range");
    /// The arguments do not fit together.
    pub(super) const SYNTAX: Self = Self::text("ERR syntax error");

    /// A line that is known beforehand.
    pub(super) const fn text(line: &'static str) -> Self {
        Self::Client(Cow::Borrowed(line.as_bytes()))
    }

    /// A line that names what the client sent.
    pub(super) fn line(parts: &[&[u8]]) -> Self {
        Self::Client(Cow::Owned(parts.concat()))
    }

    /// Too few or too many arguments; `name` is `get` or `client|setname`.
    pub(super) fn arity(name: &str) -> Self {
        Self::line(&[b"ERR wrong number of arguments for '", name.as_bytes(), b"' command"])
    }

    /// A command of commands does not know `name`; `parent` is in upper case.
    pub(super) fn subcommand(parent: &str, name: &[u8]) -> Self {
        let shown = &name[..name.len().min(SHOWN)];
        let parent = parent.as_bytes();
        Self::line(&[b"ERR unknown subcommand '", shown, b"'. Try ", parent, b" HELP."])
    }

    /// No command has the name that `args` begins with.
    pub(super) fn unknown(args: &[&[u8]]) -> Self {
        let mut line = b"ERR unknown command '".to_vec();
        line.extend_from_slice(&args[0][..args[0].len().min(SHOWN)]);
        line.extend_from_slice(b"', with args beginning with: ");
        let start = line.len();
        for arg in &args[1..] {
            let used = line.len() - start;
            if used >= SHOWN {
                break;
            }
            line.push(b'\'');
            line.extend_from_slice(&arg[..arg.len().min(SHOWN - used)]);
            line.extend_from_slice(b"' ");
        }
        Self::Client(line.into())
    }
}

impl From<netpoll::Error> for Fault {
    fn from(error: netpoll::Error) -> Self {
        Self::Output(error)
    }
}

/// How many bytes of what the client sent come back in an error.
const SHOWN: usize = 128;
