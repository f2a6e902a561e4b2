//! The marks of fields: at most one of each kind, on a field whose type can hold it.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, Type};

use super::literal;
use crate::{
    errors::Errors,
    frame::{
        model::{Attr, Body, Field, Item},
        types::{self, Prim},
    },
};

const MARKS: [&str; 8] =
    ["seq", "route", "payload", "status", "last", "deadline", "metadata", "goodbye"];

pub(super) fn all(item: &Item, errors: &Errors) {
    for mark in MARKS {
        let mut keys: Vec<&Ident> = Vec::new();
        if mark == "goodbye" {
            keys.extend(item.attrs.goodbye.as_ref().map(|goodbye| &goodbye.key));
            if let Body::Enum(variants) = &item.body {
                keys.extend(variants.iter().filter_map(|v| v.goodbye.as_ref()));
            }
        }
        if let Body::Struct(fields) = &item.body {
            let all = fields.list.iter().flat_map(|f| &f.attrs.keys);
            keys.extend(all.filter(|key| *key == mark));
        }
        for second in keys.iter().skip(1) {
            errors.at(second, format!("a second `{mark}`"), only(mark));
        }
    }
    if let Body::Enum(variants) = &item.body {
        for key in variants.iter().flat_map(|v| &v.fields.list).flat_map(|f| &f.attrs.keys) {
            if MARKS.iter().any(|mark| key == mark) {
                let help = match key.to_string().as_str() {
                    "goodbye" => "mark the variant: `#[frame(tag = 9, goodbye)] Goodbye`",
                    "route" => "an enum's variants are its routes: `#[on_request(Type::Variant)]`",
                    _ => "a struct with the mark and, as a field, this enum",
                };
                errors.at(key, format!("`{key}` marks a field of a struct"), help);
            }
        }
    }
    if let Body::Struct(fields) = &item.body {
        fields.list.iter().for_each(|f| field(f, errors));
    }
}

/// Returns the reason why a frame has one mark of the kind.
fn only(mark: &str) -> &'static str {
    match mark {
        "seq" => "a frame has one number that its reply carries",
        "route" => "a request is for one method",
        "payload" => "a frame has one payload; other bytes are fields without a mark",
        "status" => "a reply has one outcome",
        "last" => "one flag says whether a reply is the last",
        "deadline" => "a request has one deadline",
        "metadata" => "a request has one list of metadata",
        _ => "one variant, flag or function says whether a frame is a goodbye",
    }
}

fn field(field: &Field, errors: &Errors) {
    let a = &field.attrs;
    let mut marks: Vec<&Ident> =
        a.keys.iter().filter(|key| MARKS.iter().any(|m| *key == m)).collect();
    marks.dedup();
    let [mark, others @ ..] = &marks[..] else { return };
    if let Some(other) = others.first() {
        errors.at(
            other,
            format!("`{}` is marked `{mark}` already", field.name),
            "a field has one mark",
        );
        return;
    }
    if types::auto(&field.ty).is_some() {
        let ty = &field.ty;
        let message =
            format!("`{}` is computed, not set: it cannot be marked `{mark}`", field.name);
        errors.at(ty, message, "mark a field that holds a value of its own");
        return;
    }
    let prim = types::prim(&field.ty);
    let integer = matches!(prim, Some(Prim::Int(..)));
    let wrong = |what: &str, help: &str| errors.at(&field.ty, what, help);
    if a.route.is_some() && !integer && !is_text_or_bytes(&field.ty) {
        wrong("a route is an integer, `&str` or `&[u8]`", "`&'a str`");
    }
    if a.payload.is_some() && (prim.is_some() || is_text(&field.ty)) {
        wrong("a payload is bytes", "`&'a [u8]`, `Bytes`, `LinkSlice` or `Chunks<'a>`");
    }
    if a.last.is_some() && prim != Some(Prim::Bool) {
        wrong("`last` is a flag", "`bool`, perhaps with `bits = 1`");
    }
    if a.goodbye.is_some() && prim != Some(Prim::Bool) {
        wrong(
            "`goodbye` is a flag",
            "`bool`, perhaps with `bits = 1`; or `goodbye = path` on the type",
        );
    }
    if a.deadline.is_some() && !integer {
        wrong("a deadline is an integer: the time that the caller has left", "`u32`");
    }
    if a.metadata.is_some() && !is_list(&field.ty) {
        wrong("metadata is a list of entries", "`Vec<Entry<'a>>` with `count_prefix`");
    }
    if let Some(status) = &a.status {
        self::status(field, status, errors);
    }
}

fn is_list(ty: &Type) -> bool {
    matches!(ty, Type::Path(p) if p.path.segments.last().is_some_and(|last| last.ident == "Vec"))
}

fn is_text(ty: &Type) -> bool {
    let name = |ty: &Type, name: &str| matches!(ty, Type::Path(p) if p.path.is_ident(name));
    name(ty, "String") || types::reference(ty).is_some_and(|r| name(&r.elem, "str"))
}

fn is_text_or_bytes(ty: &Type) -> bool {
    let Some(reference) = types::reference(ty) else { return false };
    let bytes = |ty: &Type| matches!(ty, Type::Slice(s) if types::prim(&s.elem) == Some(Prim::Int(1, false)));
    is_text(ty) || bytes(&reference.elem)
}

fn status(field: &Field, status: &Attr<Vec<Attr<Expr>>>, errors: &Errors) {
    let prim = types::prim(&field.ty);
    if types::reference(&field.ty).is_some()
        || types::option(&field.ty).is_some()
        || prim.is_some_and(|prim| !matches!(prim, Prim::Int(..)))
        || is_text(&field.ty)
    {
        errors.at(&field.ty, "a status is an integer or an enum", "`u8`");
        return;
    }
    let mut seen: Vec<(&Ident, String)> = Vec::new();
    for one in &status.value {
        let (name, value) = (&one.key, &one.value);
        let text = literal(value).map_or(value.to_token_stream().to_string(), |n| n.to_string());
        if !matches!(value, Expr::Path(_)) && literal(value).is_none() {
            let help = "a literal or a constant: `timeout = 4`, `timeout = Code::Late`";
            errors.at(value, "a status is compared with one value", help);
            continue;
        }
        if seen.iter().any(|(other, _)| *other == name) {
            errors.at(name, format!("a second `{name}`"), "an outcome has one value");
        } else if let Some((other, _)) = seen.iter().find(|(_, other)| *other == text) {
            errors.at(
                value,
                format!("`{text}` is `{other}` already"),
                "each outcome has a value of its own",
            );
        }
        if let (Some(n), Some(Prim::Int(bytes, signed))) = (literal(value), prim) {
            let bits = (bytes as u32 * 8 - u32::from(signed)).min(126);
            let least = if signed { -(1i128 << bits) } else { 0 };
            if n < least || n >= 1 << bits {
                let ty = field.ty.to_token_stream();
                errors.at(value, format!("`{n}` is no `{ty}`"), "a value that the field can hold");
            }
        }
        seen.push((name, text));
    }
    if !seen.iter().any(|(name, _)| *name == "ok") {
        errors.at(
            &status.key,
            "which value says that a request succeeded?",
            "`status(ok = 0, ..)`",
        );
    }
}
