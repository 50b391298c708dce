//! Case by case: what the arguments become, and what is said of those that are wrong.

use quote::quote;

use super::*;
use crate::trace::model::Form;

/// What `tokens` say, all of them right.
fn read(tokens: TokenStream) -> Arguments {
    let mut errors = Errors::default();
    let found = arguments(tokens, &mut errors);
    if let Err(error) = errors.finish() {
        panic!("unexpected errors: {:?}", messages(&error));
    }
    found
}

fn messages(error: &Error) -> Vec<String> {
    error
        .clone()
        .into_iter()
        .map(|error| error.to_string())
        .collect()
}

/// What is said of `tokens`.
fn refused(tokens: TokenStream) -> Vec<String> {
    let mut errors = Errors::default();
    arguments(tokens, &mut errors);
    messages(&errors.finish().expect_err("arguments that must be refused"))
}

fn one_error(tokens: TokenStream) -> String {
    let mut all = refused(tokens);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn shown(tokens: impl quote::ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

#[test]
fn no_arguments_leave_everything_unset() {
    let found = read(quote!());
    assert!(found.name.is_none() && found.kind.is_none() && found.captures.is_empty());
    assert_eq!(shown(found.facade()), ":: otel_enhance");
}

#[test]
fn trailing_comma_is_allowed() {
    assert!(read(quote!(root,)).root.is_some());
}

#[test]
fn name_and_tracer_are_literals() {
    let found = read(quote!(name = "checkout", tracer = "shop"));
    assert_eq!(
        found.name.map(|name| name.value()),
        Some("checkout".to_owned())
    );
    assert_eq!(
        found.tracer.map(|name| name.value()),
        Some("shop".to_owned())
    );
}

#[test]
fn name_in_a_macro_rules_group_is_seen_through() {
    let literal = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!("checkout"));
    let found = read(quote!(name = #literal, root));
    assert_eq!(
        found.name.map(|name| name.value()),
        Some("checkout".to_owned())
    );
    assert!(found.root.is_some());
}

#[test]
fn name_of_another_type_is_refused_by_its_type() {
    assert_eq!(
        one_error(quote!(name = 3)),
        "expected a string literal, found an integer: write `name = \"checkout\"`"
    );
    assert_eq!(
        one_error(quote!(name = NAME)),
        "expected a string literal: write `name = \"checkout\"`"
    );
    assert_eq!(
        one_error(quote!(name = "")),
        "the name of a span must not be empty"
    );
}

#[test]
fn name_without_value_says_how_to_write_it() {
    assert_eq!(
        one_error(quote!(name)),
        "`name` needs a value: write `name = \"checkout\"`"
    );
    assert_eq!(
        one_error(quote!(name = )),
        "`name` lacks its value: write `name = \"checkout\"`"
    );
}

#[test]
fn literal_alone_asks_for_the_name_of_an_argument() {
    assert_eq!(
        one_error(quote!("checkout")),
        "expected the name of an argument first, such as `name = \"checkout\"`"
    );
}

#[test]
fn kind_is_read_in_every_way_it_is_written() {
    for tokens in [
        quote!(kind = "server"),
        quote!(kind = server),
        quote!(kind = Server),
        quote!(kind = "SERVER"),
        quote!(kind = SpanKind::Server),
        quote!(kind = otel_enhance::trace::SpanKind::Server),
    ] {
        assert_eq!(read(tokens).kind, Some(Kind::Server));
    }
}

#[test]
fn kind_that_is_unknown_names_the_nearest() {
    assert_eq!(
        one_error(quote!(kind = "sever")),
        "unknown kind `sever`: did you mean `server`?"
    );
    assert_eq!(
        one_error(quote!(kind = http)),
        "unknown kind `http`: expected one of `internal`, `server`, `client`, `producer`, `consumer`"
    );
    assert!(one_error(quote!(kind = 3)).starts_with("expected the kind of the span"));
}

#[test]
fn fields_are_read_with_key_form_and_value() {
    let found = read(quote!(fields(
        user.id = id,
        total = %cart.total(),
        body = ?b,
        "odd key" = 1 + 2,
        x,
        %y,
        ?order.id,
        r#type = t,
        http.request.method = "GET",
    )));
    let seen: Vec<(String, Form, String)> = found
        .fields
        .iter()
        .map(|field| (field.key.clone(), field.form, shown(&field.value)))
        .collect();
    let expected = [
        ("user.id", Form::Value, "id"),
        ("total", Form::Display, "cart . total ()"),
        ("body", Form::Debug, "b"),
        ("odd key", Form::Value, "1 + 2"),
        ("x", Form::Value, "x"),
        ("y", Form::Display, "y"),
        ("order.id", Form::Debug, "order . id"),
        ("type", Form::Value, "t"),
        ("http.request.method", Form::Value, "\"GET\""),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(key, form, value)| ((*key).to_owned(), *form, (*value).to_owned()))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn fields_that_are_wrong_are_reported_each() {
    assert_eq!(
        refused(quote!(fields("odd key", a =, 3 = b, c: 4, "" = 5, d = %))),
        [
            "the attribute lacks its value: write `\"odd key\" = value`",
            "`a` lacks its value",
            "expected `key = value`, where the key is a name such as `user.id` or a string literal",
            "expected `=` and the value of `c`",
            "an attribute's key must not be empty",
            "unexpected end of input, expected an expression",
        ]
    );
}

#[test]
fn fields_without_parentheses_say_how_to_write_them() {
    assert_eq!(
        one_error(quote!(fields = id)),
        "`fields` takes a list in parentheses: write `fields(user.id = id)`"
    );
}

#[test]
fn captures_are_read_with_their_forms() {
    let found = read(quote!(capture(a, %b, ?c, self, r#type)));
    let seen: Vec<(String, Form)> = found
        .captures
        .iter()
        .map(|capture| (capture.name.to_string(), capture.form))
        .collect();
    let expected = [
        ("a", Form::Value),
        ("b", Form::Display),
        ("c", Form::Debug),
        ("self", Form::Value),
        ("r#type", Form::Value),
    ]
    .map(|(name, form)| (name.to_owned(), form));
    assert_eq!(seen, expected);
}

#[test]
fn capture_of_an_expression_points_to_fields() {
    assert_eq!(
        one_error(quote!(capture(order.id))),
        "`capture` takes the names of arguments alone; to record a value made from it, write `fields(order = …)`"
    );
    assert_eq!(one_error(quote!(capture(a, a))), "`a` is captured twice");
    assert_eq!(
        one_error(quote!(capture("a"))),
        "`capture` takes the names of the function's arguments, such as `capture(order_id)`"
    );
}

#[test]
fn capture_all_with_skip_is_read() {
    let found = read(quote!(capture_all, skip(password, self)));
    assert!(found.capture_all.is_some());
    assert_eq!(found.skip, ["password", "self"]);
    assert_eq!(one_error(quote!(skip(a, a))), "`a` is skipped twice");
}

#[test]
fn err_is_display_and_ret_is_a_value_unless_said_otherwise() {
    let found = read(quote!(err, ret));
    let (err, ret) = (found.err.expect("err"), found.ret.expect("ret"));
    assert_eq!((err.form, err.exception_event), (Form::Display, true));
    assert_eq!(ret.form, Form::Value);

    let found = read(quote!(err(Debug, exception = false), ret(Display)));
    let (err, ret) = (found.err.expect("err"), found.ret.expect("ret"));
    assert_eq!((err.form, err.exception_event), (Form::Debug, false));
    assert_eq!(ret.form, Form::Display);
}

#[test]
fn err_with_a_wrong_option_names_the_right_one() {
    assert_eq!(
        one_error(quote!(err(debug))),
        "unknown option `debug` of `err`: did you mean `Debug`?"
    );
    assert_eq!(
        one_error(quote!(ret(exception = false))),
        "unknown option `exception` of `ret`: expected one of `Display`, `Debug`"
    );
    assert_eq!(
        one_error(quote!(err(Debug, Display))),
        "a value is recorded in one form: `Debug` is given before"
    );
    assert_eq!(
        one_error(quote!(err(level = "warn"))),
        "spans of OpenTelemetry have no level: leave it out"
    );
    assert_eq!(
        one_error(quote!(err = Debug)),
        "`err` takes no `= value`: write `err` or `err(Debug)`"
    );
    assert_eq!(
        one_error(quote!(err(exception = 1))),
        "expected `true` or `false`, found an integer: write `exception = false`"
    );
}

#[test]
fn parent_links_and_enabled_take_expressions() {
    let found = read(quote!(
        parent = &request.context,
        links = [a, b],
        enabled = LEVEL > 3
    ));
    assert_eq!(
        found.parent.map(shown).as_deref(),
        Some("& request . context")
    );
    assert_eq!(found.links.map(shown).as_deref(), Some("[a , b]"));
    assert_eq!(found.enabled.map(shown).as_deref(), Some("LEVEL > 3"));
}

#[test]
fn expression_with_commas_in_generics_is_one_argument() {
    let found = read(quote!(parent = context_of::<A, B>(x, y), root));
    assert_eq!(
        found.parent.map(shown).as_deref(),
        Some("context_of :: < A , B > (x , y)")
    );
    assert!(found.root.is_some());
}

#[test]
fn sample_in_range_is_kept_and_integers_become_floats() {
    for (tokens, expected) in [
        (quote!(sample = 0.25), "0.25"),
        (quote!(sample = 1), "1.0"),
        (quote!(sample = 0), "0.0"),
        (quote!(sample = ratio()), "ratio ()"),
    ] {
        assert_eq!(read(tokens).sample.map(shown).as_deref(), Some(expected));
    }
}

#[test]
fn sample_out_of_range_is_refused() {
    let text = "`sample` is the share of the spans to keep, from 0.0 to 1.0";
    for (tokens, hint) in [
        (quote!(sample = 10), "for 10 percent write `sample = 0.1`"),
        (quote!(sample = -0.5), "found a value outside"),
        (quote!(sample = 1e9), "found a value outside"),
        (quote!(sample = "0.1"), "found a string"),
    ] {
        assert_eq!(one_error(tokens), format!("{text}: {hint}"));
    }
}

#[test]
fn enabled_of_another_type_is_refused() {
    assert_eq!(
        one_error(quote!(enabled = "no")),
        "expected `true`, `false` or an expression of type `bool`, found a string"
    );
}

#[test]
fn code_takes_a_bool() {
    assert_eq!(read(quote!(code = false)).code, Some(false));
    assert_eq!(
        one_error(quote!(code)),
        "`code` needs a value: write `code = false`"
    );
}

#[test]
fn crate_takes_a_path() {
    for (tokens, expected) in [
        (
            quote!(crate = my_company::telemetry),
            "my_company :: telemetry",
        ),
        (quote!(crate = crate), "crate"),
        (quote!(crate = ::renamed), ":: renamed"),
    ] {
        assert_eq!(shown(read(tokens).facade()), expected);
    }
    assert_eq!(
        one_error(quote!(crate = "telemetry")),
        "expected the path of otel_enhance, found a string: write `crate = my_company::telemetry` without quotes"
    );
    assert_eq!(
        one_error(quote!(crate = 1 + 1)),
        "expected the path of otel_enhance, found an integer: write `crate = my_company::telemetry` without quotes"
    );
}

#[test]
fn flags_with_a_value_are_refused() {
    assert_eq!(
        one_error(quote!(root = true)),
        "`root` takes no value: write `root` alone, or leave it out"
    );
    assert_eq!(
        one_error(quote!(capture_all(a))),
        "`capture_all` takes no value: write `capture_all` alone, or leave it out"
    );
}

#[test]
fn unknown_argument_names_the_nearest() {
    assert_eq!(
        one_error(quote!(nmae = "x")),
        "unknown argument `nmae`: did you mean `name`?"
    );
    assert_eq!(
        one_error(quote!(captures(a))),
        "unknown argument `captures`: did you mean `capture`?"
    );
    assert!(one_error(quote!(colour)).starts_with(
        "unknown argument `colour`: expected one of `name`, `kind`, `fields`, `capture`"
    ));
}

#[test]
fn habits_of_other_macros_are_told_the_word_here() {
    for (tokens, part) in [
        (quote!(level = "info"), "have no level"),
        (quote!(target = "x"), "`tracer = \"…\"`"),
        (quote!(skip_all), "nothing is recorded unasked"),
        (quote!(follows_from = x), "`links = …`"),
        (quote!(short_name = true), "`name = \"…\"`"),
        (quote!(properties = {}), "`fields(key = value)`"),
        (quote!(enter_on_poll = true), "active while it is polled"),
    ] {
        let message = one_error(tokens);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn duplicate_argument_is_refused_at_the_second() {
    assert_eq!(
        one_error(quote!(name = "a", name = "b")),
        "duplicate argument `name`: it was given before"
    );
    assert_eq!(
        one_error(quote!(fields(a = 1), fields(b = 2))),
        "duplicate argument `fields`: it was given before"
    );
}

#[test]
fn several_mistakes_are_reported_together_and_the_rest_is_read() {
    let mut errors = Errors::default();
    let found = arguments(
        quote!(nmae = "a", kind = 3, name = "right", fields(a b, c = 1), sample = 2.0 root),
        &mut errors,
    );
    let error = errors.finish().expect_err("four mistakes");
    assert_eq!(messages(&error).len(), 4, "{:?}", messages(&error));
    assert_eq!(
        found.name.map(|name| name.value()),
        Some("right".to_owned())
    );
    assert_eq!(found.fields.len(), 1);
}

#[test]
fn missing_comma_is_said_to_be_missing() {
    assert_eq!(
        one_error(quote!(name = "a" kind = "server")),
        "expected `,` between arguments"
    );
}
