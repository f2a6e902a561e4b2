//! What clients send.

use netpoll::Frame;

use super::Reply;

/// The longest line, in bytes: a client may ask for many keys by one.
const MAX_LINE: usize = 64 << 10;

/// The longest key, in bytes.
const MAX_KEY: usize = 250;

/// The longest value, in bytes.
pub(super) const MAX_VALUE: usize = 1 << 20;

/// A request: a line, and the block of data that some lines announce.
///
/// ```
/// use netpoll::frame::{Arena, decode};
/// use netpoll_examples::memcached::{Command, Request};
///
/// let (wire, arena) = (b"set colour 0 0 5\r\ngreen\r\n", Arena::new());
/// let request = decode::<Request<'_>>(&wire[..], wire.len(), &arena)?;
/// let Ok(Command::Store(store)) = Command::parse(&request) else { panic!("{request:?}") };
/// assert_eq!((store.key, store.data), (&b"colour"[..], &b"green"[..]));
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug, Frame)]
pub struct Request<'a> {
    #[frame(until = b"\n", max = MAX_LINE)]
    line: &'a [u8],
    #[frame(size_with = block_size)]
    block: &'a [u8],
}

/// The size of the block behind `line`, with the line's end that follows it.
fn block_size(line: &[u8]) -> usize {
    let mut words = words(line);
    if words.next().and_then(Verb::of).is_none() {
        return 0;
    }
    // A block that is too long to be stored is passed over: nobody's value is taken for commands.
    words.nth(3).and_then(number::<usize>).map_or(0, |n| n.saturating_add(2))
}

/// What a request says.
#[derive(Debug)]
pub enum Command<'a> {
    /// `get`, or `gets` that tells each value's number as well.
    Get {
        /// The keys, at least one.
        keys: Vec<&'a [u8]>,
        /// Whether the values' numbers are told.
        numbered: bool,
        /// The new time to live: the command was `gat` or `gats`.
        touch: Option<i64>,
    },
    /// `set` and its kin.
    Store(Store<'a>),
    /// `delete`
    Delete {
        /// The key.
        key: &'a [u8],
        /// The client wants no answer.
        quiet: bool,
    },
    /// `incr`, or `decr`.
    Add {
        /// The key.
        key: &'a [u8],
        /// The difference.
        by: u64,
        /// Whether it is subtracted.
        down: bool,
        /// The client wants no answer.
        quiet: bool,
    },
    /// `touch`
    Touch {
        /// The key.
        key: &'a [u8],
        /// The new time to live.
        expires: i64,
        /// The client wants no answer.
        quiet: bool,
    },
    /// `flush_all`, which may come with a delay in seconds.
    Flush {
        /// Seconds until it happens.
        delay: u64,
        /// The client wants no answer.
        quiet: bool,
    },
    /// `stats`
    Stats,
    /// `version`
    Version,
    /// `verbosity`, which changes nothing here.
    Verbosity {
        /// The client wants no answer.
        quiet: bool,
    },
    /// `quit`
    Quit,
}

/// A value to be stored.
#[derive(Debug)]
pub struct Store<'a> {
    /// The condition.
    pub verb: Verb,
    /// The key.
    pub key: &'a [u8],
    /// What the client keeps with the value.
    pub flags: u32,
    /// The time to live: seconds up to 30 days, beyond that a time since 1970; 0 stands for none.
    pub expires: i64,
    /// The value.
    pub data: &'a [u8],
    /// The number that the value must have, for `cas`.
    pub number: u64,
    /// The client wants no answer.
    pub quiet: bool,
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Whatever is there.
    Set,
    /// If nothing is there.
    Add,
    /// If something is there.
    Replace,
    /// Behind what is there.
    Append,
    /// Before what is there.
    Prepend,
    /// If what is there has not changed.
    Cas,
}

impl Verb {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"set" => Self::Set,
            b"add" => Self::Add,
            b"replace" => Self::Replace,
            b"append" => Self::Append,
            b"prepend" => Self::Prepend,
            b"cas" => Self::Cas,
            _ => return None,
        })
    }
}

impl<'a> Command<'a> {
    /// Parses the request's line.
    ///
    /// # Errors
    /// The answer to a line that is no command.
    pub fn parse(request: &Request<'a>) -> Result<Self, Reply> {
        let line: &'a [u8] = request.line;
        let mut words: Vec<&'a [u8]> = words(line).collect();
        let quiet = words.len() > 1 && words.last() == Some(&&b"noreply"[..]);
        if quiet {
            words.pop();
        }
        let Some((name, args)) = words.split_first() else { return Err(Reply::Error) };
        let command = match (*name, args) {
            (b"get" | b"gets", keys @ [_, ..]) => {
                let keys = keys.iter().map(|word| key(word)).collect::<Result<_, _>>()?;
                Self::Get { keys, numbered: *name == b"gets", touch: None }
            }
            (b"gat" | b"gats", [expires, keys @ ..]) if !keys.is_empty() => {
                let touch = Some(number(expires).ok_or(BAD_EXPIRY)?);
                let keys = keys.iter().map(|word| key(word)).collect::<Result<_, _>>()?;
                Self::Get { keys, numbered: *name == b"gats", touch }
            }
            (b"delete", [word] | [word, b"0"]) => Self::Delete { key: key(word)?, quiet },
            (b"incr" | b"decr", [word, by]) => {
                let by = number(by).ok_or(Reply::ClientError("invalid numeric delta argument"))?;
                Self::Add { key: key(word)?, by, down: *name == b"decr", quiet }
            }
            (b"touch", [word, expires]) => {
                let expires = number(expires).ok_or(BAD_EXPIRY)?;
                Self::Touch { key: key(word)?, expires, quiet }
            }
            (b"flush_all", []) => Self::Flush { delay: 0, quiet },
            (b"flush_all", [delay]) => Self::Flush { delay: number(delay).ok_or(BAD_LINE)?, quiet },
            (b"stats", []) => Self::Stats,
            (b"version", []) => Self::Version,
            (b"verbosity", [_]) => Self::Verbosity { quiet },
            (b"quit", []) => Self::Quit,
            _ => match Verb::of(name) {
                Some(verb) => Self::Store(Store::parse(verb, args, request.block, quiet)?),
                None => return Err(Reply::Error),
            },
        };
        Ok(command)
    }
}

impl<'a> Store<'a> {
    fn parse(verb: Verb, args: &[&'a [u8]], block: &'a [u8], quiet: bool) -> Result<Self, Reply> {
        let (args, version) = match (verb, args) {
            (Verb::Cas, [args @ .., version]) => (args, number(version).ok_or(BAD_LINE)?),
            (_, args) => (args, 0),
        };
        let [word, flags, expires, size] = args else { return Err(Reply::Error) };
        let size: usize = number(size).ok_or(BAD_LINE)?;
        if size > MAX_VALUE {
            return Err(Reply::ServerError("object too large for cache"));
        }
        let data = block.strip_suffix(b"\r\n").ok_or(Reply::ClientError("bad data chunk"))?;
        Ok(Self {
            verb,
            key: key(word)?,
            flags: number(flags).ok_or(BAD_LINE)?,
            expires: number(expires).ok_or(BAD_LINE)?,
            data,
            number: version,
            quiet,
        })
    }
}

/// The words of a line.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.split(|c| *c == b' ').filter(|word| !word.is_empty())
}

fn key(word: &[u8]) -> Result<&[u8], Reply> {
    let fits = word.len() <= MAX_KEY && !word.iter().any(u8::is_ascii_control);
    if fits { Ok(word) } else { Err(BAD_LINE) }
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    // No sign that has no meaning.
    str::from_utf8(word).ok().filter(|word| !word.starts_with('+'))?.parse().ok()
}

const BAD_LINE: Reply = Reply::ClientError("bad command line format");
const BAD_EXPIRY: Reply = Reply::ClientError("invalid exptime argument");
