//! The scan of an item: its state, and the steps that pass its fields.

use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use syn::{Expr, Type};

use super::{
    enums::{self, Tag},
    expand::{Cx, local},
    layout::{Extent, Place, Repeat, Run, Unit, order},
    lengths::Counted,
    model::{Body, Field, Fields, Item, Variant},
    put, types,
};
use crate::hygiene::q;

/// The scan of an item.
pub(super) struct Skip {
    /// The items that declare the state.
    pub(super) state: TokenStream,
    pub(super) ty: TokenStream,
    pub(super) body: TokenStream,
    /// Whether it has no end of its own.
    pub(super) fills: bool,
}

/// Why scanning stops before the last field.
enum End {
    /// The field `at` says where the last one ends.
    Known(Counted),
    /// At the field before it, a length that was read earlier says so.
    Deferred(Counted),
    /// It does not.
    Walked,
}

struct Plan<'m> {
    cx: &'m Cx<'m>,
    end: End,
    /// Fields whose values the scan needs later.
    captured: Vec<usize>,
    /// Whether there are states: with one step, variables do.
    stateful: bool,
    /// The state's fields: name, type, and whether the type is another's state.
    decls: Vec<(Ident, TokenStream, bool)>,
    steps: TokenStream,
    count: u16,
    /// The last step's code, without the test whether it is its turn.
    last: TokenStream,
}

pub(super) fn item(item: &Item) -> Skip {
    let fills = item.bodies().iter().any(|fields| has_no_end(fields));
    if fills {
        let body = q! {
            let _ = s;
            ::core::result::Result::Err(c.fault(p::Fault::Length(0)))
        };
        return Skip { state: q!(), ty: q!(()), body, fills };
    }
    let limit = item.attrs.max.as_ref().map(|max| q!(c.limit(#max);));
    let (state, ty, body) = match &item.body {
        Body::Struct(fields) => {
            let cx = Cx::new(item, fields);
            let plan = Plan::new(&cx);
            let (state, ty) = plan.declare(&format_ident!("__Skip"));
            let steps = &plan.steps;
            let unused = (!plan.stateful).then(|| q!(let _ = s;));
            (state, ty, q!(#unused #steps ::core::result::Result::Ok(())))
        }
        Body::Enum(variants) => variants_of(item, variants),
    };
    let body = q!(#limit #body);
    match item.attrs.depth {
        Some(_) => {
            let body = q! {
                p::flat(s, c, <Self as p::Wire<'_, p::Be>>::MIN, |s, owed, c| { #body })
            };
            Skip { state, ty: q!(p::Flat<#ty>), body, fills }
        }
        None => Skip { state, ty, body, fills },
    }
}

/// Whether the last of `fields` takes what is left, and no length says how much that is.
fn has_no_end(fields: &Fields) -> bool {
    let last = fields.list.len().wrapping_sub(1);
    fields.list.iter().any(|f| f.attrs.rest.is_some())
        && !fields.lengths().iter().any(|c| c.to == last)
}

fn variants_of(item: &Item, variants: &[Variant]) -> (TokenStream, TokenStream, TokenStream) {
    let order = order(item);
    let read = match enums::tag(item) {
        Tag::Read(ty) => q!(let tag = <#order as p::Repr<#ty>>::scan(c)?;),
        Tag::Given(name) => q!(let tag = #name;),
    };
    let least = variants.iter().map(|v| put::least(&Cx::new(item, &v.fields)));
    let (mut states, mut names, mut types, mut begins, mut steps) =
        (q!(), vec![], vec![], vec![], vec![]);
    let mut other = q! {
        _ => return ::core::result::Result::Err(
            c.fault(p::Fault::Tag(tag as i128)).in_field("tag"),
        ),
    };
    for (i, variant) in variants.iter().enumerate() {
        let cx = Cx::new(item, &variant.fields);
        let plan = Plan::new(&cx);
        let (pattern, body) = (enums::pattern(variant), &plan.steps);
        let begin = if plan.stateful {
            let (state, ty) = plan.declare(&format_ident!("__Skip{i}"));
            let name = format_ident!("V{i}");
            states.extend(state);
            steps.push(q!(::core::option::Option::Some(__Variant::#name(s)) => { #body }));
            let begin = q!(__Variant::#name(::core::default::Default::default()));
            names.push(name);
            types.push(ty);
            q!(#pattern => *s = ::core::option::Option::Some(#begin),)
        } else {
            q!(#pattern => { #body return ::core::result::Result::Ok(()); })
        };
        match &variant.tag {
            Some(super::model::VariantTag::Other(_)) => other = begin,
            _ => begins.push(begin),
        }
    }
    let begin = q! {
        let least = p::least([#(#least),*]);
        c.owe(least);
        #read
        c.settle(least);
        match tag { #(#begins)* #other }
    };
    if steps.is_empty() {
        return (q!(), q!(()), q!(let _ = s; #begin));
    }
    let states = q! {
        #states
        pub enum __Variant<#(#names),*> { #(#names(#names)),* }
    };
    let body = q! {
        if s.is_none() {
            #begin
            c.commit();
        }
        match s {
            #(#steps)*
            ::core::option::Option::None => {}
        }
        ::core::result::Result::Ok(())
    };
    (states, q!(::core::option::Option<__Variant<#(#types),*>>), body)
}

/// Units beyond which a scan remembers how far it came.
const RESTARTS: usize = 8;

/// Whether the field of its own `i` is passed with one short look and no state.
fn is_short(cx: &Cx<'_>, i: usize, captured: bool) -> bool {
    let field = &cx.fields.list[i];
    if types::names(&field.ty, cx.item) {
        // Its elements are owed, and passed by whoever holds it.
        return true;
    }
    match (cx.fields.extent(i), field.repeat()) {
        (Extent::Size(_) | Extent::Prefix(_) | Extent::Len(_), _) => true,
        (Extent::Until(_), _) => captured,
        (Extent::Own, Repeat::Once) => captured || is_number(field),
        _ => false,
    }
}

/// Whether its type is a number, whatever stands for it on the wire.
fn is_number(field: &Field) -> bool {
    let a = &field.attrs;
    let ty = types::auto(field.inner()).unwrap_or(field.inner());
    let ty = a.raw.as_ref().map_or(ty, |raw| &raw.value);
    types::prim(ty).is_some() && a.with.is_none() && a.args.is_none()
}

/// The bytes from the first of `from..to` to the field `to`, if all have a fixed size.
fn distance(fields: &Fields, from: usize, to: usize) -> Option<usize> {
    if from >= to {
        return (from == to).then_some(0);
    }
    let units = fields.units(|i| i == from || i == to, |_| false);
    let mut within = units.iter().filter(|u| (from..to).contains(&u.first()));
    match (within.next(), within.next()) {
        (Some(Unit::Run(run)), None) if run.items[0].field == from => Some(run.size),
        _ => None,
    }
}

impl<'m> Plan<'m> {
    fn new(cx: &'m Cx<'m>) -> Self {
        let fields = cx.fields;
        let end = Self::end(fields);
        // The fields that are scanned.
        let stop = match &end {
            End::Known(counted) => counted.field + 1,
            End::Deferred(counted) => counted.from,
            End::Walked => fields.list.len(),
        };
        let cut = |i: usize| match &end {
            End::Known(counted) => i == counted.field + 1 || i == counted.from && i < counted.field,
            End::Deferred(counted) => i == counted.from,
            End::Walked => false,
        };
        let mut units = fields.units(cut, |_| false);
        units.retain(|u| u.first() < stop);
        let captured = captured(fields, stop, &end);
        // A few short looks need no memory of the ones before: they are made again.
        let stateful = units.len() > RESTARTS
            || units.iter().any(|unit| match unit {
                Unit::Run(_) => false,
                Unit::One(i) => !is_short(cx, *i, captured.contains(i)),
            });
        let mut plan = Self {
            cx,
            end,
            captured,
            stateful,
            decls: Vec::new(),
            steps: TokenStream::new(),
            count: 0,
            last: TokenStream::new(),
        };
        if plan.stateful {
            for &i in &plan.captured {
                let ty = types::scalar(&fields.list[i]);
                plan.decls.push((format_ident!("v{i}"), ty.unwrap_or(q!(())), false));
            }
        }
        plan.walk(&units);
        if plan.stateful && plan.count == 1 {
            plan.unstep();
        }
        plan
    }

    fn end(fields: &'m Fields) -> End {
        let last = fields.list.len().wrapping_sub(1);
        let ends = |c: &Counted| {
            let f = fields.list.get(c.from);
            c.to == last && (!c.single || f.is_none_or(|f| f.attrs.cond.is_none() && f.pad() == 0))
        };
        let lengths = || fields.lengths().into_iter().filter(|c| ends(c));
        let known =
            lengths().find(|c| c.is_open() || distance(fields, c.field + 1, c.from).is_some());
        if let Some(counted) = known {
            return End::Known(counted);
        }
        match lengths().next() {
            Some(counted) => End::Deferred(counted),
            None => End::Walked,
        }
    }

    /// The state's declaration, and its type. The declaration names no other's state, so that a
    /// type that has none is one error, where it is named.
    fn declare(&self, name: &Ident) -> (TokenStream, TokenStream) {
        if !self.stateful {
            return (q!(), q!(()));
        }
        let (mut fields, mut params, mut args) = (vec![], vec![], vec![]);
        for (field, ty, nested) in &self.decls {
            if *nested {
                let param = format_ident!("K{}", params.len());
                fields.push(q!(#field: #param));
                params.push(param);
                args.push(ty);
            } else {
                fields.push(q!(#field: #ty));
            }
        }
        let names = self.decls.iter().map(|(name, ..)| name);
        let step = (self.count > 0).then(|| q!(step: u16,));
        let start = (self.count > 0).then(|| q!(step: 0,));
        let declaration = q! {
            pub struct #name<#(#params),*> { #step #(#fields),* }
            impl<#(#params: ::core::default::Default),*> ::core::default::Default
                for #name<#(#params),*>
            {
                #[inline]
                fn default() -> Self {
                    Self { #start #(#names: ::core::default::Default::default()),* }
                }
            }
        };
        (declaration, q!(#name<#(#args),*>))
    }

    /// What the scan knows of the field `i`.
    fn seen(&self, i: usize) -> TokenStream {
        let name = format_ident!("v{i}");
        if self.stateful {
            q!(s.#name)
        } else {
            let name = local(&name.to_string());
            q!(#name)
        }
    }

    fn keep(&self, i: usize, value: TokenStream) -> TokenStream {
        let place = self.seen(i);
        if self.stateful { q!(#place = #value;) } else { q!(let #place = #value;) }
    }

    fn env(&self, expr: &Expr) -> TokenStream {
        self.cx.env(expr, |i| self.seen(i))
    }

    fn step(&mut self, code: TokenStream) {
        if !self.stateful {
            self.steps.extend(code);
            return;
        }
        let (step, next) = (self.count, self.count + 1);
        self.count = next;
        self.last = code.clone();
        self.steps.extend(q! {
            if s.step == #step {
                #code
                s.step = #next;
                c.commit();
            }
        });
    }

    /// A single step needs no number, and often no state at all.
    fn unstep(&mut self) {
        self.steps = std::mem::take(&mut self.last);
        self.count = 0;
        self.stateful = !self.decls.is_empty();
    }

    /// Remembers where the next step begins.
    fn mark(&mut self, field: usize) -> TokenStream {
        let name = format_ident!("q{field}");
        let place = self.start(field);
        if !self.decls.iter().any(|(n, ..)| *n == name) {
            self.decls.push((name, q!(usize), false));
            let code =
                if self.stateful { q!(#place = c.pos();) } else { q!(let #place = c.pos();) };
            self.step(code);
        }
        place
    }

    /// Where the field began, once [`mark`](Self::mark) has said to remember it.
    fn start(&self, field: usize) -> TokenStream {
        let name = format_ident!("q{field}");
        if self.stateful {
            q!(s.#name)
        } else {
            let name = local(&name.to_string());
            q!(#name)
        }
    }

    fn walk(&mut self, units: &[Unit]) {
        let fields = self.cx.fields;
        let from_start = self.cx.measures_from_start();
        if from_start {
            self.mark(0);
        }
        for (u, unit) in units.iter().enumerate() {
            let next = units.get(u + 1).map_or_else(|| self.stop(), Unit::first);
            // The start that the frame's end is counted from, if it is before this unit.
            if let End::Known(counted) = &self.end
                && unit.contains(counted.from)
                && !unit.contains(counted.field)
                && counted.from < counted.field
                && unit.first() == counted.from
            {
                let from = counted.from;
                self.mark(from);
            }
            let code = match unit {
                Unit::Run(run) => self.run(run, next),
                Unit::One(i) => self.one(*i, next),
            };
            if let Some(code) = code {
                self.step(code);
            }
            if let Unit::One(i) = unit
                && let Some(align) = &fields.list[*i].attrs.align
                && !matches!(fields.extent(*i), Extent::Len(_))
            {
                let (start, align) = (self.start(*i), &align.value);
                self.step(q!(c.skip(p::gap(c.pos() - #start, #align))?;));
            }
        }
        if let End::Deferred(counted) = &self.end {
            let (field, from) = (counted.field, counted.from);
            let amount = self.amount(field);
            let least = self.least(from);
            let label = fields.list[field].label();
            let code = q! {
                let n = #amount;
                c.finish(c.pos().saturating_add(n), #least).map_err(|e| e.in_field(#label))?;
            };
            self.step(code);
        }
    }

    fn stop(&self) -> usize {
        match &self.end {
            End::Known(counted) => counted.field + 1,
            End::Deferred(counted) => counted.from,
            End::Walked => self.cx.fields.list.len(),
        }
    }

    /// The fewest bytes of the field `from` and those behind it.
    fn least(&self, from: usize) -> TokenStream {
        put::least_from(self.cx, from)
    }

    fn amount(&self, field: usize) -> TokenStream {
        let value = self.seen(field);
        let (label, (unit, bias, max)) = (self.cx.fields.list[field].label(), self.cx.scale(field));
        q!(p::scan_amount(c, #value, #unit, #bias, #max).map_err(|e| e.in_field(#label))?)
    }

    fn run(&mut self, run: &Run, next: usize) -> Option<TokenStream> {
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
                    p::scan_check(c, b[#at..#end] == #expected, || p::Fault::Magic)
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
                    p::scan_check(c, #holds, || p::Fault::Check(#text))
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
    fn finish(&self, offset: Option<usize>) -> TokenStream {
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

    /// A field of its own. `None` if nothing of it is on the wire.
    fn one(&mut self, i: usize, next: usize) -> Option<TokenStream> {
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
                p::scan_check(c, #holds, || p::Fault::Check(#text))
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
    fn pass(&mut self, i: usize) -> TokenStream {
        let cx = self.cx;
        let fields = cx.fields;
        let field = &fields.list[i];
        let (label, a, max) = (field.label(), &field.attrs, cx.max(i));
        let little = cx.item.attrs.little;
        let tail = a.tail.as_ref().map_or(0, |t| t.value.value().len());
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
                let pass = q!(c.skip(#amount.saturating_add(#tail))?);
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
                    return q! {
                        p::scan_digits::<#ty>(c, #delimiter).map_err(|e| e.in_field(#label))?
                    };
                }
                let state = self.state(i, q!(p::Find));
                return q! {
                    c.until(&mut #state, #delimiter, #max).map_err(|e| e.in_field(#label))?
                };
            }
            Extent::Rest => return q!(()),
        };
        q!({
            let n = #n;
            c.skip(n.saturating_add(#tail))?
        })
    }

    fn state(&mut self, i: usize, ty: TokenStream) -> TokenStream {
        let name = format_ident!("f{i}");
        self.decls.push((name.clone(), ty, true));
        q!(s.#name)
    }

    fn own(&mut self, i: usize) -> TokenStream {
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

/// The fields before `stop` whose values are used: by expressions, or as lengths.
fn captured(fields: &Fields, stop: usize, end: &End) -> Vec<usize> {
    let mut used = Vec::new();
    for (i, field) in fields.list[..stop].iter().enumerate() {
        let a = &field.attrs;
        let exprs = [&a.cond, &a.size, &a.count, &a.check].into_iter().flatten();
        let args = a.args.iter().flat_map(|args| &args.value);
        for expr in exprs.map(|e| &e.value).chain(args) {
            used.extend(fields.uses(expr).iter().map(|u| u.field));
        }
        if let Extent::Len(len) = fields.extent(i) {
            used.push(len);
        }
    }
    if let End::Known(counted) | End::Deferred(counted) = end {
        used.push(counted.field);
    }
    used.retain(|&i| i < stop);
    used.sort_unstable();
    used.dedup();
    used
}
