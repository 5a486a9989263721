//! Expressions, and tokens as text.

use syn::{Expr, Lit, LitStr, UnOp};

/// Returns whether an expression is a number literal, with or without a sign.
pub(crate) fn is_number(expression: &Expr) -> bool {
    let inner = match expression {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => &*unary.expr,
        other => other,
    };
    matches!(inner, Expr::Lit(literal) if matches!(literal.lit, Lit::Int(_) | Lit::Float(_)))
}

/// Returns an expression without the groups that a macro puts around it.
pub(crate) fn ungrouped(expression: &Expr) -> &Expr {
    match expression {
        Expr::Group(group) => ungrouped(&group.expr),
        other => other,
    }
}

/// Returns the strings of a list of string literals; `None` if the expression is not such a list.
pub(crate) fn strings(list: &Expr) -> Option<Vec<LitStr>> {
    let Expr::Array(list) = ungrouped(list) else {
        return None;
    };
    let strings = list.elems.iter().map(|element| match ungrouped(element) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    });
    strings.collect()
}

/// Returns tokens as text, with spaces as a person writes them.
pub(crate) fn spaced(tokens: &str) -> String {
    let mut text = String::with_capacity(tokens.len());
    for token in tokens.split(' ') {
        let before = text.chars().next_back().unwrap_or('(');
        let after = token.chars().next().unwrap_or(')');
        let is_word = |c: char| c.is_alphanumeric() || "_'\"{}".contains(c);
        let is_operator = |c: char| "=+*/|".contains(c);
        let is_minus = (before == '-' && text.len() > 1) || after == '-';
        let is_binary = is_operator(before) || is_operator(after) || is_minus;
        let wants_space =
            before == ',' || (is_word(before) && is_word(after)) || (!text.is_empty() && is_binary);
        if wants_space {
            text.push(' ');
        }
        text.push_str(token);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_written_as_a_person_would() {
        for code in [
            "Option<f64>",
            "::std::vec::Vec<(u8, &'static str)>",
            "<Result as Fallible>::Value",
            "-0.5",
            "everywhere()",
            "a + 1",
            "Vec::from([1, 2])",
        ] {
            let tokens: proc_macro2::TokenStream = code.parse().unwrap();
            assert_eq!(spaced(&tokens.to_string()), code);
        }
    }
}
