//! The impls of an item.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{Expr, GenericParam, Lit, Path, Type, spanned::Spanned};

use super::{
    enums, get,
    layout::{Extent, order},
    model::{Body, Fields, Item},
    put, scan, types,
};
use crate::hygiene::q;

/// A name that no token of the user's can mean.
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

    /// The variable of the field `i`.
    pub(super) fn var(&self, i: usize) -> Ident {
        local(&format!("f{i}"))
    }

    /// What an expression of a decoder sees of the field `i`.
    pub(super) fn decoded(&self, i: usize) -> TokenStream {
        let var = self.var(i);
        match types::auto(&self.fields.list[i].ty) {
            Some(_) => q!(#var.get()),
            None => q!(#var),
        }
    }

    /// `expr`, where the names of fields mean what `value` says.
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

    /// The source text of `expr`, for an error.
    pub(super) fn text(&self, expr: &Expr) -> String {
        expr.to_token_stream().to_string()
    }

    /// `value`, in an `Option` if the field has a condition.
    pub(super) fn some(&self, i: usize, value: TokenStream) -> TokenStream {
        match self.fields.list[i].attrs.cond {
            Some(_) => q!(::core::option::Option::Some(#value)),
            None => value,
        }
    }

    /// The most bytes of the field `i`.
    pub(super) fn max(&self, i: usize) -> TokenStream {
        match &self.fields.list[i].attrs.max {
            Some(max) => max.value.to_token_stream(),
            None => q!(::core::primitive::usize::MAX),
        }
    }

    /// The most elements of `field`, if there is a bound.
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

    /// The bytes of the constant `lit`.
    pub(super) fn constant(&self, lit: &Lit, repr: &TokenStream) -> TokenStream {
        match lit {
            Lit::ByteStr(_) => q!(*#lit),
            Lit::Byte(_) => q!([#lit]),
            _ if repr.to_string().ends_with("Le") => q!(#lit.to_le_bytes()),
            _ => q!(#lit.to_be_bytes()),
        }
    }

    /// The function `name` of the module `path`, an error about which points at the path.
    pub(super) fn function(path: &Path, name: &str) -> TokenStream {
        let span = path.segments.last().map_or_else(Span::call_site, |s| s.ident.span());
        let name = Ident::new(name, span);
        q!(#path::#name)
    }

    /// The integer of a float's bits.
    pub(super) fn bits_of(size: usize) -> Ident {
        format_ident!("u{}", size * 8)
    }

    /// Whether something is measured from the first field on.
    pub(super) fn measures_from_start(&self) -> bool {
        (0..self.fields.list.len()).any(|i| matches!(self.fields.extent(i), Extent::SizeWith(_)))
    }

    /// All checksums.
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

/// The lifetime that the item borrows for, or one of our own.
pub(super) fn lifetime(item: &Item) -> TokenStream {
    match item.lifetime() {
        Some(lifetime) => lifetime.to_token_stream(),
        None => q!('__a),
    }
}

/// The parts of `impl<..> Trait for Item<..> where ..`.
pub(super) struct Head {
    /// With the lifetime of [`lifetime`].
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
}

/// The types of the fields that are read and written as `Wire`, each once. The impls take for
/// granted that they are, and one check beside them asks it: one mistake is one error.
fn nested(item: &Item) -> Vec<Nested<'_>> {
    let mut all: Vec<Nested<'_>> = Vec::new();
    for field in item.bodies().iter().flat_map(|b| b.list.iter().skip(usize::from(b.tagged))) {
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
        let nested =
            Nested { ty: types::at(ty, item.lifetime(), &q!('__w)), wire, field: ty, repr };
        let same = |n: &Nested<'_>| {
            n.ty.to_string() == nested.ty.to_string()
                && n.wire.to_string() == nested.wire.to_string()
        };
        if !all.iter().any(same) {
            all.push(nested);
        }
    }
    all
}

/// Asks for each field's type whether it can stand in a frame, where it is named.
fn asked(item: &Item) -> Option<TokenStream> {
    if item.generics.type_params().next().is_some() || item.generics.const_params().next().is_some()
    {
        return None;
    }
    let calls: Vec<_> = nested(item)
        .iter()
        .map(|nested| {
            let (ty, repr) = (types::at_static(nested.field, item.lifetime()), &nested.repr);
            quote_spanned!(nested.field.span()=> p::stands::<#ty, #repr>();)
        })
        .collect();
    (!calls.is_empty()).then(|| q!(const _: fn() = || { #(#calls)* };))
}

/// The impls for an item that has no errors.
pub(super) fn item(item: &Item) -> TokenStream {
    let krate = item.attrs.krate.as_ref().map_or(q!(::netpoll), ToTokens::to_token_stream);
    let wire = wire(item);
    let frame = (!item.is_part()).then(|| frame(item));
    let sequenced = sequenced(item);
    let asked = asked(item);
    q! {
        #[allow(clippy::needless_question_mark)]
        const _: () = {
            use #krate::__private::derived as p;
            #wire
            #frame
            #sequenced
            #asked
        };
    }
}

/// Whether all fields can be written: `try_map` has a way back.
fn writes(item: &Item) -> bool {
    let one_way = |f: &super::model::Field| f.attrs.try_map.is_some() && f.attrs.unmap.is_none();
    !item.bodies().iter().flat_map(|b| &b.list).any(one_way)
}

/// `Wire`, or `WireArgs` if there are arguments.
fn wire(item: &Item) -> TokenStream {
    let Head { params, params_with_order, ty, bounds, .. } = head(item);
    let lifetime = lifetime(item);
    let (consts, get, size, put) = match &item.body {
        Body::Struct(fields) => {
            let cx = Cx::new(item, fields);
            let (get, value) = (get::body(&cx), construct(&cx, q!(Self)));
            let bind = bind(&cx, q!(Self));
            let (size, put) = (put::size(&cx), put::body(&cx));
            let (min, fixed) = (put::least(&cx), put::fixed(&cx));
            (
                (min, fixed),
                q!(#get ::core::result::Result::Ok(#value)),
                q!(let #bind = self; #size),
                q!(let #bind = self; #put ::core::result::Result::Ok(())),
            )
        }
        Body::Enum(variants) => enums::bodies(item, variants),
    };
    let (min, fixed) = consts;
    let scan::Skip { state, ty: skip_type, body: skip, fills } = scan::item(item);
    let fills = fills.then(|| {
        q!(
            const FILLS: bool = true;
        )
    });
    let get = match &item.attrs.depth {
        Some(depth) => q!(r.nest(#depth, |r| { #get })),
        None => get,
    };
    let names: Vec<_> = item.attrs.args.iter().map(|(name, _)| name).collect();
    let types = item.attrs.args.iter().map(|(_, ty)| ty);
    if item.attrs.args.is_empty() {
        let sized = item.attrs.keep.then(|| {
            q! {
                fn get_sized(
                    r: &mut p::Reader<#lifetime>,
                    n: usize,
                ) -> ::core::result::Result<Self, p::DecodeError> {
                    r.within(n, <Self as p::Wire<#lifetime, __S>>::get)
                }
            }
        });
        q! {
            #state
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl #params_with_order p::Wire<#lifetime, __S> for #ty #bounds {
                const FIXED: ::core::option::Option<usize> = #fixed;
                const MIN: usize = #min;
                #fills
                type Skip = #skip_type;
                #[inline]
                fn skip(
                    s: &mut Self::Skip,
                    c: &mut p::Cursor<'_>,
                ) -> ::core::result::Result<(), p::Stop> {
                    #skip
                }
                #[inline]
                fn get(
                    r: &mut p::Reader<#lifetime>,
                ) -> ::core::result::Result<Self, p::DecodeError> {
                    #get
                }
                #sized
                #[inline]
                fn size(&self) -> usize {
                    #size
                }
                #[inline]
                fn put(
                    &self,
                    w: &mut p::Writer<'_>,
                ) -> ::core::result::Result<(), p::EncodeError> {
                    #put
                }
            }
        }
    } else {
        q! {
            #state
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            #[allow(unused_variables)]
            impl #params p::WireArgs<#lifetime> for #ty #bounds {
                type Args = (#(#types,)*);
                const MIN: usize = #min;
                type Skip = #skip_type;
                #[inline]
                fn skip_with(
                    s: &mut Self::Skip,
                    c: &mut p::Cursor<'_>,
                    args: Self::Args,
                ) -> ::core::result::Result<(), p::Stop> {
                    let (#(#names,)*) = args;
                    #skip
                }
                #[inline]
                fn get_with(
                    r: &mut p::Reader<#lifetime>,
                    args: Self::Args,
                ) -> ::core::result::Result<Self, p::DecodeError> {
                    let (#(#names,)*) = args;
                    #get
                }
                #[inline]
                fn size(&self) -> usize {
                    #size
                }
                #[inline]
                fn put_with(
                    &self,
                    w: &mut p::Writer<'_>,
                    args: Self::Args,
                ) -> ::core::result::Result<(), p::EncodeError> {
                    let (#(#names,)*) = args;
                    #put
                }
            }
        }
    }
}

/// `Frame`, `Decode`, `Encode`.
fn frame(item: &Item) -> TokenStream {
    let Head { params, ty, bounds, own_args, .. } = head(item);
    let (ident, lifetime, order) = (&item.ident, lifetime(item), order(item));
    let at = |lifetime: TokenStream| match (item.lifetime(), own_args.is_empty()) {
        (Some(_), _) => q!(#ident<#lifetime, #own_args>),
        (None, true) => q!(#ident),
        (None, false) => q!(#ident<#own_args>),
    };
    let (fixed, borrowed) = (at(q!('static)), at(q!('__b)));
    let max = item.attrs.max.as_ref().map(|max| q!(const MAX: usize = #max;));
    let finish = (!item.attrs.keep).then(|| q!(r.finish()?;));
    let encode = writes(item).then(|| {
        q! {
            #[automatically_derived]
            impl #params p::Encode for #ty #bounds {
                #[inline]
                fn encoded_len(&self) -> usize {
                    <Self as p::Wire<#lifetime, #order>>::size(self)
                }
                #[inline]
                fn encode(
                    &self,
                    w: &mut p::Writer<'_>,
                ) -> ::core::result::Result<(), p::EncodeError> {
                    <Self as p::Wire<#lifetime, #order>>::put(self, w)
                }
            }
        }
    });
    q! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #params p::Frame for #ty #bounds {
            type Scan = p::Scan<#fixed>;
            type At<'__b> = #borrowed;
            const FIXED: ::core::option::Option<usize> =
                <#fixed as p::Wire<'static, p::Be>>::FIXED;
            const MIN: usize = <#fixed as p::Wire<'static, p::Be>>::MIN;
            #max
        }
        #[automatically_derived]
        impl #params p::Decode<#lifetime> for #ty #bounds {
            #[inline]
            fn decode(
                r: &mut p::Reader<#lifetime>,
            ) -> ::core::result::Result<Self, p::DecodeError> {
                let value = <Self as p::Wire<#lifetime, #order>>::get(r)?;
                #finish
                ::core::result::Result::Ok(value)
            }
        }
        #encode
    }
}

/// `Sequenced`, if a field is the number.
fn sequenced(item: &Item) -> Option<TokenStream> {
    let Body::Struct(fields) = &item.body else { return None };
    let field = fields.list.iter().find(|f| f.attrs.seq.is_some())?;
    let Head { params, ty, bounds, .. } = head(item);
    let (member, seq) = (&field.member, &field.ty);
    Some(q! {
        #[automatically_derived]
        impl #params p::Sequenced for #ty #bounds {
            type Seq = #seq;
            #[inline]
            fn seq(&self) -> #seq {
                self.#member
            }
            #[inline]
            fn set_seq(&mut self, seq: #seq) {
                self.#member = seq;
            }
        }
    })
}

/// The value of all variables.
pub(super) fn construct(cx: &Cx<'_>, path: TokenStream) -> TokenStream {
    let members = cx.fields.list.iter().map(|f| &f.member);
    let vars = (0..cx.fields.list.len()).map(|i| cx.var(i));
    q!(#path { #(#members: #vars),* })
}

/// The pattern that binds all variables to references.
pub(super) fn bind(cx: &Cx<'_>, path: TokenStream) -> TokenStream {
    construct(cx, path)
}
