//! The decoder of a list of fields.

use proc_macro2::{Ident, TokenStream};
use syn::Type;

use super::{
    cx::{Cx, local},
    layout::{Extent, Place, Repeat, Run, Unit},
    lengths::Counted,
    model::Field,
    types::{self, Prim},
};
use crate::hygiene::q;

/// Returns statements that read all fields from `r` into the variables of [`Cx::var`].
pub(super) fn body(cx: &Cx<'_>) -> TokenStream {
    let regions = cx.fields.regions();
    let sums = cx.checksums();
    let last = cx.fields.list.len();
    // Where a region or a checksum begins or ends, a run ends; the end of the fields is one anyway.
    let cut = |i: usize| {
        regions.iter().any(|c| c.to + 1 < last && (i == entry(c) || i == c.to + 1))
            || sums.iter().any(|s| i == s.from || i == s.to + 1)
    };
    let units = cx.fields.units(cut, |_| false);
    let mut starts: Vec<usize> = Vec::new();
    starts.extend(regions.iter().filter(|c| c.from < entry(c)).map(|c| c.from));
    starts.extend(sums.iter().map(|s| s.from));
    if cx.measures_from_start() {
        starts.push(0);
    }
    let mut out = TokenStream::new();
    let mut open: Vec<&Counted> = Vec::new();
    for (u, unit) in units.iter().enumerate() {
        let first = unit.first();
        let next = units.get(u + 1).map_or(last, Unit::first);
        if starts.contains(&first) {
            let start = start_var(first);
            out.extend(q!(let #start = r.pos();));
        }
        for counted in regions.iter().filter(|c| entry(c) == first) {
            out.extend(enter(cx, counted, None));
            open.push(counted);
        }
        match unit {
            Unit::Run(run) => {
                out.extend(self::run(cx, run));
                for item in run.items.iter().filter(|i| i.field != first) {
                    if starts.contains(&item.field) {
                        let (start, back) = (start_var(item.field), run.size - item.at);
                        out.extend(q!(let #start = r.pos() - #back;));
                    }
                }
            }
            Unit::One(i) => out.extend(one(cx, *i)),
        }
        for counted in regions.iter().filter(|c| entry(c) > first && entry(c) < next) {
            let Unit::Run(run) = unit else { continue };
            let at = run.items.iter().find(|i| i.field == entry(counted)).map_or(0, |i| i.at);
            out.extend(enter(cx, counted, Some(run.size - at)));
            open.push(counted);
        }
        while let Some(counted) = open.pop_if(|c| c.to + 1 == next) {
            let region = region_var(counted);
            let label = cx.fields.list[counted.to.min(last - 1)].label();
            let kept = cx.item.attrs.keep && next == last;
            if !kept {
                out.extend(q!(r.finish().map_err(|e| e.in_field(#label))?;));
            }
            out.extend(q!(r.leave(#region)?;));
        }
        for sum in sums.iter().filter(|s| s.to + 1 == next) {
            let end = local(&format!("end{}", sum.field));
            out.extend(q!(let #end = r.pos();));
        }
    }
    for counted in regions.iter().filter(|c| entry(c) >= last) {
        out.extend(enter(cx, counted, None));
        let region = region_var(counted);
        out.extend(q!(r.finish()?; r.leave(#region)?;));
    }
    for sum in &sums {
        let field = &cx.fields.list[sum.field];
        let (label, stored) = (field.label(), cx.decoded(sum.field));
        let (from, to) = (start_var(sum.from), local(&format!("end{}", sum.field)));
        let algorithm = sum.algorithm;
        out.extend(q! {
            p::verify::<#algorithm>(r, #from, #to, #stored).map_err(|e| e.in_field(#label))?;
        });
    }
    out
}

/// Returns the field before which a region can be entered: its first one, or the one after its
/// length.
fn entry(counted: &Counted) -> usize {
    counted.from.max(counted.field + 1)
}

fn start_var(field: usize) -> Ident {
    local(&format!("start{field}"))
}

fn region_var(counted: &Counted) -> Ident {
    local(&format!("region{}", counted.field))
}

/// Enters a region; `passed` bytes of it already are, if it is entered late.
fn enter(cx: &Cx<'_>, counted: &Counted, passed: Option<usize>) -> TokenStream {
    let region = region_var(counted);
    let label = cx.fields.list[counted.field].label();
    let amount = amount(cx, counted.field);
    let call = match passed {
        _ if counted.from < entry(counted) => {
            let start = start_var(counted.from);
            q!(r.enter_to(#start + n))
        }
        None => q!(r.enter(n)),
        Some(passed) => q!(r.enter_to(r.pos() - #passed + n)),
    };
    q! {
        let n = #amount;
        let #region = #call.map_err(|e| e.in_field(#label))?;
    }
}

/// Returns the bytes that the length `field` says.
fn amount(cx: &Cx<'_>, field: usize) -> TokenStream {
    let value = cx.decoded(field);
    let (label, (unit, bias, max)) = (cx.fields.list[field].label(), cx.scale(field));
    q!(p::get_amount(r, #value, #unit, #bias, #max).map_err(|e| e.in_field(#label))?)
}

fn run(cx: &Cx<'_>, run: &Run) -> TokenStream {
    let size = run.size;
    let names = run.items.iter().map(|item| {
        let (name, end) = (cx.fields.list[item.field].label(), item.at + item.size);
        q!((#name, #end))
    });
    let mut out = q! {
        let b = p::run::<#size>(r, &[#(#names),*])?;
    };
    for item in &run.items {
        let field = &cx.fields.list[item.field];
        let (var, label, at) = (cx.var(item.field), field.label(), item.at);
        let place = q!(r.pos() - #size + #at);
        let value = match item.kind {
            Place::Bits { at, bytes, shift, width, first } => {
                let end = at + bytes;
                if first {
                    out.extend(q!(let g = p::load_bits(&b[#at..#end]);));
                }
                let ty = &field.ty;
                q!(p::get_bits::<#ty>(g, #shift, #width))
            }
            Place::Whole => whole(cx, field, at, &place),
        };
        out.extend(q!(let #var = #value;));
        if let Some(check) = &field.attrs.check {
            let (holds, text) = (cx.env(&check.value, |i| cx.decoded(i)), cx.text(&check.value));
            out.extend(q! {
                p::get_check(#place, #holds, || p::FrameErrorKind::Check(#text))
                    .map_err(|e| e.in_field(#label))?;
            });
        }
    }
    out
}

/// Returns a number, a flag or a constant at the offset `at` of a run.
fn whole(cx: &Cx<'_>, field: &Field, at: usize, place: &TokenStream) -> TokenStream {
    let label = field.label();
    let repr = field.repr(cx.item.attrs.little);
    if let Some((lit, size)) = field.magic() {
        let expected = cx.constant(lit, &repr);
        let end = at + size;
        return q! {
            p::get_check(#place, b[#at..#end] == #expected, || p::FrameErrorKind::Magic)
                .map_err(|e| e.in_field(#label))?
        };
    }
    let ty = types::auto(&field.ty).unwrap_or(&field.ty);
    let value = match types::prim(ty) {
        Some(Prim::Bool) => {
            q!(p::boolean(b[#at], #place).map_err(|e| e.in_field(#label))?)
        }
        Some(Prim::Float(size)) => {
            let bits = Cx::bits_of(size);
            q!(<#ty>::from_bits(<#bits as p::Fixed<#repr>>::load(&b[#at..])))
        }
        _ => q!(<#ty as p::Fixed<#repr>>::load(&b[#at..])),
    };
    if types::auto(&field.ty).is_some() { q!(p::Auto::new(#value)) } else { value }
}

/// Returns a field of its own.
fn one(cx: &Cx<'_>, i: usize) -> TokenStream {
    let field = &cx.fields.list[i];
    let (var, label, pad) = (cx.var(i), field.label(), field.pad());
    let mut out = TokenStream::new();
    if pad > 0 {
        out.extend(q!(r.skip(#pad).map_err(|e| e.in_field(#label))?;));
    }
    let check = field.attrs.check.as_ref();
    if field.attrs.align.is_some() || check.is_some() {
        out.extend(q!(let at = r.pos();));
    }
    let value = optional(cx, i);
    out.extend(match &field.attrs.cond {
        Some(cond) => {
            let cond = cx.env(&cond.value, |i| cx.decoded(i));
            q!(let #var = if #cond { #value } else { ::core::option::Option::None };)
        }
        None => q!(let #var = #value;),
    });
    if let Some(align) = &field.attrs.align
        && !matches!(cx.fields.extent(i), Extent::Len(_))
    {
        let align = &align.value;
        out.extend(q! {
            r.skip(p::gap(r.pos() - at, #align)).map_err(|e| e.in_field(#label))?;
        });
    }
    if let Some(check) = check {
        let (holds, text) = (cx.env(&check.value, |i| cx.decoded(i)), cx.text(&check.value));
        out.extend(q! {
            p::get_check(at, #holds, || p::FrameErrorKind::Check(#text)).map_err(|e| e.in_field(#label))?;
        });
    }
    out
}

/// Returns the field's value, in the `Option` that a condition or `none` asks for.
fn optional(cx: &Cx<'_>, i: usize) -> TokenStream {
    let field = &cx.fields.list[i];
    let label = field.label();
    let number = match (cx.fields.extent(i), field.repeat()) {
        (Extent::Prefix(prefix), _) | (Extent::Own, Repeat::Prefix(prefix)) => prefix,
        _ => {
            let value = value(cx, i, None);
            return cx.some(i, value);
        }
    };
    let repr = field.prefix_repr(cx.item.attrs.little);
    let value = value(cx, i, Some(number));
    let read = q! {
        let n = p::get_prefix::<#number, #repr>(r).map_err(|e| e.in_field(#label))?;
    };
    match &field.attrs.none {
        Some(none) => {
            let none = &none.value;
            q! {{
                #read
                if n == #none {
                    ::core::option::Option::None
                } else {
                    ::core::option::Option::Some({ #value })
                }
            }}
        }
        None => cx.some(i, q!({ #read #value })),
    }
}

/// Returns the field's value; `prefix` stands before it and is already in `n`.
fn value(cx: &Cx<'_>, i: usize, prefix: Option<&Type>) -> TokenStream {
    let field = &cx.fields.list[i];
    let label = field.label();
    let max = cx.max(i);
    let bounded = |number: TokenStream| q!(p::get_amount(r, #number, 1, 0, #max).map_err(|e| e.in_field(#label))?);
    let n = match cx.fields.extent(i) {
        Extent::Own => return own(cx, field, prefix.is_some()),
        Extent::Size(size) => bounded(cx.env(size, |i| cx.decoded(i))),
        Extent::SizeWith(path) => {
            let start = start_var(0);
            bounded(q!(#path(r.join(r.since(#start)))))
        }
        Extent::Prefix(_) => bounded(q!(n)),
        Extent::Len(len) => amount(cx, len),
        Extent::Until(delimiter) => {
            let n = bounded(q!(r.before(#delimiter).map_err(|e| e.in_field(#label))?));
            let (value, skip) = (sized(cx, field), delimiter.value().len());
            if field.attrs.inclusive.is_some() {
                return q!({ let n = #n + #skip; #value });
            }
            return q!({
                let n = #n;
                let value = #value;
                r.skip(#skip)?;
                value
            });
        }
        Extent::Rest => q!(r.left()),
    };
    let value = sized(cx, field);
    match &field.attrs.tail {
        None => q!({ let n = #n; #value }),
        Some(tail) => {
            let tail = &tail.value;
            q!({
                let n = #n;
                let value = #value;
                p::get_constant(r, #tail).map_err(|e| e.in_field(#label))?;
                value
            })
        }
    }
}

/// Returns the value of `n` bytes.
fn sized(cx: &Cx<'_>, field: &Field) -> TokenStream {
    let a = &field.attrs;
    let label = field.label();
    let (repr, lifetime, ty) = (field.repr(cx.item.attrs.little), &cx.lifetime, field.inner());
    let plain = matches!(field.repeat(), Repeat::Once) && a.with.is_none() && a.args.is_none();
    if let Some(path) = a.try_map.as_ref().map(|m| &m.value) {
        let raw = a.raw.as_ref().map_or(q!(_), |raw| {
            let raw = &raw.value;
            q!(#raw)
        });
        return q! {{
            let at = r.pos();
            let raw = p::get_sized::<#raw, #repr>(r, n).map_err(|e| e.in_field(#label))?;
            p::convert(at, raw, #path).map_err(|e| e.in_field(#label))?
        }};
    }
    if plain {
        return q! {
            <#ty as p::Wire<#lifetime, #repr>>::get_sized(r, n).map_err(|e| e.in_field(#label))?
        };
    }
    let inner = own(cx, field, false);
    q!(p::get_within(r, n, #label, |r| ::core::result::Result::Ok(#inner))?)
}

/// Returns the value whose own bytes say where it ends, or that ends with its region.
fn own(cx: &Cx<'_>, field: &Field, counted: bool) -> TokenStream {
    let a = &field.attrs;
    let label = field.label();
    let (repr, lifetime, ty) = (field.repr(cx.item.attrs.little), &cx.lifetime, field.inner());
    let list = |n: TokenStream| {
        let element = types::vec(ty).unwrap_or(ty);
        let bound = Cx::most(field).map(|most| {
            q! {
                p::get_amount(r, n, 1, 0, #most).map_err(|e| e.in_field(#label))?;
            }
        });
        q!({
            let n = #n;
            #bound
            p::get_list::<#element, #repr>(r, n).map_err(|e| e.in_field(#label))?
        })
    };
    match field.repeat() {
        Repeat::Prefix(_) if counted => return list(q!(n)),
        Repeat::Prefix(prefix) => {
            let prefix_repr = field.prefix_repr(cx.item.attrs.little);
            return list(q!({
                p::get_prefix::<#prefix, #prefix_repr>(r).map_err(|e| e.in_field(#label))?
            }));
        }
        Repeat::Count(count) => {
            let count = cx.env(count, |i| cx.decoded(i));
            let list = list(q!(n));
            return q!({
                let n = p::get_count(r, #count).map_err(|e| e.in_field(#label))?;
                #list
            });
        }
        Repeat::Once => {}
    }
    if let Some(with) = &a.with {
        let call = Cx::function(&with.value, "get");
        return q!(#call(r).map_err(|e| e.in_field(#label))?);
    }
    if let Some(args) = &a.args {
        let args = args.value.iter().map(|arg| cx.env(arg, |i| cx.decoded(i)));
        return q! {
            <#ty as p::WireArgs<#lifetime>>::get_with(r, (#(#args,)*))
                .map_err(|e| e.in_field(#label))?
        };
    }
    if let (Some(path), Some(raw)) = (&a.try_map, &a.raw) {
        let (path, raw) = (&path.value, &raw.value);
        return q! {{
            let at = r.pos();
            let raw = <#raw as p::Wire<#lifetime, #repr>>::get(r)
                .map_err(|e| e.in_field(#label))?;
            p::convert(at, raw, #path).map_err(|e| e.in_field(#label))?
        }};
    }
    if let Some(repr) = a.len.as_ref().and_then(|l| l.value.repr.as_ref()) {
        let ty = types::auto(&field.ty).unwrap_or(&field.ty);
        return q! {
            p::Auto::new(<#repr as p::Repr<#ty>>::get(r).map_err(|e| e.in_field(#label))?)
        };
    }
    match types::auto(ty) {
        Some(ty) => q! {
            p::Auto::new(
                <#ty as p::Wire<#lifetime, #repr>>::get(r).map_err(|e| e.in_field(#label))?
            )
        },
        None => q! {
            <#ty as p::Wire<#lifetime, #repr>>::get(r).map_err(|e| e.in_field(#label))?
        },
    }
}
