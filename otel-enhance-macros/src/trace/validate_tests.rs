//! Case by case: what goes together, and what is said of what does not.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};

use super::*;
use crate::trace::parse;

fn validated(tokens: TokenStream, function: TokenStream) -> Result<Arguments, Vec<String>> {
    let mut errors = Errors::default();
    let mut arguments = parse::arguments(tokens, &mut errors);
    let function: Function = syn::parse2(function).expect("a function");
    validate(&mut arguments, &function, &mut errors);
    match errors.finish() {
        Ok(()) => Ok(arguments),
        Err(error) => Err(error.into_iter().map(|error| error.to_string()).collect()),
    }
}

fn one_error(tokens: TokenStream, function: TokenStream) -> String {
    let mut all = validated(tokens, function).expect_err("arguments that must be refused");
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn captured(tokens: TokenStream, function: TokenStream) -> Vec<String> {
    let arguments = validated(tokens, function).expect("arguments that are right");
    arguments
        .captures
        .iter()
        .map(|capture| {
            let cfgs: TokenStream = capture
                .cfgs
                .iter()
                .map(|cfg| cfg.to_token_stream())
                .collect();
            format!("{}{}{:?}", cfgs, capture.name, capture.form)
        })
        .collect()
}

#[test]
fn capture_of_an_argument_is_found_however_it_is_bound() {
    let function = quote!(
        fn f(
            self: Pin<&mut Self>,
            mut a: u8,
            r#type: u8,
            (b, [c, ..]): P,
            S { d, e: g }: S,
            &h: &u8,
        ) {
        }
    );
    assert_eq!(
        captured(quote!(capture(?self, a, type, b, c, d, g, h)), function),
        [
            "selfDebug",
            "aValue",
            "r#typeValue",
            "bValue",
            "cValue",
            "dValue",
            "gValue",
            "hValue"
        ]
    );
}

#[test]
fn capture_of_an_argument_under_cfg_carries_the_cfg() {
    assert_eq!(
        captured(
            quote!(capture(a)),
            quote!(
                fn f(#[cfg(unix)] a: u8) {}
            )
        ),
        ["# [cfg (unix)]aValue"]
    );
}

#[test]
fn capture_all_takes_all_but_self_the_skipped_and_the_replaced() {
    assert_eq!(
        captured(
            quote!(capture_all, skip(password), fields(b = %b)),
            quote!(
                fn f(&self, a: u8, password: &str, b: u8, _: u8, (x, y): (u8, u8)) {}
            )
        ),
        ["aDebug", "xDebug", "yDebug"]
    );
}

#[test]
fn capture_of_no_argument_names_the_nearest_or_all() {
    assert_eq!(
        one_error(
            quote!(capture(ordr_id)),
            quote!(
                fn pay(order_id: u8, total: u8) {}
            )
        ),
        "`capture` names an argument of `pay`, and `ordr_id` is none: did you mean `order_id`?"
    );
    assert_eq!(
        one_error(
            quote!(capture(user)),
            quote!(
                fn pay(order_id: u8, total: u8) {}
            )
        ),
        "`capture` names an argument of `pay`, and `user` is none: they are `order_id`, `total`"
    );
    assert_eq!(
        one_error(
            quote!(capture(user)),
            quote!(
                fn pay(total: u8) {}
            )
        ),
        "`capture` names an argument of `pay`, and `user` is none: its only one is `total`"
    );
    assert_eq!(
        one_error(
            quote!(capture(user)),
            quote!(
                fn pay() {}
            )
        ),
        "`capture` names an argument of `pay`, and `user` is none: it has none with a name"
    );
    assert_eq!(
        one_error(
            quote!(capture_all, skip(paswd)),
            quote!(
                fn f(passwd: &str) {}
            )
        ),
        "`skip` names an argument of `f`, and `paswd` is none: did you mean `passwd`?"
    );
}

#[test]
fn field_in_short_that_is_no_argument_is_refused() {
    assert!(
        one_error(
            quote!(fields(user)),
            quote!(
                fn pay(total: u8) {}
            )
        )
        .starts_with(
            "`fields` names an argument of `pay`, and `user` is none: its only one is `total`"
        )
    );
    assert!(
        validated(
            quote!(fields(total, LIMIT, user = Empty)),
            quote!(
                fn pay(total: u8) {}
            )
        )
        .is_ok()
    );
}

#[test]
fn arguments_that_contradict_are_refused() {
    for (tokens, part) in [
        (
            quote!(root, parent = cx),
            "`root` and `parent` contradict each other",
        ),
        (quote!(parent = None), "write `root`"),
        (
            quote!(capture_all, capture(a)),
            "`capture_all` and `capture` contradict each other",
        ),
        (quote!(skip(a)), "`capture_all`, which is not given"),
    ] {
        let message = one_error(
            tokens,
            quote!(
                fn f(a: u8) {}
            ),
        );
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn err_on_what_is_surely_no_result_is_refused() {
    for (function, found) in [
        (
            quote!(
                fn f() {}
            ),
            "nothing",
        ),
        (
            quote!(
                async fn f() -> () {}
            ),
            "nothing",
        ),
        (
            quote!(
                fn f() -> ! {
                    loop {}
                }
            ),
            "never",
        ),
        (
            quote!(
                fn f() -> u32 {
                    1
                }
            ),
            "`u32`",
        ),
        (
            quote!(
                fn f() -> &'static str {
                    ""
                }
            ),
            "`&'static str`",
        ),
        (
            quote!(
                fn f() -> Option<Vec<u8>> {
                    None
                }
            ),
            "`Option<Vec<u8>>`",
        ),
        (
            quote!(
                fn f() -> (u8, u8) {
                    (1, 2)
                }
            ),
            "`(u8, u8)`",
        ),
        (
            quote!(
                fn f() -> impl Future<Output = u8> + Send {
                    async { 1 }
                }
            ),
            "`u8`",
        ),
        (
            quote!(
                fn f() -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
                    g()
                }
            ),
            "nothing",
        ),
        (
            quote!(
                fn f() -> BoxFuture<'static, bool> {
                    g()
                }
            ),
            "`bool`",
        ),
    ] {
        assert_eq!(
            one_error(quote!(err), function),
            format!("`err` records the error of a `Result`, and `f` returns {found}")
        );
    }
}

#[test]
fn err_on_what_may_be_a_result_is_left_to_the_compiler() {
    for function in [
        quote!(
            fn f() -> Result<(), E> {
                Ok(())
            }
        ),
        quote!(
            fn f() -> io::Result<u8> {
                Ok(1)
            }
        ),
        quote!(
            fn f() -> MyAlias {
                g()
            }
        ),
        quote!(
            fn f() -> impl Future {
                g()
            }
        ),
        quote!(
            fn f() -> impl Future<Output = Result<(), E>> {
                g()
            }
        ),
        quote!(
            fn f<'a>() -> Pin<Box<dyn Future<Output = Result<(), E>> + 'a>> {
                g()
            }
        ),
        quote!(
            fn f() -> BoxFuture<'static, Result<(), E>> {
                g()
            }
        ),
        quote!(
            fn f() -> Self::Output {
                g()
            }
        ),
    ] {
        assert!(
            validated(quote!(err), function.clone()).is_ok(),
            "{function}"
        );
    }
}

#[test]
fn ret_without_a_value_is_refused() {
    assert_eq!(
        one_error(
            quote!(ret),
            quote!(
                async fn f() {}
            )
        ),
        "`ret` records the returned value, and `f` returns nothing"
    );
    assert_eq!(
        one_error(
            quote!(ret),
            quote!(
                fn f() -> ! {
                    loop {}
                }
            )
        ),
        "`ret` records the returned value, and `f` never returns"
    );
}

#[test]
fn attribute_given_twice_is_refused() {
    assert_eq!(
        one_error(
            quote!(fields(a = 1, a = 2)),
            quote!(
                fn f() {}
            )
        ),
        "duplicate attribute `a`: it was given before"
    );
    assert_eq!(
        one_error(
            quote!(fields(a = 1), capture(a)),
            quote!(
                fn f(a: u8) {}
            )
        ),
        "duplicate attribute `a`: `fields` records it under the same key"
    );
}

#[test]
fn attribute_that_is_reserved_names_what_sets_it() {
    let function = quote!(
        fn f() -> Result<(), E> {
            Ok(())
        }
    );
    for (tokens, part) in [
        (
            quote!(fields(code.line.number = 1)),
            "unless told `code = false`",
        ),
        (quote!(err, fields(error.type = "x")), "`err` records it"),
        (quote!(fields(otel.name = "x")), "`name = \"…\"`"),
        (quote!(fields(otel.kind = "x")), "`kind = \"…\"`"),
        (quote!(fields("otel.status_code" = "x")), "`set_status`"),
        (
            quote!(fields(otel_enhance.cancelled = true)),
            "dropped unfinished",
        ),
    ] {
        let message = one_error(tokens, function.clone());
        assert!(message.contains(part), "{message}");
    }
    assert!(
        validated(
            quote!(code = false, fields(code.line.number = 1, error.type = "x")),
            function
        )
        .is_ok()
    );
}

#[test]
fn several_mistakes_are_reported_together() {
    let all = validated(
        quote!(err, ret, nmae = "x", capture(b), root, parent = cx),
        quote!(
            fn f(a: u8) {}
        ),
    )
    .expect_err("five mistakes");
    assert_eq!(all.len(), 5, "{all:?}");
}
