//! The head of an item's impls: parameters, bounds, and who asks for them.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{GenericParam, Type, spanned::Spanned};

use super::{
    check::no_size,
    layout::{Extent, order},
    model::Item,
    types,
};
use crate::hygiene::q;

/// Returns the lifetime that the item borrows for, or one of our own.
pub(super) fn lifetime(item: &Item) -> TokenStream {
    match item.lifetime() {
        Some(lifetime) => lifetime.to_token_stream(),
        None => q!('__a),
    }
}

/// The parts of `impl<..> Trait for Item<..> where ..`.
pub(super) struct Head {
    /// The parameters, with the lifetime of [`lifetime`].
    pub(super) params: TokenStream,
    /// The same, and the order that integers of whoever holds the item have.
    pub(super) params_with_order: TokenStream,
    pub(super) ty: TokenStream,
    /// The type with another lifetime.
    pub(super) bounds: TokenStream,
    /// The type parameters and constants alone, as arguments.
    pub(super) own_args: TokenStream,
}

pub(super) fn head(item: &Item) -> Head {
    let lifetime = lifetime(item);
    let mut declared = vec![];
    let mut used = vec![];
    let mut bounds: Vec<TokenStream> = vec![];
    let order = order(item);
    for param in &item.generics.params {
        match param {
            GenericParam::Lifetime(_) => {}
            GenericParam::Type(param) => {
                let mut plain = param.clone();
                plain.default = None;
                plain.attrs.clear();
                let ident = &param.ident;
                declared.push(plain.to_token_stream());
                used.push(ident.to_token_stream());
                bounds.push(
                    q!(#ident: for<'__w> p::Wire<'__w, #order> + ::core::marker::Send + 'static),
                );
            }
            GenericParam::Const(param) => {
                let mut plain = param.clone();
                plain.default = None;
                plain.attrs.clear();
                declared.push(plain.to_token_stream());
                used.push(param.ident.to_token_stream());
            }
        }
    }
    if let Some(clause) = &item.generics.where_clause {
        bounds.extend(clause.predicates.iter().map(ToTokens::to_token_stream));
    }
    bounds.extend(nested(item).iter().map(|nested| {
        let (ty, wire) = (&nested.ty, &nested.wire);
        q!(for<'__w> #ty: #wire)
    }));
    let ident = &item.ident;
    let borrowed = item.lifetime().map(|l| q!(#l,));
    let ty = if borrowed.is_none() && used.is_empty() {
        q!(#ident)
    } else {
        q!(#ident<#borrowed #(#used),*>)
    };
    Head {
        params: q!(<#lifetime, #(#declared),*>),
        params_with_order: q!(<#lifetime, #(#declared,)* __S>),
        ty,
        bounds: if bounds.is_empty() { q!() } else { q!(where #(#bounds),*) },
        own_args: q!(#(#used),*),
    }
}

/// A field's type that can stand in a frame, and `Wire` as it does, both for a lifetime `'__w`.
struct Nested<'m> {
    ty: TokenStream,
    wire: TokenStream,
    field: &'m Type,
    repr: TokenStream,
    /// The field that has to say itself how long it is, if one of this type has.
    own: Option<&'m Ident>,
}

/// Returns the types of the fields that are read and written as `Wire`, each once. The impls take
/// for granted that they are, and one check beside them asks it: one mistake is one error.
fn nested(item: &Item) -> Vec<Nested<'_>> {
    let mut all: Vec<Nested<'_>> = Vec::new();
    let fields = item
        .bodies()
        .into_iter()
        .flat_map(|b| b.list.iter().enumerate().skip(usize::from(b.tagged)).map(move |f| (b, f)));
    for (body, (i, field)) in fields {
        let a = &field.attrs;
        let inner = types::auto(field.inner()).unwrap_or(field.inner());
        let counted = a.count.is_some() || a.count_prefix.is_some();
        let ty = if counted { types::vec(inner).unwrap_or(inner) } else { inner };
        let known = types::prim(ty).is_some()
            || types::reference(ty).is_some()
            || types::is_unit(ty)
            || types::names(ty, item);
        if known || a.args.is_some() || a.with.is_some() || a.try_map.is_some() {
            continue;
        }
        let repr = field.repr(item.attrs.little);
        let wire = q!(p::Wire<'__w, #repr>);
        let own = (!counted && matches!(body.extent(i), Extent::Own)).then_some(&field.name);
        let ty_w = types::at(ty, item.lifetime(), &q!('__w));
        let nested = Nested { ty: ty_w, wire, field: ty, repr, own };
        let same = |n: &Nested<'_>| {
            n.ty.to_string() == nested.ty.to_string()
                && n.wire.to_string() == nested.wire.to_string()
        };
        match all.iter_mut().find(|n| same(n)) {
            Some(first) => first.own = first.own.or(own),
            None => all.push(nested),
        }
    }
    all
}

/// Asks for each field's type whether it can stand in a frame, and whether it says how long it is
/// where nothing else does, where it is named.
pub(super) fn asked(item: &Item) -> Option<TokenStream> {
    if item.generics.type_params().next().is_some() || item.generics.const_params().next().is_some()
    {
        return None;
    }
    let checks = nested(item).into_iter().map(|nested| {
        let (ty, repr) = (types::at_static(nested.field, item.lifetime()), &nested.repr);
        match nested.own.map(no_size) {
            Some(error) => quote_spanned! {nested.field.span()=>
                const _: () = p::ends::<#ty, #repr>(#error);
            },
            None => quote_spanned!(nested.field.span()=> const _: () = p::stands::<#ty, #repr>();),
        }
    });
    Some(checks.collect())
}
