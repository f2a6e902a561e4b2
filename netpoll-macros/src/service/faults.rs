//! Handlers whose replies can say that a request has no result.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{GenericArgument, PathArguments, ReturnType, Type, visit::Visit};

use super::{lifetimes::fixed, model::Hook};
use crate::hygiene::q;

/// The variable that has the number of a handler's request.
const NUMBER: &str = "fault_number";

/// The types that say whether faults of a handler are answered, and by which number.
pub(super) struct FaultReplies {
    /// `Faults<Reply>`.
    pub(super) faults: TokenStream,
    /// `Numbers<Request, Reply>`.
    pub(super) numbers: TokenStream,
    /// `Goodbyes<Reply>`.
    pub(super) goodbyes: TokenStream,
    /// The variable that has the request's number.
    number: Ident,
}

impl FaultReplies {
    /// Returns those of a handler that answers by frames of a type that can be named.
    pub(super) fn of(hook: &Hook) -> Option<Self> {
        if hook.dispatch.codec.is_some() {
            return None;
        }
        Some(Self::alone(hook.frame()?, reply(hook)?))
    }

    /// Returns those of replies of the type `reply` to requests of the type `request`.
    pub(super) fn alone(request: &Type, reply: &Type) -> Self {
        Self::between(request, reply, Ident::new(NUMBER, Span::mixed_site()))
    }

    /// Returns those of replies of the type `reply` to requests of the type `request`, whose number the
    /// variable `number` has.
    pub(super) fn between(request: &Type, reply: &Type, number: Ident) -> Self {
        let (reply, request) = (fixed(reply), fixed(request));
        Self {
            faults: q!(__p::Faults::<#reply>),
            numbers: q!(__p::Numbers::<#request, #reply>),
            goodbyes: q!(__p::Goodbyes::<#reply>),
            number,
        }
    }

    /// The statement that reads the request's number.
    pub(super) fn read(&self) -> TokenStream {
        let Self { numbers, number, .. } = self;
        q!(let #number = #numbers::read(&request);)
    }

    /// The expression that answers `fault`.
    pub(super) fn put(&self) -> TokenStream {
        let Self { faults, numbers, number, .. } = self;
        q!(#faults::put(fault, |reply| #numbers::set(reply, #number), &mut out))
    }

    /// `refuse`, which answers a request that is not handled, and `on_drain`, which says goodbye.
    pub(super) fn hooks(&self) -> TokenStream {
        let Self { faults, numbers, goodbyes, .. } = self;
        q! {
            fn refuse(
                request: &Self::At<'_>,
                fault: __p::Fault,
                out: &mut __p::Out<'_>,
            ) -> __p::Result<__p::Flow> {
                #[allow(unused_imports)]
                use __p::{NoFaults as _, NoNumbers as _};
                let fault_number = #numbers::read(request);
                #faults::put(fault, |reply| #numbers::set(reply, fault_number), out)
            }
            fn on_drain(out: &mut __p::Out<'_>) -> __p::Result<bool> {
                #[allow(unused_imports)]
                use __p::NoGoodbyes as _;
                #goodbyes::say(out)
            }
        }
    }

    /// Runs `call` under the guard and until the deadline where faults are answered, and as it is where
    /// they close the connection. `prepared` takes its arguments; `reply` answers; `read` [reads](Self::read) the request's
    /// number, if nothing has before.
    pub(super) fn answered(
        &self,
        read: Option<TokenStream>,
        prepared: &TokenStream,
        call: &TokenStream,
        reply: &TokenStream,
    ) -> TokenStream {
        let (faults, put) = (&self.faults, self.put());
        q! {
            if #faults::CAN {
                #read
                let result = {
                    #prepared
                    __p::within(deadline, move || async move { #call }).await
                };
                match result {
                    ::core::result::Result::Ok(reply) => #reply,
                    ::core::result::Result::Err(fault) => #put,
                }
            } else {
                let reply = { #prepared #call };
                #reply
            }
        }
    }
}

/// The frame in which a handler answers, if its type can be named elsewhere.
pub(super) fn reply(hook: &Hook) -> Option<&Type> {
    match &hook.sig.output {
        ReturnType::Type(_, ty) => frame(ty),
        ReturnType::Default => None,
    }
}

/// The frame in the result of a handler: `F` of `F`, `Option<F>`, `Result<F, E>` and `Flow<F>`; `None` for
/// a type that cannot be named elsewhere.
fn frame(ty: &Type) -> Option<&Type> {
    struct Nameless(bool);

    impl<'ast> Visit<'ast> for Nameless {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }

        fn visit_ident(&mut self, ident: &'ast proc_macro2::Ident) {
            self.0 |= ident == "Self";
        }
    }

    let mut nameless = Nameless(false);
    nameless.visit_type(ty);
    if nameless.0 {
        return None;
    }
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    if let PathArguments::AngleBracketed(arguments) = &last.arguments
        && (last.ident == "Option" || last.ident == "Result" || last.ident == "Flow")
    {
        return arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(ty) => frame(ty),
            _ => None,
        });
    }
    Some(ty)
}
