//! A list of fields, and what all of its expansions name alike.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};
use syn::{Expr, Lit, Path, Type};

use super::{
    head::lifetime,
    layout::Extent,
    model::{Fields, Item},
    types,
};
use crate::hygiene::q;

/// Returns a name that no token of the user's can mean.
pub(super) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A list of fields, and what its expansions have in common.
pub(super) struct Cx<'m> {
    pub(super) item: &'m Item,
    pub(super) fields: &'m Fields,
    pub(super) lifetime: TokenStream,
}

/// A checksum of the fields `from..=to`.
pub(super) struct Sum<'m> {
    pub(super) field: usize,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) algorithm: &'m Type,
}

impl<'m> Cx<'m> {
    pub(super) fn new(item: &'m Item, fields: &'m Fields) -> Self {
        Self { item, fields, lifetime: lifetime(item) }
    }

    /// Returns the variable of the field `i`.
    pub(super) fn var(&self, i: usize) -> Ident {
        local(&format!("f{i}"))
    }

    /// Returns what an expression of a decoder sees of the field `i`.
    pub(super) fn decoded(&self, i: usize) -> TokenStream {
        let var = self.var(i);
        match types::auto(&self.fields.list[i].ty) {
            Some(_) => q!(#var.get()),
            None => q!(#var),
        }
    }

    /// Returns `expr`, where the names of fields mean what `value` says.
    pub(super) fn env(&self, expr: &Expr, value: impl Fn(usize) -> TokenStream) -> TokenStream {
        let mut uses: Vec<usize> = self.fields.uses(expr).iter().map(|u| u.field).collect();
        uses.sort_unstable();
        uses.dedup();
        if uses.is_empty() {
            return expr.to_token_stream();
        }
        let names = uses.iter().map(|&i| &self.fields.list[i].name);
        let values = uses.iter().map(|&i| value(i));
        q!({ #(let #names = #values;)* #expr })
    }

    /// Returns the source text of `expr`, for an error.
    pub(super) fn text(&self, expr: &Expr) -> String {
        expr.to_token_stream().to_string()
    }

    /// Returns `value`, in an `Option` if the field has a condition.
    pub(super) fn some(&self, i: usize, value: TokenStream) -> TokenStream {
        match self.fields.list[i].attrs.cond {
            Some(_) => q!(::core::option::Option::Some(#value)),
            None => value,
        }
    }

    /// Returns the most bytes of the field `i`.
    pub(super) fn max(&self, i: usize) -> TokenStream {
        match &self.fields.list[i].attrs.max {
            Some(max) => max.value.to_token_stream(),
            None => q!(::core::primitive::usize::MAX),
        }
    }

    /// Returns the most elements of `field`, if there is a bound.
    pub(super) fn most(field: &super::model::Field) -> Option<&Expr> {
        let a = &field.attrs;
        let counted = a.count.is_some() || a.count_prefix.is_some();
        a.max.as_ref().filter(|_| counted).map(|max| &max.value)
    }

    /// Unit, bias and maximum of the length `i`.
    pub(super) fn scale(&self, i: usize) -> (TokenStream, TokenStream, TokenStream) {
        let len = self.fields.list[i].attrs.len.as_ref().map(|l| &l.value);
        let unit = len.and_then(|l| l.unit.as_ref()).map_or(q!(1), ToTokens::to_token_stream);
        let bias = len.and_then(|l| l.bias.as_ref()).map_or(q!(0), ToTokens::to_token_stream);
        let max = len.and_then(|l| l.max.as_ref());
        let max = max.map_or(q!(::core::primitive::usize::MAX), ToTokens::to_token_stream);
        (unit, bias, max)
    }

    /// Returns the bytes of the constant `lit`.
    pub(super) fn constant(&self, lit: &Lit, repr: &TokenStream) -> TokenStream {
        match lit {
            Lit::ByteStr(_) => q!(*#lit),
            Lit::Byte(_) => q!([#lit]),
            _ if repr.to_string().ends_with("Le") => q!(#lit.to_le_bytes()),
            _ => q!(#lit.to_be_bytes()),
        }
    }

    /// Returns the function `name` of the module `path`, an error about which points at the path.
    pub(super) fn function(path: &Path, name: &str) -> TokenStream {
        let span = path.segments.last().map_or_else(Span::call_site, |s| s.ident.span());
        let name = Ident::new(name, span);
        q!(#path::#name)
    }

    /// Returns the integer of a float's bits.
    pub(super) fn bits_of(size: usize) -> Ident {
        format_ident!("u{}", size * 8)
    }

    /// Returns whether something is measured from the first field on.
    pub(super) fn measures_from_start(&self) -> bool {
        (0..self.fields.list.len()).any(|i| matches!(self.fields.extent(i), Extent::SizeWith(_)))
    }

    /// Returns all checksums.
    pub(super) fn checksums(&self) -> Vec<Sum<'m>> {
        let fields = self.fields.list.iter().enumerate();
        let sums = fields.filter_map(|(field, f)| {
            let crc = &f.attrs.crc.as_ref()?.value;
            let (from, to) = self.fields.covered(&crc.over, field)?;
            Some(Sum { field, from, to, algorithm: &crc.algorithm })
        });
        sums.collect()
    }
}

/// Returns the value of all variables.
pub(super) fn construct(cx: &Cx<'_>, path: TokenStream) -> TokenStream {
    let members = cx.fields.list.iter().map(|f| &f.member);
    let vars = (0..cx.fields.list.len()).map(|i| cx.var(i));
    q!(#path { #(#members: #vars),* })
}

/// Returns the pattern that binds all variables to references.
pub(super) fn bind(cx: &Cx<'_>, path: TokenStream) -> TokenStream {
    construct(cx, path)
}
