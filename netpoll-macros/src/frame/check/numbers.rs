//! Integers, groups of bits, constants.

use syn::{Expr, ExprLit, Lit};

use super::literal;
use crate::{
    errors::Errors,
    frame::{
        model::{Field, Fields},
        types::{self, Prim},
    },
};

pub(super) fn field(field: &Field, errors: &Errors) {
    let a = &field.attrs;
    let inner = types::auto(field.inner()).unwrap_or(field.inner());
    let prim = types::prim(inner);
    if prim == Some(Prim::Pointer) && a.with.is_none() && a.try_map.is_none() {
        errors.at(&field.ty, "the size of this integer differs between machines", "`u32` or `u64`");
    }
    if let Some(key) = &a.u24
        && !matches!(prim, Some(Prim::Int(4, _)) | None)
    {
        let _ = key;
        errors.at(&field.ty, "24 bits need an integer of 32 to be in", "`u32`");
    }
    for order in [&a.be, &a.le].into_iter().flatten() {
        if a.varint.is_some() || a.zigzag.is_some() {
            errors.at(order, "a varint has no byte order", "leave it out");
        } else if a.bits.is_some() {
            errors.at(
                order,
                "bits are counted from the most significant one: a byte order does not apply",
                "leave it out, or take the bits from an integer field by expressions",
            );
        }
    }
    if let Some(magic) = &a.magic {
        match &magic.value {
            Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) if int.suffix().is_empty() => {
                errors.at(
                    int,
                    "how many bytes does this constant have?",
                    format!("a suffix: `{int}u16`"),
                );
            }
            Expr::Lit(ExprLit { lit: Lit::Int(_) | Lit::ByteStr(_) | Lit::Byte(_), .. }) => {
                if !types::is_unit(&field.ty) {
                    errors.at(&field.ty, "a constant needs no place", "`()`");
                }
            }
            other => errors.at(
                other,
                "a constant is a literal",
                "`0x1000u16` or `b\"PRI\"`; for others, `check = kind == KIND`",
            ),
        }
    }
    if let Some(bits) = &a.bits {
        let of_type = match types::prim(&field.ty) {
            Some(Prim::Bool) => 1,
            Some(Prim::Int(bytes @ 1..=8, false)) => bytes * 8,
            _ => {
                errors.at(&field.ty, "bits are a `bool` or an unsigned integer", "`u8`");
                return;
            }
        };
        match bits.value.base10_parse::<usize>() {
            Ok(0) => errors.at(&bits.value, "no bits", "1 or more"),
            Ok(n) if n > of_type => {
                let wider = [16, 32, 64].into_iter().find(|w| *w >= n).unwrap_or(64);
                errors.at(
                    &bits.value,
                    format!("{n} bits do not fit into the type of `{}`", field.name),
                    format!("`{}: u{wider}`", field.name),
                );
            }
            Ok(_) => {}
            Err(e) => errors.push(e),
        }
    }
    for delimiter in [&a.until, &a.tail].into_iter().flatten() {
        if delimiter.value.value().is_empty() {
            errors.at(
                &delimiter.value,
                "no bytes: a field that ends with them never ends",
                "`b\"\\r\\n\"`",
            );
        }
    }
    for (key, value) in [("align", &a.align), ("pad", &a.pad)] {
        if let Some(value) = value
            && value.value.base10_parse::<usize>().ok() == Some(0)
        {
            errors.at(&value.value, format!("`{key}` of 0 bytes"), "1 or more");
        }
    }
    if let Some(max) = &a.max
        && literal(&max.value) == Some(0)
    {
        errors.at(&max.value, "a field of 0 bytes can never be read", "the most bytes it has");
    }
}

/// Checks that groups of bits are whole bytes.
pub(super) fn groups(fields: &Fields, errors: &Errors) {
    let mut i = 0;
    while i < fields.list.len() {
        let Some((count, bits)) = fields.group(i) else {
            i += 1;
            continue;
        };
        i += count;
        let last = &fields.list[i - 1];
        if bits % 8 != 0 {
            let missing = 8 - bits % 8;
            errors.at(
                &last.member,
                format!("these {bits} bits are not a whole number of bytes"),
                format!("{missing} more bits: `#[frame(bits = {missing})] reserved: u8`"),
            );
        } else if bits > 64 {
            errors.at(
                &last.member,
                format!("{bits} bits before a byte ends"),
                "at most 64: let a field end at a byte's end before",
            );
        }
    }
}
