//! The options of the attributes.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Expr, ExprArray, Ident, Lit, LitStr, Path, Token, Type,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use super::{
    model::{Dispatching, Kind, Route},
    values,
};
use crate::{
    errors::{Errors, nearest},
    hygiene::q,
};

/// The options of `#[server]`.
#[derive(Default)]
pub(super) struct Options {
    pub(super) krate: Option<Path>,
    pub(super) codec: Option<Path>,
    /// The frame and the replies of a server with routes.
    pub(super) frame: Option<Type>,
    pub(super) reply: Option<Type>,
    /// Concurrent requests of each connection, of a server with routes.
    pub(super) concurrent: Option<TokenStream>,
    /// The layers, in order.
    pub(super) layers: Vec<Expr>,
    /// Free functions, by the hook that they are.
    pub(super) hooks: Vec<(Kind, Path)>,
    /// Calls of the builder: `.max_connections(100)`.
    calls: TokenStream,
    /// Calls of the connections' options: `.max_frame(8 << 20)`.
    connection: TokenStream,
}

/// The value that an option takes.
#[derive(Clone, Copy)]
enum Takes {
    Address,
    Duration,
    Number,
    Function,
    /// Nothing, which turns it on, or `= true` or `= false`.
    Switch,
}

/// The builder of which an option is a method.
#[derive(Clone, Copy)]
enum Of {
    /// The server's, by this name.
    Server(&'static str),
    /// The connections', by the option's name.
    Connection,
}

const OPTIONS: &[(&str, Of, Takes)] = &[
    ("listen", Of::Server("listen_default"), Takes::Address),
    ("max_frame", Of::Connection, Takes::Number),
    ("max_datagram", Of::Server("max_datagram"), Takes::Number),
    ("read_timeout", Of::Connection, Takes::Duration),
    ("frame_timeout", Of::Connection, Takes::Duration),
    ("handshake_timeout", Of::Connection, Takes::Duration),
    ("write_timeout", Of::Connection, Takes::Duration),
    ("idle_timeout", Of::Connection, Takes::Duration),
    ("keep_half_open", Of::Connection, Takes::Switch),
    ("max_connections", Of::Server("max_connections"), Takes::Number),
    ("max_handshakes", Of::Server("max_handshakes"), Takes::Number),
    ("pollers", Of::Server("pollers"), Takes::Number),
    ("max_workers", Of::Server("max_workers"), Takes::Number),
    ("transport", Of::Server("transport"), Takes::Function),
    ("tls", Of::Server("tls_by"), Takes::Function),
];

impl Options {
    /// Returns the calls of the builder. Options of connections are set all at once, so that whoever
    /// builds the server at run time may replace all of them, or one.
    pub(super) fn calls(&self) -> TokenStream {
        let Self { calls, connection, .. } = self;
        if connection.is_empty() {
            return calls.clone();
        }
        q!(#calls .options(__p::ConnectionOptions::new() #connection))
    }
}

/// The options of `#[server]`.
fn known_of_server() -> Vec<&'static str> {
    let mut known: Vec<&str> = OPTIONS.iter().map(|(name, ..)| *name).collect();
    known.extend(Kind::ALL.map(Kind::name));
    known.extend(["codec", "frame", "reply", "concurrent", "layers", "crate"]);
    known
}

/// The options of a handler.
fn known_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Request => &["inline", "concurrent", "ordered", "timeout", "codec", "crate"],
        Kind::Datagram => &["inline", "concurrent", "timeout", "crate"],
        _ => &["crate"],
    }
}

/// Reads the options of `#[server]`.
pub(super) fn server(tokens: TokenStream, errors: &Errors) -> Options {
    let mut options = Options::default();
    each(tokens, &known_of_server(), errors, |key, input| {
        let name = key.to_string();
        let option = OPTIONS.iter().find(|(known, ..)| *known == name);
        let switch = matches!(option, Some((.., Takes::Switch)));
        if !switch || input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
        }
        if name == "crate" {
            options.krate = Some(input.call(Path::parse_mod_style)?);
            return Ok(());
        }
        if name == "codec" {
            options.codec = Some(input.parse()?);
            return Ok(());
        }
        if name == "frame" || name == "reply" {
            let ty = Some(input.parse()?);
            if name == "frame" {
                options.frame = ty
            } else {
                options.reply = ty
            }
            return Ok(());
        }
        if name == "layers" {
            let list = input.fork().parse::<ExprArray>();
            if list.is_err() {
                let other: Expr = input.parse()?;
                let help = "write a list: `layers = [First::new(), Second]`";
                errors.at(&other, "layers stand in a list", help);
                return Ok(());
            }
            options.layers = input.parse::<ExprArray>()?.elems.into_iter().collect();
            return Ok(());
        }
        if name == "concurrent" {
            options.concurrent = Some(concurrent(input, errors)?);
            return Ok(());
        }
        if let Some(kind) = Kind::of(&name) {
            options.hooks.push((kind, input.parse()?));
            return Ok(());
        }
        let Some((_, of, takes)) = option else { return Ok(()) };
        let (method, calls) = match of {
            Of::Server(method) => (*method, &mut options.calls),
            Of::Connection => (&*name, &mut options.connection),
        };
        let method = Ident::new(method, Span::mixed_site());
        let value = match takes {
            Takes::Address => {
                let text: LitStr = input.parse()?;
                values::listen(&text, errors).then(|| text.to_token_stream())
            }
            Takes::Duration => {
                let ms = values::duration(input, errors)?;
                ms.map(
                    |ms| q!(::core::option::Option::Some(::core::time::Duration::from_millis(#ms))),
                )
            }
            Takes::Number => Some(input.parse::<Expr>()?.into_token_stream()),
            Takes::Switch if input.is_empty() || input.peek(Token![,]) => Some(q!(true)),
            Takes::Switch => Some(input.parse::<syn::LitBool>()?.into_token_stream()),
            Takes::Function => Some(input.parse::<Path>()?.into_token_stream()),
        };
        calls.extend(value.map(|value| q!(.#method(#value))));
        Ok(())
    });
    options
}

/// Reads the options of `#[on_request]`, or of another hook, which has `crate` alone.
pub(super) fn hook(kind: Kind, tokens: TokenStream, errors: &Errors) -> Dispatching {
    let mut options = Dispatching::default();
    let (route, tokens) = route(kind, tokens);
    options.route = route;
    each(tokens, known_of(kind), errors, |key, input| {
        match key.to_string().as_str() {
            "inline" => options.inline = Some(key),
            "ordered" => options.ordered = Some(key),
            "concurrent" => {
                input.parse::<Token![=]>()?;
                options.concurrent = Some((key, concurrent(input, errors)?));
            }
            "timeout" => {
                input.parse::<Token![=]>()?;
                options.timeout = values::duration(input, errors)?;
            }
            "codec" => {
                input.parse::<Token![=]>()?;
                options.codec = Some(input.parse()?);
            }
            _ => {
                input.parse::<Token![=]>()?;
                options.krate = Some(input.call(Path::parse_mod_style)?);
            }
        }
        Ok(())
    });
    if let (Some(ordered), None) = (&options.ordered, &options.concurrent) {
        let help =
            "remove it: requests are answered in order, or write `concurrent = 256, ordered`";
        errors.at(ordered, "`ordered` says something about `concurrent` only", help);
    }
    if let (Some(inline), Some((concurrent, _))) = (&options.inline, &options.concurrent) {
        let help = format!("remove `{inline}`");
        errors.at(concurrent, "`inline` handles one request at a time", help);
    }
    options
}

/// Reads the number of requests that are handled at once.
fn concurrent(input: ParseStream<'_>, errors: &Errors) -> syn::Result<TokenStream> {
    let most: Expr = input.parse()?;
    if most.to_token_stream().to_string() == "0" {
        let help = "write how many requests are handled at once: `concurrent = 256`";
        errors.at(&most, "`concurrent = 0` handles no request", help);
    }
    Ok(most.into_token_stream())
}

/// Reads the route before the options of `#[on_request]`, if there is one.
fn route(kind: Kind, tokens: TokenStream) -> (Option<Route>, TokenStream) {
    let read = |input: ParseStream<'_>| {
        let route = if input.peek(Lit) {
            Some(Route::Key(input.parse()?))
        } else if input.peek(Ident::peek_any) && input.peek2(Token![::]) {
            Some(Route::Variant(input.call(Path::parse_mod_style)?))
        } else {
            None
        };
        if route.is_some() && !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok((route, input.parse()?))
    };
    match read.parse2(tokens.clone()) {
        Ok(read) if kind == Kind::Request => read,
        _ => (None, tokens),
    }
}

/// Options that were renamed: the former name, which is still read, and the present one.
const RENAMED: &[(&str, &str)] = &[("workers", "max_workers")];

/// Returns the present name of an option.
fn renamed(key: Ident) -> Ident {
    let present = RENAMED.iter().find(|(former, _)| key == former);
    present.map_or(key.clone(), |(_, present)| Ident::new(present, key.span()))
}

/// Gives each key, which is known and stands once, to `read` with what follows it.
fn each(
    tokens: TokenStream,
    known: &[&str],
    errors: &Errors,
    mut read: impl FnMut(Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    let mut seen: Vec<String> = Vec::new();
    let read_all = |input: ParseStream<'_>| -> syn::Result<()> {
        while !input.is_empty() {
            let key = renamed(input.call(Ident::parse_any)?);
            let name = key.to_string();
            let unknown = !known.contains(&name.as_str());
            if unknown || seen.contains(&name) {
                if unknown {
                    let near = nearest(&name, known.iter().copied())
                        .map_or(String::new(), |near| format!("did you mean `{near}`? "));
                    let all = known.join("`, `");
                    let help = format!("{near}the options are `{all}`");
                    errors.at(&key, format!("unknown option `{name}`"), help);
                } else {
                    errors.at(&key, format!("`{name}` is given twice"), "remove one of them");
                }
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<proc_macro2::TokenTree>()?;
                }
            } else {
                seen.push(name);
                read(key, input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = read_all.parse2(tokens) {
        errors.push(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documented;

    #[test]
    fn the_documentation_lists_every_option() {
        documented(include_str!("../../docs/server.md"), known_of_server());
        documented(include_str!("../../docs/on_request.md"), known_of(Kind::Request).to_vec());
        documented(include_str!("../../docs/on_datagram.md"), known_of(Kind::Datagram).to_vec());
    }
}
