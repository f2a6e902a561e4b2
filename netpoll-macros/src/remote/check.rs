//! From a trait to a service: methods that can be called over the network, and those that cannot.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, GenericParam, ItemTrait, Pat, PathArguments, ReturnType, TraitItem,
    TraitItemFn, Type, TypeParamBound, visit::Visit,
};

use super::{
    Method, Returns, Service,
    marks::{self, Marks},
};
use crate::errors::Errors;

/// The most arguments that serde takes in a tuple.
const ARGUMENTS: usize = 16;

pub(super) fn service(of: &ItemTrait, errors: &Errors) -> Service {
    if !of.generics.params.is_empty() {
        let help = "name the types: one protocol has one service";
        errors.at(&of.generics, "a service has no type parameters", help);
    }
    let mut methods: Vec<Method> = Vec::new();
    for item in &of.items {
        let TraitItem::Fn(function) = item else {
            errors.at(item, "a service has methods only", "move it to another trait");
            continue;
        };
        let Some(method) = method(function, errors) else { continue };
        if let Some(first) = methods.iter().find(|first| first.route == method.route) {
            let help = "give one of them another name by `#[route = \"..\"]`";
            let message = format!("a second method with the route `{}`", method.route);
            errors.at(&method.name, message, help);
            errors.push(syn::Error::new_spanned(&first.name, "the first is here"));
        }
        methods.push(method);
    }
    if of.items.is_empty() {
        let help = "write `async fn add(&self, a: i64, b: i64) -> i64;` in it";
        errors.at(&of.ident, format!("`{}` has no method", of.ident), help);
    }
    Service { vis: of.vis.clone(), name: of.ident.clone(), methods }
}

fn method(function: &TraitItemFn, errors: &Errors) -> Option<Method> {
    let before = errors.count();
    let sig = &function.sig;
    let name = &sig.ident;
    if let Some(body) = &function.default {
        let help = "end it by `;`: the implementation that is served writes the body";
        errors.at(body, "a service's method has no body", help);
    }
    if let Some(param) =
        sig.generics.params.iter().find(|param| !matches!(param, GenericParam::Lifetime(_)))
    {
        errors.at(param, "a service's method is not generic", "name the type: a caller sends one");
    }
    if let Some(qualifier) = &sig.unsafety {
        errors.at(qualifier, "a service's method is safe", "remove `unsafe`");
    }
    match sig.receiver() {
        None => {
            let help =
                format!("write `fn {name}(&self, ..)`: one implementation serves all callers");
            errors.at(name, "a service's method takes `&self`", help);
        }
        Some(receiver) if receiver.reference.is_none() || receiver.mutability.is_some() => {
            let help = "write `&self`: one implementation serves all callers at once";
            errors.at(receiver, "a service's method takes `&self`", help);
        }
        Some(_) => {}
    }
    let arguments = arguments(function, errors);
    let Marks { attrs, route, one_way, idempotent, stream, timeout, most } =
        marks::read(&function.attrs, errors);
    let returns = match &stream {
        Some(stream) => streamed(stream, &sig.output, errors),
        None => returns(&sig.output, errors),
    };
    if let Some(mark) = &one_way {
        if let Some(stream) = &stream {
            let help = "a call that is not answered has no stream: remove one of them";
            errors.at(stream, "`stream` on a method that is `oneway`", help);
        } else if let ReturnType::Type(_, ty) = &sig.output {
            let help = format!("remove the result, or `#[{mark}]`");
            errors.at(ty, "a call that is not answered has no result", help);
        }
        if let Some(idempotent) = &idempotent {
            let help = "nobody knows whether a call that is not answered was lost: remove it";
            errors.at(idempotent, "`idempotent` on a method that is `oneway`", help);
        }
    } else if let (Some(idempotent), Some(_)) = (&idempotent, &stream) {
        let help = "a stream that ends early is not begun anew: remove it, and call again";
        errors.at(idempotent, "`idempotent` on a stream", help);
    }
    (errors.count() == before).then(|| Method {
        attrs,
        route: route.unwrap_or_else(|| name.to_string()),
        name: name.clone(),
        is_async: sig.asyncness.is_some(),
        one_way: one_way.is_some(),
        idempotent: idempotent.is_some(),
        timeout,
        most,
        arguments,
        returns,
    })
}

/// Returns the trait with errors such that the compiler finds no others in it.
pub(super) fn without_marks(mut of: ItemTrait) -> ItemTrait {
    for item in &mut of.items {
        let TraitItem::Fn(function) = item else { continue };
        function.attrs = marks::read(&function.attrs, &Errors::default()).attrs;
        for argument in &mut function.sig.inputs {
            if let FnArg::Typed(typed) = argument
                && !matches!(*typed.pat, Pat::Ident(_))
            {
                *typed.pat = syn::parse_quote!(_);
            }
        }
    }
    of
}

fn arguments(function: &TraitItemFn, errors: &Errors) -> Vec<(syn::Ident, Type)> {
    let mut arguments = Vec::new();
    for argument in &function.sig.inputs {
        let FnArg::Typed(typed) = argument else { continue };
        let Pat::Ident(name) = &*typed.pat else {
            errors.at(&typed.pat, "an argument has a name", "write `name: Type`");
            continue;
        };
        if let Some(borrowed) = borrowed(&typed.ty) {
            let help = "arguments come over the network, and are owned: write `String`, `Vec<u8>` or \
                        another owned type";
            errors.at(borrowed, "an argument cannot borrow", help);
            continue;
        }
        if let Type::ImplTrait(ty) = &*typed.ty {
            errors.at(ty, "a service's method is not generic", "name the type: a caller sends one");
            continue;
        }
        arguments.push((name.ident.clone(), (*typed.ty).clone()));
    }
    if arguments.len() > ARGUMENTS {
        let help = "put them into a struct";
        let message = format!("a method has {ARGUMENTS} arguments at most");
        errors.at(&function.sig.ident, message, help);
    }
    arguments
}

/// The part of `ty` that borrows, if one does.
fn borrowed(ty: &Type) -> Option<proc_macro2::TokenStream> {
    struct Find(Option<proc_macro2::TokenStream>);

    impl<'ast> Visit<'ast> for Find {
        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.0.get_or_insert_with(|| reference.to_token_stream());
        }

        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            if lifetime.ident != "static" {
                self.0.get_or_insert_with(|| lifetime.to_token_stream());
            }
        }
    }

    let mut find = Find(None);
    find.visit_type(ty);
    find.0
}

/// Returns the items of the stream that `output` is.
fn streamed(mark: &Ident, output: &ReturnType, errors: &Errors) -> Returns {
    let help = "write `-> impl netpoll::Stream<Item = T>`";
    let ReturnType::Type(_, ty) = output else {
        errors.at(mark, "a stream without items", help);
        return Returns::Value(Box::new(syn::parse_quote!(())));
    };
    match item(ty) {
        Some(item) => Returns::Stream(Box::new(returned(&item, errors))),
        None => {
            errors.at(ty, "this is no stream", help);
            Returns::Value(ty.clone())
        }
    }
}

/// Returns the type `T` of `impl Stream<Item = T>`.
fn item(ty: &Type) -> Option<Type> {
    let Type::ImplTrait(bounds) = ty else { return None };
    bounds.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|last| last.ident == "Stream")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(assoc) if assoc.ident == "Item" => Some(assoc.ty.clone()),
            _ => None,
        })
    })
}

fn returns(output: &ReturnType, errors: &Errors) -> Returns {
    match output {
        ReturnType::Type(_, ty) => returned(ty, errors),
        ReturnType::Default => Returns::Value(Box::new(syn::parse_quote!(()))),
    }
}

fn returned(ty: &Type, errors: &Errors) -> Returns {
    if let Some(borrowed) = borrowed(ty) {
        errors.at(borrowed, "a result cannot borrow", "return an owned type");
    } else if let Type::ImplTrait(it) = ty {
        let help = match item(ty) {
            Some(_) => "write `#[stream]` on the method",
            None => "name the type",
        };
        errors.at(it, "a result has a type that its caller knows", help);
    }
    let plain = Returns::Value(Box::new(ty.clone()));
    let Type::Path(path) = ty else { return plain };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result") else {
        return plain;
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return plain };
    let types: Vec<_> = arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty.clone()),
            _ => None,
        })
        .collect();
    match &types[..] {
        [value, error] => Returns::Result(Box::new((value.clone(), error.clone()))),
        _ => {
            let help = "write `Result<Value, Error>`, with an error that is `Serialize + Display`, or \
                        `netpoll::Fault`";
            errors.at(last, "a result whose error its caller cannot know", help);
            plain
        }
    }
}
