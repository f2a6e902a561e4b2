//! The lines between the chunks of a body.

use super::Refusal;

/// The most bytes that all chunk extensions of a body may have.
const MAX_EXTENSIONS: usize = 16 << 10;

/// The line before a chunk, read byte by byte: the chunk's size in hexadecimal digits, and extensions,
/// which are passed over.
#[derive(Clone, Debug, Default)]
pub(super) struct SizeLine {
    size: u64,
    digits: u8,
    part: Part,
    /// Bytes of extensions so far, in this line and those before it.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Digits,
    /// Blanks that an extension has to follow.
    Blank,
    Extension,
    /// The line's CR came.
    End,
}

impl SizeLine {
    /// Takes the next byte; gives the chunk's size at the line's end.
    ///
    /// # Errors
    /// The line is malformed, or extensions are too long.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<u64>, Refusal> {
        self.part = match (self.part, byte) {
            (Part::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if self.digits == 16 {
                    return Err(Refusal::bad("a chunk size of more than 16 digits"));
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                self.size = self.size << 4 | u64::from(digit);
                self.digits += 1;
                Part::Digits
            }
            (Part::Digits, _) if self.digits == 0 => {
                return Err(Refusal::bad("a chunk size that does not begin by a digit"));
            }
            (Part::Digits | Part::Blank, b';') => Part::Extension,
            (Part::Digits | Part::Blank, b' ' | b'\t') => Part::Blank,
            (Part::Digits | Part::Extension, b'\r') => Part::End,
            (Part::Extension, b'\t' | b' '..=b'~' | 0x80..) => Part::Extension,
            (Part::End, b'\n') => {
                let size = self.size;
                *self = Self { extensions: self.extensions, ..Self::default() };
                return Ok(Some(size));
            }
            _ => return Err(Refusal::bad("a malformed line before a chunk")),
        };
        if matches!(self.part, Part::Blank | Part::Extension) {
            self.extensions += 1;
            if self.extensions > MAX_EXTENSIONS {
                return Err(Refusal::bad("chunk extensions are too long"));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(line: &[u8]) -> Result<Option<u64>, Refusal> {
        let mut read = SizeLine::default();
        line.iter().try_fold(None, |_, byte| read.push(*byte))
    }

    #[test]
    fn a_size_stands_alone_or_before_extensions() {
        let lines = ["5\r\n", "0005\r\n", "5;a\r\n", "5 ;a=b\r\n", "5;a=\"b;c\";d\r\n", "5;\r\n"];
        for line in lines {
            assert_eq!(size(line.as_bytes()), Ok(Some(5)), "{line:?}");
        }
        assert_eq!(size(b"fFfFfFfFfFfFfFfF\r\n"), Ok(Some(u64::MAX)));
        for line in [
            "\r\n",
            " 5\r\n",
            "\x0c5\r\n",
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "5 \r\n",
            "5\x0c\r\n",
            "5\n",
            "5;a\n",
            "5;a\rb\r\n",
            "5;\0\r\n",
            "5\rx",
            ";a\r\n",
            "g\r\n",
            "5 5\r\n",
            "5_0\r\n",
            "00000000000000005\r\n",
        ] {
            assert!(size(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn extensions_of_many_lines_count_together() {
        let mut line = SizeLine::default();
        let mut push = |bytes: &[u8]| bytes.iter().try_for_each(|byte| line.push(*byte).map(drop));
        let extension = [&b"1;"[..], &[b'x'; 999], b"\r\n"].concat();
        for _ in 0..16 {
            push(&extension).unwrap();
        }
        assert_eq!(push(&extension), Err(Refusal::bad("chunk extensions are too long")));
    }
}
