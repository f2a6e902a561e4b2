//! Lengths, checksums, and what they cover.

use quote::ToTokens;
use syn::Ident;

use super::literal;
use crate::{
    errors::{Errors, nearest},
    frame::{
        layout::Unit,
        model::{Field, Fields, Range, RangeKind},
        types::{self, Prim},
    },
};

pub(super) fn all(fields: &Fields, errors: &Errors) {
    for (i, field) in fields.list.iter().enumerate() {
        length(fields, i, field, errors);
        checksum(fields, i, field, errors);
    }
}

fn length(fields: &Fields, i: usize, field: &Field, errors: &Errors) {
    let Some(len) = field.attrs.len.as_ref().map(|l| &l.value) else { return };
    let bytes = match types::auto(&field.ty) {
        Some(inner) => match types::prim(inner) {
            Some(Prim::Int(_, false)) if field.attrs.u24.is_some() => Some(3),
            Some(Prim::Int(bytes @ 1..=8, false)) => Some(bytes),
            Some(Prim::Pointer) => None,
            _ => {
                errors.at(
                    inner,
                    "a length is an unsigned integer",
                    "`Auto<u8>`, `Auto<u16>`, `Auto<u32>` or `Auto<u64>`",
                );
                None
            }
        },
        None => {
            let help = match types::prim(&field.ty) {
                Some(Prim::Int(_, false)) => {
                    format!("`Auto<{}>`", field.ty.to_token_stream())
                }
                _ => "`Auto<u32>`".to_owned(),
            };
            errors.at(&field.ty, "a length is computed when the frame is encoded", help);
            None
        }
    };
    if let (Some(max), Some(bytes)) = (&len.max, bytes) {
        let most = (1i128 << (bytes * 8)) - 1;
        let unit = len.unit.as_ref().and_then(|u| u.base10_parse::<i128>().ok()).unwrap_or(1);
        if literal(max) == Some(0) {
            errors.at(max, "a field of 0 bytes can never be read", "the most bytes it has");
        } else if literal(max).is_some_and(|max| max > most * unit) {
            errors.at(
                max,
                format!("this exceeds {}, the most that {} bits can say", most * unit, bytes * 8),
                format!("a wider length, `Auto<u{}>`, or a lower `max`", (bytes * 16).min(64)),
            );
        }
    }
    if let Some(unit) = &len.unit
        && unit.base10_parse::<u64>().ok() == Some(0)
    {
        errors.at(unit, "a unit of 0 bytes", "the bytes that one of the length counts");
    }
    if !known(fields, &len.of, errors) {
        return;
    }
    let Some((from, to)) = fields.covered(&len.of, i) else { return };
    match &len.of.kind {
        RangeKind::Field(name) if from <= i => errors.at(
            name,
            format!("`{name}` comes before its length"),
            format!("move `{}` before `{name}`", field.name),
        ),
        RangeKind::FromTo(_, last) if to <= i => errors.at(
            last,
            format!("`{last}` comes before its length"),
            format!("move `{}` before `{last}`", field.name),
        ),
        _ => {}
    }
    if let Some(bias) = &len.bias
        && let Some(value) = literal(bias)
        && value < 0
        && let Some(before) = bytes_before(fields, from)
        && -value > before as i128
    {
        errors.at(
            bias,
            format!("with this bias the frame is shorter than its header of {before} bytes"),
            format!("-{before} or more: bytes = wire * unit + bias"),
        );
    }
}

/// Returns the bytes before the field `from`, if they are always as many.
fn bytes_before(fields: &Fields, from: usize) -> Option<usize> {
    let units = fields.units(|i| i == from, |_| false);
    let mut sum = 0;
    for unit in units.iter().filter(|u| u.first() < from) {
        match unit {
            Unit::Run(run) => sum += run.size,
            Unit::One(_) => return None,
        }
    }
    Some(sum)
}

fn checksum(fields: &Fields, i: usize, field: &Field, errors: &Errors) {
    let Some(crc) = field.attrs.crc.as_ref().map(|c| &c.value) else { return };
    if types::auto(&field.ty).is_none() {
        errors.at(&field.ty, "a checksum is computed when the frame is encoded", "`Auto<u32>`");
    }
    if !known(fields, &crc.over, errors) {
        return;
    }
    let Some((from, to)) = fields.covered(&crc.over, i) else { return };
    if (from..=to).contains(&i) {
        let help = match i.checked_sub(1) {
            Some(before) if from < i => format!(
                "end before it: `over = {}..={}`",
                fields.list[from].name, fields.list[before].name
            ),
            _ => "begin behind it".to_owned(),
        };
        errors.at(&crc.over.tokens, format!("`{}` covers itself", field.name), help);
    }
}

/// Returns whether all fields that `range` names exist.
fn known(fields: &Fields, range: &Range, errors: &Errors) -> bool {
    let names: Vec<&Ident> = match &range.kind {
        RangeKind::Rest | RangeKind::Frame => vec![],
        RangeKind::Field(name) | RangeKind::From(name) => vec![name],
        RangeKind::FromTo(from, to) => vec![from, to],
    };
    let mut all = true;
    for name in names {
        if fields.position(name).is_none() {
            all = false;
            let others: Vec<String> = fields.list.iter().map(|f| f.name.to_string()).collect();
            let help = match nearest(&name.to_string(), others.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}; or `rest`, `frame`", others.join(", ")),
            };
            errors.at(name, format!("there is no field `{name}`"), help);
        }
    }
    all
}
