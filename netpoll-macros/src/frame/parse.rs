//! From attributes to the model.

mod marks;

use quote::{ToTokens, format_ident};
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Ident, Index, Lit, LitByteStr, LitInt, Member,
    Path, Token, Type,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

use super::model::{
    Attr, Body, Crc, Field, FieldAttrs, Fields, Item, Len, Range, RangeKind, TypeAttrs, Variant,
    VariantTag,
};
use crate::errors::{Errors, nearest, with_help};

const TYPE_KEYS: [&str; 11] = [
    "be",
    "le",
    "max",
    "tag",
    "args",
    "trailing",
    "recursive",
    "crate",
    "part",
    "datagram",
    "goodbye",
];

const FIELD_KEYS: [&str; 39] = [
    "be",
    "le",
    "u24",
    "varint",
    "zigzag",
    "ascii",
    "bits",
    "magic",
    "check",
    "len",
    "prefix",
    "none",
    "size",
    "size_with",
    "count",
    "count_prefix",
    "until",
    "inclusive",
    "rest",
    "if",
    "tag",
    "args",
    "pad",
    "align",
    "tail",
    "crc",
    "with",
    "try_map",
    "unmap",
    "as",
    "seq",
    "route",
    "payload",
    "status",
    "last",
    "deadline",
    "metadata",
    "goodbye",
    "max",
];

/// Returns the item as a model; `None` for a union.
pub(super) fn item(input: &DeriveInput, errors: &Errors) -> Option<Item> {
    let mut attrs = TypeAttrs::default();
    each(&input.attrs, errors, |input| type_attr(input, &mut attrs));
    let body = match &input.data {
        Data::Struct(data) => Body::Struct(fields(&data.fields, &input.ident, None, errors)),
        Data::Enum(data) => Body::Enum(
            data.variants
                .iter()
                .map(|v| {
                    let (mut tag, mut goodbye) = (None, None);
                    each(&v.attrs, errors, |input| variant_attr(input, &mut tag, &mut goodbye));
                    let mut fields = fields(&v.fields, &v.ident, Some(&v.ident), errors);
                    fields.tagged = matches!(tag, Some(VariantTag::Other(_)));
                    Variant { ident: v.ident.clone(), tag, goodbye, fields }
                })
                .collect(),
        ),
        Data::Union(data) => {
            errors.at(
                data.union_token,
                "a union cannot be a frame",
                "an enum with a tag: `#[frame(tag = u8)] enum ..`",
            );
            return None;
        }
    };
    Some(Item { ident: input.ident.clone(), generics: input.generics.clone(), attrs, body })
}

fn fields(fields: &syn::Fields, span: &Ident, variant: Option<&Ident>, errors: &Errors) -> Fields {
    let field = |(i, field): (usize, &syn::Field)| {
        let mut attrs = FieldAttrs::default();
        each(&field.attrs, errors, |input| field_attr(input, &mut attrs));
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(Index::from(i)),
        };
        let name = field.ident.clone().unwrap_or_else(|| format_ident!("_{i}"));
        Field { name, member, ty: field.ty.clone(), attrs, variant: variant.cloned() }
    };
    let list = fields.iter().enumerate().map(field).collect();
    Fields { list, span: span.clone(), tagged: false }
}

/// Parses each key of the `#[frame(..)]` among `attrs`. The first broken one ends its attribute.
fn each(
    attrs: &[Attribute],
    errors: &Errors,
    mut one: impl FnMut(ParseStream<'_>) -> syn::Result<()>,
) {
    for attr in attrs.iter().filter(|a| a.path().is_ident("frame")) {
        let parsed = attr.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                one(input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        });
        if let Err(e) = parsed {
            errors.push(e);
        }
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn unknown(key: &Ident, known: &[&str]) -> syn::Error {
    let near = match nearest(&key.to_string(), known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? There are: "),
        None => "there are: ".to_owned(),
    };
    let message = format!("unknown frame attribute `{key}`");
    syn::Error::new(key.span(), with_help(message, format!("{near}{}", known.join(", "))))
}

fn type_attr(input: ParseStream<'_>, attrs: &mut TypeAttrs) -> syn::Result<()> {
    let key = input.call(Ident::parse_any)?;
    match key.to_string().as_str() {
        "be" => attrs.little = false,
        "le" => attrs.little = true,
        "max" => attrs.max = Some(value(input)?),
        "tag" => attrs.tag = Some(value(input)?),
        "args" => {
            let inner;
            parenthesized!(inner in input);
            let args = Punctuated::<_, Token![,]>::parse_terminated_with(&inner, |input| {
                let name = input.parse::<Ident>()?;
                input.parse::<Token![:]>()?;
                Ok((name, input.parse::<Type>()?))
            })?;
            attrs.args = args.into_iter().collect();
        }
        "trailing" => {
            let policy: Ident = value(input)?;
            attrs.keep = match policy.to_string().as_str() {
                "keep" => true,
                "deny" => false,
                _ => {
                    let help = "`trailing = deny` or `trailing = keep`";
                    let message = with_help(format!("unknown policy `{policy}`"), help);
                    return Err(syn::Error::new(policy.span(), message));
                }
            };
        }
        "recursive" => {
            let inner;
            parenthesized!(inner in input);
            let depth: Ident = inner.parse()?;
            if depth != "depth" {
                return Err(syn::Error::new(
                    depth.span(),
                    with_help(format!("unknown option `{depth}`"), "`recursive(depth = 32)`"),
                ));
            }
            attrs.depth = Some(value(&inner)?);
        }
        "crate" => {
            input.parse::<Token![=]>()?;
            attrs.krate = Some(input.call(Path::parse_mod_style)?);
        }
        "part" => attrs.part = Some(key),
        "goodbye" => {
            if !input.peek(Token![=]) {
                let help =
                    "`goodbye = path`, a function of the frame; or mark the variant, or a flag";
                let message = with_help("when is this frame a goodbye?", help);
                return Err(syn::Error::new(key.span(), message));
            }
            attrs.goodbye = Some(Attr { key, value: value(input)? });
        }
        "datagram" => attrs.datagram = Some(key),
        _ => return Err(unknown(&key, &TYPE_KEYS)),
    }
    Ok(())
}

fn variant_attr(
    input: ParseStream<'_>,
    tag: &mut Option<VariantTag>,
    goodbye: &mut Option<Ident>,
) -> syn::Result<()> {
    let key = input.call(Ident::parse_any)?;
    if key == "goodbye" {
        *goodbye = Some(key);
        return Ok(());
    }
    if key != "tag" {
        return Err(unknown(&key, &["tag", "goodbye"]));
    }
    input.parse::<Token![=]>()?;
    *tag = Some(if input.peek(Token![_]) {
        VariantTag::Other(input.parse::<Token![_]>()?.span)
    } else {
        VariantTag::Value(Box::new(input.parse()?))
    });
    Ok(())
}

fn field_attr(input: ParseStream<'_>, attrs: &mut FieldAttrs) -> syn::Result<()> {
    let key = input.call(Ident::parse_any)?;
    attrs.keys.push(key.clone());
    fn set<T: Parse>(input: ParseStream<'_>, key: Ident) -> syn::Result<Option<Attr<T>>> {
        Ok(Some(Attr { key, value: value(input)? }))
    }
    match key.to_string().as_str() {
        "be" => attrs.be = Some(key),
        "le" => attrs.le = Some(key),
        "u24" => attrs.u24 = Some(key),
        "varint" => attrs.varint = Some(key),
        "zigzag" => attrs.zigzag = Some(key),
        "ascii" => {
            attrs.ascii = Some(key);
            if input.peek(syn::token::Paren) {
                let inner;
                parenthesized!(inner in input);
                let option = inner.call(Ident::parse_any)?;
                if option != "lenient" {
                    return Err(unknown(&option, &["lenient"]));
                }
                attrs.lenient = true;
            }
        }
        "rest" => attrs.rest = Some(key),
        "inclusive" => attrs.inclusive = Some(key),
        "seq" => attrs.seq = Some(key),
        "route" => attrs.route = Some(key),
        "payload" => attrs.payload = Some(key),
        "last" => attrs.last = Some(key),
        "metadata" => attrs.metadata = Some(key),
        "goodbye" => attrs.goodbye = Some(key),
        "status" => attrs.status = Some(Attr { value: marks::status(input, &key)?, key }),
        "deadline" => attrs.deadline = Some(Attr { value: marks::unit(input, &key)?, key }),
        "bits" => attrs.bits = set(input, key)?,
        "magic" => attrs.magic = set(input, key)?,
        "check" => attrs.check = set(input, key)?,
        "prefix" => attrs.prefix = set(input, key)?,
        "none" => attrs.none = set(input, key)?,
        "size" => attrs.size = set(input, key)?,
        "size_with" => attrs.size_with = set(input, key)?,
        "count" => attrs.count = set(input, key)?,
        "count_prefix" => attrs.count_prefix = set(input, key)?,
        "until" => attrs.until = Some(Attr { key, value: delimiter(input)? }),
        "tail" => attrs.tail = Some(Attr { key, value: delimiter(input)? }),
        "if" => attrs.cond = set(input, key)?,
        "tag" => {
            let tag: Expr = value(input)?;
            attrs.args = Some(Attr { key, value: vec![tag] });
        }
        "args" => {
            let inner;
            parenthesized!(inner in input);
            let args = Punctuated::<Expr, Token![,]>::parse_terminated(&inner)?;
            attrs.args = Some(Attr { key, value: args.into_iter().collect() });
        }
        "pad" => attrs.pad = set(input, key)?,
        "align" => attrs.align = set(input, key)?,
        "with" => attrs.with = set(input, key)?,
        "try_map" => attrs.try_map = set(input, key)?,
        "unmap" => attrs.unmap = set(input, key)?,
        "as" => attrs.raw = set(input, key)?,
        "max" => attrs.max = set(input, key)?,
        "len" => attrs.len = Some(Attr { key, value: len(input)? }),
        "crc" => attrs.crc = Some(Attr { key, value: crc(input)? }),
        _ => return Err(unknown(&key, &FIELD_KEYS)),
    }
    Ok(())
}

/// Returns a byte string: `b"\r\n"`.
fn delimiter(input: ParseStream<'_>) -> syn::Result<LitByteStr> {
    match value::<Expr>(input)? {
        Expr::Lit(ExprLit { lit: Lit::ByteStr(bytes), .. }) => Ok(bytes),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Err(syn::Error::new(
            text.span(),
            with_help("a delimiter is bytes, not text", format!("`b{}`", text.token())),
        )),
        other => Err(syn::Error::new_spanned(
            other,
            with_help("a delimiter is a literal", "a byte string, as `b\"\\r\\n\"`"),
        )),
    }
}

fn len(input: ParseStream<'_>) -> syn::Result<Len> {
    let inner;
    let parens = parenthesized!(inner in input);
    let (mut of, mut len) = (None, (None, None, None, None));
    while !inner.is_empty() {
        let key = inner.call(Ident::parse_any)?;
        match key.to_string().as_str() {
            "of" => of = Some(range(&inner)?),
            "unit" => len.0 = Some(value::<LitInt>(&inner)?),
            "bias" => len.1 = Some(value(&inner)?),
            "max" => len.2 = Some(value(&inner)?),
            "as" => len.3 = Some(value(&inner)?),
            _ => return Err(unknown(&key, &["of", "unit", "bias", "max", "as"])),
        }
        if !inner.is_empty() {
            inner.parse::<Token![,]>()?;
        }
    }
    let Some(of) = of else {
        let help = "`of = rest`, `of = frame`, or the name of a field";
        let message = with_help("what does this length count?", help);
        return Err(syn::Error::new(parens.span.join(), message));
    };
    Ok(Len { of, unit: len.0, bias: len.1, max: len.2, repr: len.3 })
}

fn crc(input: ParseStream<'_>) -> syn::Result<Crc> {
    let inner;
    parenthesized!(inner in input);
    let algorithm = inner.parse()?;
    inner.parse::<Token![,]>()?;
    let key = inner.call(Ident::parse_any)?;
    if key != "over" {
        return Err(unknown(&key, &["over"]));
    }
    Ok(Crc { algorithm, over: range(&inner)? })
}

/// Returns `= rest`, `= frame`, `= a`, `= a..`, `= a..=b`.
fn range(input: ParseStream<'_>) -> syn::Result<Range> {
    input.parse::<Token![=]>()?;
    let first = input.call(Ident::parse_any)?;
    let mut tokens = first.to_token_stream();
    let kind = if input.peek(Token![..=]) {
        let dots = input.parse::<Token![..=]>()?;
        let last = input.parse::<Ident>()?;
        tokens.extend([dots.to_token_stream(), last.to_token_stream()]);
        RangeKind::FromTo(first, last)
    } else if input.peek(Token![..]) {
        let dots = input.parse::<Token![..]>()?;
        tokens.extend(dots.to_token_stream());
        RangeKind::From(first)
    } else if first == "rest" {
        RangeKind::Rest
    } else if first == "frame" {
        RangeKind::Frame
    } else {
        RangeKind::Field(first)
    };
    Ok(Range { kind, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_option() {
        crate::documented(
            include_str!("../../docs/frame.md"),
            [&TYPE_KEYS[..], &FIELD_KEYS[..]].concat(),
        );
    }
}
