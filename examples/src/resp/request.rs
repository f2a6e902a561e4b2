//! Requests as they come from the wire: an array of strings, or an inline line of words.
//!
//! The array is declared; that a line may stand in its place is not a format, and written by hand.

use netpoll::{
    Frame, Result,
    frame::{
        AsciiCrlf, Cursor, Decode, DecodeError, Decoder, Find, FrameErrorKind, Prefix, Progress,
        Resume, ScanError, Scanner, Stop, Window, Wire,
    },
};

use super::{
    Flow, ReplySink, Session, Store, execute,
    inline::{self, UnbalancedQuotes},
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
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        if r.take()? != *b"*" {
            r.skip(r.left())?;
            return Ok(Self(Form::Inline(trim(r.join(r.since(0))))));
        }
        let count = <AsciiCrlf as Prefix<()>>::get(r)?;
        let mut args = Args::default();
        for _ in 0..count {
            args.push(<Text<'_> as Wire<'_>>::get(r)?.bytes);
        }
        Ok(Self(Form::Array(args)))
    }
}

/// What follows `*`.
#[derive(Frame)]
struct Array<'a> {
    #[frame(ascii, until = b"\r\n")]
    count: i64,
    #[frame(count = count.max(0), max = MOST)]
    strings: Vec<Text<'a>>,
}

#[derive(Frame)]
struct Text<'a> {
    #[frame(magic = b"$")]
    kind: (),
    #[frame(prefix = AsciiCrlf, max = LONGEST, tail = b"\r\n")]
    bytes: &'a [u8],
}

/// Finds where a request ends.
#[derive(Default)]
pub struct RequestScan {
    state: State,
    resume: Resume,
}

#[derive(Default)]
enum State {
    #[default]
    Start,
    /// The search for the line's end.
    Inline(Find),
    Array(<Array<'static> as Wire<'static>>::Skip),
}

impl Scanner for RequestScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        self.resume.scan(w, max, |cursor| self.state.skip(cursor))
    }
}

impl State {
    /// Passes the request, from the position that was committed last.
    fn skip(&mut self, c: &mut Cursor<'_>) -> Result<(), Stop> {
        loop {
            match self {
                Self::Start => {
                    *self = match c.take()? {
                        [b'*'] => Self::Array(Default::default()),
                        [b'\n'] => return Ok(()),
                        [_] => Self::Inline(Find::default()),
                    };
                    c.commit();
                }
                Self::Inline(find) => {
                    return match c.until(find, b"\n", LONGEST_LINE) {
                        Ok(_) => Ok(()),
                        Err(Stop::Error(_)) => Err(fault(c, "too big inline request")),
                        Err(need) => Err(need),
                    };
                }
                Self::Array(state) => {
                    return match <Array<'static> as Wire<'static>>::skip(state, c) {
                        Err(Stop::Error(error)) => Err(explain(c, &error)),
                        passed => passed,
                    };
                }
            }
        }
    }
}

/// `error` in the words of Redis.
#[cold]
fn explain(c: &Cursor<'_>, error: &ScanError) -> Stop {
    match error.field() {
        "strings.kind" => {
            let kind = c.since(c.pos() - 1).first().copied().map_or('?', char::from);
            fault(c, &format!("expected '$', got '{kind}'"))
        }
        "strings.bytes" => fault(c, "invalid bulk length"),
        _ => fault(c, "invalid multibulk length"),
    }
}

#[cold]
fn fault(c: &Cursor<'_>, why: &str) -> Stop {
    c.fail(FrameErrorKind::Other(why.to_owned()))
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

/// The most strings in a request.
const MOST: usize = 1 << 20;

/// The longest string: 512 MiB, as in Redis.
const LONGEST: usize = 512 << 20;

/// The longest inline request: 64 KiB, as in Redis.
const LONGEST_LINE: usize = 64 << 10;

/// Nearly all commands have fewer arguments.
const FEW: usize = 8;
