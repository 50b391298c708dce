//! What must not compile, and the words that explain it. What must compile is in the tests package, in
//! `accepted/`.
//!
//! After a message was changed on purpose: `TRYBUILD=overwrite cargo test -p otel-enhance-ui-tests`, and
//! read the difference as a user would.

#[test]
fn mistakes_are_explained_where_they_were_made() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
