//! Tagged enums: a tag, then one of the variants.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Type;

use super::{
    cx::{Cx, bind, construct},
    get,
    layout::order,
    model::{Item, Variant, VariantTag},
    put, size,
};
use crate::hygiene::q;

/// The origin of a tag.
pub(super) enum Tag<'m> {
    /// An integer of this type, before the variant.
    Read(&'m Type),
    /// The argument of this name.
    Given(TokenStream),
}

/// Returns where the tag of `item` comes from.
pub(super) fn tag(item: &Item) -> Tag<'_> {
    let given = item.attrs.args.iter().find(|(name, _)| match &item.attrs.tag {
        Some(Type::Path(path)) => path.path.is_ident(name),
        _ => false,
    });
    match (given, &item.attrs.tag) {
        (Some((name, _)), _) => Tag::Given(name.to_token_stream()),
        (None, Some(ty)) => Tag::Read(ty),
        (None, None) => unreachable!("checked: an enum has a tag"),
    }
}

/// Returns the pattern of a variant's tag.
pub(super) fn pattern(variant: &Variant) -> TokenStream {
    match &variant.tag {
        Some(VariantTag::Value(value)) => value.to_token_stream(),
        _ => q!(_),
    }
}

/// Returns `((least, fixed), get, size, put)` of an enum.
pub(super) fn bodies(
    item: &Item,
    variants: &[Variant],
) -> ((TokenStream, TokenStream), TokenStream, TokenStream, TokenStream) {
    let order = order(item);
    let tag = tag(item);
    let least = variants.iter().map(|v| size::least(&Cx::new(item, &v.fields)));
    let (read, tag_size) = match &tag {
        Tag::Read(ty) => (
            q!(let tag = <#order as p::Repr<#ty>>::get(r).map_err(|e| e.in_field("tag"))?;),
            q!(<#order as p::Repr<#ty>>::MIN),
        ),
        Tag::Given(name) => (q!(let tag = #name;), q!(0)),
    };
    let mut known = Vec::new();
    let mut other = q! {
        tag => {
            return ::core::result::Result::Err(
                p::DecodeError::new(p::FrameErrorKind::Tag(tag as i128), at).in_field("tag"),
            );
        }
    };
    let (mut sizes, mut puts) = (Vec::new(), Vec::new());
    for variant in variants {
        let cx = Cx::new(item, &variant.fields);
        let ident = &variant.ident;
        let (body, value) = (get::body(&cx), construct(&cx, q!(Self::#ident)));
        let body = q!({ #body #value });
        let pattern = pattern(variant);
        let bind = bind(&cx, q!(Self::#ident));
        let size = size::all(&cx);
        sizes.push(q!(#bind => #size));
        let put = put::body(&cx);
        let value = match &variant.tag {
            Some(VariantTag::Value(value)) => value.to_token_stream(),
            _ => {
                let first = cx.var(0);
                q!(*#first)
            }
        };
        let write = match &tag {
            Tag::Read(ty) => q!(<#order as p::Repr<#ty>>::put(#value, w)?;),
            Tag::Given(name) => q! {
                p::put_check(w, #name == #value, || p::FrameErrorKind::Tag(#name as i128))?;
            },
        };
        puts.push(q!(#bind => { #write #put }));
        match &variant.tag {
            Some(VariantTag::Other(_)) => {
                let first = cx.var(0);
                other = q!(#first => #body);
            }
            _ => known.push(q!(#pattern => #body)),
        }
    }
    let get = q! {
        let at = r.pos();
        #read
        ::core::result::Result::Ok(match tag { #(#known,)* #other })
    };
    let size = q!(#tag_size + match self { #(#sizes,)* });
    let put = q!(match self { #(#puts,)* } ::core::result::Result::Ok(()));
    let none = q!(::core::option::Option::None);
    ((q!(#tag_size + p::least([#(#least),*])), none), get, size, put)
}
