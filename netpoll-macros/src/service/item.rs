//! Items, as far as they are read: signatures, not bodies, so that a half-written body hurts nothing.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Generics, Ident, Signature, Token, Type, Visibility, braced,
    parse::{Parse, ParseStream},
};

/// A function: all but its body.
pub(super) struct Function {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) defaultness: Option<Token![default]>,
    pub(super) sig: Signature,
    body: TokenTree,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            defaultness: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, defaultness, sig, body } = self;
        tokens.extend(quote!(#(#attrs)* #vis #defaultness #sig #body));
    }
}

/// A member of an impl block.
pub(super) enum Member {
    Function(Box<Function>),
    Other(TokenStream),
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Function(function) => function.to_tokens(tokens),
            Self::Other(other) => other.to_tokens(tokens),
        }
    }
}

/// The item that `#[server]` is applied to.
pub(super) enum ServerItem {
    /// An impl block: what stands before its braces, and what in them.
    Impl { head: TokenStream, of: Box<Type>, members: Vec<Member> },
    /// A struct.
    Struct { name: Ident, item: TokenStream },
    /// Something else: the token to blame, and why.
    Other { at: TokenStream, why: &'static str, item: TokenStream },
}

impl Parse for ServerItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let all: TokenStream = input.fork().parse()?;
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        if input.peek(Token![struct]) {
            input.parse::<Token![struct]>()?;
            let name = input.parse()?;
            let generics: Generics = input.parse()?;
            input.parse::<TokenStream>()?;
            return Ok(if generics.params.is_empty() {
                Self::Struct { name, item: all }
            } else {
                let at = generics.to_token_stream();
                Self::Other { at, why: "a server has no type parameters", item: all }
            });
        }
        if !input.peek(Token![impl]) {
            let at = input.parse::<TokenTree>()?.into_token_stream();
            input.parse::<TokenStream>()?;
            let why = "`#[server]` is for an impl block or a struct";
            return Ok(Self::Other { at, why, item: all });
        }
        let token: Token![impl] = input.parse()?;
        let generics: Generics =
            if input.peek(Token![<]) { input.parse()? } else { <_>::default() };
        let of: Type = input.parse()?;
        if let Ok(for_) = input.parse::<Token![for]>() {
            input.parse::<TokenStream>()?;
            let at = quote!(#of #for_);
            return Ok(Self::Other { at, why: "`#[server]` is not for a trait's impl", item: all });
        }
        if !generics.params.is_empty() {
            input.parse::<TokenStream>()?;
            let at = generics.to_token_stream();
            return Ok(Self::Other { at, why: "a server has no type parameters", item: all });
        }
        let body;
        braced!(body in input);
        let members = members(&body)?;
        Ok(Self::Impl { head: quote!(#(#attrs)* #vis #token #of), of: Box::new(of), members })
    }
}

fn members(body: ParseStream<'_>) -> syn::Result<Vec<Member>> {
    let mut members = Vec::new();
    while !body.is_empty() {
        if body.fork().parse::<Function>().is_ok() {
            members.push(Member::Function(Box::new(body.parse()?)));
            continue;
        }
        // A constant, a type, or something half written: to its end, unread.
        let mut other = TokenStream::new();
        while !body.is_empty() {
            let token: TokenTree = body.parse()?;
            let ends = match &token {
                TokenTree::Punct(punct) => punct.as_char() == ';',
                TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace,
                _ => false,
            };
            other.extend([token]);
            if ends {
                break;
            }
        }
        members.push(Member::Other(other));
    }
    Ok(members)
}
