//! The encoder of a list of fields.

use proc_macro2::TokenStream;

use super::{
    cx::{Cx, local},
    layout::{Extent, Place, Repeat, Run, Unit},
    model::Field,
    size::{length_repr, size_of, value_size},
    types::{self, Prim},
};
use crate::hygiene::q;

/// Returns the number that the length `i` is.
fn length(cx: &Cx<'_>, i: usize) -> TokenStream {
    let field = &cx.fields.list[i];
    let counted = cx.fields.lengths();
    let Some(counted) = counted.iter().find(|c| c.field == i) else { return q!(0) };
    let bytes = size_of(cx, counted.from, counted.to + 1);
    let ((unit, bias, max), label) = (cx.scale(i), field.label());
    let ty = types::auto(&field.ty).unwrap_or(&field.ty);
    q! {
        p::put_amount::<#ty>(w, #bytes, #unit, #bias, #max).map_err(|e| e.in_field(#label))?
    }
}

/// Returns what an expression of an encoder sees of the field `i`.
fn seen(cx: &Cx<'_>, i: usize) -> TokenStream {
    let (field, var) = (&cx.fields.list[i], cx.var(i));
    if field.attrs.len.is_some() {
        return length(cx, i);
    }
    match types::auto(&field.ty) {
        Some(_) => q!(#var.get()),
        None => q!(*#var),
    }
}

/// Returns statements that write all fields to `w`.
pub(super) fn body(cx: &Cx<'_>) -> TokenStream {
    let sums = cx.checksums();
    let last = cx.fields.list.len();
    let is_sum = |i: usize| sums.iter().any(|s| s.field == i);
    let cut = |i: usize| sums.iter().any(|s| i == s.from || i == s.to + 1);
    let units = cx.fields.units(cut, is_sum);
    let mut out = TokenStream::new();
    for (u, unit) in units.iter().enumerate() {
        let (first, next) = (unit.first(), units.get(u + 1).map_or(last, Unit::first));
        for sum in sums.iter().filter(|s| s.from == first) {
            let from = local(&format!("from{}", sum.field));
            out.extend(q!(let #from = w.pos();));
        }
        out.extend(match unit {
            Unit::Run(run) => self::run(cx, run),
            Unit::One(i) if is_sum(*i) => checksum(cx, *i, &sums),
            Unit::One(i) => one(cx, *i),
        });
        for sum in sums.iter().filter(|s| s.to + 1 == next && s.field < s.from) {
            let (from, slot) = sum_vars(sum.field);
            let (algorithm, store) = (sum.algorithm, store_sum(cx, sum.field));
            out.extend(q! {
                let sum = p::checksum::<#algorithm>(w, #from, w.pos());
                #store
                w.fill(#slot, &b);
            });
        }
    }
    out
}

fn sum_vars(field: usize) -> (proc_macro2::Ident, proc_macro2::Ident) {
    (local(&format!("from{field}")), local(&format!("slot{field}")))
}

/// Returns the bytes `b` of the checksum `sum`.
fn store_sum(cx: &Cx<'_>, i: usize) -> TokenStream {
    let field = &cx.fields.list[i];
    let ty = types::auto(&field.ty).unwrap_or(&field.ty);
    let repr = field.repr(cx.item.attrs.little);
    q! {
        let mut b = [0u8; <#ty as p::Fixed<#repr>>::SIZE];
        <#ty as p::Fixed<#repr>>::store(sum, &mut b);
    }
}

/// Returns a checksum: written behind what it covers, or left to be filled.
fn checksum(cx: &Cx<'_>, i: usize, sums: &[super::cx::Sum<'_>]) -> TokenStream {
    let Some(sum) = sums.iter().find(|s| s.field == i) else { return TokenStream::new() };
    let field = &cx.fields.list[i];
    let (from, slot) = sum_vars(i);
    let ty = types::auto(&field.ty).unwrap_or(&field.ty);
    let repr = field.repr(cx.item.attrs.little);
    if i < sum.from {
        return q!(let #slot = w.reserve(<#ty as p::Fixed<#repr>>::SIZE)?;);
    }
    let (algorithm, store) = (sum.algorithm, store_sum(cx, i));
    let to = local(&format!("to{i}"));
    // What it covers ends before it, at once or earlier.
    let behind = size_of(cx, sum.to + 1, i);
    q! {
        let #to = w.pos() - (#behind);
        let sum = p::checksum::<#algorithm>(w, #from, #to);
        #store
        w.array(b)?;
    }
}

fn run(cx: &Cx<'_>, run: &Run) -> TokenStream {
    let size = run.size;
    let mut out = q!(let mut b = [0u8; #size];);
    for item in &run.items {
        let field = &cx.fields.list[item.field];
        let (var, label, at) = (cx.var(item.field), field.label(), item.at);
        if let Some(check) = &field.attrs.check {
            out.extend(checked(cx, field, &check.value));
        }
        match item.kind {
            Place::Bits { at, bytes, shift, width, first } => {
                let ty = &field.ty;
                if first {
                    out.extend(q!(let mut g = 0u64;));
                }
                let end = at + bytes;
                out.extend(q! {
                    g |= p::put_bits::<#ty>(w, *#var, #shift, #width)
                        .map_err(|e| e.in_field(#label))?;
                });
                if shift == 0 {
                    out.extend(q!(p::store_bits(g, &mut b[#at..#end]);));
                }
            }
            Place::Whole => out.extend(whole(cx, item.field, at)),
        }
    }
    out.extend(q!(w.array(b)?;));
    out
}

fn whole(cx: &Cx<'_>, i: usize, at: usize) -> TokenStream {
    let field = &cx.fields.list[i];
    let (var, label) = (cx.var(i), field.label());
    let repr = field.repr(cx.item.attrs.little);
    if let Some((lit, size)) = field.magic() {
        let (constant, end) = (cx.constant(lit, &repr), at + size);
        return q!(b[#at..#end].copy_from_slice(&#constant););
    }
    let ty = types::auto(&field.ty).unwrap_or(&field.ty);
    match types::prim(ty) {
        Some(Prim::Bool) => q!(b[#at] = (*#var) as u8;),
        Some(Prim::Float(size)) => {
            let bits = Cx::bits_of(size);
            q!(<#bits as p::Fixed<#repr>>::store(#var.to_bits(), &mut b[#at..]);)
        }
        _ => {
            let value = seen(cx, i);
            let value = match &field.attrs.u24 {
                Some(_) => q! {
                    p::fitting::<#ty, #repr>(w, #value).map_err(|e| e.in_field(#label))?
                },
                None => value,
            };
            q!(<#ty as p::Fixed<#repr>>::store(#value, &mut b[#at..]);)
        }
    }
}

/// Returns the condition of a field that has one.
fn checked(cx: &Cx<'_>, field: &Field, check: &syn::Expr) -> TokenStream {
    let label = field.label();
    let (holds, text) = (cx.env(check, |i| seen(cx, i)), cx.text(check));
    q! {
        p::put_check(w, #holds, || p::FrameErrorKind::Check(#text)).map_err(|e| e.in_field(#label))?;
    }
}

/// Returns a field of its own.
fn one(cx: &Cx<'_>, i: usize) -> TokenStream {
    let field = &cx.fields.list[i];
    let (var, label, a) = (cx.var(i), field.label(), &field.attrs);
    let mut out = TokenStream::new();
    if let Some(check) = &a.check {
        out.extend(checked(cx, field, &check.value));
    }
    let pad = field.pad();
    if pad > 0 {
        out.extend(q!(w.zeros(#pad)?;));
    }
    if a.align.is_some() {
        out.extend(q!(let at = w.pos();));
    }
    out.extend(if a.cond.is_some() || a.none.is_some() {
        let value = value(cx, i, &q!(value));
        let presence = a.cond.as_ref().map(|cond| {
            let cond = cx.env(&cond.value, |i| seen(cx, i));
            q! {
                p::put_check(w, (#cond) == #var.is_some(), || p::FrameErrorKind::Presence)
                    .map_err(|e| e.in_field(#label))?;
            }
        });
        let absent = match (&a.none, &a.prefix, &a.count_prefix) {
            (Some(none), Some(prefix), _) | (Some(none), _, Some(prefix)) => {
                let (none, prefix) = (&none.value, &prefix.value);
                let repr = field.prefix_repr(cx.item.attrs.little);
                q! {
                    p::put_number::<#prefix, #repr>(w, #none).map_err(|e| e.in_field(#label))?;
                }
            }
            _ => q!(),
        };
        q! {
            #presence
            match #var {
                ::core::option::Option::Some(value) => { #value }
                ::core::option::Option::None => { #absent }
            }
        }
    } else {
        value(cx, i, &q!(#var))
    });
    if let Some(align) = &a.align {
        let align = &align.value;
        out.extend(q!(w.zeros(p::gap(w.pos() - at, #align))?;));
    }
    out
}

/// Returns statements that write `value`, a reference to what the field holds, with what stands
/// around it.
fn value(cx: &Cx<'_>, i: usize, value: &TokenStream) -> TokenStream {
    let field = &cx.fields.list[i];
    let (label, a, max) = (field.label(), &field.attrs, cx.max(i));
    let prefix_repr = field.prefix_repr(cx.item.attrs.little);
    let put = put(cx, i, value);
    let size = || value_size(cx, field, value);
    let same = |said: TokenStream, is: TokenStream| q!(p::same_size(w, #is, #said).map_err(|e| e.in_field(#label))?;);
    let before = match (cx.fields.extent(i), field.repeat()) {
        (Extent::Prefix(prefix), _) => {
            let size = size();
            q! {
                p::put_prefix::<#prefix, #prefix_repr>(w, #size, #max)
                    .map_err(|e| e.in_field(#label))?;
            }
        }
        (Extent::Own, Repeat::Prefix(prefix)) => q! {
            p::put_prefix::<#prefix, #prefix_repr>(w, #value.len(), #max)
                .map_err(|e| e.in_field(#label))?;
        },
        (Extent::Size(said), _) => same(cx.env(said, |i| seen(cx, i)), size()),
        (_, Repeat::Count(said)) => same(cx.env(said, |i| seen(cx, i)), q!(#value.len())),
        _ => q!(),
    };
    let behind = match cx.fields.extent(i) {
        Extent::Until(delimiter) => a.inclusive.is_none().then_some(delimiter),
        _ => a.tail.as_ref().map(|t| &t.value),
    };
    let behind = behind.map(|bytes| q!(w.write(#bytes)?;));
    q!(#before #put #behind)
}

/// Returns a statement that writes `value` itself.
fn put(cx: &Cx<'_>, i: usize, value: &TokenStream) -> TokenStream {
    let field = &cx.fields.list[i];
    let repr = field.repr(cx.item.attrs.little);
    let (label, ty, a) = (field.label(), field.inner(), &field.attrs);
    let call = if !matches!(field.repeat(), Repeat::Once) {
        let element = types::vec(ty).unwrap_or(ty);
        q!(p::put_list::<#element, #repr>(#value, w))
    } else if let Some(with) = &a.with {
        let call = Cx::function(&with.value, "put");
        let size = value_size(cx, field, value);
        q!(p::put_checked(w, #size, |w| #call(#value, w)))
    } else if a.try_map.is_some() {
        match &a.unmap {
            Some(unmap) => {
                let unmap = &unmap.value;
                let size = value_size(cx, field, value);
                q!(p::put_checked(w, #size, |w| p::put_value::<_, #repr>(&#unmap(#value), w)))
            }
            None => q!(p::put_check(w, false, || p::FrameErrorKind::OneWay)),
        }
    } else if let Some(args) = &a.args {
        let args = args.value.iter().map(|arg| cx.env(arg, |i| seen(cx, i)));
        q!(p::put_args::<#ty>(#value, w, (#(#args,)*)))
    } else if let Some(auto) = types::auto(ty) {
        let (number, repr) = (seen(cx, i), length_repr(cx, field));
        q!(p::put_repr::<#repr, #auto>(w, #number))
    } else {
        q!(p::put_wire::<#ty, #repr>(#value, w))
    };
    q!(#call.map_err(|e| e.in_field(#label))?;)
}
