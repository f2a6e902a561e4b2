//! A Redis request of which the array is declared; that a line may stand in its place is written by hand.

use netpoll::{
    Frame,
    frame::{
        AsciiCrlf, Cursor, Decode, DecodeError, Decoder, Find, Prefix, Progress, Resume, ScanError,
        Scanner, Stop, Window, Wire,
    },
};

const MOST: usize = 1 << 20;
const LONGEST: usize = 512 << 20;
const LONGEST_LINE: usize = 64 << 10;

/// Arguments that are kept on the stack.
const FEW: usize = 8;

#[allow(dead_code, reason = "nobody runs these requests")]
pub(crate) enum Request<'a> {
    Array { few: [&'a [u8]; FEW], count: usize, many: Vec<&'a [u8]> },
    Inline(&'a [u8]),
}

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

impl Frame for Request<'_> {
    type Scan = RequestScan;
    type At<'a> = Request<'a>;
    const MIN: usize = 1;
}

impl<'a> Decode<'a> for Request<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        if r.take()? != *b"*" {
            r.skip(r.left())?;
            return Ok(Self::Inline(r.join(r.since(0)).trim_ascii_end()));
        }
        let wanted = <AsciiCrlf as Prefix<()>>::get(r)?;
        let (mut few, mut count, mut many) = ([&[][..]; FEW], 0, Vec::new());
        for _ in 0..wanted {
            let string = <Text<'_> as Wire<'_>>::get(r)?.bytes;
            if count < FEW {
                few[count] = string;
            } else {
                if many.is_empty() {
                    many.extend_from_slice(&few);
                }
                many.push(string);
            }
            count += 1;
        }
        Ok(Self::Array { few, count, many })
    }
}

#[derive(Default)]
pub(crate) struct RequestScan {
    state: State,
    resume: Resume,
}

#[derive(Default)]
enum State {
    #[default]
    Start,
    Inline(Find),
    Array(<Array<'static> as Wire<'static>>::Skip),
}

impl Scanner for RequestScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        self.resume.scan(w, max, |cursor| self.state.skip(cursor))
    }
}

impl State {
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
                Self::Inline(find) => return c.until(find, b"\n", LONGEST_LINE).map(drop),
                Self::Array(skip) => return <Array<'_> as Wire<'_>>::skip(skip, c),
            }
        }
    }
}
