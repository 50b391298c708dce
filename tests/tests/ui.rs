//! The macros as their users meet them: what must compile and record what it says, and what must not
//! compile, with the words of the compiler.
//!
//! One run for all fixtures: they are built together. After a message was changed on purpose:
//! `TRYBUILD=overwrite cargo test -p otel-enhance-tests --test ui`, and read the difference.

#[test]
fn macros_accept_what_is_right_and_explain_what_is_wrong() {
    let fixtures = trybuild::TestCases::new();
    fixtures.pass("tests/ui/pass/*.rs");
    fixtures.compile_fail("tests/ui/fail/*.rs");
}
