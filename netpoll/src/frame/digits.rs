//! Short numbers as decimal digits, by the quick way.

/// Returns a number of one to eight digits with CR LF behind it, at the beginning of `text`, and
/// what follows; `None` if it is longer, or begins with a zero and has more digits.
#[inline]
pub(super) fn short(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0;
    for (i, &byte) in text.iter().enumerate().take(9) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let rest = text[i..].strip_prefix(b"\r\n")?;
            return (i > 0).then_some((value, rest));
        }
        if i == 1 && value == 0 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    None
}
