//! Requests as they come from the wire: an array of strings, or an inline line of words.

use netpoll::{
    Result,
    frame::{
        Cursor, Decode, DecodeError, Fault, Find, Frame, Mark, Progress, Reader, ScanError,
        Scanner, Stop, Window,
    },
};

use super::{
    Flow, ReplySink, Session, Store, execute,
    inline::{self, UnbalancedQuotes},
    number,
    reply::Reply,
};

/// A request: it borrows its arguments from where they were received.
///
/// ```
/// use netpoll::frame::{Arena, decode};
/// use netpoll_examples::resp::{Request, Session, Store};
///
/// let (store, arena) = (Store::new(), Arena::new());
/// let (mut session, mut out) = (Session::new(&store), Vec::new());
/// for wire in [&b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n"[..], b"echo 'hi there'\r\n"] {
///     let request = decode::<Request<'_>>(wire, wire.len(), &arena)?;
///     let _ = request.run(&store, &mut session, &mut out)?;
/// }
/// assert_eq!(out, b"$2\r\nhi\r\n$8\r\nhi there\r\n");
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug)]
pub struct Request<'a>(Form<'a>);

#[derive(Debug)]
enum Form<'a> {
    Array(Args<'a>),
    /// A line without its end.
    Inline(&'a [u8]),
}

impl Request<'_> {
    /// Runs the command that this is, and writes its reply to `out`.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn run(
        &self,
        store: &Store,
        session: &mut Session,
        out: &mut dyn ReplySink,
    ) -> Result<Flow> {
        match &self.0 {
            Form::Array(args) => execute(store, session, args.as_slice(), out),
            Form::Inline(line) => match inline::split(line) {
                Ok(words) => {
                    let args: Vec<_> = words.iter().map(|word| &**word).collect();
                    execute(store, session, &args, out)
                }
                Err(UnbalancedQuotes) => {
                    refuse("unbalanced quotes in request", out)?;
                    Ok(Flow::Close)
                }
            },
        }
    }
}

/// Answers what is no request; the connection then closes.
///
/// # Errors
/// If `out` takes no more.
pub fn refuse(why: &str, out: &mut dyn ReplySink) -> Result<()> {
    Reply::new(out).error(format!("ERR Protocol error: {why}").as_bytes())
}

impl Frame for Request<'_> {
    type Scan = RequestScan;
    type At<'a> = Request<'a>;
    const MIN: usize = 1;
}

impl<'a> Decode<'a> for Request<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if r.take()? != *b"*" {
            r.skip(r.left())?;
            return Ok(Self(Form::Inline(trim(r.join(r.since(0))))));
        }
        let count = number::parse(r.until(CRLF, DIGITS)?).unwrap_or(0).max(0) as usize;
        let mut args = Args::default();
        for _ in 0..count {
            r.skip(b"$".len())?;
            let len = number::parse(r.until(CRLF, DIGITS)?).ok_or_else(|| r.fail(Fault::Digits))?;
            args.push(r.bytes(len as usize)?);
            r.skip(CRLF.len())?;
        }
        Ok(Self(Form::Array(args)))
    }
}

/// Finds where a request ends.
#[derive(Debug, Default)]
pub struct RequestScan {
    state: State,
    mark: Mark,
    need: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    /// The search for the line's end.
    Inline(Find),
    /// So many strings are still to come.
    Array(usize),
}

impl Scanner for RequestScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        if w.len() < self.need {
            return Ok(Progress::Need(self.need));
        }
        let mut cursor = Cursor::resume(w, self.mark, max);
        let size = match self.state.skip(&mut cursor) {
            Ok(()) => return Ok(Progress::Ready(cursor.pos())),
            Err(Stop::Need(size)) => size,
            Err(Stop::Fault(error)) => return Err(error),
        };
        if size > max {
            return Err(ScanError::new(Fault::TooLarge { size, max }, cursor.pos()));
        }
        self.mark = cursor.mark();
        self.need = size;
        Ok(Progress::Need(size))
    }
}

impl State {
    /// Passes the request, from the position that was committed last.
    fn skip(&mut self, c: &mut Cursor<'_>) -> Result<(), Stop> {
        loop {
            match self {
                Self::Start => {
                    *self = match c.take()? {
                        [b'*'] => Self::Array(count(c)?),
                        [b'\n'] => return Ok(()),
                        [_] => Self::Inline(Find::default()),
                    };
                    c.commit();
                }
                Self::Inline(find) => {
                    return match c.until(find, b"\n", LONGEST_LINE) {
                        Ok(_) => Ok(()),
                        Err(Stop::Fault(_)) => Err(fault(c, "too big inline request")),
                        Err(need) => Err(need),
                    };
                }
                Self::Array(left) => {
                    c.owe(*left * SHORTEST);
                    while *left > 0 {
                        c.settle(SHORTEST);
                        string(c)?;
                        *left -= 1;
                        c.commit();
                    }
                    return Ok(());
                }
            }
        }
    }
}

/// Passes the rest of `*count`, and gives it.
fn count(c: &mut Cursor<'_>) -> Result<usize, Stop> {
    match line(c, "invalid multibulk length")? {
        ..=0 => Ok(0),
        n if n <= MOST => Ok(n as usize),
        _ => Err(fault(c, "invalid multibulk length")),
    }
}

/// Passes a string.
fn string(c: &mut Cursor<'_>) -> Result<(), Stop> {
    let [kind] = c.take()?;
    if kind != b'$' {
        return Err(fault(c, &format!("expected '$', got '{}'", char::from(kind))));
    }
    match line(c, "invalid bulk length")? {
        len @ 0..=LONGEST => c.skip(len as usize + CRLF.len()),
        _ => Err(fault(c, "invalid bulk length")),
    }
}

/// Passes a line, and gives the number that it is.
fn line(c: &mut Cursor<'_>, otherwise: &str) -> Result<i64, Stop> {
    match c.text::<DIGITS>(CRLF) {
        Ok((text, len)) => number::parse(&text[..len]).ok_or_else(|| fault(c, otherwise)),
        Err(Stop::Fault(_)) => Err(fault(c, otherwise)),
        Err(need) => Err(need),
    }
}

#[cold]
fn fault(c: &Cursor<'_>, why: &str) -> Stop {
    c.fault(Fault::Other(why.to_owned()))
}

/// A line without its end.
fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Arguments, on the stack while they are few.
#[derive(Debug, Default)]
struct Args<'a> {
    few: [&'a [u8]; FEW],
    count: usize,
    /// All of them, once they are more than a few.
    many: Vec<&'a [u8]>,
}

impl<'a> Args<'a> {
    fn push(&mut self, arg: &'a [u8]) {
        if self.count < FEW {
            self.few[self.count] = arg;
        } else {
            if self.many.is_empty() {
                self.many.extend_from_slice(&self.few);
            }
            self.many.push(arg);
        }
        self.count += 1;
    }

    fn as_slice(&self) -> &[&'a [u8]] {
        if self.many.is_empty() { &self.few[..self.count] } else { &self.many }
    }
}

const CRLF: &[u8] = b"\r\n";

/// As many digits as any `i64` has, with its sign.
const DIGITS: usize = 20;

/// The shortest string: `$0\r\n\r\n`.
const SHORTEST: usize = 6;

/// The most strings in a request.
const MOST: i64 = 1 << 20;

/// The longest string: 512 MiB, as in Redis.
const LONGEST: i64 = 512 << 20;

/// The longest inline request: 64 KiB, as in Redis.
const LONGEST_LINE: usize = 64 << 10;

/// Nearly all commands have fewer arguments.
const FEW: usize = 8;
