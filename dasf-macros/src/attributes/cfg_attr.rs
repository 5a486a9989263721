//! Attributes inside `cfg_attr`, which an attribute macro sees before the compiler expands them.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::{LitBool, Meta, Token};

/// An attribute that applies only if all conditions hold.
#[derive(Debug, Clone)]
pub(crate) struct Conditional {
    pub(crate) conditions: Vec<TokenStream>,
    pub(crate) meta: Meta,
}

/// Returns the attributes inside a `cfg_attr`, each with its conditions, or the attribute itself. Leaves
/// out invalid ones, which the compiler reports.
pub(crate) fn expand_cfg_attr(meta: &Meta) -> Vec<Conditional> {
    let list = match meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => list,
        other => {
            let meta = other.clone();
            let conditions = Vec::new();
            return vec![Conditional { conditions, meta }];
        }
    };
    let Ok((condition, attributes)) = inside.parse2(list.tokens.clone()) else {
        return Vec::new();
    };
    let mut found: Vec<Conditional> = attributes.iter().flat_map(expand_cfg_attr).collect();
    for attribute in &mut found {
        attribute.conditions.insert(0, condition.clone());
    }
    found
}

/// Parses the contents of the parentheses of a `cfg_attr`.
fn inside(input: ParseStream<'_>) -> syn::Result<(TokenStream, Vec<Meta>)> {
    let condition = if input.peek(LitBool) {
        input.parse::<LitBool>()?.into_token_stream()
    } else {
        input.parse::<Meta>()?.into_token_stream()
    };
    let mut attributes = Vec::new();
    while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
        attributes.push(input.parse()?);
    }
    Ok((condition, attributes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn attributes_are_found_with_their_conditions() {
        let text = |meta: &Meta| -> Vec<(usize, String)> {
            let found = expand_cfg_attr(meta).into_iter();
            found
                .map(|it| (it.conditions.len(), it.meta.to_token_stream().to_string()))
                .collect()
        };
        assert_eq!(text(&parse_quote!(inline)), [(0, "inline".to_owned())]);
        let nested = parse_quote!(cfg_attr(
            feature = "dasf",
            inline,
            cfg_attr(true, doc = "dasf"),
        ));
        let expected = [(1, "inline".to_owned()), (2, "doc = \"dasf\"".to_owned())];
        assert_eq!(text(&nested), expected);
        assert_eq!(text(&parse_quote!(cfg_attr(unix))), []);
        assert_eq!(text(&parse_quote!(cfg_attr("unix", inline))), []);
    }
}
