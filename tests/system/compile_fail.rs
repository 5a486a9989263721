//! Mistakes in modules, and what the compiler says of them.

#[test]
fn every_mistake_is_told_where_it_was_made() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
