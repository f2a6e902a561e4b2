//! What a field's type is, as far as its tokens say.
//!
//! Only the primitive integers, and the wrappers `Auto`, `Option` and `Vec` are known here, to find
//! what they wrap; the expansion then builds values of those very types, so that another type of
//! the same name is a type error and not a surprise.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    GenericArgument, Lifetime, PathArguments, Type, TypeReference,
    visit::{self, Visit},
};

use super::model::{Field, Item};
use crate::hygiene::q;

/// A primitive type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Prim {
    /// Bytes, and whether it is signed.
    Int(usize, bool),
    Float(usize),
    Bool,
    /// `usize` and `isize`.
    Pointer,
}

/// Returns the primitive type that `ty` is.
pub(super) fn prim(ty: &Type) -> Option<Prim> {
    let Type::Path(path) = ty else { return None };
    Some(match path.path.get_ident()?.to_string().as_str() {
        "u8" => Prim::Int(1, false),
        "u16" => Prim::Int(2, false),
        "u32" => Prim::Int(4, false),
        "u64" => Prim::Int(8, false),
        "u128" => Prim::Int(16, false),
        "i8" => Prim::Int(1, true),
        "i16" => Prim::Int(2, true),
        "i32" => Prim::Int(4, true),
        "i64" => Prim::Int(8, true),
        "i128" => Prim::Int(16, true),
        "f32" => Prim::Float(4),
        "f64" => Prim::Float(8),
        "bool" => Prim::Bool,
        "usize" | "isize" => Prim::Pointer,
        _ => return None,
    })
}

/// Returns the `T` of `name<T>`.
fn wrapped<'t>(ty: &'t Type, name: &str) -> Option<&'t Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|s| s.ident == name)?;
    let PathArguments::AngleBracketed(args) = &last.arguments else { return None };
    match args.args.first() {
        Some(GenericArgument::Type(inner)) if args.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// Returns the `T` of `Auto<T>`.
pub(super) fn auto(ty: &Type) -> Option<&Type> {
    wrapped(ty, "Auto")
}

/// Returns the `T` of `Option<T>`.
pub(super) fn option(ty: &Type) -> Option<&Type> {
    wrapped(ty, "Option")
}

/// Returns the `T` of `Vec<T>`.
pub(super) fn vec(ty: &Type) -> Option<&Type> {
    wrapped(ty, "Vec")
}

/// Returns the `T` of `Box<T>`.
pub(super) fn boxed(ty: &Type) -> Option<&Type> {
    wrapped(ty, "Box")
}

/// Returns whether `ty` is `()`.
pub(super) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Returns the type whose value an expression sees: a primitive, or an `Option` of one.
pub(super) fn scalar(field: &Field) -> Option<TokenStream> {
    let ty = auto(&field.ty).unwrap_or(&field.ty);
    let inner = option(ty).unwrap_or(ty);
    matches!(prim(inner), Some(Prim::Int(..) | Prim::Bool | Prim::Float(_)))
        .then(|| ty.to_token_stream())
}

/// Returns the reference that `ty` is.
pub(super) fn reference(ty: &Type) -> Option<&TypeReference> {
    match ty {
        Type::Reference(reference) => Some(reference),
        _ => None,
    }
}

/// Returns whether some reference of the item has no lifetime.
pub(super) fn elides(item: &Item) -> bool {
    struct Find(bool);
    impl<'t> Visit<'t> for Find {
        fn visit_type_reference(&mut self, reference: &'t TypeReference) {
            self.0 |= reference.lifetime.is_none();
            visit::visit_type_reference(self, reference);
        }
    }
    let mut find = Find(false);
    item.bodies().iter().flat_map(|b| &b.list).for_each(|f| find.visit_type(&f.ty));
    find.0
}

/// Returns `ty` with `'static` for the item's lifetime.
pub(super) fn at_static(ty: &Type, lifetime: Option<&Lifetime>) -> TokenStream {
    at(ty, lifetime, &q!('static))
}

/// Returns `ty` with `to` for the item's lifetime.
pub(super) fn at(ty: &Type, lifetime: Option<&Lifetime>, to: &TokenStream) -> TokenStream {
    match lifetime {
        Some(lifetime) => replace(ty.to_token_stream(), &lifetime.ident.to_string(), to),
        None => ty.to_token_stream(),
    }
}

fn replace(tokens: TokenStream, name: &str, to: &TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let inner = replace(group.stream(), name, to);
                let mut new = Group::new(group.delimiter(), inner);
                new.set_span(group.span());
                out.extend([TokenTree::Group(new)]);
            }
            TokenTree::Punct(punct)
                if punct.as_char() == '\''
                    && matches!(tokens.peek(), Some(TokenTree::Ident(i)) if i == name) =>
            {
                tokens.next();
                out.extend(to.clone());
            }
            token => out.extend([token]),
        }
    }
    out
}

/// Returns whether `ty` names `item` itself.
pub(super) fn names(ty: &Type, item: &Item) -> bool {
    fn within(tokens: TokenStream, name: &str) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "Self" || ident == name,
            TokenTree::Group(group) => within(group.stream(), name),
            _ => false,
        })
    }
    within(ty.to_token_stream(), &item.ident.to_string())
}

/// Returns how many of the item itself an element of the recursive type `ty` is: `Self`, or a tuple
/// of them.
pub(super) fn selves(ty: &Type, item: &Item) -> Option<usize> {
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().map(|t| selves(t, item)).sum(),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            (last.ident == "Self" || last.ident == item.ident).then_some(1)
        }
        _ => None,
    }
}
