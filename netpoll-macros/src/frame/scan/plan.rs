//! The plan of a scan: how far it goes, what it keeps, and in which steps.

use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use syn::Expr;

use super::super::{
    cx::{Cx, local},
    layout::{Extent, Repeat, Unit},
    lengths::Counted,
    model::{Field, Fields},
    size, types,
};
use crate::hygiene::q;

/// The place at which scanning stops.
pub(super) enum End {
    /// The field `at` says where the last one ends.
    Known(Counted),
    /// At the field before it, a length that was read earlier says so.
    Deferred(Counted),
    /// No field says where the last one ends.
    Walked,
}

pub(super) struct Plan<'m> {
    pub(super) cx: &'m Cx<'m>,
    pub(super) end: End,
    /// Fields whose values the scan needs later.
    pub(super) captured: Vec<usize>,
    /// True if there are states: with one step, variables do.
    pub(super) stateful: bool,
    /// The state's fields: name, type, and whether the type is another's state.
    pub(super) decls: Vec<(Ident, TokenStream, bool)>,
    pub(super) steps: TokenStream,
    pub(super) count: u16,
    /// The last step's code, without the test whether it is its turn.
    pub(super) last: TokenStream,
}

/// Units beyond which a scan remembers how far it came.
pub(super) const RESTARTS: usize = 8;

/// Returns whether the field of its own `i` is passed with one short look and no state.
pub(super) fn is_short(cx: &Cx<'_>, i: usize, captured: bool) -> bool {
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

/// Returns whether its type is a number, whatever stands for it on the wire.
pub(super) fn is_number(field: &Field) -> bool {
    let a = &field.attrs;
    let ty = types::auto(field.inner()).unwrap_or(field.inner());
    let ty = a.raw.as_ref().map_or(ty, |raw| &raw.value);
    types::prim(ty).is_some() && a.with.is_none() && a.args.is_none()
}

/// Returns the bytes from the first of `from..to` to the field `to`, if all have a fixed size.
pub(super) fn distance(fields: &Fields, from: usize, to: usize) -> Option<usize> {
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
    pub(super) fn new(cx: &'m Cx<'m>) -> Self {
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

    pub(super) fn end(fields: &'m Fields) -> End {
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

    /// Returns the state's declaration, and its type. The declaration names no other's state, so
    /// that a type that has none is one error, where it is named.
    pub(super) fn declare(&self, name: &Ident) -> (TokenStream, TokenStream) {
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

    /// Returns what the scan knows of the field `i`.
    pub(super) fn seen(&self, i: usize) -> TokenStream {
        let name = format_ident!("v{i}");
        if self.stateful {
            q!(s.#name)
        } else {
            let name = local(&name.to_string());
            q!(#name)
        }
    }

    pub(super) fn keep(&self, i: usize, value: TokenStream) -> TokenStream {
        let place = self.seen(i);
        if self.stateful { q!(#place = #value;) } else { q!(let #place = #value;) }
    }

    pub(super) fn env(&self, expr: &Expr) -> TokenStream {
        self.cx.env(expr, |i| self.seen(i))
    }

    pub(super) fn step(&mut self, code: TokenStream) {
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

    /// Removes the number of a single step, and the state if nothing else needs it.
    pub(super) fn unstep(&mut self) {
        self.steps = std::mem::take(&mut self.last);
        self.count = 0;
        self.stateful = !self.decls.is_empty();
    }

    /// Remembers where the next step begins.
    pub(super) fn mark(&mut self, field: usize) -> TokenStream {
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

    /// Returns where the field began, once [`mark`](Self::mark) has said to remember it.
    pub(super) fn start(&self, field: usize) -> TokenStream {
        let name = format_ident!("q{field}");
        if self.stateful {
            q!(s.#name)
        } else {
            let name = local(&name.to_string());
            q!(#name)
        }
    }

    pub(super) fn walk(&mut self, units: &[Unit]) {
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

    pub(super) fn stop(&self) -> usize {
        match &self.end {
            End::Known(counted) => counted.field + 1,
            End::Deferred(counted) => counted.from,
            End::Walked => self.cx.fields.list.len(),
        }
    }

    /// Returns the fewest bytes of the field `from` and those behind it.
    pub(super) fn least(&self, from: usize) -> TokenStream {
        size::least_from(self.cx, from)
    }

    pub(super) fn amount(&self, field: usize) -> TokenStream {
        let value = self.seen(field);
        let (label, (unit, bias, max)) = (self.cx.fields.list[field].label(), self.cx.scale(field));
        q!(p::scan_amount(c, #value, #unit, #bias, #max).map_err(|e| e.in_field(#label))?)
    }
}

/// Returns the fields before `stop` whose values are used: by expressions, or as lengths.
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
