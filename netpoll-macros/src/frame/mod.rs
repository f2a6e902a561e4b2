//! `#[derive(Frame)]`: parse, check, lay out, expand.

mod check;
mod cx;
mod enums;
mod expand;
#[cfg(test)]
mod expansions;
mod fallback;
mod get;
mod head;
mod layout;
mod lengths;
mod marks;
mod model;
mod names;
mod parse;
mod put;
mod scan;
mod size;
mod types;

use proc_macro2::TokenStream;

use crate::{errors::Errors, hygiene::q};

/// Returns the impls for `item`, or its errors with impls that stand in for them.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let input = match syn::parse2::<syn::DeriveInput>(item) {
        Ok(input) => input,
        Err(e) => return e.to_compile_error(),
    };
    let errors = Errors::default();
    let model = parse::item(&input, &errors);
    if let Some(model) = &model
        && errors.is_empty()
    {
        check::item(model, &errors);
    }
    match &model {
        // The compiler says what is wrong with a reference that has no lifetime.
        Some(model) if errors.is_empty() && types::elides(model) => TokenStream::new(),
        Some(model) if errors.is_empty() => expand::item(model),
        Some(model) => {
            let (errors, impls) = (errors.into_tokens(), fallback::item(model));
            q!(#errors #impls)
        }
        None => errors.into_tokens(),
    }
}
