//! The formats, written by hand over the same readers and writers: what a user would write.

use netpoll::frame::{
    Cursor, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Find, Frame,
    FrameErrorKind, Prefix, Repr, Scan, Stop, Varint, Wire,
};

use super::samples::{flexible, ws_len};

macro_rules! frame {
    ($name:ident) => {
        impl Frame for $name<'_> {
            type Scan = Scan<$name<'static>>;
            type At<'a> = $name<'a>;
        }

        impl<'a> Decode<'a> for $name<'a> {
            fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
                let value = Self::get(r)?;
                r.finish()?;
                Ok(value)
            }
        }

        impl Encode for $name<'_> {
            fn encoded_len(&self) -> usize {
                self.size()
            }
            fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                self.put(w)
            }
        }
    };
}

fn length<T: TryFrom<usize>>(w: &Encoder<'_>, n: usize) -> Result<T, EncodeError> {
    n.try_into().map_err(|_| w.fail(FrameErrorKind::Range(n as i128)))
}

pub(crate) struct Bench<'a> {
    body: &'a [u8],
}

frame!(Bench);

impl<'a> Wire<'a> for Bench<'a> {
    const MIN: usize = 4;
    type Skip = ();

    fn skip((): &mut (), c: &mut Cursor<'_>) -> Result<(), Stop> {
        let n = u32::from_be_bytes(c.take()?) as usize;
        c.finish(c.pos() + n, 0)
    }
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let n = u32::from_be_bytes(r.take()?) as usize;
        Ok(Self { body: r.bytes(n)? })
    }
    fn size(&self) -> usize {
        4 + self.body.len()
    }
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let n: u32 = length(w, self.body.len())?;
        w.write(&n.to_be_bytes())?;
        w.write(self.body)
    }
}

pub(crate) struct H2<'a> {
    kind: u8,
    flags: u8,
    reserved: bool,
    stream: u32,
    payload: &'a [u8],
}

frame!(H2);

impl<'a> Wire<'a> for H2<'a> {
    const MIN: usize = 9;
    type Skip = ();

    fn skip((): &mut (), c: &mut Cursor<'_>) -> Result<(), Stop> {
        let [a, b, d] = c.take()?;
        c.finish(c.pos() + 6 + u32::from_be_bytes([0, a, b, d]) as usize, 6)
    }
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = r.take()?;
        let n = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        let (reserved, stream) = (stream >> 31 != 0, stream & (u32::MAX >> 1));
        Ok(Self { kind, flags, reserved, stream, payload: r.bytes(n)? })
    }
    fn size(&self) -> usize {
        9 + self.payload.len()
    }
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let n: u32 = length(w, self.payload.len())?;
        if n >> 24 != 0 || self.stream >> 31 != 0 {
            return Err(w.fail(FrameErrorKind::Range(n.into())));
        }
        let [_, a, b, c] = n.to_be_bytes();
        let stream = u32::from(self.reserved) << 31 | self.stream;
        let [s0, s1, s2, s3] = stream.to_be_bytes();
        w.write(&[a, b, c, self.kind, self.flags, s0, s1, s2, s3])?;
        w.write(self.payload)
    }
}

pub(crate) struct Kafka<'a> {
    api: i16,
    version: i16,
    correlation: i32,
    client: Option<&'a str>,
    tags: Option<Vec<(u32, &'a [u8])>>,
    body: &'a [u8],
}

frame!(Kafka);

fn varint(r: &mut Decoder<'_>) -> Result<usize, DecodeError> {
    let n: u32 = <Varint as Repr<u32>>::get(r)?;
    Ok(n as usize)
}

fn varint_size(n: usize) -> usize {
    <Varint as Repr<u32>>::size(n as u32)
}

fn put_varint(n: usize, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
    let n: u32 = length(w, n)?;
    <Varint as Repr<u32>>::put(n, w)
}

impl<'a> Wire<'a> for Kafka<'a> {
    const MIN: usize = 14;
    type Skip = ();

    fn skip((): &mut (), c: &mut Cursor<'_>) -> Result<(), Stop> {
        let n = u32::from_be_bytes(c.take()?) as usize;
        c.finish(c.pos() + n, 10)
    }
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let [n0, n1, n2, n3, a0, a1, v0, v1, c0, c1, c2, c3] = r.take()?;
        if u32::from_be_bytes([n0, n1, n2, n3]) as usize != r.left() + 8 {
            return Err(r.fail(FrameErrorKind::Length(0)));
        }
        let (api, version) = (i16::from_be_bytes([a0, a1]), i16::from_be_bytes([v0, v1]));
        let client = match i16::from_be_bytes(r.take()?) {
            -1 => None,
            n => {
                let n = usize::try_from(n).map_err(|_| r.fail(FrameErrorKind::Length(n.into())))?;
                let at = r.pos();
                let text = std::str::from_utf8(r.bytes(n)?);
                Some(text.map_err(|_| DecodeError::new(FrameErrorKind::Utf8, at))?)
            }
        };
        let tags = if flexible(api, version) {
            let n = varint(r)?;
            if n * 2 > r.left() {
                return Err(r.fail(FrameErrorKind::Truncated(n * 2 - r.left())));
            }
            let mut tags = Vec::with_capacity(n);
            for _ in 0..n {
                let key = <Varint as Repr<u32>>::get(r)?;
                let size = varint(r)?;
                tags.push((key, r.bytes(size)?));
            }
            Some(tags)
        } else {
            None
        };
        let body = r.bytes(r.left())?;
        let correlation = i32::from_be_bytes([c0, c1, c2, c3]);
        Ok(Self { api, version, correlation, client, tags, body })
    }
    fn size(&self) -> usize {
        let tag = |(key, value): &(u32, &[u8])| {
            varint_size(*key as usize) + varint_size(value.len()) + value.len()
        };
        let tags = |tags: &Vec<_>| varint_size(tags.len()) + tags.iter().map(tag).sum::<usize>();
        14 + self.client.map_or(0, str::len) + self.tags.as_ref().map_or(0, tags) + self.body.len()
    }
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let n: u32 = length(w, self.size() - 4)?;
        let mut head = [0; 12];
        head[..4].copy_from_slice(&n.to_be_bytes());
        head[4..6].copy_from_slice(&self.api.to_be_bytes());
        head[6..8].copy_from_slice(&self.version.to_be_bytes());
        head[8..].copy_from_slice(&self.correlation.to_be_bytes());
        w.write(&head)?;
        match self.client {
            Some(client) => {
                let n: i16 = length(w, client.len())?;
                w.write(&n.to_be_bytes())?;
                w.write(client.as_bytes())?;
            }
            None => w.write(&(-1i16).to_be_bytes())?,
        }
        if flexible(self.api, self.version) != self.tags.is_some() {
            return Err(w.fail(FrameErrorKind::Presence));
        }
        if let Some(tags) = &self.tags {
            put_varint(tags.len(), w)?;
            for (key, value) in tags {
                put_varint(*key as usize, w)?;
                put_varint(value.len(), w)?;
                w.write(value)?;
            }
        }
        w.write(self.body)
    }
}

pub(crate) struct Ws<'a> {
    head: u8,
    n7: u8,
    n16: Option<u16>,
    n64: Option<u64>,
    key: Option<u32>,
    body: &'a [u8],
}

frame!(Ws);

impl<'a> Wire<'a> for Ws<'a> {
    const MIN: usize = 2;
    type Skip = ();

    fn skip((): &mut (), c: &mut Cursor<'_>) -> Result<(), Stop> {
        let [_, second] = c.take()?;
        let key = if second & 0x80 == 0 { 0 } else { 4 };
        let n = match second & 0x7f {
            126 => u16::from_be_bytes(c.take()?).into(),
            127 => u64::from_be_bytes(c.take()?) as usize,
            n => n.into(),
        };
        c.skip(n.saturating_add(key))
    }
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let [head, second] = r.take()?;
        let n7 = second & 0x7f;
        let n16 = if n7 == 126 { Some(u16::from_be_bytes(r.take()?)) } else { None };
        let n64 = if n7 == 127 { Some(u64::from_be_bytes(r.take()?)) } else { None };
        let key = if second & 0x80 == 0 { None } else { Some(u32::from_be_bytes(r.take()?)) };
        let body = r.bytes(ws_len(n7, n16, n64) as usize)?;
        Ok(Self { head, n7, n16, n64, key, body })
    }
    fn size(&self) -> usize {
        let n16 = if self.n16.is_some() { 2 } else { 0 };
        let n64 = if self.n64.is_some() { 8 } else { 0 };
        let key = if self.key.is_some() { 4 } else { 0 };
        2 + n16 + n64 + key + self.body.len()
    }
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        if (self.n7 == 126) != self.n16.is_some() || (self.n7 == 127) != self.n64.is_some() {
            return Err(w.fail(FrameErrorKind::Presence));
        }
        if ws_len(self.n7, self.n16, self.n64) != self.body.len() as u64 {
            return Err(w.fail(FrameErrorKind::Length(self.body.len() as i128)));
        }
        let mask = if self.key.is_some() { 0x80 } else { 0 };
        w.write(&[self.head, mask | self.n7])?;
        if let Some(n) = self.n16 {
            w.write(&n.to_be_bytes())?;
        }
        if let Some(n) = self.n64 {
            w.write(&n.to_be_bytes())?;
        }
        if let Some(key) = self.key {
            w.write(&key.to_be_bytes())?;
        }
        w.write(self.body)
    }
}

pub(crate) enum Resp<'a> {
    Simple(&'a str),
    Error(&'a str),
    Int(i64),
    Bulk(Option<&'a [u8]>),
    Array(Option<Vec<Resp<'a>>>),
}

frame!(Resp);

#[derive(Default)]
pub(crate) struct RespSkip {
    started: bool,
    owed: usize,
    line: Find,
}

type Digits = netpoll::frame::AsciiCrlf;

fn digits(c: &mut Cursor<'_>) -> Result<i64, Stop> {
    <Digits as Prefix<()>>::scan(c)
}

fn get_digits(r: &mut Decoder<'_>) -> Result<i64, DecodeError> {
    <Digits as Prefix<()>>::get(r)
}

fn text<'a>(r: &mut Decoder<'a>) -> Result<&'a str, DecodeError> {
    let at = r.pos();
    let line = r.until(b"\r\n", usize::MAX)?;
    std::str::from_utf8(line).map_err(|_| DecodeError::new(FrameErrorKind::Utf8, at))
}

impl<'a> Resp<'a> {
    fn at_depth(r: &mut Decoder<'a>, depth: usize) -> Result<Self, DecodeError> {
        if depth == 0 {
            return Err(r.fail(FrameErrorKind::Depth(32)));
        }
        let [tag] = r.take()?;
        Ok(match tag {
            b'+' => Self::Simple(text(r)?),
            b'-' => Self::Error(text(r)?),
            b':' => Self::Int(get_digits(r)?),
            b'$' => Self::Bulk(match get_digits(r)? {
                -1 => None,
                n => {
                    let n =
                        usize::try_from(n).map_err(|_| r.fail(FrameErrorKind::Length(n.into())))?;
                    let bytes = r.bytes(n)?;
                    if r.take()? != *b"\r\n" {
                        return Err(r.fail(FrameErrorKind::Magic));
                    }
                    Some(bytes)
                }
            }),
            b'*' => Self::Array(match get_digits(r)? {
                -1 => None,
                n => {
                    let n =
                        usize::try_from(n).map_err(|_| r.fail(FrameErrorKind::Length(n.into())))?;
                    if n.saturating_mul(3) > r.left() {
                        return Err(r.fail(FrameErrorKind::Truncated(n)));
                    }
                    let mut items = Vec::with_capacity(n);
                    for _ in 0..n {
                        items.push(Self::at_depth(r, depth - 1)?);
                    }
                    Some(items)
                }
            }),
            tag => return Err(r.fail(FrameErrorKind::Tag(tag.into()))),
        })
    }
}

fn digits_size(n: i64) -> usize {
    <Digits as Prefix<()>>::size(n)
}

fn put_digits(tag: u8, n: i64, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
    w.write(&[tag])?;
    <Digits as Prefix<()>>::put(n, w)
}

impl<'a> Wire<'a> for Resp<'a> {
    const MIN: usize = 3;
    type Skip = RespSkip;

    fn skip(s: &mut RespSkip, c: &mut Cursor<'_>) -> Result<(), Stop> {
        if !s.started {
            (s.started, s.owed) = (true, 1);
        }
        while s.owed > 0 {
            let behind = (s.owed - 1).saturating_mul(3);
            c.owe(behind);
            let mut more = 0;
            match c.take()? {
                [b'+' | b'-' | b':'] => drop(c.until(&mut s.line, b"\r\n", usize::MAX)?),
                [b'$'] => match digits(c)? {
                    -1 => {}
                    n => {
                        let n = usize::try_from(n)
                            .map_err(|_| c.fail(FrameErrorKind::Length(n.into())))?;
                        c.skip(n.saturating_add(2))?;
                    }
                },
                [b'*'] => match digits(c)? {
                    -1 => {}
                    n => {
                        more = usize::try_from(n)
                            .map_err(|_| c.fail(FrameErrorKind::Length(n.into())))?;
                    }
                },
                [tag] => return Err(c.fail(FrameErrorKind::Tag(tag.into()))),
            }
            c.settle(behind);
            s.owed = (s.owed - 1).saturating_add(more);
            c.commit();
        }
        Ok(())
    }
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        Self::at_depth(r, 32)
    }
    fn size(&self) -> usize {
        1 + match self {
            Self::Simple(text) | Self::Error(text) => text.len() + 2,
            Self::Int(n) => digits_size(*n),
            Self::Bulk(None) | Self::Array(None) => 4,
            Self::Bulk(Some(bytes)) => digits_size(bytes.len() as i64) + bytes.len() + 2,
            Self::Array(Some(items)) => {
                digits_size(items.len() as i64) + items.iter().map(Self::size).sum::<usize>()
            }
        }
    }
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let line = |w: &mut Encoder<'_>, tag: u8, text: &str| {
            w.write(&[tag])?;
            w.write(text.as_bytes())?;
            w.write(b"\r\n")
        };
        match self {
            Self::Simple(text) => line(w, b'+', text),
            Self::Error(text) => line(w, b'-', text),
            Self::Int(n) => put_digits(b':', *n, w),
            Self::Bulk(None) => w.write(b"$-1\r\n"),
            Self::Array(None) => w.write(b"*-1\r\n"),
            Self::Bulk(Some(bytes)) => {
                put_digits(b'$', bytes.len() as i64, w)?;
                w.write(bytes)?;
                w.write(b"\r\n")
            }
            Self::Array(Some(items)) => {
                put_digits(b'*', items.len() as i64, w)?;
                items.iter().try_for_each(|item| item.put(w))
            }
        }
    }
}
