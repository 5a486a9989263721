//! Identifiers of generated code, made from those of the user.

use proc_macro2::Span;
use quote::format_ident;
use syn::Ident;
use syn::ext::IdentExt;

/// Returns a name in snake case: `greeter` for `Greeter`, `sea_ice` for `SeaIce`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut previous_is_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && previous_is_lower {
            snake.push('_');
        }
        previous_is_lower = letter.is_lowercase() || letter.is_ascii_digit();
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Returns a name in camel case: `MovingMean` for `moving_mean`.
pub(crate) fn camel_case(ident: &Ident) -> String {
    let name = ident.unraw().to_string();
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Returns an identifier, which is raw if the name is a keyword.
pub(crate) fn identifier(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(_) => Ident::new(name, span),
        Err(_) => Ident::new_raw(name, span),
    }
}

/// Mangles several names into one for generated code. The length of each comes before it, so that
/// different lists make different names.
pub(crate) fn mangled(parts: &[&Ident], suffix: &str) -> Ident {
    let mut name = "__dasf".to_owned();
    for part in parts {
        let part = part.unraw().to_string();
        name.push_str(&format!("_{}{part}", part.len()));
    }
    format_ident!("{name}_{suffix}", span = Span::call_site())
}
