//! From a trait to a service: methods that can be called over the network, and those that cannot.

use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprLit, FnArg, GenericArgument, GenericParam, ItemTrait, Lit, Meta, Pat,
    PathArguments, ReturnType, TraitItem, TraitItemFn, Type, visit::Visit,
};

use super::{Method, Returns, Service};
use crate::errors::{Errors, nearest};

/// The attributes of a method.
const MARKS: [&str; 1] = ["route"];

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
    let returns = returns(&sig.output, errors);
    let mut route = name.to_string();
    let mut attrs = Vec::new();
    for attr in &function.attrs {
        match mark(attr, errors) {
            Mark::Route(text) => route = text,
            Mark::Other => attrs.push(attr.clone()),
            Mark::Wrong => {}
        }
    }
    (errors.count() == before).then(|| Method {
        attrs,
        name: name.clone(),
        route,
        is_async: sig.asyncness.is_some(),
        arguments,
        returns,
    })
}

/// Returns the trait with errors such that the compiler finds no others in it.
pub(super) fn without_marks(mut of: ItemTrait) -> ItemTrait {
    for item in &mut of.items {
        let TraitItem::Fn(function) = item else { continue };
        function.attrs.retain(|attr| matches!(mark(attr, &Errors::default()), Mark::Other));
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

enum Mark {
    Route(String),
    Other,
    Wrong,
}

/// Reads an attribute of a method.
fn mark(attr: &Attribute, errors: &Errors) -> Mark {
    let name = attr.path().get_ident().map(ToString::to_string).unwrap_or_default();
    if MARKS.contains(&&*name) {
        if let Meta::NameValue(pair) = &attr.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
            && !text.value().is_empty()
        {
            return Mark::Route(text.value());
        }
        errors.at(attr, "a route is a name", "write `#[route = \"v1.add\"]`");
        return Mark::Wrong;
    }
    if matches!(&*name, "doc" | "cfg" | "cfg_attr" | "allow" | "expect" | "deprecated" | "must_use")
    {
        return Mark::Other;
    }
    if let Some(near) = nearest(&name, MARKS) {
        let message = format!("there is no mark `{name}`");
        errors.at(attr.path(), message, format!("did you mean `#[{near} = \"..\"]`?"));
        return Mark::Wrong;
    }
    Mark::Other
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

fn returns(output: &ReturnType, errors: &Errors) -> Returns {
    let ReturnType::Type(_, ty) = output else {
        return Returns::Value(Box::new(syn::parse_quote!(())));
    };
    if let Some(borrowed) = borrowed(ty) {
        errors.at(borrowed, "a result cannot borrow", "return an owned type");
    } else if let Type::ImplTrait(it) = &**ty {
        errors.at(it, "a result has a type that its caller knows", "name the type");
    }
    let plain = Returns::Value(ty.clone());
    let Type::Path(path) = &**ty else { return plain };
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
