//! `Self` outside of its `impl` block.

use syn::visit_mut::{VisitMut, visit_expr_path_mut, visit_type_mut};
use syn::{ExprPath, Path, QSelf, Type, parse_quote};

/// Replaces `Self` by the type of its `impl` block, for code outside that block.
pub(crate) struct ReplaceSelf<'a>(pub(crate) &'a Type);

impl ReplaceSelf<'_> {
    /// Replaces `Self` at the beginning of a path such as `Self::NAME`.
    fn qualify(&self, qself: &mut Option<QSelf>, path: &mut Path) {
        let is_of_self = path.segments.len() > 1
            && path
                .segments
                .first()
                .is_some_and(|first| first.ident == "Self");
        if qself.is_some() || !is_of_self {
            return;
        }
        let ty = self.0;
        let rest = path.segments.iter().skip(1);
        let qualified: ExprPath = parse_quote!(<#ty>::#(#rest)::*);
        *qself = qualified.qself;
        *path = qualified.path;
    }
}

impl VisitMut for ReplaceSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        match ty {
            Type::Path(path) if path.path.is_ident("Self") => *ty = self.0.clone(),
            Type::Path(path) => self.qualify(&mut path.qself, &mut path.path),
            _ => {}
        }
        visit_type_mut(self, ty);
    }

    fn visit_expr_path_mut(&mut self, expression: &mut ExprPath) {
        self.qualify(&mut expression.qself, &mut expression.path);
        visit_expr_path_mut(self, expression);
    }
}
