//! The trait as it is implemented, its server and its client.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{ItemTrait, TraitItem, Type, spanned::Spanned};

use super::{Method, Returns, Service, options::Options};
use crate::hygiene::q;

pub(super) fn service(of: &ItemTrait, service: &Service, options: &Options) -> TokenStream {
    let krate = options.krate.as_ref().map_or(q!(::netpoll), ToTokens::to_token_stream);
    let glue = q!(#krate::__private::remote);
    let format = match &options.payload {
        Some(ty) => ty.to_token_stream(),
        None => q!(#glue::Postcard),
    };
    let (server, client) = (server_name(service), format_ident!("{}Client", service.name));
    let declared = declared(of, service, &glue, &server);
    let served = served(service, &glue, &format, &server);
    let called = called(service, &glue, &format, &client);
    q!(#declared #served #called)
}

fn server_name(service: &Service) -> Ident {
    format_ident!("__{}Methods", service.name)
}

/// The trait: an `async fn` promises a future that is `Send`.
fn declared(of: &ItemTrait, service: &Service, glue: &TokenStream, server: &Ident) -> TokenStream {
    let mut of = of.clone();
    let items = std::mem::take(&mut of.items);
    of.items = items
        .into_iter()
        .zip(&service.methods)
        .map(|(item, method)| {
            let TraitItem::Fn(mut function) = item else { return item };
            function.attrs.clone_from(&method.attrs);
            if function.sig.asyncness.take().is_some() {
                let at = Span::mixed_site().located_at(function.sig.ident.span());
                let output = match &function.sig.output {
                    syn::ReturnType::Type(_, ty) => promised(ty, method),
                    syn::ReturnType::Default => quote!(()),
                };
                function.sig.output = syn::parse_quote_spanned! {at=>
                    -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
                };
            } else if let syn::ReturnType::Type(_, ty) = &function.sig.output {
                let output = promised(ty, method);
                function.sig.output = syn::parse_quote!(-> #output);
            }
            TraitItem::Fn(function)
        })
        .collect();
    let doc = " Creates the server of this implementation, for `EventLoop::builder`.";
    let serve: TraitItem = syn::parse_quote! {
        #[doc = #doc]
        fn serve(self) -> #glue::MethodServer<#server<Self>>
        where
            Self: ::core::marker::Sized + ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            #glue::MethodServer::new(#server(self))
        }
    };
    of.items.push(serve);
    of.to_token_stream()
}

/// The result of a method, as the trait promises it: a stream is `Send`.
fn promised(ty: &Type, method: &Method) -> TokenStream {
    let send = matches!(method.returns, Returns::Stream(_)).then(|| q!(+ ::core::marker::Send));
    q!(#ty #send)
}

/// The methods of an implementation, by their routes.
fn served(
    service: &Service,
    glue: &TokenStream,
    format: &TokenStream,
    server: &Ident,
) -> TokenStream {
    let (vis, name) = (&service.vis, &service.name);
    let text = name.to_string();
    let described = service.methods.iter().map(|method| described(method, glue));
    let arms = service.methods.iter().map(|method| {
        let (route, function) = (&method.route, &method.name);
        let names: Vec<_> = method.arguments.iter().map(|(name, _)| name).collect();
        let types = method.arguments.iter().map(|(_, ty)| ty);
        let call = q!(<__T as #name>::#function(&self.0, #(#names),*));
        let future = if method.is_async { call } else { q!(async move { #call }) };
        let encode = encode(&method.returns, glue, format);
        let run = match &method.returns {
            Returns::Stream(_) => q!(call.stream),
            _ => q!(call.run),
        };
        let timeout = method.timeout.map(|ms| q!(let call = call.until(#ms);));
        let place = method.most.as_ref().map(|most| {
            q! {
                static LIMIT: #glue::RouteLimit = #glue::RouteLimit::new(#most);
                let (call, _place) = match call.take_place(&LIMIT) {
                    ::core::result::Result::Ok(entered) => entered,
                    ::core::result::Result::Err(refused) => return refused,
                };
            }
        });
        q! {
            #route => {
                static ROUTE: #glue::RouteName = #glue::RouteName::new(#route);
                call.enter(&ROUTE);
                #timeout
                #place
                #run::<#format, (#(#types,)*), _>(|(#(#names,)*)| #future, #encode).await
            }
        }
    });
    q! {
        #[doc(hidden)]
        #[derive(Debug)]
        #vis struct #server<__T>(__T);

        impl<__T> #glue::Methods for #server<__T>
        where
            __T: #name + ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            const DESCRIPTION: #glue::ServiceDescription =
                #glue::ServiceDescription::new(#text, &[#(#described),*]);

            async fn call<'a>(
                &'a self,
                call: #glue::MethodCall<'a>,
            ) -> #glue::Result<#glue::Answered> {
                match call.route() {
                    #(#arms)*
                    _ => call.unknown(),
                }
            }
        }
    }
}

fn described(method: &Method, glue: &TokenStream) -> TokenStream {
    let text = |ty: &dyn ToTokens| ty.to_token_stream().to_string();
    let route = &method.route;
    let arguments = method.arguments.iter().map(|(name, ty)| {
        let (name, ty) = (name.to_string(), text(ty));
        quote!((#name, #ty))
    });
    let result = described_result(&method.returns);
    q!(#glue::MethodDescription::new(#route, &[#(#arguments),*], #result))
}

fn described_result(returns: &Returns) -> String {
    let text = |ty: &dyn ToTokens| ty.to_token_stream().to_string();
    match returns {
        Returns::Value(ty) => text(ty),
        Returns::Result(types) => format!("Result<{}, {}>", text(&types.0), text(&types.1)),
        Returns::Stream(item) => format!("Stream<{}>", described_result(item)),
    }
}

/// The function that encodes what a method returned, or an item of its stream.
fn encode(returns: &Returns, glue: &TokenStream, format: &TokenStream) -> TokenStream {
    match returns {
        Returns::Value(ty) => quote_spanned!(ty.span()=> #glue::Outcome::value::<#format, #ty>),
        Returns::Result(types) => {
            let (value, error) = &**types;
            quote_spanned!(error.span()=> #glue::Outcome::result::<#format, #value, #error>)
        }
        Returns::Stream(item) => encode(item, glue, format),
    }
}

/// The client: for each method one that blocks, and one that is `async`.
fn called(
    service: &Service,
    glue: &TokenStream,
    format: &TokenStream,
    client: &Ident,
) -> TokenStream {
    let (vis, name) = (&service.vis, &service.name);
    let methods = service.methods.iter().map(|method| {
        let Method { attrs, name, route, arguments, .. } = method;
        let (names, types): (Vec<_>, Vec<_>) =
            arguments.iter().map(|(name, ty)| (name, ty)).unzip();
        let (value, error) = method.returns.types();
        let error = error.map_or(q!(#glue::NoError), ToTokens::to_token_stream);
        let (blocking, waiting) = match &method.returns {
            _ if method.one_way => ("send", "send_async"),
            Returns::Stream(_) => ("stream", "stream_async"),
            _ if method.idempotent => ("call_again", "call_again_async"),
            _ => ("call", "call_async"),
        };
        let (blocking, waiting) = (format_ident!("{blocking}"), format_ident!("{waiting}"));
        let (result, until) = match &method.returns {
            Returns::Stream(_) => {
                (q!(#glue::MethodStream<#format, #value, #error>), "stream begins")
            }
            _ if method.one_way => (value.to_token_stream(), "call is sent"),
            _ => (value.to_token_stream(), "result"),
        };
        let (blocks, waits) = (
            format!(" Blocks this thread until the {until}."),
            format!(" Waits until the {until}, without blocking the thread."),
        );
        let asynchronous = format_ident!("{name}_async");
        quote! {
            #(#attrs)*
            ///
            #[doc = #blocks]
            ///
            /// # Errors
            /// The method's own, a fault of the server's, or one of the connection's.
            #vis fn #name(
                &self,
                #(#names: #types),*
            ) -> ::core::result::Result<#result, #glue::CallError<#error>> {
                self.0.#blocking(#route, &(#(#names,)*))
            }

            #(#attrs)*
            ///
            #[doc = #waits]
            ///
            /// # Errors
            /// The method's own, a fault of the server's, or one of the connection's.
            #vis async fn #asynchronous(
                &self,
                #(#names: #types),*
            ) -> ::core::result::Result<#result, #glue::CallError<#error>> {
                self.0.#waiting(#route, &(#(#names,)*)).await
            }
        }
    });
    let doc = format!(" A client of [`{name}`].");
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug)]
        #vis struct #client(#glue::MethodClient<#format>);

        #[allow(dead_code)]
        impl #client {
            /// Creates a client whose connections carry many calls at once.
            ///
            /// # Errors
            /// An address cannot be used, or there is no runtime.
            #vis fn mux(endpoints: impl #glue::IntoEndpoints) -> #glue::Result<Self> {
                #glue::MethodClient::mux(endpoints).map(Self)
            }

            /// Creates a client whose connections carry one call at a time.
            ///
            /// # Errors
            /// An address cannot be used, or there is no runtime.
            #vis fn pool(endpoints: impl #glue::IntoEndpoints) -> #glue::Result<Self> {
                #glue::MethodClient::pool(endpoints).map(Self)
            }

            /// Creates a client over another, which has settings of its own.
            #vis fn new(client: #glue::MethodClient<#format>) -> Self {
                Self(client)
            }

            /// Returns a client over the same connections whose calls have `options`.
            #[must_use]
            #vis fn with(&self, options: #glue::CallOptions) -> Self {
                Self(self.0.with(options))
            }

            /// Returns a client over the same connections whose calls carry this entry of metadata too, for
            /// the server's layers: a token, a trace.
            #[must_use]
            #vis fn metadata(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
                Self(self.0.metadata(name, value))
            }

            #(#methods)*
        }
    }
}
