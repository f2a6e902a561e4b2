//! A writer of JSON: lists of flat objects, which is all that the endpoint answers with.

use std::fmt::{Display, Write};

/// A JSON text in the making.
#[derive(Default)]
pub(super) struct Json {
    text: String,
    /// A value stands before the next one in the same list or object.
    follows: bool,
}

impl Json {
    pub(super) fn finish(mut self) -> String {
        self.text.push('\n');
        self.text
    }

    pub(super) fn list(&mut self, fill: impl FnOnce(&mut Self)) {
        self.enclosed('[', ']', fill);
    }

    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.enclosed('{', '}', fill);
    }

    pub(super) fn text(&mut self, key: &str, value: impl Display) {
        self.key(key);
        self.quoted(&value.to_string());
    }

    /// Writes a number, whose `Display` is JSON's.
    pub(super) fn number(&mut self, key: &str, value: impl Display) {
        self.key(key);
        // Nothing fails to be written to a `String`.
        let _ = write!(self.text, "{value}");
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.number(key, value);
    }

    fn enclosed(&mut self, open: char, close: char, fill: impl FnOnce(&mut Self)) {
        self.comma();
        self.text.push(open);
        self.follows = false;
        fill(self);
        self.text.push(close);
        self.follows = true;
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.quoted(key);
        self.text.push(':');
    }

    fn comma(&mut self) {
        if self.follows {
            self.text.push(',');
        }
        self.follows = true;
    }

    fn quoted(&mut self, value: &str) {
        self.text.push('"');
        for sign in value.chars() {
            match sign {
                '"' | '\\' => self.text.extend(['\\', sign]),
                // `<` too, so that no text ends a script in a page.
                '\0'..='\x1f' | '<' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(sign));
                }
                _ => self.text.push(sign),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_objects_is_json() {
        let mut json = Json::default();
        json.list(|list| {
            list.object(|o| {
                o.text("a\"", "b\\\n<");
                o.number("n", 1.5);
            });
            list.object(|o| o.flag("yes", true));
        });
        assert_eq!(
            json.finish(),
            "[{\"a\\\"\":\"b\\\\\\u000a\\u003c\",\"n\":1.5},{\"yes\":true}]\n"
        );
    }
}
