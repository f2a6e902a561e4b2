//! The fields that an expression uses.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Expr, ExprCall, ExprPath, Macro,
    visit::{self, Visit},
};

use super::model::Fields;

/// A use of a field's name.
pub(super) struct Use {
    pub(super) field: usize,
    pub(super) span: proc_macro2::Span,
}

struct Finder<'f> {
    fields: &'f Fields,
    found: Vec<Use>,
}

impl Finder<'_> {
    fn ident(&mut self, ident: &syn::Ident) {
        if let Some(field) = self.fields.position(ident) {
            self.found.push(Use { field, span: ident.span() });
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.ident(&ident),
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'e> Visit<'e> for Finder<'_> {
    fn visit_expr_path(&mut self, path: &'e ExprPath) {
        if let Some(ident) = path.path.get_ident() {
            self.ident(ident);
        }
    }

    fn visit_expr_call(&mut self, call: &'e ExprCall) {
        // A function may have a field's name.
        if !matches!(*call.func, Expr::Path(_)) {
            self.visit_expr(&call.func);
        }
        call.args.iter().for_each(|arg| self.visit_expr(arg));
    }

    fn visit_macro(&mut self, mac: &'e Macro) {
        self.tokens(mac.tokens.clone());
        visit::visit_macro(self, mac);
    }
}

impl Fields {
    /// Returns the index of the field `name`.
    pub(super) fn position(&self, name: &syn::Ident) -> Option<usize> {
        self.list.iter().position(|f| f.name == *name)
    }

    /// Returns the fields that `expr` uses.
    pub(super) fn uses(&self, expr: &Expr) -> Vec<Use> {
        let mut finder = Finder { fields: self, found: Vec::new() };
        finder.visit_expr(expr);
        finder.found
    }
}
