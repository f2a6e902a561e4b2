//! Impls that stand in while an item has errors, so that its uses report none.

use proc_macro2::TokenStream;
use quote::ToTokens;

use super::{
    head::{Head, head, lifetime},
    model::Item,
};
use crate::hygiene::q;

/// Returns the impls, which are never run: the errors beside them end the compilation.
pub(super) fn item(item: &Item) -> TokenStream {
    if item.generics.type_params().next().is_some() || super::types::elides(item) {
        return TokenStream::new();
    }
    let krate = item.attrs.krate.as_ref().map_or(q!(::netpoll), ToTokens::to_token_stream);
    let Head { params, params_with_order, ty, bounds, .. } = head(item);
    let lifetime = lifetime(item);
    let at = |lifetime: TokenStream| {
        let ident = &item.ident;
        let others = item.generics.lifetimes().skip(1).map(|_| lifetime.clone());
        match item.lifetime() {
            Some(_) => q!(#ident<#lifetime #(, #others)*>),
            None => q!(#ident),
        }
    };
    if item.generics.lifetimes().count() > 1 || item.generics.const_params().next().is_some() {
        return TokenStream::new();
    }
    let (fixed, borrowed) = (at(q!('static)), at(q!('__b)));
    let marks = super::marks::stand_ins(item);
    if item.is_part() && !item.attrs.args.is_empty() {
        let args = item.attrs.args.iter().map(|(_, ty)| ty);
        return q! {
            const _: () = {
                use #krate::__private::derived as p;
                impl #params p::WireArgs<#lifetime> for #ty #bounds {
                    type Args = (#(#args,)*);
                    const MIN: usize = 1;
                    type Skip = ();
                    fn skip_with(
                        _: &mut (),
                        _: &mut p::Cursor<'_>,
                        _: Self::Args,
                    ) -> ::core::result::Result<(), p::Stop> {
                        ::core::unreachable!()
                    }
                    fn get_with(
                        _: &mut p::Decoder<#lifetime>,
                        _: Self::Args,
                    ) -> ::core::result::Result<Self, p::DecodeError> {
                        ::core::unreachable!()
                    }
                    fn size(&self) -> usize {
                        ::core::unreachable!()
                    }
                    fn put_with(
                        &self,
                        _: &mut p::Encoder<'_>,
                        _: Self::Args,
                    ) -> ::core::result::Result<(), p::EncodeError> {
                        ::core::unreachable!()
                    }
                }
            };
        };
    }
    q! {
        const _: () = {
            use #krate::__private::derived as p;
            #marks
            impl #params_with_order p::Wire<#lifetime, __S> for #ty #bounds {
                const MIN: usize = 1;
                type Skip = ();
                fn get(
                    _: &mut p::Decoder<#lifetime>,
                ) -> ::core::result::Result<Self, p::DecodeError> {
                    ::core::unreachable!()
                }
                fn size(&self) -> usize {
                    ::core::unreachable!()
                }
                fn put(
                    &self,
                    _: &mut p::Encoder<'_>,
                ) -> ::core::result::Result<(), p::EncodeError> {
                    ::core::unreachable!()
                }
            }
            impl #params p::Frame for #ty #bounds {
                type Scan = p::Scan<#fixed>;
                type At<'__b> = #borrowed;
            }
            impl #params p::Decode<#lifetime> for #ty #bounds {
                fn decode(
                    _: &mut p::Decoder<#lifetime>,
                ) -> ::core::result::Result<Self, p::DecodeError> {
                    ::core::unreachable!()
                }
            }
            impl #params p::Encode for #ty #bounds {
                fn encoded_len(&self) -> usize {
                    ::core::unreachable!()
                }
                fn encode(
                    &self,
                    _: &mut p::Encoder<'_>,
                ) -> ::core::result::Result<(), p::EncodeError> {
                    ::core::unreachable!()
                }
            }
        };
    }
}
