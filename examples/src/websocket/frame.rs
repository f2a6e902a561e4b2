//! The head of a frame, and masks.

use super::message::Close;

/// The longest head of a client's frame: two bytes, a length of eight, and a mask.
pub(super) const MAX_HEAD: usize = 14;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// The bits on the wire.
    pub(super) fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn is_control(self) -> bool {
        self.bits() & 8 != 0
    }
}

/// The head of a client's frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// The frame ends its message.
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// Bytes of the head.
    pub(super) size: usize,
    /// Bytes of the payload.
    pub(super) payload: usize,
}

/// What the first bytes of a frame say.
pub(super) enum Parsed {
    Head(Head),
    /// The head has this many bytes at least.
    Need(usize),
}

impl Head {
    /// Parses the head at the start of `bytes`.
    ///
    /// # Errors
    /// The frame breaks the protocol.
    pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Close> {
        let Some(&[first, second]) = bytes.first_chunk() else { return Ok(Parsed::Need(2)) };
        if first & 0x70 != 0 {
            return Err(Close::protocol("a reserved bit is set"));
        }
        let opcode = Opcode::of(first & 15).ok_or(Close::protocol("an unknown opcode"))?;
        let (last, masked, short) = (first & 0x80 != 0, second & 0x80 != 0, second & 0x7f);
        if !masked {
            return Err(Close::protocol("a client's frame is not masked"));
        }
        if opcode.is_control() && (!last || short > 125) {
            return Err(Close::protocol("a control frame is long or in fragments"));
        }
        let width = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let size = 2 + width + 4;
        let (Some(length), Some(mask)) = (bytes.get(2..2 + width), bytes.get(2 + width..size))
        else {
            return Ok(Parsed::Need(size));
        };
        let long = length.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        let least = [0, 126, 1 << 16][width.div_ceil(4)];
        if long < least || long > i64::MAX as u64 {
            return Err(Close::protocol("a length that is not the shortest"));
        }
        let payload = if width == 0 { u64::from(short) } else { long };
        let payload = usize::try_from(payload).map_err(|_| Close::TOO_LONG)?;
        let mask = mask.try_into().unwrap_or_default();
        Ok(Parsed::Head(Self { last, opcode, mask, size, payload }))
    }
}

/// Takes `mask` off `payload`, or puts it on.
pub(super) fn mask(payload: &mut [u8], mask: [u8; 4]) {
    let narrow = u64::from(u32::from_ne_bytes(mask));
    let wide = narrow << 32 | narrow;
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// The head of a server's frame, which is not masked.
pub(super) fn head(opcode: Opcode, payload: usize) -> ([u8; 10], usize) {
    let mut head = [0; 10];
    head[0] = 0x80 | opcode.bits();
    let size = match payload {
        0..126 => {
            head[1] = payload as u8;
            2
        }
        126..0x1_0000 => {
            head[1] = 126;
            head[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
            4
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    };
    (head, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_go_on_and_off_at_any_length() {
        for len in 0..40 {
            let plain: Vec<u8> = (0..len).collect();
            let mut masked = plain.clone();
            mask(&mut masked, [1, 2, 3, 4]);
            let by_hand =
                plain.iter().zip([1, 2, 3, 4].into_iter().cycle()).map(|(byte, m)| byte ^ m);
            assert_eq!(masked, by_hand.collect::<Vec<u8>>());
            mask(&mut masked, [1, 2, 3, 4]);
            assert_eq!(masked, plain);
        }
    }

    #[test]
    fn lengths_are_the_shortest_and_heads_are_read_when_whole() {
        let head = |bytes: &[u8]| match Head::parse(bytes) {
            Ok(Parsed::Head(head)) => format!("{} + {}", head.size, head.payload),
            Ok(Parsed::Need(n)) => format!("need {n}"),
            Err(close) => close.code.to_string(),
        };
        for (bytes, wanted) in [
            (&[0x82][..], "need 2"),
            (&[0x82, 0x85], "need 6"),
            (&[0x82, 0xfe], "need 8"),
            (&[0x82, 0xff, 0, 0], "need 14"),
            (&[0x82, 0x85, 1, 2, 3, 4], "6 + 5"),
            (&[0x82, 0xfe, 0, 126, 1, 2, 3, 4], "8 + 126"),
            (&[0x82, 0xfe, 0, 125, 1, 2, 3, 4], "1002"),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], "14 + 65536"),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4], "1002"),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], "1002"),
            (&[0x82, 0x05], "1002"),
            (&[0xc2, 0x85], "1002"),
            (&[0x83, 0x85], "1002"),
            (&[0x09, 0x80], "1002"),
            (&[0x89, 0xfe], "1002"),
        ] {
            assert_eq!(head(bytes), wanted, "{bytes:x?}");
        }
    }
}
