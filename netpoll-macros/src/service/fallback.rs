//! Substitutes for a hook or a server with errors, so that its uses report none.

use proc_macro2::{Ident, TokenStream};
use syn::Type;

use super::{hook_set::methods, model::Kind};
use crate::hygiene::q;

/// Impls for the type of a free function, which are never run.
pub(super) fn twin(kind: Kind, name: &Ident) -> TokenStream {
    match kind {
        Kind::Request => q! {
            impl<__S: ::core::marker::Sync, __T: ::core::marker::Send> __p::OnRequest<__S, __T>
                for #name
            {
                type Request = __p::In<'static>;
                type At<'__c> = __p::In<'__c>;
                async fn on_request<'__a>(
                    _: &'__a __S,
                    _: __p::Call<'__a, __T>,
                    _: __p::In<'__a>,
                ) -> __p::Result<__p::Flow> {
                    ::core::unreachable!()
                }
            }
            impl __p::Wants for #name {
                type Session = __p::Unnamed;
            }
        },
        Kind::Datagram => q! {
            impl<__S: ::core::marker::Sync> __p::OnDatagram<__S> for #name {
                type Payload = &'static [u8];
                type At<'__c> = &'__c [u8];
                async fn on_datagram<'__a>(
                    _: &'__a __S,
                    _: __p::DatagramCall<'__a>,
                    _: &'__a [u8],
                ) -> __p::Result<()> {
                    ::core::unreachable!()
                }
            }
            impl<__S: ::core::marker::Sync> __p::Alone<__S> for #name {
                type Session = __p::Unnamed;
                type Request = __p::NoHook;
            }
        },
        _ => TokenStream::new(),
    }
}

/// A service for a server, which is never run.
pub(super) fn service(server: &Type) -> TokenStream {
    let methods = methods(server, &TokenStream::new(), &[]);
    q! {
        impl __p::Service for #server {
            type Session = ();
            type Request = __p::In<'static>;
            async fn on_connect(&self, _: &__p::Connection) -> __p::Result<()> {
                ::core::unreachable!()
            }
            async fn on_request<'__a>(
                &'__a self,
                _: __p::Call<'__a, ()>,
                _: __p::In<'__a>,
            ) -> __p::Result<__p::Flow> {
                ::core::unreachable!()
            }
        }
        #methods
    }
}
