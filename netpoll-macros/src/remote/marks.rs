//! The marks of a service's methods: `#[route = ".."]`, `#[oneway]` and others.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, parse::Parser};

use crate::{
    errors::{Errors, nearest},
    service::duration,
};

/// The marks, and how each is written.
const MARKS: [(&str, &str); 6] = [
    ("route", "#[route = \"..\"]"),
    ("oneway", "#[oneway]"),
    ("idempotent", "#[idempotent]"),
    ("stream", "#[stream]"),
    ("timeout", "#[timeout = \"2s\"]"),
    ("concurrent", "#[concurrent = 64]"),
];

/// The marks of a method, and its other attributes.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) attrs: Vec<Attribute>,
    pub(super) route: Option<String>,
    pub(super) one_way: Option<Ident>,
    pub(super) idempotent: Option<Ident>,
    pub(super) stream: Option<Ident>,
    pub(super) timeout: Option<u64>,
    pub(super) most: Option<TokenStream>,
}

/// Reads the attributes of a method.
pub(super) fn read(attrs: &[Attribute], errors: &Errors) -> Marks {
    let mut marks = Marks::default();
    let mut seen: Vec<String> = Vec::new();
    for attr in attrs {
        let Some(ident) = attr.path().get_ident() else {
            marks.attrs.push(attr.clone());
            continue;
        };
        let name = ident.to_string();
        if let Some((_, form)) = MARKS.iter().find(|(mark, _)| *mark == name) {
            if seen.contains(&name) {
                errors.at(attr, format!("`{name}` is given twice"), "remove one of them");
            } else {
                mark(&mut marks, attr, ident, form, errors);
            }
            seen.push(name);
        } else if !known(&name)
            && let Some(near) = nearest(&name, MARKS.map(|(mark, _)| mark))
            && let Some((_, form)) = MARKS.iter().find(|(mark, _)| *mark == near)
        {
            let message = format!("there is no mark `{name}`");
            errors.at(attr.path(), message, format!("did you mean `{form}`?"));
        } else {
            marks.attrs.push(attr.clone());
        }
    }
    marks
}

/// Returns whether an attribute is one of the language's.
fn known(name: &str) -> bool {
    ["doc", "cfg", "cfg_attr", "allow", "expect", "deprecated", "must_use"].contains(&name)
}

fn mark(marks: &mut Marks, attr: &Attribute, ident: &Ident, form: &str, errors: &Errors) {
    let help = format!("write `{form}`");
    let value = match &attr.meta {
        Meta::NameValue(pair) => Some(&pair.value),
        Meta::Path(_) => None,
        Meta::List(list) => return errors.at(list, format!("`{ident}` has no list"), help),
    };
    let flag = match &*ident.to_string() {
        "route" => {
            if let Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = value
                && !text.value().is_empty()
            {
                marks.route = Some(text.value());
                return;
            }
            return errors.at(attr, "a route is a name", "write `#[route = \"v1.add\"]`");
        }
        "timeout" => {
            let Some(value) = value else {
                return errors.at(attr, "a timeout is a duration", help);
            };
            let read = |input: syn::parse::ParseStream<'_>| duration(input, errors);
            match read.parse2(value.to_token_stream()) {
                Ok(timeout) => marks.timeout = timeout,
                Err(_) => errors.at(value, "this is no duration", help),
            }
            return;
        }
        "concurrent" => {
            match value {
                Some(value) if value.to_token_stream().to_string() == "0" => {
                    errors.at(value, "`concurrent = 0` handles no call", help);
                }
                Some(value) => marks.most = Some(value.to_token_stream()),
                None => errors.at(attr, "a limit is a number", help),
            }
            return;
        }
        "oneway" => &mut marks.one_way,
        "idempotent" => &mut marks.idempotent,
        _ => &mut marks.stream,
    };
    match value {
        Some(value) => errors.at(value, format!("`{ident}` has no value"), help),
        None => *flag = Some(ident.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_option() {
        crate::documented(
            include_str!("../../docs/service.md"),
            MARKS.map(|(name, _)| name).to_vec(),
        );
    }
}
