//! What an item's attributes must not say, each mistake reported once, where it was made.

mod extents;
mod lengths;
mod marks;
mod numbers;
mod tags;

pub(super) use extents::no_size;
use syn::{Expr, ExprLit, GenericParam, Lit};

use super::{
    model::{Body, Field, Fields, Item},
    types,
};
use crate::errors::Errors;

/// Checks all of `item`.
pub(super) fn item(item: &Item, errors: &Errors) {
    generics(item, errors);
    if let Some(max) = &item.attrs.max
        && literal(max) == Some(0)
    {
        errors.at(max, "no frame has 0 bytes: this one can never be read", "the most bytes it has");
    }
    match &item.body {
        Body::Struct(_) => {
            for (field, _) in item.attrs.tag.iter().map(|tag| (tag, ())) {
                errors.at(field, "a struct has no tag", "a field: `kind: u8`");
            }
        }
        Body::Enum(variants) => tags::variants(item, variants, errors),
    }
    marks::all(item, errors);
    for fields in item.bodies() {
        for field in &fields.list {
            numbers::field(field, errors);
            extents::field(item, field, errors);
        }
        numbers::groups(fields, errors);
        extents::rest(item, fields, errors);
        lengths::all(fields, errors);
        uses(fields, errors);
        recursion(item, fields, errors);
    }
}

fn generics(item: &Item, errors: &Errors) {
    for param in
        item.generics.params.iter().filter(|p| matches!(p, GenericParam::Lifetime(_))).skip(1)
    {
        errors.at(
            param,
            "a second lifetime: a frame borrows from one buffer",
            "use the first lifetime here too",
        );
    }
}

/// Returns the value of an integer literal, perhaps negative.
fn literal(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Byte(byte), .. }) => Some(byte.value().into()),
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
            literal(&unary.expr).map(|n| -n)
        }
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}

/// Checks that expressions use scalar fields that were read before.
fn uses(fields: &Fields, errors: &Errors) {
    for (i, field) in fields.list.iter().enumerate() {
        let a = &field.attrs;
        let of = |expr: &Option<super::model::Attr<Expr>>, upto: usize, size: bool| {
            if let Some(expr) = expr {
                uses_of(fields, i, &expr.value, upto, size, errors);
            }
        };
        of(&a.size, i, true);
        of(&a.count, i, true);
        of(&a.cond, i, false);
        of(&a.check, i + 1, false);
        for arg in a.args.iter().flat_map(|args| &args.value) {
            uses_of(fields, i, arg, i, false, errors);
        }
    }
}

fn uses_of(fields: &Fields, i: usize, expr: &Expr, upto: usize, size: bool, errors: &Errors) {
    let name = &fields.list[i].name;
    for used in fields.uses(expr) {
        let other = &fields.list[used.field];
        if used.field >= upto {
            let message = format!("`{}` is read from the wire after `{name}`", other.name);
            let help = if used.field == i {
                format!("use the fields above `{name}`")
            } else {
                format!("use the fields above `{name}`, or move `{}` there", other.name)
            };
            errors.push(syn::Error::new(used.span, crate::errors::with_help(message, help)));
        } else if types::scalar(other).is_none() {
            let message = format!("`{}` is no number: its bytes are not decoded here", other.name);
            let help = if size {
                "`size_with = path`, a function of the bytes before this field"
            } else {
                "use fields that are integers or flags"
            };
            errors.at(expr, message, help);
            return;
        }
    }
}

fn recursion(item: &Item, fields: &Fields, errors: &Errors) {
    for (i, field) in fields.list.iter().enumerate() {
        if !types::names(&field.ty, item) {
            continue;
        }
        let inner = field.inner();
        let element = types::vec(inner).or(types::boxed(inner)).unwrap_or(inner);
        if item.attrs.depth.is_none() {
            errors.at(
                &fields.span,
                format!("`{}` holds itself: how deep may it nest?", item.ident),
                "`#[frame(recursive(depth = 32))]` on the type",
            );
        } else if i + 1 < fields.list.len() || types::selves(element, item).is_none() {
            errors.at(
                &field.ty,
                "a frame holds itself only in its last field, as `Vec<Self>`, `Vec<(Self, Self)>` \
                 or `Box<Self>`",
                "put a length before it: `#[frame(prefix = u32)]` around a type of its own",
            );
        }
    }
}

/// Returns whether `field` has `key` among its attributes.
fn has(field: &Field, key: &str) -> bool {
    field.attrs.keys.iter().any(|k| k == key)
}
