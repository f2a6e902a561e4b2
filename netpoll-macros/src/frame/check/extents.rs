//! The way in which a field's number of bytes is given.

use proc_macro2::Ident;
use syn::Type;

use super::has;
use crate::{
    errors::{Errors, with_help},
    frame::{
        layout::Extent,
        model::{Field, Fields, Item},
        types,
    },
};

const EXTENTS: [&str; 5] = ["size", "size_with", "prefix", "until", "rest"];

pub(super) fn field(item: &Item, field: &Field, errors: &Errors) {
    let a = &field.attrs;
    let extents: Vec<_> =
        a.keys.iter().filter(|k| EXTENTS.iter().any(|extent| *k == extent)).collect();
    if let [first, second, ..] = extents[..] {
        errors.at(
            second,
            format!("`{first}` says already how long `{}` is", field.name),
            "keep one of them",
        );
    }
    if a.cond.is_some() && types::option(&field.ty).is_none() {
        let ty = &field.ty;
        errors.at(
            ty,
            "a field that may be absent is an `Option`",
            format!("`Option<{}>`", quote::quote!(#ty)),
        );
    }
    if let Some(none) = &a.none
        && types::option(&field.ty).is_none()
    {
        errors.at(&none.key, "`none` is for an `Option`", "`Option<..>`, or leave it out");
    } else if let Some(none) = &a.none
        && (a.cond.is_some() || a.prefix.is_none() && a.count_prefix.is_none())
    {
        errors.at(
            &none.key,
            "`none` is a number that stands in place of a length or count",
            "with `prefix = i32` or `count_prefix = i32`; `if` has its own condition",
        );
    }
    if types::option(&field.ty).is_some()
        && ["if", "none", "with", "try_map", "args", "tag"].iter().all(|key| !has(field, key))
    {
        errors.at(
            &field.ty,
            format!("when is `{}` absent?", field.name),
            "`if = ..`, a condition on fields before it; or `prefix = i32, none = -1`, a length that says so",
        );
    }
    if (a.count.is_some() || a.count_prefix.is_some()) && types::vec(field.inner()).is_none() {
        errors.at(field.inner(), "elements are counted in a `Vec`", "`Vec<..>`");
    }
    if let Some(tail) = &a.tail
        && !["size", "size_with", "prefix"].iter().any(|key| has(field, key))
    {
        errors.at(
            &tail.key,
            "`tail` follows a field whose size is given",
            "with `prefix`, `size` or `size_with`",
        );
    }
    if let Some(try_map) = &a.try_map
        && extents.is_empty()
        && a.raw.is_none()
    {
        errors.at(
            &try_map.key,
            "what is read before it is converted?",
            "`as = u8`, or a size: `prefix`, `size`, `until`, `rest`",
        );
    }
    if let Some(raw) = &a.raw
        && a.try_map.is_none()
    {
        errors.at(&raw.key, "`as` names what `try_map` takes", "`try_map = path`, or leave it out");
    }
    if a.magic.is_some() && field.attrs.keys.iter().any(|k| k != "magic" && k != "pad" && k != "le")
    {
        errors.at(&field.member, "a constant stands alone", "only `pad`, `le` or `be` beside it");
    }
    let _ = item;
}

/// Fields that take what is left, and those that nothing gives a size.
pub(super) fn rest(item: &Item, fields: &Fields, errors: &Errors) {
    let rests: Vec<usize> =
        (0..fields.list.len()).filter(|&i| fields.list[i].attrs.rest.is_some()).collect();
    for &i in rests.iter().skip(1) {
        errors.at(
            &fields.list[i].attrs.rest,
            "a second `rest`: the first leaves nothing",
            "`prefix = u32` on the first",
        );
    }
    let last = fields.list.len().wrapping_sub(1);
    if let [i] = rests[..] {
        let field = &fields.list[i];
        if i != last {
            errors.at(
                &field.member,
                format!("`{}` takes the rest, and is not the last field", field.name),
                "move it to the end, or give it a size: `prefix = u32`",
            );
        } else if !item.is_part()
            && item.attrs.datagram.is_none()
            && !fields.lengths().iter().any(|c| c.to == last)
        {
            errors.at(
                &field.member,
                "nothing says where this frame ends",
                "a length before it: `#[frame(len(of = rest))] n: Auto<u32>`; or, if it stands \
                 only within other frames, `#[frame(part)]` on the type; or, if each is a datagram, \
                 `#[frame(datagram)]`",
            );
        }
    }
    for (i, field) in fields.list.iter().enumerate() {
        let a = &field.attrs;
        let own = matches!(fields.extent(i), Extent::Own)
            && a.with.is_none()
            && a.args.is_none()
            && a.count.is_none()
            && a.count_prefix.is_none()
            && a.magic.is_none()
            && a.raw.is_none();
        let unsized_reference = types::reference(field.inner()).is_some_and(|r| {
            matches!(&*r.elem, Type::Slice(_))
                || matches!(&*r.elem, Type::Path(p) if p.path.is_ident("str"))
        });
        if own && unsized_reference {
            errors.push(syn::Error::new_spanned(&field.ty, no_size(&field.name)));
        }
    }
}

/// Returns the error of the field `name`, where nothing says how long it is.
pub(in crate::frame) fn no_size(name: &Ident) -> String {
    with_help(
        format!("the size of `{name}` is not given"),
        "one of `#[frame(prefix = u32)]`, `#[frame(size = n)]`, `#[frame(until = b\"\\n\")]`, \
         `#[frame(rest)]`; or `len(of = ..)` on a field before it",
    )
}
