//! All errors of one item, reported at once.

use std::{cell::RefCell, fmt::Display};

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Gathers errors.
#[derive(Default)]
pub(crate) struct Errors(RefCell<Vec<syn::Error>>);

impl Errors {
    /// Notes `message` at `at`, with what to write instead.
    pub(crate) fn at(&self, at: impl ToTokens, message: impl Display, help: impl Display) {
        self.push(syn::Error::new_spanned(at, with_help(message, help)));
    }

    /// Notes `error`.
    pub(crate) fn push(&self, error: syn::Error) {
        self.0.borrow_mut().push(error);
    }

    /// Returns whether none was noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Returns how many were noted.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Returns all of them, as the compiler takes them.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_inner().iter().map(syn::Error::to_compile_error).collect()
    }
}

/// Returns a stable macro cannot attach notes: the help is a second line of the message.
pub(crate) fn with_help(message: impl Display, help: impl Display) -> String {
    format!("{message}\nhelp: {help}")
}

/// Returns `: did you mean ..?` for the name of `known` that is nearest to `name`, if one is near.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.into_iter().map(|k| (distance(name, k), k)).min()?;
    (near.0 <= 1 + name.len() / 3).then_some(near.1)
}

/// Returns how many characters to insert, remove or replace.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name() {
        assert_eq!(nearest("bites", ["bits", "size", "rest"]), Some("bits"));
        assert_eq!(nearest("bdy", ["kind", "body"]), Some("body"));
        assert_eq!(nearest("xyzzy", ["bits", "size"]), None);
    }
}
