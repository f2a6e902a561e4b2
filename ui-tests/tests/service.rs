//! `#[service]` and routes: what they accept, and what they say about what they do not.

#[test]
fn services() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/service/pass/*.rs");
    cases.compile_fail("tests/service/fail/*.rs");
}
