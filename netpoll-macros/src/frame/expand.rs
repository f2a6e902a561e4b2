//! The impls of an item.

use proc_macro2::TokenStream;
use quote::ToTokens;

use super::{
    cx::{Cx, bind, construct},
    enums, get,
    head::{Head, asked, head, lifetime},
    layout::order,
    marks,
    model::{Body, Item},
    put, scan, size,
};
use crate::hygiene::q;

/// Returns the impls for an item that has no errors.
pub(super) fn item(item: &Item) -> TokenStream {
    let krate = item.attrs.krate.as_ref().map_or(q!(::netpoll), ToTokens::to_token_stream);
    let wire = wire(item);
    let frame = (!item.is_part()).then(|| frame(item));
    let marks = marks::impls(item);
    let asked = asked(item);
    q! {
        #[allow(clippy::needless_question_mark)]
        const _: () = {
            use #krate::__private::derived as p;
            #wire
            #frame
            #marks
            #asked
        };
    }
}

/// Returns whether all fields can be written: `try_map` has a way back.
fn writes(item: &Item) -> bool {
    let one_way = |f: &super::model::Field| f.attrs.try_map.is_some() && f.attrs.unmap.is_none();
    !item.bodies().iter().flat_map(|b| &b.list).any(one_way)
}

/// Returns `Wire`, or `WireArgs` if there are arguments.
fn wire(item: &Item) -> TokenStream {
    let Head { params, params_with_order, ty, bounds, .. } = head(item);
    let lifetime = lifetime(item);
    let (consts, get, size, put) = match &item.body {
        Body::Struct(fields) => {
            let cx = Cx::new(item, fields);
            let (get, value) = (get::body(&cx), construct(&cx, q!(Self)));
            let bind = bind(&cx, q!(Self));
            let (size, put) = (size::all(&cx), put::body(&cx));
            let (min, fixed) = (size::least(&cx), size::fixed(&cx));
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
                    r: &mut p::Decoder<#lifetime>,
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
                const EXACT: bool = true;
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
                    r: &mut p::Decoder<#lifetime>,
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
                    w: &mut p::Encoder<'_>,
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
                const EXACT: bool = true;
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
                    r: &mut p::Decoder<#lifetime>,
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
                    w: &mut p::Encoder<'_>,
                    args: Self::Args,
                ) -> ::core::result::Result<(), p::EncodeError> {
                    let (#(#names,)*) = args;
                    #put
                }
            }
        }
    }
}

/// Returns `Frame`, `Decode`, `Encode`.
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
    let marked = marks::of_frame(item);
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
                    w: &mut p::Encoder<'_>,
                ) -> ::core::result::Result<(), p::EncodeError> {
                    <Self as p::Wire<#lifetime, #order>>::put(self, w)
                }
            }
        }
    });
    let scan = match item.attrs.datagram {
        Some(_) => q!(p::ToEnd),
        None => q!(p::Scan<#fixed>),
    };
    q! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #params p::Frame for #ty #bounds {
            type Scan = #scan;
            type At<'__b> = #borrowed;
            const FIXED: ::core::option::Option<usize> =
                <#fixed as p::Wire<'static, p::Be>>::FIXED;
            const MIN: usize = <#fixed as p::Wire<'static, p::Be>>::MIN;
            #max
            #marked
        }
        #[automatically_derived]
        impl #params p::Decode<#lifetime> for #ty #bounds {
            #[inline]
            fn decode(
                r: &mut p::Decoder<#lifetime>,
            ) -> ::core::result::Result<Self, p::DecodeError> {
                let value = <Self as p::Wire<#lifetime, #order>>::get(r)?;
                #finish
                ::core::result::Result::Ok(value)
            }
        }
        #encode
    }
}
