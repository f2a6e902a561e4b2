//! The type that stands for a hook's function, and the trait that it implements by calling it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use super::{
    check::return_span,
    faults::FaultReplies,
    lifetimes::{erased, fixed, has_lifetimes, of_the_call},
    model::{Arg, Hook, Kind},
};
use crate::hygiene::q;

/// A hook's type, and how its function is called.
pub(super) struct Twin<'h> {
    pub(super) hook: &'h Hook,
    /// The type.
    pub(super) name: TokenStream,
    /// The function's path.
    pub(super) callee: TokenStream,
    /// The server, if the function is a method of it.
    pub(super) server: Option<&'h Type>,
}

/// A span for errors at `at`, whose names are the glue's own.
fn here(at: Span) -> Span {
    Span::mixed_site().located_at(at)
}

/// The constant for a deadline of so many milliseconds.
fn timeout(ms: u64) -> TokenStream {
    q! {
        const TIMEOUT: ::core::option::Option<::core::time::Duration> =
            ::core::option::Option::Some(::core::time::Duration::from_millis(#ms));
    }
}

impl Twin<'_> {
    /// The impls; `__p` is the glue's module.
    pub(super) fn impls(&self) -> TokenStream {
        let cfgs = &self.hook.cfgs;
        let hook = match self.hook.kind {
            Kind::Request => self.request(),
            Kind::Connect => self.connect(),
            Kind::Close => self.close(),
            Kind::Datagram => self.datagram(),
            Kind::Prepare | Kind::Disconnect | Kind::HalfClose | Kind::Error | Kind::Idle => {
                self.looker()
            }
        };
        let wants = self.wants().map(|session| {
            let name = &self.name;
            q! {
                #(#cfgs)*
                impl __p::Wants for #name {
                    type Session = #session;
                }
            }
        });
        q! {
            #(#cfgs)*
            #hook
            #wants
        }
    }

    /// The session that the hook wants, for those that are asked.
    fn wants(&self) -> Option<TokenStream> {
        let named = self.hook.session().map(fixed);
        let concurrent = self.hook.dispatch.concurrent.is_some();
        Some(match (self.hook.kind, named) {
            (Kind::Request, Some(ty)) if concurrent => {
                q!(__p::Named<::std::sync::Arc<#ty>>)
            }
            (Kind::Request, None) if concurrent => q!(__p::Shared),
            (Kind::Request | Kind::Close, Some(ty)) => q!(__p::Named<#ty>),
            (Kind::Request | Kind::Close, None) => q!(__p::Unnamed),
            _ => return None,
        })
    }

    /// The server's type, and the generics where any server will do.
    fn server(&self) -> (TokenStream, Vec<TokenStream>) {
        match self.server {
            Some(ty) => (ty.to_token_stream(), Vec::new()),
            None => (q!(__S), vec![q!(__S: ::core::marker::Send + ::core::marker::Sync + 'static)]),
        }
    }

    /// The bounds that arguments by value need, where any server will do that satisfies them.
    fn bounds(&self, by: &TokenStream) -> Vec<TokenStream> {
        if self.server.is_some() {
            return Vec::new();
        }
        let taken = self.hook.args.iter().filter_map(|arg| match arg {
            Arg::Taken(ty) => Some(of_the_call(ty)),
            _ => None,
        });
        taken.map(|ty| quote!(for<'__c> #ty: #by)).collect()
    }

    /// The statements that take the arguments by value, and the call.
    pub(super) fn call(&self, from: &TokenStream) -> (Vec<TokenStream>, TokenStream) {
        let mut takes = Vec::new();
        let shared = self.hook.dispatch.concurrent.is_some();
        let args = self.hook.args.iter().enumerate().map(|(i, arg)| match arg {
            Arg::Server => q!(server),
            Arg::Connection(ty) => quote_spanned!(here(ty.span())=> conn),
            Arg::Error(ty) => quote_spanned!(here(ty.span())=> error),
            Arg::Session { ty, mutable: true } => quote_spanned!(here(ty.span())=> session),
            Arg::Session { ty, .. } if shared => quote_spanned!(here(ty.span())=> &**session),
            Arg::Session { ty, .. } => quote_spanned!(here(ty.span())=> &*session),
            Arg::Frame(_) => q!(request),
            Arg::Owned(_) => q!(session),
            Arg::Taken(ty) => {
                let name = Ident::new(&format!("__a{i}"), Span::mixed_site());
                let take = quote_spanned!(here(ty.span())=> #from(&mut parts)?);
                let ty = erased(ty);
                takes.push(q!(let #name: #ty = #take;));
                name.to_token_stream()
            }
        });
        let args: Vec<_> = args.collect();
        let callee = &self.callee;
        let wait = self.hook.is_async().then(|| q!(.await));
        (takes, q!(#callee(#(#args),*) #wait))
    }

    fn request(&self) -> TokenStream {
        let (name, hook) = (&self.name, self.hook);
        let (server, mut generics) = self.server();
        let codec = hook.dispatch.codec.as_ref();
        let (frame, at) = match (codec, hook.frame()) {
            (Some(codec), _) => (q!(__p::Coded<'static, #codec>), q!(__p::Coded<'__c, #codec>)),
            (None, Some(ty)) if has_lifetimes(ty) => {
                (fixed(ty).to_token_stream(), of_the_call(ty).to_token_stream())
            }
            // An error in the type is told where it stands, and not again.
            (None, ty) => (ty.to_token_stream(), q!(Self::Request)),
        };
        let concurrent = hook.dispatch.concurrent.as_ref();
        let session = match hook.session().map(fixed) {
            Some(ty) if concurrent.is_some() => q!(::std::sync::Arc<#ty>),
            Some(ty) => ty.to_token_stream(),
            None => {
                let clone = concurrent.map(|_| q!(+ ::core::clone::Clone));
                generics.push(q!(__T: ::core::marker::Send #clone + 'static));
                q!(__T)
            }
        };
        let dispatch = match concurrent {
            Some((_, max)) => {
                let ordered = hook.dispatch.ordered.is_some();
                q!(Concurrent { max: #max, ordered: #ordered })
            }
            None if hook.dispatch.inline.is_some() => q!(Inline),
            None if hook.is_async() => q!(Async),
            None => q!(Sync),
        };
        let timeout = hook.dispatch.timeout.map(timeout);
        let bounds = self.bounds(&q!(__p::FromCall<'__c, __S>));
        let (takes, call) = self.call(&q!(__p::FromCall::from_call));
        let parts = (!takes.is_empty()).then(
            || q!(let mut parts = __p::CallParts::new(server, conn, deadline, out.reborrow());),
        );
        let faults = FaultReplies::of(hook);
        let deadline = match faults.is_none() && takes.is_empty() {
            true => q!(..),
            false => q!(deadline, ..),
        };
        let session_field = hook.session().map(|_| q!(session,));
        let returns = here(return_span(hook));
        let answer =
            |put| quote_spanned!(returns=> __p::IntoReply::reply(reply, &mut #put, &mut out).await);
        let at_frame = here(hook.frame().map_or(returns, Spanned::span));
        let (before, reply) = if hook.is_numbered() {
            let number = quote_spanned!(at_frame=> let number = __p::number(&request););
            (Some(number), quote_spanned!(returns=> __p::numbered(reply, number, &mut out).await))
        } else if codec.is_some() {
            let ty = hook.frame().map(erased);
            let taken = quote_spanned! {at_frame=>
                let __p::Coded { message, codec } = request;
                let request: #ty = message;
            };
            (Some(taken), answer(q!(__p::By(codec))))
        } else {
            let beside = concurrent.map(|_| quote_spanned!(at_frame=> __p::beside::<#frame>();));
            (beside, answer(q!(__p::Plain)))
        };
        let share = concurrent.map(|_| {
            q! {
                fn share(session: &#session) -> ::core::option::Option<#session> {
                    ::core::option::Option::Some(::core::clone::Clone::clone(session))
                }
            }
        });
        let prepared = q!(#parts #(#takes)*);
        let handled = match &faults {
            Some(faults) => {
                let answered = faults.answered(Some(faults.read()), &prepared, &call, &reply);
                q! {
                    #[allow(unused_imports)]
                    use __p::{NoFaults as _, NoNumbers as _};
                    #answered
                }
            }
            None => q!(let reply = { #prepared #call }; #reply),
        };
        let hooks = faults.as_ref().map(FaultReplies::hooks);
        let conn = if self.needs_conn() || parts.is_some() { q!(conn,) } else { q!() };
        let future = quote_spanned! {here(hook.sig.ident.span())=>
            impl ::core::future::Future<Output = __p::Result<__p::Flow>>
                + ::core::marker::Send + '__a
        };
        q! {
            impl<#(#generics),*> __p::OnRequest<#server, #session> for #name
            where
                #(#bounds,)*
            {
                type Request = #frame;
                type At<'__c> = #at;
                const DISPATCH: __p::Dispatch = __p::Dispatch::#dispatch;
                #timeout
                #[inline]
                fn on_request<'__a>(
                    server: &'__a #server,
                    call: __p::Call<'__a, #session>,
                    request: Self::At<'__a>,
                ) -> #future {
                    async move {
                        let _ = server;
                        let __p::Call { #conn #session_field mut out, #deadline } = call;
                        #before
                        #handled
                    }
                }
                #hooks
                #share
            }
        }
    }

    fn datagram(&self) -> TokenStream {
        let (name, hook) = (&self.name, self.hook);
        let (server, generics) = self.server();
        let (payload, at) = match hook.frame() {
            Some(ty) if has_lifetimes(ty) => {
                (fixed(ty).to_token_stream(), of_the_call(ty).to_token_stream())
            }
            // An error in the type is told where it stands, and not again.
            ty => (ty.to_token_stream(), q!(Self::Payload)),
        };
        let dispatch = match &hook.dispatch.concurrent {
            Some((_, max)) => q!(Concurrent { max: #max, ordered: false }),
            None if hook.dispatch.inline.is_some() => q!(Inline),
            None if hook.is_async() => q!(Async),
            None => q!(Sync),
        };
        let blocks = (!hook.is_async()).then(|| {
            q!(
                const BLOCKS: bool = true;
            )
        });
        let timeout = hook.dispatch.timeout.map(timeout);
        let bounds = self.bounds(&q!(__p::FromDatagram<'__c, __S>));
        let (takes, call) = self.call(&q!(__p::FromDatagram::from_datagram));
        let parts = (!takes.is_empty()).then(|| {
            q! {
                let mut parts = __p::DatagramParts::new(
                    server,
                    ::core::option::Option::Some(peer),
                    local,
                    ecn,
                    ::core::option::Option::Some(out.reborrow()),
                );
            }
        });
        let fields = if takes.is_empty() { q!(mut out, ..) } else { q!(peer, local, ecn, mut out) };
        let send = quote_spanned! {here(return_span(hook))=>
            __p::IntoDatagrams::send(reply, &mut out)
        };
        let future = quote_spanned! {here(hook.sig.ident.span())=>
            impl ::core::future::Future<Output = __p::Result<()>> + ::core::marker::Send + '__a
        };
        q! {
            impl<#(#generics),*> __p::OnDatagram<#server> for #name
            where
                #(#bounds,)*
            {
                type Payload = #payload;
                type At<'__c> = #at;
                const DISPATCH: __p::Dispatch = __p::Dispatch::#dispatch;
                #blocks
                #timeout
                #[inline]
                fn on_datagram<'__a>(
                    server: &'__a #server,
                    call: __p::DatagramCall<'__a>,
                    request: Self::At<'__a>,
                ) -> #future {
                    async move {
                        let _ = server;
                        let __p::DatagramCall { #fields } = call;
                        let reply = {
                            #parts
                            #(#takes)*
                            #call
                        };
                        #send
                    }
                }
            }
        }
    }

    /// A free function that handles datagrams is a server by itself, as one that handles requests is.
    pub(super) fn alone(&self) -> Option<TokenStream> {
        if self.hook.kind != Kind::Datagram {
            return None;
        }
        let (name, cfgs) = (&self.name, &self.hook.cfgs);
        let (server, generics) = self.server();
        let bounds = self.bounds(&q!(__p::FromDatagram<'__c, __S>));
        Some(q! {
            #(#cfgs)*
            impl<#(#generics),*> __p::Alone<#server> for #name
            where
                #(#bounds,)*
            {
                type Session = __p::Unnamed;
                type Request = __p::NoHook;
                fn datagrams(
                    server: &::std::sync::Arc<#server>,
                ) -> ::core::option::Option<__p::DatagramService> {
                    __p::DatagramService::of::<#server, Self, __p::NoHook>(server)
                }
            }
        })
    }

    /// `on_error` as it is told of datagrams: one that takes a connection cannot be, and logs them.
    pub(super) fn datagram_error(&self) -> TokenStream {
        let (name, cfgs) = (&self.name, &self.hook.cfgs);
        let (server, generics) = self.server();
        let of_connections =
            |arg: &Arg| matches!(arg, Arg::Connection(_) | Arg::Session { .. } | Arg::Frame(_));
        let (bounds, body) = if self.hook.args.iter().any(of_connections) {
            (Vec::new(), q!(__p::log_fault(parts, error)))
        } else {
            let (takes, call) = self.call(&q!(__p::FromDatagram::from_datagram));
            let mutable = (!takes.is_empty()).then(|| q!(let mut parts = parts;));
            let outcome = quote_spanned! {here(return_span(self.hook))=>
                __p::Outcome::<()>::outcome(done)
            };
            let body = q! {
                let server = parts.server();
                let _ = server;
                let done = {
                    #mutable
                    #(#takes)*
                    #call
                };
                #outcome
            };
            (self.bounds(&q!(__p::FromDatagram<'__c, __S>)), body)
        };
        q! {
            #(#cfgs)*
            impl<#(#generics),*> __p::OnDatagramError<#server> for #name
            where
                #(#bounds,)*
            {
                fn on_datagram_error(
                    parts: __p::DatagramParts<'_, #server>,
                    error: &__p::Error,
                ) -> __p::Result<()> {
                    #body
                }
            }
        }
    }

    fn needs_conn(&self) -> bool {
        self.hook.args.iter().any(|arg| matches!(arg, Arg::Connection(_)))
    }

    /// The statement that makes the parts of another hook's call, if they are taken from.
    fn parts(&self, takes: &[TokenStream], event: &TokenStream) -> Option<TokenStream> {
        (!takes.is_empty()).then(|| q!(let mut parts = __p::HookParts::new(server, conn, #event);))
    }

    fn connect(&self) -> TokenStream {
        let (name, hook) = (&self.name, self.hook);
        let (server, mut generics) = self.server();
        let mut bounds = self.bounds(&q!(__p::FromHook<'__c, __S, ()>));
        let (takes, call) = self.call(&q!(__p::FromHook::from_hook));
        let parts = self.parts(&takes, &q!(()));
        let session = match self.server {
            Some(_) => q!(__Session),
            None => {
                generics.push(q!(__W: __p::Kept));
                let gives = match &hook.sig.output {
                    syn::ReturnType::Type(_, ty) => ty.to_token_stream(),
                    syn::ReturnType::Default => q!(()),
                };
                bounds.push(q!(#gives: __p::IntoSession<__W>));
                bounds.push(q!(__W::Session: ::core::marker::Send));
                q!(__W)
            }
        };
        let into = quote_spanned! {here(return_span(hook))=>
            __p::IntoSession::<#session>::into_session(session)
        };
        let future = quote_spanned! {here(hook.sig.ident.span())=>
            impl ::core::future::Future<
                Output = __p::Result<<#session as __p::Kept>::Session>
            > + ::core::marker::Send
        };
        q! {
            impl<#(#generics),*> __p::OnConnect<#server, #session> for #name
            where
                #(#bounds,)*
            {
                fn on_connect(server: &#server, conn: &__p::Connection) -> #future {
                    async move {
                        let _ = (server, conn);
                        let session = {
                            #parts
                            #(#takes)*
                            #call
                        };
                        #into
                    }
                }
            }
        }
    }

    fn close(&self) -> TokenStream {
        let (name, hook) = (&self.name, self.hook);
        let (server, mut generics) = self.server();
        let bounds = self.bounds(&q!(__p::FromHook<'__c, __S, __p::CloseReason>));
        let (takes, call) = self.call(&q!(__p::FromHook::from_hook));
        let parts = self.parts(&takes, &q!(reason));
        let (bound, owned) = match hook.session() {
            Some(ty) => (
                q!(+ __p::IntoOwned<#ty>),
                quote_spanned! {here(ty.span())=> let session: #ty = __p::owned(session)?;},
            ),
            None => (q!(), q!(let _ = session;)),
        };
        generics.push(q!(__T: ::core::marker::Send #bound));
        let outcome = quote_spanned! {here(return_span(hook))=> __p::Outcome::<()>::outcome(done)};
        let future = quote_spanned! {here(hook.sig.ident.span())=>
            impl ::core::future::Future<Output = __p::Result<()>> + ::core::marker::Send
        };
        q! {
            impl<#(#generics),*> __p::OnClose<#server, __T> for #name
            where
                #(#bounds,)*
            {
                fn on_close(
                    server: &#server,
                    conn: &__p::Connection,
                    session: __T,
                    reason: __p::CloseReason,
                ) -> #future {
                    async move {
                        let _ = (server, conn, reason);
                        #owned
                        let done = {
                            #parts
                            #(#takes)*
                            #call
                        };
                        #outcome
                    }
                }
            }
        }
    }

    /// The hooks that wait for nothing.
    fn looker(&self) -> TokenStream {
        let (name, hook) = (&self.name, self.hook);
        let (server, generics) = self.server();
        let (of, method) = match hook.kind {
            Kind::Prepare => ("OnPrepare", "on_prepare"),
            Kind::Disconnect => ("OnDisconnect", "on_disconnect"),
            Kind::Idle => ("OnIdle", "on_idle"),
            Kind::HalfClose => ("OnHalfClose", "on_half_close"),
            _ => ("OnError", "on_error"),
        };
        let (of, method) =
            (Ident::new(of, Span::mixed_site()), Ident::new(method, Span::mixed_site()));
        let (arg, event, event_type) = match hook.kind {
            Kind::Disconnect => (q!(reason: __p::CloseReason), q!(reason), q!(__p::CloseReason)),
            Kind::Error => (q!(error: &__p::Error), q!(()), q!(())),
            _ => (q!(), q!(()), q!(())),
        };
        let unused = match hook.kind {
            Kind::Disconnect => q!(reason),
            Kind::Error => q!(error),
            _ => q!(()),
        };
        let gives = if hook.kind == Kind::Idle { q!(bool) } else { q!(()) };
        let bounds = self.bounds(&q!(__p::FromHook<'__c, __S, #event_type>));
        let (takes, call) = self.call(&q!(__p::FromHook::from_hook));
        let parts = self.parts(&takes, &event);
        let outcome =
            quote_spanned! {here(return_span(hook))=> __p::Outcome::<#gives>::outcome(done)};
        q! {
            impl<#(#generics),*> __p::#of<#server> for #name
            where
                #(#bounds,)*
            {
                fn #method(
                    server: &#server,
                    conn: &__p::Connection,
                    #arg
                ) -> __p::Result<#gives> {
                    let _ = (server, conn, #unused);
                    let done = {
                        #parts
                        #(#takes)*
                        #call
                    };
                    #outcome
                }
            }
        }
    }
}
