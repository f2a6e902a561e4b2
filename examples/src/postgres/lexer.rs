//! Words, numbers, texts and signs of SQL.

use super::message::Failure;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word in lower case: a keyword, or a name.
    Word(String),
    /// A name in double quotes.
    Name(String),
    /// A number without its sign.
    Number(i64),
    /// A text in single quotes.
    Text(String),
    /// A sign, or two that belong together.
    Sign(&'static str),
    /// The end.
    End,
}

/// Signs, the longer ones first.
const SIGNS: [&str; 13] = ["<=", ">=", "<>", "!=", "(", ")", ",", ";", "*", "=", "<", ">", "-"];

/// The token at the start of `sql`, behind blanks and comments, and what follows it.
pub(super) fn next(sql: &str) -> Result<(Token, &str), Failure> {
    let mut rest = sql.trim_start();
    while let Some(comment) = rest.strip_prefix("--") {
        rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
    }
    let Some(first) = rest.chars().next() else { return Ok((Token::End, rest)) };
    match first {
        '\'' => quoted(rest, '\'').map(|(text, rest)| (Token::Text(text), rest)),
        '"' => quoted(rest, '"').map(|(name, rest)| (Token::Name(name), rest)),
        '0'..='9' => {
            let (digits, after) = split(rest, |c| c.is_ascii_digit());
            let out_of_range = || Failure::new("22003", format!("{digits} is out of range"));
            Ok((Token::Number(digits.parse().map_err(|_| out_of_range())?), after))
        }
        c if c.is_alphabetic() || c == '_' => {
            let (word, after) = split(rest, |c| c.is_alphanumeric() || c == '_');
            Ok((Token::Word(word.to_lowercase()), after))
        }
        c => {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| syntax(&format!("at or near \"{c}\"")))?;
            Ok((Token::Sign(sign), &rest[sign.len()..]))
        }
    }
}

/// A syntax error; `at` says where.
pub(super) fn syntax(at: &str) -> Failure {
    Failure::new("42601", format!("syntax error {at}"))
}

fn split(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// What stands in quotes at the start of `text`, where a quote is written twice, and what follows.
fn quoted(text: &str, quote: char) -> Result<(String, &str), Failure> {
    let mut rest = &text[1..];
    let mut value = String::new();
    loop {
        let (part, after) =
            rest.split_once(quote).ok_or_else(|| syntax("at the end: a quote is not closed"))?;
        value.push_str(part);
        match after.strip_prefix(quote) {
            Some(more) => {
                value.push(quote);
                rest = more;
            }
            None => return Ok((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart() {
        let mut sql = "SELECT \"A\"\"b\", 'it''s' -- why\n <>-42;";
        let mut all = Vec::new();
        loop {
            let (token, rest) = next(sql).unwrap();
            if token == Token::End {
                break;
            }
            all.push(token);
            sql = rest;
        }
        let wanted = [
            Token::Word("select".into()),
            Token::Name("A\"b".into()),
            Token::Sign(","),
            Token::Text("it's".into()),
            Token::Sign("<>"),
            Token::Sign("-"),
            Token::Number(42),
            Token::Sign(";"),
        ];
        assert_eq!(all, wanted);
        assert_eq!(next("'open").unwrap_err().code, "42601");
        assert_eq!(next("99999999999999999999").unwrap_err().code, "22003");
        assert_eq!(next("?").unwrap_err().code, "42601");
    }
}
