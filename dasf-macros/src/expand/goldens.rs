//! The expansion of each kind of member, and its size.
//!
//! After a change of the expansion, `INSTA_UPDATE=always cargo test -p dasf-macros` writes the
//! snapshots again. Their difference shows the new code in the crates of users.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, File, ItemMod};

use super::Parts;

fn pretty(tokens: TokenStream) -> String {
    let file: File = syn::parse2(tokens).unwrap();
    prettyplease::unparse(&file)
}

/// Returns the expansion of a module with these items.
fn expanded(items: &TokenStream) -> String {
    let module: ItemMod = syn::parse_quote! {
        /// A module.
        pub mod service { #items }
    };
    pretty(crate::expand_module(
        quote!(topic = "service"),
        module,
        Parts::ALL,
    ))
}

fn check(name: &str, expansion: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, expansion);
    });
}

macro_rules! golden {
    ($name:ident, $($items:tt)*) => {
        #[test]
        fn $name() {
            check(stringify!($name), &expanded(&quote!($($items)*)));
        }
    };
}

golden! { function,
    /// Add two numbers.
    ///
    /// # Arguments
    /// * `a` - The first number
    ///
    /// # Returns
    /// The sum
    #[dasf::function]
    pub fn add(a: i64, #[dasf(default = 2, ge = 0)] b: i64) -> i64 { a + b }
}

golden! { function_async_fallible,
    #[dasf::function(name = "load", schema_extra = serde_json::json!({"x": 1}), returns(min_items = 1))]
    async fn load_all(path: &str) -> Result<Vec<Point>, Error> { read(path).await }
}

golden! { function_inline,
    #[dasf::function(inline)]
    pub fn negate(values: &[f64], #[dasf(default, example = true)] all: bool) -> Vec<f64> { todo!() }
}

golden! { function_for_groups,
    #[dasf::function(allow_groups = ["operators", "admins"])]
    pub fn reset() {}
}

golden! { function_that_reports,
    #[dasf::function]
    pub fn count(
        context: Context,
        #[dasf(default = ProgressReport::new("counting"))] reporter: &mut ProgressReport,
        limit: Option<u32>,
    ) {}
}

golden! { function_conditional_and_deprecated,
    #[cfg(feature = "old")]
    #[deprecated = "use `add`"]
    #[dasf::function]
    pub fn plus(a: i64, #[cfg(unix)] b: i64) -> i64 { a }
}

golden! { class,
    /// Greets people.
    pub struct Greeter { greeting: String }

    #[dasf::class]
    impl Greeter {
        pub fn new(#[dasf(default = "Hi")] greeting: String) -> Self { Self { greeting } }
        /// Greet someone.
        pub fn greet(&self, name: &str) -> String { todo!() }
        pub fn shout(&mut self, #[dasf(default = 1)] times: u8) {}
        #[dasf(skip)]
        pub fn helper(&self) {}
    }
}

golden! { class_async_fallible,
    #[cfg(unix)]
    #[dasf::class(name = "Base")]
    impl Database {
        pub async fn new(url: String) -> Result<Self, Error> { todo!() }
        pub async fn tables(&self, reporter: ProgressReport) -> Result<Vec<String>, Error> { todo!() }
    }
}

#[test]
fn derived_error() {
    let error: DeriveInput = syn::parse_quote! {
        #[derive(IntoError)]
        enum DivisionError<T> {
            ByZero { dividend: i64, divisor: T },
            #[dasf(code = "io")]
            Reading(String, #[dasf(skip)] std::io::Error),
            Pair(u8, u8),
            Unknown,
        }
    };
    let expansion = crate::error_derive::expand(&error).unwrap();
    check("derived_error", &pretty(expansion));
}

/// The greatest numbers of lines, pretty-printed, that a module adds for each function and for itself.
const LINES_PER_FUNCTION: usize = 51;
const LINES_PER_MODULE: usize = 100;

#[test]
fn a_large_module_stays_small() {
    const FUNCTIONS: usize = 50;
    let functions: TokenStream = (0..FUNCTIONS)
        .map(|index| {
            let name = format_ident!("function_{index}");
            quote! {
                /// Add two numbers.
                #[dasf::function]
                pub fn #name(a: i64, #[dasf(default = 2)] b: f64) -> f64 { a as f64 + b }
            }
        })
        .collect();
    let written = pretty(quote!(mod service { #functions })).lines().count();
    let added = expanded(&functions).lines().count() - written;
    let bound = LINES_PER_MODULE + FUNCTIONS * LINES_PER_FUNCTION;
    assert!(
        added <= bound,
        "{added} lines for {FUNCTIONS} functions, {bound} allowed"
    );
}

#[test]
fn the_group_of_the_attribute_is_in_the_table() {
    let module: ItemMod = syn::parse_quote! {
        pub mod service {
            #[dasf::function]
            pub fn add(a: i64) -> i64 { a }
        }
    };
    let expansion = pretty(crate::expand_module(
        quote!(group = "team.1"),
        module,
        Parts::ALL,
    ));
    let group = "group: ::core::option::Option::Some(\"team.1\"),";
    assert!(expansion.contains(group), "{expansion}");
}

#[test]
fn a_description_with_main_false_keeps_main() {
    let module: ItemMod = syn::parse_quote! {
        pub mod service {
            #[dasf::function]
            pub fn add(a: i64) -> i64 { a }
        }
    };
    let options = quote!(description = "works with main = false");
    let expansion = pretty(crate::expand_module(options, module, Parts::ALL));
    assert!(expansion.contains("service::main()"), "{expansion}");
}

#[test]
fn the_expansion_has_only_the_parts_of_the_features() {
    let expanded = |options: TokenStream, parts: Parts| {
        let module: ItemMod = syn::parse_quote! {
            pub mod service {
                #[dasf::function]
                pub fn add(a: i64) -> i64 { a }
            }
        };
        pretty(crate::expand_module(options, module, parts))
    };
    for (parts, has_main, has_client) in [
        (Parts::ALL, true, true),
        (Parts::WITHOUT_CLI, false, true),
        (Parts::WITHOUT_CLIENT, false, false),
    ] {
        let expansion = expanded(quote!(main = false), parts);
        assert!(expansion.contains("pub fn module()"), "{expansion}");
        assert_eq!(expansion.contains("pub fn main()"), has_main, "{expansion}");
        assert_eq!(expansion.contains("Client"), has_client, "{expansion}");
        assert!(!expansion.contains("compile_error"), "{expansion}");
        // Without the command line, there is no `main` to write.
        let expansion = expanded(quote!(), parts);
        assert_eq!(
            expansion.contains("without the feature \\\"cli\\\""),
            !has_main,
            "{expansion}"
        );
    }
}
