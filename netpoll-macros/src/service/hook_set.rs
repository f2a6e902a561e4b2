//! The hooks of a server put together.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Type;

use crate::hygiene::q;

/// The type of each hook.
pub(super) struct HookSet<'w> {
    pub(super) server: &'w Type,
    /// In the order of `Kind::ALL`.
    pub(super) hooks: [Option<TokenStream>; 8],
    /// Calls of the builder.
    pub(super) calls: &'w TokenStream,
}

impl HookSet<'_> {
    /// The impls; `__p` is the glue's module.
    pub(super) fn impls(&self) -> TokenStream {
        let server = self.server;
        let datagram = &self.hooks[7];
        let [prepare, connect, request, disconnect, close, error, idle, _] =
            self.hooks.each_ref().map(|hook| hook.clone().unwrap_or(q!(__p::NoHook)));
        let datagrams = datagram.as_ref().map(|datagram| {
            q! {
                fn datagrams(
                    server: &::std::sync::Arc<Self>,
                ) -> ::core::option::Option<__p::DatagramService> {
                    __p::DatagramService::of::<Self, #datagram, #error>(server)
                }
            }
        });
        let methods = methods(server, self.calls);
        q! {
            type __Session = __p::Chosen<#request, #close>;

            impl __p::HookSet for #server {
                type Session = __Session;
                type Prepare = #prepare;
                type Connect = #connect;
                type Request = #request;
                type Disconnect = #disconnect;
                type Close = #close;
                type Error = #error;
                type Idle = #idle;
                #datagrams
            }
            #methods
        }
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
