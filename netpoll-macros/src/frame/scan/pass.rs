//! The code of a scan's steps: how a run or a field is passed.

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::Type;

use super::{
    super::{
        cx::Cx,
        layout::{Extent, Place, Repeat, Run},
        types,
    },
    plan::{End, Plan, distance, is_number},
};
use crate::hygiene::q;

impl Plan<'_> {
    pub(super) fn run(&mut self, run: &Run, next: usize) -> Option<TokenStream> {
        let fields = self.cx.fields;
        let size = run.size;
        let least = self.least(next);
        let mut out = q! {
            let least = #least;
            c.owe(least);
            let b = c.take::<#size>()?;
            c.settle(least);
        };
        for item in &run.items {
            let field = &fields.list[item.field];
            let (label, at) = (field.label(), item.at);
            let repr = field.repr(self.cx.item.attrs.little);
            if let Some((lit, size)) = field.magic() {
                let (expected, end) = (self.cx.constant(lit, &repr), at + size);
                out.extend(q! {
                    p::scan_check(c, b[#at..#end] == #expected, || p::FrameErrorKind::Magic)
                        .map_err(|e| e.in_field(#label))?;
                });
            }
            if self.captured.contains(&item.field) {
                let ty = types::auto(&field.ty).unwrap_or(&field.ty);
                let value = match item.kind {
                    Place::Bits { at, bytes, shift, width, .. } => {
                        let end = at + bytes;
                        q!(p::get_bits::<#ty>(p::load_bits(&b[#at..#end]), #shift, #width))
                    }
                    Place::Whole => match types::prim(ty) {
                        Some(types::Prim::Bool) => q!(b[#at] != 0),
                        Some(types::Prim::Float(size)) => {
                            let bits = Cx::bits_of(size);
                            q!(<#ty>::from_bits(<#bits as p::Fixed<#repr>>::load(&b[#at..])))
                        }
                        _ => q!(<#ty as p::Fixed<#repr>>::load(&b[#at..])),
                    },
                };
                out.extend(self.keep(item.field, value));
            }
            if let Some(check) = &field.attrs.check {
                let (holds, text) = (self.env(&check.value), self.cx.text(&check.value));
                out.extend(q! {
                    p::scan_check(c, #holds, || p::FrameErrorKind::Check(#text))
                        .map_err(|e| e.in_field(#label))?;
                });
            }
        }
        if let End::Known(counted) = &self.end
            && run.items.iter().any(|i| i.field == counted.field)
        {
            let within = run.items.iter().find(|i| i.field == counted.from);
            let offset = within.map(|i| size - i.at);
            out.extend(self.finish(offset));
        }
        Some(out)
    }

    /// Passes to the frame's end, which is known now; `offset` bytes of what is counted are passed.
    pub(super) fn finish(&self, offset: Option<usize>) -> TokenStream {
        let End::Known(counted) = &self.end else { return TokenStream::new() };
        let fields = self.cx.fields;
        let (field, from) = (counted.field, counted.from);
        let (label, amount) = (fields.list[field].label(), self.amount(field));
        let least = self.least(field + 1);
        let start = match offset {
            Some(passed) => q!((c.pos() - #passed)),
            None if from > field => {
                let ahead = distance(fields, field + 1, from).unwrap_or(0);
                q!(c.pos() + #ahead)
            }
            None => {
                let start = self.start(from);
                q!(#start)
            }
        };
        q! {
            let n = #amount;
            c.finish((#start).saturating_add(n), #least).map_err(|e| e.in_field(#label))?;
        }
    }

    /// Returns a field of its own. `None` if nothing of it is on the wire.
    pub(super) fn one(&mut self, i: usize, next: usize) -> Option<TokenStream> {
        let field = &self.cx.fields.list[i];
        let (a, label, pad) = (&field.attrs, field.label(), field.pad());
        if a.align.is_some() {
            self.mark(i);
        }
        if pad > 0 {
            self.step(q!(c.skip(#pad)?;));
        }
        let least = self.least(next);
        let pass = self.pass(i);
        let pass = match &a.cond {
            Some(cond) => {
                let cond = self.env(&cond.value);
                if self.captured.contains(&i) {
                    let none = q!(::core::option::Option::None);
                    let some = q!(::core::option::Option::Some(#pass));
                    self.keep(i, q!(if #cond { #some } else { #none }))
                } else {
                    q!(if #cond { #pass; })
                }
            }
            None if self.captured.contains(&i) => self.keep(i, pass),
            None => q!(#pass;),
        };
        let check = a.check.as_ref().map(|check| {
            let (holds, text) = (self.env(&check.value), self.cx.text(&check.value));
            q! {
                p::scan_check(c, #holds, || p::FrameErrorKind::Check(#text))
                    .map_err(|e| e.in_field(#label))?;
            }
        });
        let finish = match &self.end {
            End::Known(counted) if counted.field == i => {
                if counted.from == i {
                    self.mark(i);
                }
                self.finish(None)
            }
            _ => q!(),
        };
        Some(q! {
            let least = #least;
            c.owe(least);
            #pass
            c.settle(least);
            #check
            #finish
        })
    }

    /// Passes the field; where its value is needed, an expression that gives it.
    pub(super) fn pass(&mut self, i: usize) -> TokenStream {
        let cx = self.cx;
        let fields = cx.fields;
        let field = &fields.list[i];
        let (label, a, max) = (field.label(), &field.attrs, cx.max(i));
        let little = cx.item.attrs.little;
        let skip = |n: TokenStream| match &a.tail {
            Some(tail) => {
                let tail = &tail.value;
                q!(p::skip_tail(c, #n, #tail).map_err(|e| e.in_field(#label))?)
            }
            None => q!(c.skip(#n)?),
        };
        let bounded = |number: TokenStream| q!(p::scan_amount(c, #number, 1, 0, #max).map_err(|e| e.in_field(#label))?);
        let n = match fields.extent(i) {
            Extent::Own => return self.own(i),
            Extent::Size(size) => bounded(self.env(size)),
            Extent::SizeWith(path) => {
                let start = self.mark(0);
                bounded(q!(#path(&c.since(#start))))
            }
            Extent::Prefix(prefix) => {
                let repr = field.prefix_repr(little);
                let amount = bounded(q!(n));
                let pass = skip(amount);
                let pass = match &a.none {
                    Some(none) => {
                        let none = &none.value;
                        q!(if n != #none { #pass; })
                    }
                    None => q!(#pass;),
                };
                return q!({
                    let n = p::scan_prefix::<#prefix, #repr>(c)
                        .map_err(|e| e.in_field(#label))?;
                    #pass
                });
            }
            Extent::Len(len) => self.amount(len),
            Extent::Until(delimiter) => {
                if self.captured.contains(&i) {
                    let ty = types::auto(field.inner()).unwrap_or(field.inner());
                    let repr = field.repr(little);
                    return q! {
                        p::scan_digits::<#ty, #repr>(c, #delimiter).map_err(|e| e.in_field(#label))?
                    };
                }
                let state = self.state(i, q!(p::Find));
                return q! {
                    c.until(&mut #state, #delimiter, #max).map_err(|e| e.in_field(#label))?
                };
            }
            Extent::Rest => return q!(()),
        };
        let skip = skip(q!(n));
        q!({
            let n = #n;
            #skip
        })
    }

    pub(super) fn state(&mut self, i: usize, ty: TokenStream) -> TokenStream {
        let name = format_ident!("f{i}");
        self.decls.push((name.clone(), ty, true));
        q!(s.#name)
    }

    pub(super) fn own(&mut self, i: usize) -> TokenStream {
        let cx = self.cx;
        let (item, field) = (cx.item, &cx.fields.list[i]);
        let (a, label) = (&field.attrs, field.label());
        let (repr, prefix_repr) =
            (field.repr(item.attrs.little), field.prefix_repr(item.attrs.little));
        let stat = |ty: &Type| types::at_static(ty, item.lifetime());
        let element = types::vec(field.inner()).unwrap_or(field.inner());
        let count = match field.repeat() {
            Repeat::Prefix(prefix) => {
                let none = a.none.as_ref().map(|none| {
                    let none = &none.value;
                    q!(let n = if n == #none { 0 } else { n };)
                });
                Some(q!({
                    let n = p::scan_prefix::<#prefix, #prefix_repr>(c)?;
                    #none
                    n
                }))
            }
            Repeat::Count(count) => {
                let count = self.env(count);
                Some(q!(p::scan_count(c, #count)?))
            }
            Repeat::Once => None,
        };
        let count = count.map(|count| match Cx::most(field) {
            Some(most) => q!({
                let n = #count;
                p::scan_amount(c, n, 1, 0, #most)? as i64
            }),
            None => count,
        });
        if types::names(&field.ty, item) {
            let each = types::selves(element, item).unwrap_or(1);
            let count = count.unwrap_or(q!(1));
            return q!({
                let n = #count;
                p::owe(c, owed, n, #each).map_err(|e| e.in_field(#label))?
            });
        }
        if let Some(count) = count {
            let element = stat(element);
            let skip = q!(<#element as p::Wire<'static, #repr>>::Skip);
            let state = self.state(i, q!(p::ListSkip<#skip>));
            return q! {
                p::skip_list::<#element, #repr>(&mut #state, c, |c| {
                    ::core::result::Result::Ok(#count)
                })
                .map_err(|e| e.in_field(#label))?
            };
        }
        if let Some(with) = &a.with {
            let call = Cx::function(&with.value, "skip");
            return q!(#call(c).map_err(|e| e.in_field(#label))?);
        }
        let ty = field.inner();
        if let Some(args) = &a.args {
            let args = args.value.iter().map(|arg| self.env(arg));
            let args = q!((#(#args,)*));
            let ty = stat(ty);
            let state = self.state(i, q!(<#ty as p::WireArgs<'static>>::Skip));
            return q! {
                <#ty as p::WireArgs<'static>>::skip_with(&mut #state, c, #args)
                    .map_err(|e| e.in_field(#label))?
            };
        }
        let ty = a.raw.as_ref().map_or(types::auto(ty).unwrap_or(ty), |raw| &raw.value);
        if self.captured.contains(&i) {
            let repr = a.len.as_ref().and_then(|l| l.value.repr.as_ref());
            let default = field.repr(item.attrs.little);
            let repr = repr.map_or(default, |r| q!(#r));
            return q!(<#repr as p::Repr<#ty>>::scan(c).map_err(|e| e.in_field(#label))?);
        }
        if is_number(field) {
            return q! {
                p::skip_own::<#ty, #repr>(&mut (), c).map_err(|e| e.in_field(#label))?
            };
        }
        let ty = stat(ty);
        let state = self.state(i, q!(<#ty as p::Wire<'static, #repr>>::Skip));
        q! {
            p::skip_own::<#ty, #repr>(&mut #state, c).map_err(|e| e.in_field(#label))?
        }
    }
}
