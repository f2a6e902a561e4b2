//! `#[server]`, `#[on_request]` and the other hooks: parse, check, expand.

mod check;
#[cfg(test)]
mod expansions;
mod fallback;
mod faults;
mod hook_set;
mod item;
mod lifetimes;
mod model;
mod options;
mod routes;
mod server;
mod twin;
mod values;
mod variants;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Path;

pub(crate) use model::Kind;
pub(crate) use server::server;
pub(crate) use values::duration;

use self::{item::Function, twin::Twin};
use crate::{errors::Errors, hygiene::q};

/// A free function with a hook's attribute: itself, and its twin.
pub(crate) fn hook(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let errors = Errors::default();
            let name = kind.name();
            errors.at(&item, format!("`#[{name}]` is for a function"), "write it on a `fn`");
            let errors = errors.into_tokens();
            return q!(#item #errors);
        }
    };
    let errors = Errors::default();
    let dispatch = options::hook(kind, options, &errors);
    let krate = dispatch.krate.clone();
    routes::misplaced(&dispatch, &errors);
    let parsed = errors.is_empty();
    let hook = check::hook(kind, &function, dispatch, false, &errors);
    if function.sig.receiver().is_some() {
        let errors = errors.into_tokens();
        return q!(#function #errors);
    }
    let name = function.sig.ident.clone();
    let impls = if parsed && errors.is_empty() {
        let callee = name.to_token_stream();
        let twin = Twin { hook: &hook, name: name.to_token_stream(), callee, server: None };
        let (impls, alone) = (twin.impls(), twin.alone());
        let error = (kind == Kind::Error).then(|| twin.datagram_error());
        let error = error.map(|error| q!(__p::with_udp! { #error }));
        q!(#impls #alone #error)
    } else {
        fallback::twin(kind, &name)
    };
    let (vis, cfgs, errors) = (&function.vis, &hook.cfgs, errors.into_tokens());
    let glue = glue(krate.as_ref(), impls);
    let doc = format!("The function [`{name}()`] as a type: a hook of a server.");
    q! {
        #function

        #(#cfgs)*
        #[doc = #doc]
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, Default)]
        #vis struct #name {}

        #(#cfgs)*
        #glue
        #errors
    }
}

/// `impls` where `__p` is the glue's module.
fn glue(krate: Option<&Path>, impls: TokenStream) -> TokenStream {
    let krate = krate.map_or(q!(::netpoll), ToTokens::to_token_stream);
    q! {
        const _: () = {
            use #krate::__private::glue as __p;
            #impls
        };
    }
}
