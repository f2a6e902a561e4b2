//! `#[derive(Frame)]`: what it accepts, and what it says about what it does not.

#[test]
fn frames() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/frame/pass/*.rs");
    cases.compile_fail("tests/frame/fail/*.rs");
}
