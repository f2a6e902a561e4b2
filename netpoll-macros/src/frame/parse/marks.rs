//! The values of marks: `status(ok = 0, ..)`, `deadline(ms)`.

use syn::{
    Expr, Ident, Token, ext::IdentExt, parenthesized, parse::ParseStream, punctuated::Punctuated,
};

use super::value;
use crate::{
    errors::{nearest, with_help},
    frame::{
        marks::{STATUSES, UNITS},
        model::Attr,
    },
};

/// Parses `(ok = E, timeout = E, ..)`.
pub(super) fn status(input: ParseStream<'_>, key: &Ident) -> syn::Result<Vec<Attr<Expr>>> {
    if !input.peek(syn::token::Paren) {
        let help = "`status(ok = 0, timeout = 4, panic = 13)`";
        let message = with_help("which values are which outcomes?", help);
        return Err(syn::Error::new(key.span(), message));
    }
    let inner;
    parenthesized!(inner in input);
    let outcomes = Punctuated::<_, Token![,]>::parse_terminated_with(&inner, outcome)?;
    Ok(outcomes.into_iter().collect())
}

fn outcome(input: ParseStream<'_>) -> syn::Result<Attr<Expr>> {
    let key = input.call(Ident::parse_any)?;
    let names = STATUSES.map(|(name, _)| name);
    if names.iter().any(|name| key == name) {
        return Ok(Attr { key, value: value(input)? });
    }
    let near = match nearest(&key.to_string(), names) {
        Some(near) => format!("did you mean `{near}`? There are: "),
        None => "there are: ".to_owned(),
    };
    let help = format!("{near}{}", names.join(", "));
    Err(syn::Error::new(key.span(), with_help(format!("unknown outcome `{key}`"), help)))
}

/// Parses `(ms)`.
pub(super) fn unit(input: ParseStream<'_>, key: &Ident) -> syn::Result<Ident> {
    let names = UNITS.map(|(name, _)| name).join(", ");
    if !input.peek(syn::token::Paren) {
        let help = format!("`deadline(ms)`; there are: {names}");
        let message = with_help("in which unit is the time counted?", help);
        return Err(syn::Error::new(key.span(), message));
    }
    let inner;
    parenthesized!(inner in input);
    let unit = inner.call(Ident::parse_any)?;
    if !UNITS.iter().any(|(name, _)| unit == name) {
        let message = with_help(format!("unknown unit `{unit}`"), format!("there are: {names}"));
        return Err(syn::Error::new(unit.span(), message));
    }
    Ok(unit)
}
