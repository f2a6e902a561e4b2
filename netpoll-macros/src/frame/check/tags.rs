//! The tags of an enum's variants.

use syn::Type;

use super::literal;
use crate::{
    errors::{Errors, with_help},
    frame::{
        model::{Item, Variant, VariantTag},
        types::{self, Prim},
    },
};

pub(super) fn variants(item: &Item, variants: &[Variant], errors: &Errors) {
    let Some(tag) = &item.attrs.tag else {
        errors.at(
            &item.ident,
            format!("what tells the variants of `{}` apart?", item.ident),
            "`#[frame(tag = u8)]` on the type, and `#[frame(tag = 1)]` on each variant",
        );
        return;
    };
    let given = item
        .attrs
        .args
        .iter()
        .find(|(name, _)| matches!(tag, Type::Path(path) if path.path.is_ident(name)));
    let ty = given.map_or(tag, |(_, ty)| ty);
    let Some(Prim::Int(bytes, signed)) = types::prim(ty) else {
        errors.at(tag, "a tag is an integer", "`tag = u8`, or the name of one of `args(..)`");
        return;
    };
    let bits = bytes as u32 * 8 - u32::from(signed);
    let (least, most) =
        (if signed { -(1i128 << bits.min(126)) } else { 0 }, 1i128 << bits.min(126));
    let mut seen: Vec<(i128, &syn::Expr)> = Vec::new();
    let mut others = 0;
    for variant in variants {
        match &variant.tag {
            None => errors.at(
                &variant.ident,
                format!("`{}` has no tag", variant.ident),
                "`#[frame(tag = 1)]`, or `#[frame(tag = _)]` for all others",
            ),
            Some(VariantTag::Other(span)) => {
                others += 1;
                if others > 1 {
                    let help = "keep one of them";
                    let message = with_help("a second variant for all other tags", help);
                    errors.push(syn::Error::new(*span, message));
                } else if variant.fields.list.is_empty() {
                    errors.at(
                        &variant.ident,
                        "where does the tag of this variant go?",
                        format!("its first field holds it: `{}({})`", variant.ident, name(ty)),
                    );
                }
            }
            Some(VariantTag::Value(value)) => {
                let Some(n) = literal(value) else { continue };
                if n < least || n >= most {
                    errors.at(
                        value,
                        format!("{n} is no `{}`", name(ty)),
                        format!("a wider tag: `tag = u{}`", (bytes * 16).min(64)),
                    );
                } else if let Some((_, first)) = seen.iter().find(|(m, _)| *m == n) {
                    errors.at(value, format!("the tag {n} is used twice"), "another tag");
                    errors.push(syn::Error::new_spanned(first, "it is first used here"));
                } else {
                    seen.push((n, value));
                }
            }
        }
    }
}

fn name(ty: &Type) -> String {
    quote::quote!(#ty).to_string()
}
