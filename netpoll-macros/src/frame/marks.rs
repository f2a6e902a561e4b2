//! The impls of marks: what servers and clients act on, whatever the format is.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Type, spanned::Spanned};

use super::{
    head::{Head, head, lifetime},
    model::{Body, Field, Item},
    types,
};
use crate::hygiene::q;

/// The outcomes of `status(..)`, and their variants of `Status`.
pub(super) const STATUSES: [(&str, &str); 10] = [
    ("ok", "Ok"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
    ("malformed", "Malformed"),
    ("timeout", "Timeout"),
    ("denied", "Denied"),
    ("limit", "Limit"),
    ("unknown", "Unknown"),
    ("panic", "Panic"),
    ("unavailable", "Unavailable"),
];

/// The units of `deadline(..)`, in nanoseconds.
pub(super) const UNITS: [(&str, u64); 4] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

/// Returns the field of a struct for which `marked` says so.
fn field(item: &Item, marked: impl Fn(&Field) -> bool) -> Option<&Field> {
    match &item.body {
        Body::Struct(fields) => fields.list.iter().find(|f| marked(f)),
        Body::Enum(_) => None,
    }
}

/// Returns one impl for each mark of `item`.
pub(super) fn impls(item: &Item) -> TokenStream {
    let one = |tr: TokenStream, body: TokenStream| {
        let Head { params, ty, bounds, .. } = head(item);
        q! {
            #[automatically_derived]
            impl #params #tr for #ty #bounds { #body }
        }
    };
    let mut out = TokenStream::new();
    if let Some(field) = field(item, |f| f.attrs.seq.is_some()) {
        out.extend(one(q!(p::Sequenced), sequenced(field)));
    }
    let lifetime = lifetime(item);
    if let Some(field) = field(item, |f| f.attrs.route.is_some()) {
        out.extend(one(q!(p::Routed<#lifetime>), routed(field, &lifetime)));
    }
    if let Some(field) = field(item, |f| f.attrs.payload.is_some()) {
        out.extend(one(q!(p::Carries<#lifetime>), carries(field, &lifetime)));
    }
    if let Some(body) = judged(item) {
        out.extend(one(q!(p::Judged), body));
    }
    if let Some(field) = field(item, |f| f.attrs.last.is_some()) {
        let member = &field.member;
        out.extend(one(
            q!(p::Streamed),
            q! {
                #[inline]
                fn is_last(&self) -> bool { self.#member }
                #[inline]
                fn set_last(&mut self, last: bool) { self.#member = last; }
            },
        ));
    }
    if let Some(body) = timed(item) {
        out.extend(one(q!(p::Timed), body));
    }
    if let Some(body) = goodbye(item) {
        out.extend(one(q!(p::Goodbye), body));
    }
    if let Some(field) = field(item, |f| f.attrs.metadata.is_some()) {
        let member = &field.member;
        let entry = spanned(field.ty.span(), q!(p::entry_of(&self.#member, name)));
        out.extend(one(
            q!(p::Annotated),
            q! {
                fn metadata(&self, name: &str) -> ::core::option::Option<&[u8]> { #entry }
            },
        ));
    }
    out
}

/// Returns the methods of `Frame` that the marks of `item` override.
pub(super) fn of_frame(item: &Item) -> TokenStream {
    let mut out = TokenStream::new();
    if field(item, |f| f.attrs.deadline.is_some()).is_some() {
        out.extend(q! {
            #[inline]
            fn deadline_of(
                frame: &Self::At<'_>,
            ) -> ::core::option::Option<::core::time::Duration> {
                p::Timed::remaining(frame)
            }
            #[inline]
            fn set_deadline_of(
                frame: &mut Self::At<'_>,
                remaining: ::core::option::Option<::core::time::Duration>,
            ) {
                p::Timed::set_remaining(frame, remaining);
            }
        });
    }
    if let Some(route) = route_of(item) {
        out.extend(q! {
            #[inline]
            fn route_of<'f>(
                frame: &'f Self::At<'_>,
            ) -> ::core::option::Option<p::Route<'f>> {
                ::core::option::Option::Some(#route)
            }
        });
    }
    if field(item, |f| f.attrs.metadata.is_some()).is_some() {
        out.extend(q! {
            fn metadata_of<'f>(
                frame: &'f Self::At<'_>,
                name: &str,
            ) -> ::core::option::Option<&'f [u8]> {
                p::Annotated::metadata(frame, name)
            }
        });
    }
    if field(item, |f| f.attrs.last.is_some()).is_some() {
        out.extend(q! {
            #[inline]
            fn ends_stream(frame: &Self::At<'_>) -> bool {
                p::Streamed::is_last(frame)
            }
        });
    }
    if goodbye(item).is_some() {
        out.extend(q! {
            #[inline]
            fn says_goodbye(frame: &Self::At<'_>) -> bool {
                p::Goodbye::is_goodbye(frame)
            }
            #[inline]
            fn new_goodbye() -> ::core::option::Option<Self::At<'static>> {
                p::Goodbye::goodbye()
            }
        });
    }
    if field(item, |f| f.attrs.status.is_some()).is_some() {
        // An error points at the type: it has no default.
        let with_status = spanned(item.ident.span(), q!(p::Judged::with_status(status)));
        out.extend(q! {
            #[inline]
            fn new_fault(status: p::Status) -> ::core::option::Option<Self::At<'static>> {
                #with_status
            }
        });
    }
    out
}

/// Returns the expression for the method that the request `frame` is for.
fn route_of(item: &Item) -> Option<TokenStream> {
    match &item.body {
        Body::Struct(_) => {
            field(item, |f| f.attrs.route.is_some())?;
            Some(q!(p::AsRoute::as_route(p::Routed::route(frame))))
        }
        Body::Enum(variants) => {
            let arms = variants.iter().map(|variant| {
                let (ident, name) = (&variant.ident, variant.ident.to_string());
                // `Self` borrows for another time than the frame.
                let of = &item.ident;
                q!(#of::#ident { .. } => #name,)
            });
            Some(q!(p::Route::Text(match frame { #(#arms)* })))
        }
    }
}

/// Returns impls that stand in while `item` has errors, so that uses of its marks report none.
pub(super) fn stand_ins(item: &Item) -> TokenStream {
    let lifetime = lifetime(item);
    let never = q!(::core::unreachable!());
    let one = |tr: TokenStream, body: TokenStream| {
        let Head { params, ty, bounds, .. } = head(item);
        q!(impl #params #tr for #ty #bounds { #body })
    };
    let marked = |mark: &str| field(item, |f| f.attrs.keys.iter().any(|key| key == mark));
    let mut out = TokenStream::new();
    if let Some(field) = marked("seq") {
        let ty = &field.ty;
        let seq = types::prim(ty).map_or(q!(u64), |_| q!(#ty));
        out.extend(one(
            q!(p::Sequenced),
            q! {
                type Seq = #seq;
                fn seq(&self) -> #seq { #never }
                fn set_seq(&mut self, _: #seq) { #never }
            },
        ));
    }
    if let Some(field) = marked("route") {
        let route = match types::reference(&field.ty) {
            Some(reference) => {
                let ty = &reference.elem;
                q!(#ty)
            }
            None => q!(u64),
        };
        out.extend(one(
            q!(p::Routed<#lifetime>),
            q! {
                type Route = #route;
                fn route(&self) -> &#route { #never }
                fn set_route(&mut self, _: &#lifetime #route) { #never }
            },
        ));
    }
    if marked("payload").is_some() {
        out.extend(one(
            q!(p::Carries<#lifetime>),
            q! {
                fn payload(&self) -> p::Chunks<'_> { #never }
                fn set_payload(&mut self, _: &#lifetime [u8]) -> p::Result<()> { #never }
            },
        ));
    }
    if marked("last").is_some() {
        out.extend(one(
            q!(p::Streamed),
            q! {
                fn is_last(&self) -> bool { #never }
                fn set_last(&mut self, _: bool) { #never }
            },
        ));
    }
    if marked("deadline").is_some() {
        let time = q!(::core::option::Option<::core::time::Duration>);
        out.extend(one(
            q!(p::Timed),
            q! {
                fn remaining(&self) -> #time { #never }
                fn set_remaining(&mut self, _: #time) { #never }
            },
        ));
    }
    out
}

fn sequenced(field: &Field) -> TokenStream {
    let (member, seq) = (&field.member, &field.ty);
    q! {
        type Seq = #seq;
        #[inline]
        fn seq(&self) -> #seq {
            self.#member
        }
        #[inline]
        fn set_seq(&mut self, seq: #seq) {
            self.#member = seq;
        }
    }
}

fn routed(field: &Field, lifetime: &TokenStream) -> TokenStream {
    let member = &field.member;
    let (route, read, write) = match types::reference(&field.ty) {
        Some(reference) => {
            let ty = &reference.elem;
            (q!(#ty), q!(self.#member), q!(route))
        }
        None => {
            let ty = &field.ty;
            (q!(#ty), q!(&self.#member), q!(*route))
        }
    };
    q! {
        type Route = #route;
        #[inline]
        fn route(&self) -> &#route { #read }
        #[inline]
        fn set_route(&mut self, route: &#lifetime #route) { self.#member = #write; }
    }
}

fn carries(field: &Field, lifetime: &TokenStream) -> TokenStream {
    let (member, ty) = (&field.member, &field.ty);
    q! {
        #[inline]
        fn payload(&self) -> p::Chunks<'_> {
            <#ty as p::Payload<#lifetime>>::chunks(&self.#member)
        }
        #[inline]
        fn set_payload(&mut self, payload: &#lifetime [u8]) -> p::Result<()> {
            self.#member = <#ty as p::Payload<#lifetime>>::of(payload)?;
            ::core::result::Result::Ok(())
        }
    }
}

fn judged(item: &Item) -> Option<TokenStream> {
    let field = field(item, |f| f.attrs.status.is_some())?;
    let member = &field.member;
    let (mut reads, mut writes, mut failed) = (q!(), q!(), None);
    for status in &field.attrs.status.as_ref()?.value {
        let value = &status.value;
        let (name, _) = STATUSES.iter().map(|(n, v)| (*v, *n)).find(|(_, n)| status.key == n)?;
        let variant = Ident::new(name, Span::mixed_site());
        reads.extend(q!(#value => p::Status::#variant,));
        writes.extend(q!(p::Status::#variant => #value,));
        if status.key == "failed" {
            failed = Some(value);
        }
    }
    // A fault that has no code of its own is a failure, where failures have one.
    let other = failed.map_or(q!(return false), |value| q!(#value));
    Some(q! {
        #[inline]
        fn status(&self) -> p::Status {
            #[allow(unreachable_patterns)]
            match self.#member {
                #reads
                _ => p::Status::Other,
            }
        }
        #[inline]
        fn set_status(&mut self, status: p::Status) -> bool {
            #[allow(unreachable_patterns)]
            let value = match status {
                #writes
                _ => #other,
            };
            self.#member = value;
            true
        }
    })
}

fn timed(item: &Item) -> Option<TokenStream> {
    let field = field(item, |f| f.attrs.deadline.is_some())?;
    let (member, ty) = (&field.member, &field.ty);
    let unit = &field.attrs.deadline.as_ref()?.value;
    let (_, nanos) = UNITS.iter().find(|(name, _)| unit == name)?;
    Some(q! {
        #[inline]
        fn remaining(&self) -> ::core::option::Option<::core::time::Duration> {
            p::time_of::<#ty>(self.#member, #nanos)
        }
        #[inline]
        fn set_remaining(
            &mut self,
            remaining: ::core::option::Option<::core::time::Duration>,
        ) {
            self.#member = p::time_in::<#ty>(remaining, #nanos);
        }
    })
}

fn goodbye(item: &Item) -> Option<TokenStream> {
    let (is, make) = match &item.body {
        _ if item.attrs.goodbye.is_some() => {
            let path = item.attrs.goodbye.as_ref().map(|g| &g.value);
            (q!(#path(self)), q!(::core::option::Option::None))
        }
        Body::Struct(fields) => {
            let field = fields.list.iter().find(|f| f.attrs.goodbye.is_some())?;
            let member = &field.member;
            let default = q!(<Self as ::core::default::Default>::default());
            let default = spanned(item.ident.span(), default);
            let make = q!(::core::option::Option::Some(Self { #member: true, ..#default }));
            (q!(self.#member), make)
        }
        Body::Enum(variants) => {
            let variant = variants.iter().find(|v| v.goodbye.is_some())?;
            let ident = &variant.ident;
            let fields = variant.fields.list.iter().map(|f| {
                let (member, value) = (&f.member, default_of(&f.ty));
                q!(#member: #value)
            });
            let make = q!(::core::option::Option::Some(Self::#ident { #(#fields),* }));
            (q!(::core::matches!(self, Self::#ident { .. })), make)
        }
    };
    Some(q! {
        #[inline]
        fn is_goodbye(&self) -> bool { #is }
        fn goodbye() -> ::core::option::Option<Self> { #make }
    })
}

/// Returns the default value of `ty`, an error about which points at the type.
fn default_of(ty: &Type) -> TokenStream {
    spanned(ty.span(), q!(<#ty as ::core::default::Default>::default()))
}

/// Returns `tokens` at the place `span`, with names that no token of the user's can mean.
fn spanned(span: Span, tokens: TokenStream) -> TokenStream {
    let span = span.resolved_at(Span::mixed_site());
    tokens
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
