//! `#[service]`: a trait whose methods are called over the network. Parse, check, expand.

mod check;
mod expand;
#[cfg(test)]
mod expansions;
mod marks;
mod options;

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Error, ItemTrait, Type, Visibility};

use crate::{errors::Errors, hygiene::q};

/// A service's trait.
struct Service {
    vis: Visibility,
    name: Ident,
    methods: Vec<Method>,
}

/// A method that can be called.
struct Method {
    attrs: Vec<Attribute>,
    name: Ident,
    /// The name by which calls name it.
    route: String,
    is_async: bool,
    /// No answer is sent.
    one_way: bool,
    /// The client repeats calls whose connection was lost.
    idempotent: bool,
    /// Milliseconds.
    timeout: Option<u64>,
    /// The most calls at once.
    most: Option<TokenStream>,
    arguments: Vec<(Ident, Type)>,
    returns: Returns,
}

/// The result of a method.
enum Returns {
    /// A value, `()` if none is written.
    Value(Box<Type>),
    /// A `Result` of a value and an error.
    Result(Box<(Type, Type)>),
    /// A stream of values, or of results.
    Stream(Box<Returns>),
}

impl Returns {
    /// The types of the value and of the error, if there is one.
    fn types(&self) -> (&Type, Option<&Type>) {
        match self {
            Self::Value(ty) => (ty, None),
            Self::Result(types) => (&types.0, Some(&types.1)),
            Self::Stream(item) => item.types(),
        }
    }
}

/// The trait, its server and its client.
pub(crate) fn service(tokens: TokenStream, item: TokenStream) -> TokenStream {
    let errors = Errors::default();
    let options = options::read(tokens, &errors);
    let Ok(of) = syn::parse2::<ItemTrait>(item.clone()) else {
        let first = item.clone().into_iter().next();
        let help = "write it on `trait Name { async fn method(&self, ..) -> ..; }`";
        match first {
            Some(first) => errors.at(first, "`#[service]` is for a trait", help),
            None => errors.push(Error::new(proc_macro2::Span::call_site(), "no trait")),
        }
        let errors = errors.into_tokens();
        return q!(#item #errors);
    };
    let service = check::service(&of, &errors);
    if !errors.is_empty() {
        let (of, errors) = (check::without_marks(of), errors.into_tokens());
        return q!(#[allow(async_fn_in_trait)] #of #errors);
    }
    expand::service(&of, &service, &options)
}
