//! Inline requests: words with blanks between them, as a person types them.

use std::borrow::Cow;

/// A quote that is not closed, or that something follows at once.
#[derive(Debug, PartialEq)]
pub(super) struct UnbalancedQuotes;

/// The words of `line`.
///
/// A part of a word may stand in quotes. Within double ones, `\n`, `\r`, `\t`, `\b`, `\a`, `\xFF`
/// and `\"` mean what they mean in C; within single ones, only `\'` is special.
///
/// # Errors
/// If a quote is not closed, or the word goes on after it.
pub(super) fn split(line: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut rest = after_spaces(line);
    while !rest.is_empty() {
        let plain = rest.iter().position(|&c| ends_word(c)).unwrap_or(rest.len());
        if rest[..plain].iter().any(|c| b"\"'".contains(c)) {
            let (word, after) = quoted(rest)?;
            words.push(Cow::Owned(word));
            rest = after_spaces(after);
        } else {
            words.push(Cow::Borrowed(&rest[..plain]));
            rest = after_spaces(&rest[plain..]);
        }
    }
    Ok(words)
}

/// The word at the beginning of `rest`, and what follows it.
fn quoted(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] => return Ok((word, rest)),
            [c, ..] if ends_word(*c) => return Ok((word, rest)),
            [quote @ (b'"' | b'\''), within @ ..] => {
                rest = if *quote == b'"' {
                    double(within, &mut word)?
                } else {
                    single(within, &mut word)?
                };
                if rest.first().is_some_and(|&c| !is_space(c)) {
                    return Err(UnbalancedQuotes);
                }
                return Ok((word, rest));
            }
            [c, after @ ..] => {
                word.push(*c);
                rest = after;
            }
        }
    }
}

/// Adds what stands before the closing double quote; gives what follows it.
fn double<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (c, after) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (digit(*high) << 4 | digit(*low), after)
            }
            [b'\\', escaped, after @ ..] => (escape(*escaped), after),
            [c, after @ ..] => (*c, after),
        };
        word.push(c);
        rest = after;
    }
}

/// Adds what stands before the closing single quote; gives what follows it.
fn single<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (c, after) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [c, after @ ..] => (*c, after),
        };
        word.push(c);
        rest = after;
    }
}

fn escape(c: u8) -> u8 {
    match c {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn digit(c: u8) -> u8 {
    match c {
        b'0'..=b'9' => c - b'0',
        _ => (c | 0x20) - b'a' + 10,
    }
}

fn after_spaces(text: &[u8]) -> &[u8] {
    &text[text.iter().position(|&c| !is_space(c)).unwrap_or(text.len())..]
}

/// Whether `c` may stand between words.
fn is_space(c: u8) -> bool {
    ends_word(c) || matches!(c, 0x0b | 0x0c)
}

/// Whether `c` ends a word. Vertical tabs and form feeds do not, as in Redis.
fn ends_word(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes()).ok()?;
        let text = |word: Cow<'_, [u8]>| word.escape_ascii().to_string();
        Some(words.into_iter().map(text).collect())
    }

    #[test]
    fn words_are_split_as_a_person_means_them() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("   ", &[]),
            ("PING", &["PING"]),
            ("  set  a\tb ", &["set", "a", "b"]),
            ("set 'a b' \"c d\"", &["set", "a b", "c d"]),
            ("'' \"\"", &["", ""]),
            (r#""\x41\n\"\q""#, &[r#"A\n\"q"#]),
            (r#""\xZZ""#, &["xZZ"]),
            (r"'it\'s' 'a\n'", &[r"it\'s", r"a\\n"]),
            (r#"pre"fix ed""#, &["prefix ed"]),
            ("\x0c\x0ba\x0cb \x0bc", &["a\\x0cb", "c"]),
            ("\"a\"\x0c'b'", &["a", "b"]),
        ];
        for (line, wanted) in cases {
            assert_eq!(words(line).unwrap(), *wanted, "{line}");
        }
    }

    #[test]
    fn quotes_that_do_not_fit_are_refused() {
        for line in ["'", "\"", "a 'b", "\"a\"b", "'a'b", "\"a\\", "'a\\'"] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    #[test]
    fn plain_words_are_not_copied() {
        let words = split(b"get key").unwrap();
        assert!(words.iter().all(|word| matches!(word, Cow::Borrowed(_))));
    }
}
