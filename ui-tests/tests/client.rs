//! Clients: which frames they take, and what is said about those that they do not.

#[test]
fn clients() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/client/pass/*.rs");
    cases.compile_fail("tests/client/fail/*.rs");
}
