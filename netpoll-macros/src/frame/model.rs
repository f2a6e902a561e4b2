//! What the attributes of an item say, as parsed.

use proc_macro2::Span;
use syn::{Expr, Generics, Ident, Lifetime, LitByteStr, LitInt, Member, Path, Type};

/// A struct or enum.
pub(super) struct Item {
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) attrs: TypeAttrs,
    pub(super) body: Body,
}

impl Item {
    /// Returns the lifetime that it borrows for.
    pub(super) fn lifetime(&self) -> Option<&Lifetime> {
        self.generics.lifetimes().next().map(|l| &l.lifetime)
    }

    /// Returns all lists of fields: a struct's one, or each variant's.
    pub(super) fn bodies(&self) -> Vec<&Fields> {
        match &self.body {
            Body::Struct(fields) => vec![fields],
            Body::Enum(variants) => variants.iter().map(|v| &v.fields).collect(),
        }
    }

    /// Returns whether it stands only within another frame.
    pub(super) fn is_part(&self) -> bool {
        self.attrs.part.is_some() || !self.attrs.args.is_empty()
    }
}

pub(super) enum Body {
    Struct(Fields),
    Enum(Vec<Variant>),
}

/// The fields of a struct or variant.
pub(super) struct Fields {
    pub(super) list: Vec<Field>,
    /// The token at which errors about all of them point.
    pub(super) span: Ident,
    /// True if the first holds the tag, and is not on the wire itself.
    pub(super) tagged: bool,
}

pub(super) struct Variant {
    pub(super) ident: Ident,
    pub(super) tag: Option<VariantTag>,
    /// `goodbye`.
    pub(super) goodbye: Option<Ident>,
    pub(super) fields: Fields,
}

pub(super) enum VariantTag {
    Value(Box<Expr>),
    /// `tag = _`: every other tag, which the first field holds.
    Other(Span),
}

/// The attributes of the type.
#[derive(Default)]
pub(super) struct TypeAttrs {
    pub(super) little: bool,
    pub(super) max: Option<Expr>,
    pub(super) tag: Option<Type>,
    pub(super) args: Vec<(Ident, Type)>,
    pub(super) keep: bool,
    pub(super) depth: Option<Expr>,
    pub(super) krate: Option<Path>,
    pub(super) part: Option<Ident>,
    /// `goodbye = path`, a predicate.
    pub(super) goodbye: Option<Attr<Path>>,
    /// It ends where its datagram ends.
    pub(super) datagram: Option<Ident>,
}

/// A field.
pub(super) struct Field {
    /// Its name in expressions: a tuple's fields are `_0`, `_1` ..
    pub(super) name: Ident,
    pub(super) member: Member,
    pub(super) ty: Type,
    pub(super) attrs: FieldAttrs,
    /// The variant that it is in.
    pub(super) variant: Option<Ident>,
}

impl Field {
    /// Returns its name in errors.
    pub(super) fn label(&self) -> String {
        let name = match &self.member {
            Member::Named(name) => name.to_string().trim_start_matches("r#").to_owned(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        match &self.variant {
            Some(variant) => format!("{variant}.{name}"),
            None => name,
        }
    }
}

/// A key and its value.
pub(super) struct Attr<T> {
    pub(super) key: Ident,
    pub(super) value: T,
}

/// The fields that a length or checksum covers.
pub(super) struct Range {
    pub(super) kind: RangeKind,
    /// The tokens at which errors about it point.
    pub(super) tokens: proc_macro2::TokenStream,
}

pub(super) enum RangeKind {
    Rest,
    Frame,
    Field(Ident),
    From(Ident),
    FromTo(Ident, Ident),
}

/// `len(of = R, unit = N, bias = K, max = N, as = Ty)`.
pub(super) struct Len {
    pub(super) of: Range,
    pub(super) unit: Option<LitInt>,
    pub(super) bias: Option<Expr>,
    pub(super) max: Option<Expr>,
    pub(super) repr: Option<Type>,
}

/// `crc(Alg, over = R)`.
pub(super) struct Crc {
    pub(super) algorithm: Type,
    pub(super) over: Range,
}

/// The attributes of a field.
#[derive(Default)]
pub(super) struct FieldAttrs {
    pub(super) be: Option<Ident>,
    pub(super) le: Option<Ident>,
    pub(super) u24: Option<Ident>,
    pub(super) varint: Option<Ident>,
    pub(super) zigzag: Option<Ident>,
    pub(super) ascii: Option<Ident>,
    /// `ascii(lenient)`.
    pub(super) lenient: bool,
    pub(super) bits: Option<Attr<LitInt>>,
    pub(super) magic: Option<Attr<Expr>>,
    pub(super) check: Option<Attr<Expr>>,
    pub(super) len: Option<Attr<Len>>,
    pub(super) prefix: Option<Attr<Type>>,
    pub(super) none: Option<Attr<Expr>>,
    pub(super) size: Option<Attr<Expr>>,
    pub(super) size_with: Option<Attr<Path>>,
    pub(super) count: Option<Attr<Expr>>,
    pub(super) count_prefix: Option<Attr<Type>>,
    pub(super) until: Option<Attr<LitByteStr>>,
    pub(super) inclusive: Option<Ident>,
    pub(super) rest: Option<Ident>,
    pub(super) cond: Option<Attr<Expr>>,
    pub(super) args: Option<Attr<Vec<Expr>>>,
    pub(super) pad: Option<Attr<LitInt>>,
    pub(super) align: Option<Attr<LitInt>>,
    pub(super) tail: Option<Attr<LitByteStr>>,
    pub(super) crc: Option<Attr<Crc>>,
    pub(super) with: Option<Attr<Path>>,
    pub(super) try_map: Option<Attr<Path>>,
    pub(super) unmap: Option<Attr<Path>>,
    pub(super) raw: Option<Attr<Type>>,
    pub(super) seq: Option<Ident>,
    pub(super) route: Option<Ident>,
    pub(super) metadata: Option<Ident>,
    pub(super) payload: Option<Ident>,
    pub(super) status: Option<Attr<Vec<Attr<Expr>>>>,
    pub(super) last: Option<Ident>,
    /// The unit in which the time is counted.
    pub(super) deadline: Option<Attr<Ident>>,
    pub(super) goodbye: Option<Ident>,
    pub(super) max: Option<Attr<Expr>>,
    /// All keys, as written.
    pub(super) keys: Vec<Ident>,
}
