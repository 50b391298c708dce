//! What `#[enhanced_trace]` must accept: one fixture for each kind of function and each argument. Each is
//! built and run, and checks what it records. What must be refused is in the package `ui` beside this file.
#![deny(warnings)]
#![expect(unsafe_code, reason = "unsafe functions are accepted, too")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "fixtures are tests")]

#[path = "accepted/argument-capture.rs"]
mod argument_capture;
#[path = "accepted/argument-capture-all-with-skip.rs"]
mod argument_capture_all_with_skip;
#[path = "accepted/argument-code.rs"]
mod argument_code;
#[path = "accepted/argument-crate.rs"]
mod argument_crate;
#[path = "accepted/argument-err.rs"]
mod argument_err;
#[path = "accepted/argument-fields.rs"]
mod argument_fields;
#[path = "accepted/argument-kind.rs"]
mod argument_kind;
#[path = "accepted/argument-links-and-root.rs"]
mod argument_links_and_root;
#[path = "accepted/argument-name-and-tracer.rs"]
mod argument_name_and_tracer;
#[path = "accepted/argument-parent.rs"]
mod argument_parent;
#[path = "accepted/argument-ret.rs"]
mod argument_ret;
#[path = "accepted/argument-sample-and-enabled.rs"]
mod argument_sample_and_enabled;
#[path = "accepted/arguments-all-together.rs"]
mod arguments_all_together;
#[path = "accepted/below-and-above-other-attributes.rs"]
mod below_and_above_other_attributes;
#[path = "accepted/body-that-borrows-and-moves.rs"]
mod body_that_borrows_and_moves;
#[path = "accepted/made-by-a-macro.rs"]
mod made_by_a_macro;
#[path = "accepted/nested-in-functions.rs"]
mod nested_in_functions;
#[path = "accepted/never-returning.rs"]
mod never_returning;
#[path = "accepted/on-a-free-function.rs"]
mod on_a_free_function;
#[path = "accepted/on-a-generic-function.rs"]
mod on_a_generic_function;
#[path = "accepted/on-a-method.rs"]
mod on_a_method;
#[path = "accepted/on-a-recursion.rs"]
mod on_a_recursion;
#[path = "accepted/on-a-trait-implementation.rs"]
mod on_a_trait_implementation;
#[path = "accepted/on-an-associated-function.rs"]
mod on_an_associated_function;
#[path = "accepted/on-an-async-function.rs"]
mod on_an_async_function;
#[path = "accepted/on-an-async-method.rs"]
mod on_an_async_method;
#[path = "accepted/on-an-async-recursion.rs"]
mod on_an_async_recursion;
#[path = "accepted/on-an-async-trait-method.rs"]
mod on_an_async_trait_method;
#[path = "accepted/on-an-extern-function.rs"]
mod on_an_extern_function;
#[path = "accepted/on-an-unsafe-function.rs"]
mod on_an_unsafe_function;
#[path = "accepted/returning-a-boxed-future.rs"]
mod returning_a_boxed_future;
#[path = "accepted/returning-an-impl-future.rs"]
mod returning_an_impl_future;
#[path = "accepted/with-a-typed-self.rs"]
mod with_a_typed_self;
#[path = "accepted/with-cfg-on-arguments.rs"]
mod with_cfg_on_arguments;
#[path = "accepted/with-impl-trait-argument-and-result.rs"]
mod with_impl_trait_argument_and_result;
#[path = "accepted/with-lifetimes-and-where.rs"]
mod with_lifetimes_and_where;
#[path = "accepted/with-patterns-and-unnamed-arguments.rs"]
mod with_patterns_and_unnamed_arguments;
#[path = "accepted/with-question-mark-and-early-return.rs"]
mod with_question_mark_and_early_return;
#[path = "accepted/with-raw-identifiers.rs"]
mod with_raw_identifiers;
#[path = "accepted/with-the-async-trait-macro.rs"]
mod with_the_async_trait_macro;

/// A test for each fixture.
macro_rules! accept {
    ($($fixture:ident)*) => {$(
        #[test]
        fn $fixture() {
            $fixture::main();
        }
    )*};
}

accept! {
    argument_capture
    argument_capture_all_with_skip
    argument_code
    argument_crate
    argument_err
    argument_fields
    argument_kind
    argument_links_and_root
    argument_name_and_tracer
    argument_parent
    argument_ret
    argument_sample_and_enabled
    arguments_all_together
    below_and_above_other_attributes
    body_that_borrows_and_moves
    made_by_a_macro
    nested_in_functions
    never_returning
    on_a_free_function
    on_a_generic_function
    on_a_method
    on_a_recursion
    on_a_trait_implementation
    on_an_associated_function
    on_an_async_function
    on_an_async_method
    on_an_async_recursion
    on_an_async_trait_method
    on_an_extern_function
    on_an_unsafe_function
    returning_a_boxed_future
    returning_an_impl_future
    with_a_typed_self
    with_cfg_on_arguments
    with_impl_trait_argument_and_result
    with_lifetimes_and_where
    with_patterns_and_unnamed_arguments
    with_question_mark_and_early_return
    with_raw_identifiers
    with_the_async_trait_macro
}
