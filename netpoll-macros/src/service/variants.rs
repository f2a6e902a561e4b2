//! The arms of handlers that take the requests of a variant, or those that no other handler takes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Attribute, Type, spanned::Spanned};

use super::{
    faults::{self, FaultReplies},
    lifetimes::fixed,
    model::Hook,
    routes::{Prepared, limit},
};
use crate::hygiene::q;

/// The types in which the handlers of a server answer, each once. Faults are answered in them.
pub(super) struct ReplyTypes(Vec<ReplyType>);

struct ReplyType {
    /// The type and the conditions under which it is there, as text.
    key: String,
    cfgs: Vec<Attribute>,
    faults: FaultReplies,
}

impl ReplyTypes {
    /// Returns those of the handlers `hooks` of requests of the type `frame`.
    pub(super) fn of(hooks: &[&Hook], frame: &Type) -> Self {
        let mut types: Vec<ReplyType> = Vec::new();
        for hook in hooks.iter().filter(|hook| !hook.is_keyed()) {
            let Some(reply) = faults::reply(hook) else { continue };
            let key = key(hook, reply);
            if types.iter().all(|known| known.key != key) {
                let number = Ident::new(&format!("number_{}", types.len()), Span::mixed_site());
                let faults = FaultReplies::between(frame, reply, number);
                types.push(ReplyType { key, cfgs: hook.cfgs.clone(), faults });
            }
        }
        Self(types)
    }

    /// The statements that read a request's number, by which faults are answered.
    pub(super) fn read(&self) -> TokenStream {
        self.0
            .iter()
            .map(|ReplyType { cfgs, faults, .. }| {
                let read = faults.read();
                q!(#(#cfgs)* #read)
            })
            .collect()
    }

    /// The one type in which all handlers answer.
    pub(super) fn only(&self) -> Option<&FaultReplies> {
        match &self.0[..] {
            [only] if only.cfgs.is_empty() => Some(&only.faults),
            _ => None,
        }
    }

    fn get(&self, hook: &Hook) -> Option<&FaultReplies> {
        let key = key(hook, faults::reply(hook)?);
        self.0.iter().find(|known| known.key == key).map(|known| &known.faults)
    }
}

fn key(hook: &Hook, reply: &Type) -> String {
    let cfgs = hook.cfgs.iter().map(|cfg| cfg.to_token_stream().to_string());
    cfgs.collect::<String>() + &fixed(reply).to_token_stream().to_string()
}

/// The arm of a handler.
pub(super) fn arm(
    hook: &Hook,
    by_key: bool,
    types: &ReplyTypes,
    prepared: Prepared,
) -> TokenStream {
    let Prepared { enter, arguments, call, returns } = prepared;
    let reply = if hook.is_numbered() {
        quote_spanned!(returns=> __p::numbered(reply, number, &mut out).await)
    } else {
        quote_spanned!(returns=> __p::IntoReply::reply(reply, &mut __p::Plain, &mut out).await)
    };
    let pattern = match &hook.dispatch.route {
        Some(route) => {
            let request = q!(request);
            quote_spanned!(route.span()=> #route(#request))
        }
        None if by_key => q!(_),
        None => q!(request),
    };
    let faults = types.get(hook);
    let told = match faults {
        Some(faults) => faults.put(),
        None => q!(::core::result::Result::Err(::core::convert::Into::into(fault))),
    };
    let place = hook.dispatch.most.is_some().then(|| {
        let limit = limit(hook);
        q! {
            let _place = match __p::enter(#limit, ::core::result::Result::Ok(())) {
                ::core::result::Result::Ok(((), place)) => place,
                ::core::result::Result::Err(fault) => return #told,
            };
        }
    });
    let handled = match (faults, hook.dispatch.timeout) {
        (Some(faults), None) => faults.answered(None, &arguments, &call, &reply),
        (None, None) => q!(let reply = { #arguments #call }; #reply),
        (_, Some(_)) => q! {
            let result = {
                #arguments
                __p::within(deadline, move || async move { #call }).await
            };
            match result {
                ::core::result::Result::Ok(reply) => #reply,
                ::core::result::Result::Err(fault) => #told,
            }
        },
    };
    let cfgs = &hook.cfgs;
    q! {
        #(#cfgs)*
        #pattern => {
            #enter
            #place
            #handled
        }
    }
}
