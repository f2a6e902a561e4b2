//! The hooks of a server put together.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, Type, spanned::Spanned};

use crate::hygiene::q;

/// The type of each hook.
pub(super) struct HookSet<'w> {
    pub(super) server: &'w Type,
    /// In the order of `Kind::ALL`.
    pub(super) hooks: [Option<TokenStream>; 9],
    /// Calls of the builder.
    pub(super) calls: &'w TokenStream,
    pub(super) layers: &'w [Expr],
}

impl HookSet<'_> {
    /// The impls; `__p` is the glue's module.
    pub(super) fn impls(&self) -> TokenStream {
        let server = self.server;
        let datagram = &self.hooks[8];
        let [prepare, connect, request, disconnect, close, error, idle, half_close, _] =
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
        let methods = methods(server, self.calls, self.layers);
        q! {
            type __Session = __p::Chosen<#request, #close>;

            impl __p::HookSet for #server {
                type Session = __Session;
                type Prepare = #prepare;
                type Connect = #connect;
                type Request = #request;
                type Disconnect = #disconnect;
                type HalfClose = #half_close;
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
pub(super) fn methods(server: &Type, calls: &TokenStream, layers: &[Expr]) -> TokenStream {
    let calls = calls.to_token_stream();
    // An expression of a layer may use the server: it says `self`.
    let this = quote!(self);
    let (gives, made, layers) = match stacked(layers) {
        None => (q!(__p::EventLoopBuilder<Self>), q!(), q!()),
        Some(layers) => (
            q!(__p::EventLoopBuilder<__p::Layered<Self, impl __p::Layer + 'static>>),
            q!(let layers = #layers;),
            q!(.layers(layers)),
        ),
    };
    q! {
        impl #server {
            /// Returns the server's settings: those of its attribute, to be changed and added to.
            pub fn builder(#this) -> #gives {
                #made
                __p::EventLoop::builder(#this) #calls #layers
            }

            /// Serves where its attribute says, until the process is told to end by SIGINT or
            /// SIGTERM; then it answers the requests that it has begun.
            ///
            /// # Errors
            /// Those of `EventLoopBuilder::bind`.
            pub fn serve(self) -> __p::Result<()> {
                self.builder().bind()?.serve_until(__p::shutdown())?;
                ::core::result::Result::Ok(())
            }
        }
    }
}

/// The layers as pairs of pairs: `(first, (second, third))`.
fn stacked(layers: &[Expr]) -> Option<TokenStream> {
    let (first, rest) = layers.split_first()?;
    let at = Span::mixed_site().located_at(first.span());
    let first = quote_spanned!(at=> __p::layer(#first));
    Some(match stacked(rest) {
        Some(rest) => q!((#first, #rest)),
        None => first,
    })
}
