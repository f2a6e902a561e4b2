//! The scan of an item: its state, and the steps that pass its fields.

mod pass;
mod plan;

use proc_macro2::TokenStream;
use quote::format_ident;

use self::plan::Plan;
use super::{
    cx::Cx,
    enums::{self, Tag},
    layout::order,
    model::{Body, Fields, Item, Variant},
    size,
};
use crate::hygiene::q;

/// The scan of an item.
pub(super) struct Skip {
    /// The items that declare the state.
    pub(super) state: TokenStream,
    pub(super) ty: TokenStream,
    pub(super) body: TokenStream,
    /// True if it has no end of its own.
    pub(super) fills: bool,
}

pub(super) fn item(item: &Item) -> Skip {
    let fills = item.bodies().iter().any(|fields| has_no_end(fields));
    if fills {
        let body = q! {
            let _ = s;
            ::core::result::Result::Err(c.fail(p::FrameErrorKind::Length(0)))
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

/// Returns whether the last of `fields` takes what is left, and no length says how much that is.
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
    let least = variants.iter().map(|v| size::least(&Cx::new(item, &v.fields)));
    let (mut states, mut names, mut types, mut begins, mut steps) =
        (q!(), vec![], vec![], vec![], vec![]);
    let mut other = q! {
        _ => return ::core::result::Result::Err(
            c.fail(p::FrameErrorKind::Tag(tag as i128)).in_field("tag"),
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
