//! Where fields stand: runs of fixed size, and single fields between them.

use proc_macro2::TokenStream;
use syn::{Expr, ExprLit, Lit, Type};

use super::{
    model::{Field, Fields, Item},
    types::{self, Prim},
};
use crate::hygiene::q;

/// A run of fields of fixed size, read and written at once, or a field of its own.
pub(super) enum Unit {
    Run(Run),
    One(usize),
}

pub(super) struct Run {
    pub(super) size: usize,
    pub(super) items: Vec<RunItem>,
}

/// A field of a run.
pub(super) struct RunItem {
    pub(super) field: usize,
    /// Its first byte, from the run's start.
    pub(super) at: usize,
    /// Bytes; those of a group of bits belong to the group's first field.
    pub(super) size: usize,
    pub(super) kind: Place,
}

pub(super) enum Place {
    Whole,
    /// The bits that end `shift` bits before the last of the `bytes` from the byte `at` on.
    Bits {
        at: usize,
        bytes: usize,
        shift: u32,
        width: u32,
        first: bool,
    },
}

impl Unit {
    pub(super) fn first(&self) -> usize {
        match self {
            Self::Run(run) => run.items[0].field,
            Self::One(field) => *field,
        }
    }

    pub(super) fn contains(&self, field: usize) -> bool {
        match self {
            Self::Run(run) => run.items.iter().any(|i| i.field == field),
            Self::One(one) => *one == field,
        }
    }
}

/// The way in which a field's number of bytes is given.
pub(super) enum Extent<'f> {
    /// The field's own bytes.
    Own,
    Size(&'f Expr),
    SizeWith(&'f syn::Path),
    Prefix(&'f Type),
    /// The length field of this index.
    Len(usize),
    Until(&'f syn::LitByteStr),
    Rest,
}

/// The way in which a field's number of elements is given.
pub(super) enum Repeat<'f> {
    Once,
    Count(&'f Expr),
    Prefix(&'f Type),
}

impl Field {
    pub(super) fn repeat(&self) -> Repeat<'_> {
        match (&self.attrs.count, &self.attrs.count_prefix) {
            (Some(count), _) => Repeat::Count(&count.value),
            (_, Some(prefix)) => Repeat::Prefix(&prefix.value),
            _ => Repeat::Once,
        }
    }

    /// Returns the type without the `Option` that a condition or `none` asks for.
    pub(super) fn inner(&self) -> &Type {
        match types::option(&self.ty) {
            Some(inner) if self.attrs.cond.is_some() || self.attrs.none.is_some() => inner,
            _ => &self.ty,
        }
    }

    /// Returns how its integers stand on the wire.
    pub(super) fn repr(&self, little: bool) -> TokenStream {
        let attrs = &self.attrs;
        let little = attrs.le.is_some() || little && attrs.be.is_none();
        let order = if little { q!(p::Le) } else { q!(p::Be) };
        if attrs.u24.is_some() {
            q!(p::U24<#order>)
        } else if attrs.varint.is_some() {
            q!(p::Varint)
        } else if attrs.zigzag.is_some() {
            q!(p::Zigzag)
        } else if attrs.ascii.is_some() {
            if attrs.lenient { q!(p::Lenient<p::Ascii>) } else { q!(p::Ascii) }
        } else {
            order
        }
    }

    /// Returns how the number before it stands on the wire.
    pub(super) fn prefix_repr(&self, little: bool) -> TokenStream {
        let attrs = &self.attrs;
        let little = attrs.le.is_some() || little && attrs.be.is_none();
        if little { q!(p::Le) } else { q!(p::Be) }
    }

    /// Returns the bytes of a constant.
    pub(super) fn magic(&self) -> Option<(&Lit, usize)> {
        let Some(Expr::Lit(ExprLit { lit, .. })) = self.attrs.magic.as_ref().map(|m| &m.value)
        else {
            return None;
        };
        let size = match lit {
            Lit::ByteStr(bytes) => bytes.value().len(),
            Lit::Byte(_) => 1,
            Lit::Int(int) => {
                syn::parse_str(int.suffix()).ok().and_then(|ty: Type| match types::prim(&ty) {
                    Some(Prim::Int(size, _)) => Some(size),
                    _ => None,
                })?
            }
            _ => return None,
        };
        Some((lit, size))
    }

    /// Returns its bytes, if it is a number with a fixed place.
    fn fixed(&self) -> Option<usize> {
        let a = &self.attrs;
        let alone = a.cond.is_none()
            && a.align.is_none()
            && a.tail.is_none()
            && a.with.is_none()
            && a.try_map.is_none()
            && a.args.is_none()
            && a.varint.is_none()
            && a.zigzag.is_none()
            && a.ascii.is_none()
            && a.len.as_ref().is_none_or(|l| l.value.repr.is_none());
        let sized = a.prefix.is_some()
            || a.size.is_some()
            || a.size_with.is_some()
            || a.until.is_some()
            || a.rest.is_some()
            || a.count.is_some()
            || a.count_prefix.is_some();
        if !alone || sized {
            return None;
        }
        if let Some((_, size)) = self.magic() {
            return Some(size);
        }
        match types::prim(types::auto(&self.ty).unwrap_or(&self.ty))? {
            Prim::Int(..) if a.u24.is_some() => Some(3),
            Prim::Int(size, _) | Prim::Float(size) => Some(size),
            Prim::Bool => Some(1),
            Prim::Pointer => None,
        }
    }

    /// Returns the number of bytes to pass before it.
    pub(super) fn pad(&self) -> usize {
        self.attrs.pad.as_ref().and_then(|p| p.value.base10_parse().ok()).unwrap_or(0)
    }

    /// Bits of a field in a group.
    pub(super) fn bits(&self) -> Option<u32> {
        self.attrs.bits.as_ref()?.value.base10_parse().ok()
    }
}

impl Fields {
    /// Returns what says how many bytes the field `i` has.
    pub(super) fn extent(&self, i: usize) -> Extent<'_> {
        let attrs = &self.list[i].attrs;
        if let Some(size) = &attrs.size {
            Extent::Size(&size.value)
        } else if let Some(path) = &attrs.size_with {
            Extent::SizeWith(&path.value)
        } else if let Some(prefix) = &attrs.prefix {
            Extent::Prefix(&prefix.value)
        } else if let Some(until) = &attrs.until {
            Extent::Until(&until.value)
        } else if let Some(len) = self.length_of(i) {
            Extent::Len(len)
        } else if attrs.rest.is_some() {
            Extent::Rest
        } else {
            Extent::Own
        }
    }

    /// Returns the units, with a new one before each field for which `cut` says so, and a unit of
    /// its own for each for which `alone` does.
    pub(super) fn units(
        &self,
        cut: impl Fn(usize) -> bool,
        alone: impl Fn(usize) -> bool,
    ) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        let mut i = usize::from(self.tagged);
        while i < self.list.len() {
            let group = self.group(i);
            let size = match group {
                Some((_, bits)) => Some(bits as usize / 8),
                None => self.list[i].fixed().filter(|_| self.sizes_itself(i) && !alone(i)),
            };
            let Some(size) = size else {
                units.push(Unit::One(i));
                i += 1;
                continue;
            };
            if cut(i) || !matches!(units.last(), Some(Unit::Run(_))) {
                units.push(Unit::Run(Run { size: 0, items: Vec::new() }));
            }
            let Some(Unit::Run(run)) = units.last_mut() else { unreachable!("pushed above") };
            let pad = self.list[i].pad();
            let at = run.size + pad;
            run.size += pad + size;
            let Some((count, bits)) = group else {
                run.items.push(RunItem { field: i, at, size: pad + size, kind: Place::Whole });
                i += 1;
                continue;
            };
            let mut left = bits;
            for field in i..i + count {
                let width = self.list[field].bits().unwrap_or(0);
                left -= width;
                let first = field == i;
                let kind = Place::Bits { at, bytes: size, shift: left, width, first };
                run.items.push(RunItem {
                    field,
                    at,
                    size: if first { pad + size } else { 0 },
                    kind,
                });
            }
            i += count;
        }
        units
    }

    fn sizes_itself(&self, i: usize) -> bool {
        matches!(self.extent(i), Extent::Own)
    }

    /// Returns the group of bits that begins with the field `i`: its fields and bits, up to a
    /// byte's end.
    pub(super) fn group(&self, i: usize) -> Option<(usize, u32)> {
        let mut bits = 0;
        for (count, field) in self.list[i..].iter().enumerate() {
            let Some(width) = field.bits() else { return (count > 0).then_some((count, bits)) };
            bits += width;
            if bits % 8 == 0 {
                return Some((count + 1, bits));
            }
        }
        let count = self.list.len() - i;
        (count > 0).then_some((count, bits))
    }
}

/// Returns the order of the item's integers.
pub(super) fn order(item: &Item) -> TokenStream {
    if item.attrs.little { q!(p::Le) } else { q!(p::Be) }
}
