//! A server with several handlers of requests, each for the requests of its route.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Lit, Type, spanned::Spanned};

use super::{
    faults::FaultReplies,
    lifetimes::{erased, fixed, of_the_call},
    model::{Arg, Dispatching, Hook, Kind, Route},
    options::Options,
    twin::Twin,
    variants::{self, ReplyTypes},
};
use crate::{errors::Errors, hygiene::q};

/// Requests of a connection at once, where the server does not say it.
const CONCURRENT: u32 = 256;

/// Returns whether a server's handlers have routes.
pub(super) fn are_there(hooks: &[Hook], options: &Options) -> bool {
    options.frame.is_some() || hooks.iter().any(|hook| hook.dispatch.route.is_some())
}

/// Checks the handlers together, and gives all of them the dispatch that their connection has.
pub(super) fn check(hooks: &mut [Hook], options: &Options, errors: &Errors) {
    let handlers = || hooks.iter().filter(|hook| hook.kind == Kind::Request);
    let routed: Vec<_> = handlers().filter_map(|hook| hook.dispatch.route.as_ref()).collect();
    let Some(first) = routed.first() else {
        if let Some(frame) = &options.frame {
            let help =
                "write `#[on_request(Frame::Variant)]` or `#[on_request(\"name\")]`, or remove it";
            errors.at(frame, "`frame` is for handlers with routes", help);
        }
        return;
    };
    let by_key = matches!(first, Route::Key(_));
    let text = |route: &Route| route.to_token_stream().to_string().replace(" :: ", "::");
    for (i, route) in routed.iter().enumerate() {
        if matches!(route, Route::Key(_)) != by_key {
            let help = "a server finds all its handlers by a key, or all by a variant";
            errors.at(route, "a route of another kind", help);
        } else if let Some(before) = routed[..i].iter().find(|before| text(before) == text(route)) {
            let help = "keep one of the handlers";
            errors.at(route, format!("a second handler for {}", text(route)), help);
            errors.push(syn::Error::new_spanned(before, "the first is here"));
        }
    }
    let mut rest = handlers().filter(|hook| hook.dispatch.route.is_none());
    if let (Some(first), Some(second)) = (rest.next(), rest.next()) {
        let help = "give it a route: one handler takes the rest";
        errors.at(&second.sig.ident, "a second handler without a route", help);
        errors.push(syn::Error::new_spanned(&first.sig.ident, "the first is here"));
    }
    if options.frame.is_none() {
        let help =
            "name the frame that the server receives: `#[netpoll::server(frame = Command<'_>)]`";
        errors.at(first, "a route of an unknown frame", help);
    }
    if by_key && options.reply.is_none() && options.frame.is_some() {
        let help =
            "name the frame that the server sends: `#[netpoll::server(.., reply = Answer<'_>)]`";
        errors.at(first, "a route without a frame for its replies", help);
    }
    for hook in handlers() {
        if let Some(inline) = &hook.dispatch.inline {
            errors.at(inline, "a handler with a route is not `inline`", "remove it");
        }
        if let Some(codec) = &hook.dispatch.codec {
            errors.at(codec, "a handler with a route has no codec", "remove `codec`");
        }
        if let (Some(ordered), Some(_)) = (&hook.dispatch.ordered, &hook.dispatch.route) {
            let help = "remove it: replies find their requests by number";
            errors.at(ordered, "replies of routes leave as they come", help);
        }
    }
    let concurrent = handlers().find_map(|hook| hook.dispatch.concurrent.as_ref());
    let ident = match (concurrent, &options.concurrent) {
        (Some((ident, _)), _) => ident.clone(),
        (None, Some(_)) => syn::Ident::new("concurrent", Span::mixed_site()),
        (None, None) => return,
    };
    let most = options.concurrent.clone().unwrap_or_else(|| q!(#CONCURRENT as usize));
    for hook in hooks.iter_mut().filter(|hook| hook.kind == Kind::Request) {
        let own = hook.dispatch.concurrent.replace((ident.clone(), most.clone()));
        hook.dispatch.most = own.map(|(_, most)| most);
        if let Some(Arg::Session { ty, .. }) =
            hook.args.iter().find(|arg| matches!(arg, Arg::Session { mutable: true, .. }))
        {
            let help = "write `conn: &Connection, session: &S`, with a lock around what changes";
            errors.at(ty, "requests side by side share their session", help);
        }
    }
}

/// The handler that stands for all of them: the type `name` of the server `of`.
pub(super) fn handler(
    hooks: &[&Hook],
    name: &TokenStream,
    of: &Type,
    options: &Options,
) -> TokenStream {
    let Some(frame) = &options.frame else { return TokenStream::new() };
    let (request, at) = (fixed(frame), of_the_call(frame));
    let concurrent = hooks.iter().find_map(|hook| hook.dispatch.concurrent.as_ref());
    let named = hooks.iter().find_map(|hook| hook.session()).map(fixed);
    let (session, wants, generics) = match (&named, concurrent) {
        (Some(ty), Some(_)) => {
            (q!(::std::sync::Arc<#ty>), q!(__p::Named<::std::sync::Arc<#ty>>), q!())
        }
        (Some(ty), None) => (ty.to_token_stream(), q!(__p::Named<#ty>), q!()),
        (None, Some(_)) => {
            let bounds = q!(::core::marker::Send + ::core::clone::Clone + 'static);
            (q!(__T), q!(__p::Shared), q!(__T: #bounds))
        }
        (None, None) => (q!(__T), q!(__p::Unnamed), q!(__T: ::core::marker::Send + 'static)),
    };
    let dispatch = match concurrent {
        Some((_, max)) => q!(Concurrent { max: #max, ordered: false }),
        None if hooks.iter().any(|hook| hook.is_async()) => q!(Async),
        None => q!(Sync),
    };
    let by_key = hooks.iter().any(|hook| hook.is_keyed());
    let types = ReplyTypes::of(hooks, frame);
    let numbers = types.read();
    let uses = (!numbers.is_empty()).then(|| {
        q! {
            #[allow(unused_imports)]
            use __p::{NoFaults as _, NoNumbers as _};
        }
    });
    let arms = hooks.iter().map(|hook| arm(hook, of, by_key, options, &types));
    let has_rest = hooks.iter().any(|hook| hook.dispatch.route.is_none());
    let reply = options.reply.as_ref().map(fixed);
    let rest = (by_key && !has_rest).then(|| {
        q! {
            _ => {
                __p::enter_no_route();
                __p::answer::<#reply, _>(
                    ::core::result::Result::Err(__p::Fault::unknown()), number, &mut out,
                )
            }
        }
    });
    let at_frame = Span::mixed_site().located_at(frame.span());
    let number = (by_key || concurrent.is_some())
        .then(|| quote_spanned!(at_frame=> let number = __p::number(&request);));
    let found = match by_key {
        true => quote_spanned!(at_frame=> __p::Routed::route(&request)),
        false => quote_spanned!(at_frame=> request),
    };
    let arms: TokenStream = arms.collect();
    let matched = quote_spanned!(at_frame=> match #found { #arms #rest });
    let keyed = by_key.then(|| {
        let answer = quote_spanned! {at_frame=>
            __p::answer::<#reply, _>(
                ::core::result::Result::Err(fault), __p::number(request), out,
            )
        };
        let goodbye = quote_spanned!(at_frame=> __p::say_goodbye::<#reply>(out));
        q! {
            fn refuse(
                request: &Self::At<'_>,
                fault: __p::Fault,
                out: &mut __p::Out<'_>,
            ) -> __p::Result<__p::Flow> {
                #answer
            }
            fn on_drain(out: &mut __p::Out<'_>) -> __p::Result<bool> {
                #goodbye
            }
        }
    });
    let said = options.reply.as_ref().map(|reply| FaultReplies::alone(frame, reply));
    let refuse = keyed.or_else(|| said.as_ref().or(types.only()).map(FaultReplies::hooks));
    let share = concurrent.map(|_| {
        q! {
            fn share(session: &#session) -> ::core::option::Option<#session> {
                ::core::option::Option::Some(::core::clone::Clone::clone(session))
            }
        }
    });
    q! {
        impl<#generics> __p::OnRequest<#of, #session> for #name {
            type Request = #request;
            type At<'__c> = #at;
            const DISPATCH: __p::Dispatch = __p::Dispatch::#dispatch;
            #[allow(unused_variables, unused_mut)]
            fn on_request<'__a>(
                server: &'__a #of,
                call: __p::Call<'__a, #session>,
                request: Self::At<'__a>,
            ) -> impl ::core::future::Future<Output = __p::Result<__p::Flow>>
                + ::core::marker::Send + '__a
            {
                async move {
                    let __p::Call { conn, session, mut out, deadline, .. } = call;
                    #uses
                    #number
                    #numbers
                    #matched
                }
            }
            #refuse
            #share
        }

        impl __p::Wants for #name {
            type Session = #wants;
        }
    }
}

/// The arm of one handler.
fn arm(hook: &Hook, of: &Type, by_key: bool, options: &Options, types: &ReplyTypes) -> TokenStream {
    let function = &hook.sig.ident;
    let callee = quote_spanned!(function.span()=> <#of>::#function);
    let twin = Twin { hook, name: TokenStream::new(), callee, server: Some(of) };
    let (takes, call) = twin.call(&q!(__p::FromCall::from_call));
    let route = name(hook);
    let enter = q! {
        static ROUTE: __p::RouteName = __p::RouteName::new(#route);
        ROUTE.enter();
    };
    let deadline = match hook.dispatch.timeout {
        Some(ms) => q!(__p::route_deadline(deadline, #ms)),
        None => q!(deadline),
    };
    let parts = (!takes.is_empty())
        .then(|| q!(let mut parts = __p::CallParts::new(server, conn, deadline, out.reborrow());));
    let returns = Span::mixed_site().located_at(super::check::return_span(hook));
    let prepared = Prepared {
        enter,
        arguments: q!(let deadline = #deadline; #parts #(#takes)*),
        call,
        returns,
    };
    match &hook.dispatch.route {
        Some(Route::Key(key)) => keyed(hook, key, options, prepared),
        _ => variants::arm(hook, by_key, types, prepared),
    }
}

/// The parts of a handler's arm.
pub(super) struct Prepared {
    /// Notes the route for observers.
    pub(super) enter: TokenStream,
    /// Takes the arguments.
    pub(super) arguments: TokenStream,
    pub(super) call: TokenStream,
    /// The span for errors about what the handler returns.
    pub(super) returns: Span,
}

/// The limit of a route's own requests, as an option.
pub(super) fn limit(hook: &Hook) -> TokenStream {
    hook.dispatch.most.as_ref().map_or(q!(::core::option::Option::None), |most| {
        q!(::core::option::Option::Some({
            static LIMIT: __p::RouteLimit = __p::RouteLimit::new(#most);
            &LIMIT
        }))
    })
}

/// The arm of a handler of the requests of a key.
fn keyed(hook: &Hook, key: &Lit, options: &Options, prepared: Prepared) -> TokenStream {
    let Prepared { enter, arguments, call, returns } = prepared;
    let key = match key {
        Lit::Int(_) => quote!(&#key),
        _ => key.to_token_stream(),
    };
    let (cfgs, ty) = (&hook.cfgs, hook.frame());
    let reply = options.reply.as_ref().map(fixed);
    let payload = ty.map_or(q!(()), |ty| erased(ty).to_token_stream());
    let at = Span::mixed_site().located_at(ty.map_or(hook.sig.ident.span(), Spanned::span));
    let decode = quote_spanned!(at=> __p::argument::<#payload, _>(&request));
    let limit = limit(hook);
    let outcome = quote_spanned!(returns=> __p::into_payload(result));
    q! {
        #(#cfgs)*
        #key => {
            #enter
            let outcome = match __p::enter(#limit, #decode) {
                ::core::result::Result::Err(fault) => ::core::result::Result::Err(fault),
                ::core::result::Result::Ok((request, _place)) => {
                    #arguments
                    __p::within(deadline, move || async move { #call })
                        .await
                        .and_then(|result| #outcome)
                }
            };
            __p::answer::<#reply, _>(outcome, number, &mut out)
        }
    }
}

/// The name by which observers know the requests of a handler: its key or variant, or its function's name.
fn name(hook: &Hook) -> String {
    match &hook.dispatch.route {
        Some(Route::Key(Lit::Str(text))) => text.value(),
        Some(Route::Key(Lit::ByteStr(text))) => String::from_utf8_lossy(&text.value()).into_owned(),
        Some(Route::Key(Lit::Int(number))) => number.base10_digits().to_owned(),
        Some(Route::Variant(path)) => {
            path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
        }
        _ => hook.sig.ident.to_string(),
    }
}

/// Refuses the route of a function that serves alone.
pub(super) fn misplaced(dispatch: &Dispatching, errors: &Errors) {
    if let Some(route) = &dispatch.route {
        let help = "write it on a method of `#[netpoll::server(frame = ..)] impl ..`";
        errors.at(route, "a function that serves alone has no route", help);
    }
}
