//! Lifetimes of a handler's types, as the glue writes them.

use proc_macro2::Span;
use syn::{Lifetime, Type, visit::Visit, visit_mut::VisitMut};

/// Replaces every lifetime that is written.
struct Replace<'n>(&'n str);

impl VisitMut for Replace<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            *lifetime = Lifetime::new(self.0, lifetime.span());
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(Lifetime::new(self.0, Span::mixed_site()));
        }
        syn::visit_mut::visit_type_reference_mut(self, reference);
    }
}

fn replaced(ty: &Type, by: &str) -> Type {
    let mut ty = ty.clone();
    Replace(by).visit_type_mut(&mut ty);
    ty
}

/// `ty` with `'static` for each lifetime: what an associated type is.
pub(super) fn fixed(ty: &Type) -> Type {
    replaced(ty, "'static")
}

/// `ty` with `'_` for each lifetime.
pub(super) fn erased(ty: &Type) -> Type {
    replaced(ty, "'_")
}

/// `ty` with `'__c` for each lifetime: the call's.
pub(super) fn of_the_call(ty: &Type) -> Type {
    replaced(ty, "'__c")
}

/// Returns whether lifetimes stand in `ty` that are the call's.
pub(super) fn has_lifetimes(ty: &Type) -> bool {
    struct Find(bool);

    impl<'ast> Visit<'ast> for Find {
        fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
            self.0 |= lifetime.ident != "static";
        }

        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.0 |= reference.lifetime.is_none();
            syn::visit::visit_type_reference(self, reference);
        }
    }

    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}
