//! The options of `#[service]`.

use proc_macro2::{Ident, TokenStream};
use syn::{
    Path, Token, Type,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use crate::errors::{Errors, nearest};

/// The options of `#[service]`.
#[derive(Default)]
pub(super) struct Options {
    /// The format of payloads, if it is not the default.
    pub(super) payload: Option<Type>,
    pub(super) krate: Option<Path>,
}

const KNOWN: [&str; 2] = ["payload", "crate"];

/// Reads the options.
pub(super) fn read(tokens: TokenStream, errors: &Errors) -> Options {
    let mut options = Options::default();
    let all = |input: ParseStream<'_>| -> syn::Result<()> {
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            let name = key.to_string();
            if !KNOWN.contains(&&*name) {
                let near = nearest(&name, KNOWN)
                    .map_or(String::new(), |near| format!("did you mean `{near}`? "));
                let help = format!("{near}the options are `{}`", KNOWN.join("`, `"));
                errors.at(&key, format!("unknown option `{name}`"), help);
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<proc_macro2::TokenTree>()?;
                }
            } else {
                input.parse::<Token![=]>()?;
                match &*name {
                    "payload" => options.payload = Some(input.parse()?),
                    _ => options.krate = Some(input.call(Path::parse_mod_style)?),
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = all.parse2(tokens) {
        errors.push(error);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_option() {
        crate::documented(include_str!("../../docs/service.md"), KNOWN.to_vec());
    }
}
