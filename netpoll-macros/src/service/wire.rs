//! The `Service` of a server: its hooks put together.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{Type, spanned::Spanned};

use super::model::Kind;
use crate::hygiene::q;

/// The type of each hook.
pub(super) struct Wiring<'w> {
    pub(super) server: &'w Type,
    pub(super) hooks: [TokenStream; 7],
    /// Calls of the builder.
    pub(super) calls: &'w TokenStream,
}

impl Wiring<'_> {
    fn hook(&self, kind: Kind) -> &TokenStream {
        &self.hooks[kind as usize]
    }

    /// The impls; `__p` is the glue's module.
    pub(super) fn impls(&self) -> TokenStream {
        let server = self.server;
        let [prepare, connect, request, disconnect, close, error, idle] =
            Kind::ALL.map(|kind| self.hook(kind));
        let on_request = quote_spanned! {request.span()=>
            <#request as __p::OnRequest<#server, <__Session as __p::Kept>::Session>>
        };
        let on_connect = quote_spanned! {connect.span()=>
            <#connect as __p::OnConnect<#server, __Session>>
        };
        let on_close = quote_spanned! {close.span()=>
            <#close as __p::OnClose<#server, <__Session as __p::Kept>::Session>>
        };
        let [on_prepare, on_disconnect, on_error, on_idle] = [
            quote_spanned!(prepare.span()=> <#prepare as __p::OnPrepare<#server>>),
            quote_spanned!(disconnect.span()=> <#disconnect as __p::OnDisconnect<#server>>),
            quote_spanned!(error.span()=> <#error as __p::OnError<#server>>),
            quote_spanned!(idle.span()=> <#idle as __p::OnIdle<#server>>),
        ];
        let service = q! {
            type __Session = <(
                <#request as __p::Wants>::Session,
                <#close as __p::Wants>::Session,
            ) as __p::Choose>::Session;

            impl __p::Service for #server {
                type Session = <__Session as __p::Kept>::Session;
                type Request = #on_request::Request;
                const DISPATCH: __p::Dispatch = #on_request::DISPATCH;
                const TIMEOUT: ::core::option::Option<::core::time::Duration> =
                    #on_request::TIMEOUT;

                #[inline]
                fn on_prepare(&self, conn: &__p::Connection) -> __p::Result<()> {
                    #on_prepare::on_prepare(self, conn)
                }

                #[inline]
                fn on_connect(
                    &self,
                    conn: &__p::Connection,
                ) -> impl ::core::future::Future<Output = __p::Result<Self::Session>>
                + ::core::marker::Send {
                    #on_connect::on_connect(self, conn)
                }

                #[inline]
                fn on_request<'__a>(
                    &'__a self,
                    call: __p::Call<'__a, Self::Session>,
                    request: <Self::Request as __p::Request>::At<'__a>,
                ) -> impl ::core::future::Future<Output = __p::Result<__p::Flow>>
                + ::core::marker::Send + '__a {
                    #on_request::on_request(self, call, request)
                }

                #[inline]
                fn share(session: &Self::Session) -> ::core::option::Option<Self::Session> {
                    #on_request::share(session)
                }

                fn on_disconnect(&self, conn: &__p::Connection, reason: __p::CloseReason) {
                    let done = #on_disconnect::on_disconnect(self, conn, reason);
                    __p::told(self, conn, done);
                }

                async fn on_close(
                    &self,
                    conn: &__p::Connection,
                    session: Self::Session,
                    reason: __p::CloseReason,
                ) {
                    let done = #on_close::on_close(self, conn, session, reason).await;
                    __p::told(self, conn, done);
                }

                fn on_error(&self, conn: &__p::Connection, error: &__p::Error) {
                    __p::logged(#on_error::on_error(self, conn, error));
                }

                fn on_idle(&self, conn: &__p::Connection) -> bool {
                    __p::idle(self, conn, #on_idle::on_idle(self, conn))
                }
            }
        };
        let methods = methods(server, self.calls);
        q!(#service #methods)
    }
}

/// `builder` and `serve`.
pub(super) fn methods(server: &Type, calls: &TokenStream) -> TokenStream {
    let calls = calls.to_token_stream();
    q! {
        impl #server {
            /// The server's settings: those of its attribute, to be changed and added to.
            pub fn builder(self) -> __p::EventLoopBuilder<Self> {
                __p::EventLoop::builder(self) #calls
            }

            /// Serves where its attribute says, until it is shut down.
            ///
            /// # Errors
            /// As `EventLoopBuilder::bind`.
            pub fn serve(self) -> __p::Result<()> {
                self.builder().bind()?.serve()?;
                ::core::result::Result::Ok(())
            }
        }
    }
}
