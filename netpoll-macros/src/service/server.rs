//! `#[server]`: on an impl block with methods, or on a struct that names free functions.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Meta, Path, Type, spanned::Spanned};

use super::{
    check, fallback, glue,
    hook_set::HookSet,
    item::{Function, Member, ServerItem},
    model::{Hook, Kind},
    options::{self, Options},
    routes,
    twin::Twin,
};
use crate::{
    errors::{Errors, nearest},
    hygiene::q,
};

/// The item, and its service.
pub(crate) fn server(tokens: TokenStream, item: TokenStream) -> TokenStream {
    let errors = Errors::default();
    let parsed = match syn::parse2::<ServerItem>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = error.to_compile_error();
            return q!(#item #error);
        }
    };
    let options = options::server(tokens, &errors);
    match parsed {
        ServerItem::Other { at, why, item } => {
            let help = "write it on `impl Server { .. }`, or on `struct Server { .. }`";
            errors.at(at, why, help);
            let errors = errors.into_tokens();
            q!(#item #errors)
        }
        ServerItem::Struct { name, item } => of_struct(&name, &item, &options, errors),
        ServerItem::Impl { head, of, mut members } => {
            let impls = of_impl(&of, &mut members, &options, errors);
            quote!(#head { #(#members)* } #impls)
        }
    }
}

fn of_struct(name: &Ident, item: &TokenStream, options: &Options, errors: Errors) -> TokenStream {
    let server: Type = syn::parse_quote!(#name);
    if let Some(codec) = &options.codec {
        let codec_of = codec.to_token_stream();
        let help = format!("write `#[on_request(codec = {codec_of})]` on the function");
        errors.at(codec, "a function has its codec with it", help);
    }
    let path = |kind: Kind| options.hooks.iter().find(|(of, _)| *of == kind).map(|(_, path)| path);
    if errors.is_empty() && path(Kind::Request).is_none() && path(Kind::Datagram).is_none() {
        let help = "name a function that has `#[on_request]`: `#[server(on_request = handle)]`";
        errors.at(name, format!("`{name}` handles no request"), help);
    }
    let impls = if errors.is_empty() {
        let hooks = Kind::ALL.map(|kind| path(kind).map(quote::ToTokens::to_token_stream));
        HookSet { server: &server, hooks, calls: &options.calls(), layers: &options.layers }.impls()
    } else {
        fallback::service(&server)
    };
    let (glue, errors) = (glue(options.krate.as_ref(), impls), errors.into_tokens());
    q!(#item #glue #errors)
}

/// The glue of an impl block; takes the hooks' attributes off its members.
fn of_impl(of: &Type, members: &mut [Member], options: &Options, errors: Errors) -> TokenStream {
    if let Some((kind, path)) = options.hooks.first() {
        let help = format!("write `#[{}]` on a method", kind.name());
        errors.at(path, "an impl block has its hooks in it", help);
    }
    let mut hooks = Vec::new();
    for member in members {
        if let Member::Function(function) = member {
            hooks.extend(take_hook(function, options.codec.as_ref(), &errors));
        }
    }
    let parsed = errors.is_empty();
    let routed = routes::are_there(&hooks, options);
    if routed && parsed {
        routes::check(&mut hooks, options, &errors);
    }
    for kind in Kind::ALL {
        if routed && kind == Kind::Request {
            continue;
        }
        let mut always = hooks.iter().filter(|hook| hook.kind == kind && hook.cfgs.is_empty());
        if let (Some(first), Some(second)) = (always.next(), always.next()) {
            let name = kind.name();
            let help = "keep one, or make them exclude each other by `#[cfg(..)]`";
            errors.at(&second.sig.ident, format!("a second `#[{name}]`"), help);
            errors.push(syn::Error::new_spanned(&first.sig.ident, "the first is here"));
        }
    }
    let handles = |hook: &Hook| {
        matches!(hook.kind, Kind::Request | Kind::Datagram)
            || hook.kind == Kind::Connect && detaches(hook)
    };
    if parsed && !hooks.iter().any(handles) {
        let help =
            "write `#[on_request] fn handle(&self, request: Request<'_>) -> Reply { .. }` in it";
        errors.at(of, format!("`{}` handles no request", of.to_token_stream()), help);
    }
    let impls =
        if errors.is_empty() { put_together(of, &hooks, options) } else { fallback::service(of) };
    let (glue, errors) = (glue(options.krate.as_ref(), impls), errors.into_tokens());
    q!(#glue #errors)
}

/// Returns whether `on_connect` may detach the connection, which then needs no handler of requests.
fn detaches(hook: &Hook) -> bool {
    fn names_it(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "Detach",
            TokenTree::Group(group) => names_it(group.stream()),
            _ => false,
        })
    }
    names_it(hook.sig.output.to_token_stream())
}

/// The hook that a method is, if one: its attribute is taken off.
fn take_hook(function: &mut Function, codec: Option<&Path>, errors: &Errors) -> Option<Hook> {
    let mut found = None;
    let mut attrs = Vec::new();
    for attr in std::mem::take(&mut function.attrs) {
        let name = attr.path().segments.last().map(|last| last.ident.to_string());
        let name = name.unwrap_or_default();
        let kind = Kind::of(&name);
        if let Some(kind) = kind {
            if found.is_some() {
                errors.at(attr.path(), "a method is one hook", "write another method for this one");
            }
            found = Some((kind, attr));
        } else if name.starts_with("on_") {
            let near = nearest(&name, Kind::ALL.map(Kind::name));
            let help = match near {
                Some(near) => format!("did you mean `#[{near}]`?"),
                None => format!("the hooks are `{}`", Kind::ALL.map(Kind::name).join("`, `")),
            };
            errors.at(attr.path(), format!("there is no hook `{name}`"), help);
        } else {
            attrs.push(attr);
        }
    }
    function.attrs = attrs;
    let (kind, attr) = found?;
    let tokens = match &attr.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let before = errors.count();
    let mut dispatch = options::hook(kind, tokens, errors);
    if let (Some(_), Some(again)) = (codec, &dispatch.codec) {
        errors.at(again, "`codec` is given twice", "remove one of them");
    }
    dispatch.codec = dispatch.codec.or(codec.cloned());
    (errors.count() == before).then(|| check::hook(kind, function, dispatch, true, errors))
}

/// The twins of an impl block's hooks, and its service.
fn put_together(of: &Type, hooks: &[Hook], options: &Options) -> TokenStream {
    let mut parts = TokenStream::new();
    let types = Kind::ALL.map(|kind| {
        let of_kind: Vec<_> = hooks.iter().filter(|hook| hook.kind == kind).collect();
        if of_kind.is_empty() {
            return missing(kind, of, hooks, &mut parts);
        }
        let (twin, declared) = declaration(kind, of);
        parts.extend(declared);
        if kind == Kind::Request && routes::are_there(hooks, options) {
            parts.extend(routes::handler(&of_kind, &twin, of, options));
            return Some(twin);
        }
        for hook in &of_kind {
            let function = &hook.sig.ident;
            let callee = quote_spanned!(function.span()=> <#of>::#function);
            let twin = Twin { hook, name: twin.clone(), callee, server: Some(of) };
            parts.extend(twin.impls());
            if hook.kind == Kind::Error && hooks.iter().any(|hook| hook.kind == Kind::Datagram) {
                parts.extend(twin.datagram_error());
            }
        }
        Some(any(&twin, &format!("{}Any", kind.twin()), &of_kind, &mut parts))
    });
    let service =
        HookSet { server: of, hooks: types, calls: &options.calls(), layers: &options.layers }
            .impls();
    q!(#parts #service)
}

/// The type that stands for the hooks of one kind, and its declaration. It is as visible as the server
/// that it names: what a public server's service names must be no less public.
fn declaration(kind: Kind, of: &Type) -> (TokenStream, TokenStream) {
    let name = Ident::new(kind.twin(), Span::mixed_site());
    let declared = q! {
        #[allow(dead_code, unreachable_pub)]
        pub struct #name<__S>(::core::marker::PhantomData<fn() -> __S>);
    };
    (q!(#name<#of>), declared)
}

/// `twin` where any of its hooks is compiled.
fn any(twin: &TokenStream, name: &str, hooks: &[&Hook], parts: &mut TokenStream) -> TokenStream {
    if hooks.iter().any(|hook| hook.cfgs.is_empty()) {
        return twin.clone();
    }
    let conditions = hooks.iter().map(|hook| {
        let cfgs = hook.cfgs.iter().map(|cfg| match &cfg.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        });
        quote!(all(#(#cfgs),*))
    });
    let any = quote!(any(#(#conditions),*));
    let name = Ident::new(name, Span::mixed_site());
    parts.extend(q! {
        #[cfg(#any)]
        type #name = #twin;
        #[cfg(not(#any))]
        type #name = __p::NoHook;
    });
    name.to_token_stream()
}

/// The `on_connect` of a session that a handler names and no hook creates: its default.
fn missing(kind: Kind, of: &Type, hooks: &[Hook], parts: &mut TokenStream) -> Option<TokenStream> {
    let named = hooks.iter().find_map(Hook::session).filter(|_| kind == Kind::Connect)?;
    let at = Span::mixed_site().located_at(named.span());
    let default = quote_spanned!(at=> __p::default_session::<#named>());
    let (twin, declared) = declaration(kind, of);
    parts.extend(q! {
        #declared
        impl __p::OnConnect<#of, __Session> for #twin {
            async fn on_connect(
                _: &#of,
                _: &__p::Connection,
            ) -> __p::Result<<__Session as __p::Kept>::Session> {
                __p::IntoSession::<__Session>::into_session(#default)
            }
        }
    });
    Some(twin)
}
