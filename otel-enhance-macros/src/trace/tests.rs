//! The attribute as a whole: what comes out when it goes on something, and when it cannot.

use quote::quote;

use super::*;

fn expanded(arguments: TokenStream, item: TokenStream) -> String {
    enhanced_trace(arguments, item).to_string()
}

/// The message of the only error, and what stands behind it.
fn error_and_item(arguments: TokenStream, item: TokenStream) -> (String, String) {
    let all = expanded(arguments, item);
    let begin = ":: core :: compile_error ! { \"";
    assert!(all.starts_with(begin), "{all}");
    assert_eq!(all.matches(begin).count(), 1, "{all}");
    let rest = &all[begin.len()..];
    let (message, item) = rest.split_once("\" }").expect("the end of the error");
    (message.replace("\\\"", "\""), item.trim().to_owned())
}

#[test]
fn mistake_leaves_the_item_as_it_was() {
    let item = quote! {
        /// Documented.
        #[must_use]
        pub(crate) async unsafe extern "C" fn pay<'a, const N: usize>(mut a: [u8; N]) -> u8
        where
            Self: 'a,
        {
            #![expect(unused)]
            a[0]
        }
    };
    let (message, behind) = error_and_item(quote!(nmae = "x"), item.clone());
    assert_eq!(message, "unknown argument `nmae`: did you mean `name`?");
    assert_eq!(behind, item.to_string());
}

#[test]
fn function_is_printed_as_it_was_read() {
    let item = quote! {
        #[inline]
        pub(in crate::a) async unsafe extern "C" fn pay<'a, const N: usize>(
            self: Pin<&mut Self>, #[cfg(unix)] mut a: [u8; N], (b, _): (u8, u8), r#type: impl Fn()
        ) -> impl Future<Output = u8> + 'a
        where
            Self: 'a,
        {
            #![expect(unused)]
            a[0]
        }
    };
    let function: Function = syn::parse2(item.clone()).expect("a function");
    assert_eq!(quote!(#function).to_string(), item.to_string());
}

#[test]
fn body_that_is_half_typed_survives() {
    let item = quote!(
        fn f() {
            let a = b.;
            if
        }
    );
    assert!(expanded(quote!(), item.clone()).contains("let a = b . ; if"));
    let (_, behind) = error_and_item(quote!(nmae), item.clone());
    assert_eq!(behind, item.to_string());
}

#[test]
fn item_in_a_macro_rules_group_is_seen_through() {
    let item = proc_macro2::Group::new(
        proc_macro2::Delimiter::None,
        quote!(
            fn f() {}
        ),
    );
    assert!(!expanded(quote!(), quote!(#item)).contains("compile_error"));
}

#[test]
fn attributes_are_evaluated_where_somebody_may_see_them() {
    let expand = |arguments| {
        expanded(
            arguments,
            quote!(
                fn f(a: u8) {}
            ),
        )
    };
    let wanted = "if start . is_wanted () { start . set (\"a\"";
    assert!(expand(quote!(capture(a))).contains(wanted));
    let sampled = format!("if start . sample (0.1) {{ {wanted}");
    assert!(expand(quote!(capture(a), sample = 0.1)).contains(&sampled));
    assert!(!expand(quote!(sample = 0.1)).contains("is_wanted"));
}

#[test]
fn profile_asks_the_facade_for_the_extension() {
    assert!(
        expanded(
            quote!(profile),
            quote!(
                fn f() {}
            )
        )
        .starts_with(":: otel_enhance :: __require_ebpf ! { }")
    );
    assert!(
        expanded(
            quote!(profile),
            quote!(
                fn f() {}
            )
        )
        .contains(". profiled ()")
    );
    assert!(
        expanded(
            quote!(profile, crate = my::telemetry),
            quote!(
                fn f() {}
            )
        )
        .starts_with("my :: telemetry :: __require_ebpf ! { }")
    );
}

#[test]
fn const_fn_is_refused_with_a_way_out() {
    let (message, behind) = error_and_item(
        quote!(),
        quote!(
            const fn f() {}
        ),
    );
    assert_eq!(
        message,
        "a `const fn` cannot record spans, because it may run while compiling: annotate the function that calls `f`, or drop `const`"
    );
    assert_eq!(behind, "const fn f () { }");
}

#[test]
fn declaration_without_body_is_refused_with_a_way_out() {
    let (message, behind) = error_and_item(
        quote!(),
        quote!(
            fn f(&self) -> u8;
        ),
    );
    assert_eq!(
        message,
        "`f` has no body to trace: annotate the function where it is implemented"
    );
    assert_eq!(behind, "fn f (& self) -> u8 ;");
}

#[test]
fn item_that_is_no_function_is_refused_with_a_way_out() {
    for (item, part) in [
        (
            quote!(
                pub struct S {
                    a: u8,
                }
            ),
            "annotate its methods one by one",
        ),
        (
            quote!(
                enum E {}
            ),
            "annotate its methods one by one",
        ),
        (quote!(union U { a: u8 }), "annotate its methods one by one"),
        (
            quote!(impl S { fn f() {} }),
            "annotate the methods inside the `impl` one by one",
        ),
        (
            quote!(
                unsafe impl T for S {}
            ),
            "annotate the methods inside the `impl` one by one",
        ),
        (
            quote!(
                pub trait T {
                    fn f();
                }
            ),
            "annotate the methods where the trait is implemented",
        ),
        (
            quote!(
                mod m {
                    fn f() {}
                }
            ),
            "annotate the functions inside the module one by one",
        ),
        (
            quote!(
                const A: u8 = f();
            ),
            "annotate the function that uses it",
        ),
        (
            quote!(
                static A: u8 = f();
            ),
            "annotate the function that computes its value",
        ),
        (
            quote!(let a = f();),
            "annotate the function that computes its value",
        ),
        (
            quote!(
                use a::b;
            ),
            "an import is never called",
        ),
        (
            quote!(
                type A = u8;
            ),
            "a type alias is never called",
        ),
        (
            quote!(
                macro_rules! m {
                    () => {};
                }
            ),
            "annotate the functions that the macro makes",
        ),
        (quote!(|a| a + 1), "move the closure's body into a function"),
        (quote!(move || 1), "move the closure's body into a function"),
        (
            quote!(async |a| a),
            "move the closure's body into a function",
        ),
        (quote!(async { 1 }), "move the block into a function"),
        (quote!(async move { 1 }), "move the block into a function"),
        (quote!({ 1 }), "move the block into a function"),
        (quote!(unsafe { f() }), "move the block into a function"),
    ] {
        let (message, behind) = error_and_item(quote!(), item.clone());
        assert!(
            message.starts_with("`#[enhanced_trace]` goes on functions: ")
                && message.contains(part),
            "{message}"
        );
        assert_eq!(behind, item.to_string());
    }
}

#[test]
fn function_with_every_qualifier_is_no_other_item() {
    for item in [
        quote!(
            async fn f() {}
        ),
        quote!(
            async unsafe fn f() {}
        ),
        quote!(
            unsafe fn f() {}
        ),
        quote!(
            extern "C" fn f() {}
        ),
        quote!(
            extern "C" fn f() {}
        ),
        quote!(
            unsafe extern "C" fn f() {}
        ),
        quote!(
            pub(super) fn f() {}
        ),
        quote!(
            fn r#async() {}
        ),
    ] {
        assert!(
            !expanded(quote!(), item.clone()).contains("compile_error"),
            "{item}"
        );
    }
}

#[test]
fn mistakes_of_arguments_and_item_are_reported_together() {
    let all = expanded(
        quote!(nmae = "x"),
        quote!(
            struct S;
        ),
    );
    assert_eq!(all.matches("compile_error").count(), 2, "{all}");
}
