//! Permits cannot be forged: every way around a step of the call must not compile.
//!
//! The cases lie with the other tests of the house; the runner lies here, because `trybuild` compiles every dependency
//! of the package it runs in, and this package has few.

/// Each file tries one forgery; the compiler's answer is committed beside it.
#[test]
fn permits_cannot_be_forged() {
    trybuild::TestCases::new().compile_fail("../../tests/compile_fail/*.rs");
}
