//! `#[server]` and the hooks: what they accept, and what they say about what they do not.

#[test]
fn servers() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/server/pass/*.rs");
    cases.compile_fail("tests/server/fail/*.rs");
}
