//! How many bytes a list of fields has: at least, always, and as a value.

use proc_macro2::TokenStream;

use super::{
    cx::{Cx, local},
    layout::{Extent, Repeat, Unit},
    model::Field,
    types,
};
use crate::hygiene::q;

/// Returns the fewest bytes of all fields.
pub(super) fn least(cx: &Cx<'_>) -> TokenStream {
    least_from(cx, 0)
}

/// Returns the fewest bytes of the field `from` and those behind it, where a unit begins.
pub(super) fn least_from(cx: &Cx<'_>, from: usize) -> TokenStream {
    let units = cx.fields.units(|i| i == from, |_| false);
    let mut known = 0;
    let mut terms = Vec::new();
    for unit in units.iter().filter(|u| u.first() >= from) {
        match unit {
            Unit::Run(run) => known += run.size,
            Unit::One(i) => {
                let (bytes, term) = least_of(cx, *i);
                known += bytes;
                terms.extend(term);
            }
        }
    }
    q!(#known #(+ #terms)*)
}

fn least_of(cx: &Cx<'_>, i: usize) -> (usize, Option<TokenStream>) {
    let field = &cx.fields.list[i];
    let a = &field.attrs;
    let pad = field.pad();
    if a.cond.is_some() {
        return (pad, None);
    }
    let prefix_repr = field.prefix_repr(cx.item.attrs.little);
    let of_prefix = |prefix: &syn::Type| Some(q!(<#prefix as p::Prefix<#prefix_repr>>::MIN));
    let tail = a.tail.as_ref().filter(|_| a.none.is_none()).map_or(0, |t| t.value.value().len());
    match (cx.fields.extent(i), field.repeat()) {
        (Extent::Prefix(prefix), _) => (pad + tail, of_prefix(prefix)),
        (Extent::Size(_) | Extent::SizeWith(_), _) => (pad + tail, None),
        (Extent::Own, Repeat::Prefix(prefix)) => (pad, of_prefix(prefix)),
        (Extent::Until(delimiter), _) => (pad + delimiter.value().len(), None),
        (Extent::Own, Repeat::Once) if a.with.is_none() && !types::names(&field.ty, cx.item) => {
            (pad, Some(own_const(cx, field, "MIN")))
        }
        _ => (pad, None),
    }
}

/// Returns a constant of the trait that reads a field of its own size.
fn own_const(cx: &Cx<'_>, field: &Field, name: &str) -> TokenStream {
    let (lifetime, repr) = (&cx.lifetime, field.repr(cx.item.attrs.little));
    let (ty, name) = (field.inner(), local(name));
    if let Some(repr) = field.attrs.len.as_ref().and_then(|l| l.value.repr.as_ref()) {
        let ty = types::auto(ty).unwrap_or(ty);
        return q!(<#repr as p::Repr<#ty>>::#name);
    }
    if let Some(raw) = &field.attrs.raw {
        let raw = &raw.value;
        return q!(<#raw as p::Wire<#lifetime, #repr>>::#name);
    }
    let ty = types::auto(ty).unwrap_or(ty);
    if field.attrs.args.is_some() {
        return q!(<#ty as p::WireArgs<#lifetime>>::#name);
    }
    q!(<#ty as p::Wire<#lifetime, #repr>>::#name)
}

/// Returns the number of bytes, if it is always the same.
pub(super) fn fixed(cx: &Cx<'_>) -> TokenStream {
    let units = cx.fields.units(|_| false, |_| false);
    let mut terms = Vec::new();
    for unit in &units {
        match unit {
            Unit::Run(run) => {
                let size = run.size;
                terms.push(q!(::core::option::Option::Some(#size)));
            }
            Unit::One(i) => {
                let field = &cx.fields.list[*i];
                let a = &field.attrs;
                let own = matches!(cx.fields.extent(*i), Extent::Own)
                    && matches!(field.repeat(), Repeat::Once)
                    && a.cond.is_none()
                    && a.with.is_none()
                    && a.args.is_none()
                    && a.align.is_none()
                    && field.pad() == 0
                    && !types::names(&field.ty, cx.item);
                if !own {
                    return q!(::core::option::Option::None);
                }
                terms.push(own_const(cx, field, "FIXED"));
            }
        }
    }
    q!(p::sum([#(#terms),*]))
}

/// Returns the bytes of all fields.
pub(super) fn all(cx: &Cx<'_>) -> TokenStream {
    size_of(cx, 0, cx.fields.list.len())
}

/// Returns the bytes of the fields `from..to`, from the variables bound to references.
pub(super) fn size_of(cx: &Cx<'_>, from: usize, to: usize) -> TokenStream {
    let mut known = 0;
    let mut terms = Vec::new();
    for unit in cx.fields.units(|_| false, |_| false) {
        match unit {
            Unit::Run(run) => {
                let within = run.items.iter().filter(|i| (from..to).contains(&i.field));
                known += within.map(|i| i.size).sum::<usize>();
            }
            Unit::One(i) if (from..to).contains(&i) => {
                known += cx.fields.list[i].pad();
                terms.push(one_size(cx, i));
            }
            Unit::One(_) => {}
        }
    }
    q!(#known #(+ #terms)*)
}

/// Returns the bytes of a field of its own, padding before it apart.
fn one_size(cx: &Cx<'_>, i: usize) -> TokenStream {
    let field = &cx.fields.list[i];
    let (var, a) = (cx.var(i), &field.attrs);
    let inner = |value: TokenStream| {
        let size = value_size(cx, field, &value);
        let around = match cx.fields.extent(i) {
            Extent::Until(_) if a.inclusive.is_some() => 0,
            Extent::Until(delimiter) => delimiter.value().len(),
            _ => a.tail.as_ref().map_or(0, |t| t.value.value().len()),
        };
        let prefix_repr = field.prefix_repr(cx.item.attrs.little);
        match (cx.fields.extent(i), field.repeat()) {
            (Extent::Prefix(prefix), _) => q!({
                let n = #size;
                <#prefix as p::Prefix<#prefix_repr>>::size(n as _) + n + #around
            }),
            (Extent::Own, Repeat::Prefix(prefix)) => q!({
                <#prefix as p::Prefix<#prefix_repr>>::size(#value.len() as _) + #size
            }),
            _ if around > 0 => q!(#size + #around),
            _ => size,
        }
    };
    let size = if a.cond.is_some() || a.none.is_some() {
        let value = inner(q!(value));
        let absent = match (&a.none, &a.prefix, &a.count_prefix) {
            (Some(none), Some(prefix), _) | (Some(none), _, Some(prefix)) => {
                let (none, prefix) = (&none.value, &prefix.value);
                let repr = field.prefix_repr(cx.item.attrs.little);
                q!(<#prefix as p::Prefix<#repr>>::size(#none))
            }
            _ => q!(0),
        };
        q! {
            match #var {
                ::core::option::Option::Some(value) => #value,
                ::core::option::Option::None => #absent,
            }
        }
    } else {
        inner(q!(#var))
    };
    match &a.align {
        Some(align) => {
            let align = &align.value;
            q!({
            let n: usize = #size;
            n + p::gap(n, #align)
            })
        }
        None => q!(({ #size })),
    }
}

/// Returns the bytes of `value`, a reference to what a field holds.
pub(super) fn value_size(cx: &Cx<'_>, field: &Field, value: &TokenStream) -> TokenStream {
    let (lifetime, repr) = (&cx.lifetime, field.repr(cx.item.attrs.little));
    let (ty, a) = (field.inner(), &field.attrs);
    if !matches!(field.repeat(), Repeat::Once) {
        let element = types::vec(ty).unwrap_or(ty);
        return q!(p::size_list::<#element, #repr>(#value));
    }
    if let Some(with) = &a.with {
        let call = Cx::function(&with.value, "size");
        return q!(#call(#value));
    }
    if a.try_map.is_some() {
        return match &a.unmap {
            Some(unmap) => {
                let unmap = &unmap.value;
                q!(p::size_of::<_, #repr>(&#unmap(#value)))
            }
            None => q!(0),
        };
    }
    if a.args.is_some() {
        return q!(<#ty as p::WireArgs<#lifetime>>::size(#value));
    }
    if let Some(ty) = types::auto(ty) {
        return match &a.len {
            Some(_) => {
                let (number, repr) = (unchecked(cx, field), length_repr(cx, field));
                q!(<#repr as p::Repr<#ty>>::size(#number as #ty))
            }
            None => q!(<#ty as p::Wire<#lifetime, #repr>>::size(&#value.get())),
        };
    }
    q!(<#ty as p::Wire<#lifetime, #repr>>::size(#value))
}

/// Returns how a length stands on the wire.
pub(super) fn length_repr(cx: &Cx<'_>, field: &Field) -> TokenStream {
    match field.attrs.len.as_ref().and_then(|l| l.value.repr.as_ref()) {
        Some(repr) => q!(#repr),
        None => field.repr(cx.item.attrs.little),
    }
}

/// Returns the number that a length will be, as an `i64`.
fn unchecked(cx: &Cx<'_>, field: &Field) -> TokenStream {
    let Some(i) = cx.fields.position(&field.name) else { return q!(0) };
    let counted = cx.fields.lengths();
    let Some(counted) = counted.iter().find(|c| c.field == i) else { return q!(0) };
    let bytes = size_of(cx, counted.from, counted.to + 1);
    let (unit, bias, _) = cx.scale(i);
    q!((((#bytes) as i64 - (#bias)) / (#unit)))
}
