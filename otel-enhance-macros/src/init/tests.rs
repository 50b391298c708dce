//! Case by case: the builder calls that each argument becomes, and what is said of wrong ones.

use quote::quote;

use super::*;

fn expanded(arguments: TokenStream) -> String {
    init(quote!(facade; #arguments)).to_string()
}

/// The expansion of `arguments` is the builder with `calls`.
fn assert_calls(arguments: TokenStream, calls: TokenStream) {
    let expected = quote!(facade::new_enhanced_pipeline() #calls .install_batch());
    assert_eq!(expanded(arguments), expected.to_string());
}

/// Likewise, in a block behind what the build must have.
fn assert_calls_that_require(
    arguments: TokenStream,
    requirements: TokenStream,
    calls: TokenStream,
) {
    let expected =
        quote!({ #requirements facade::new_enhanced_pipeline() #calls .install_batch() });
    assert_eq!(expanded(arguments), expected.to_string());
}

/// The messages of the errors; what stands behind them must be the rest of the pipeline.
fn errors(arguments: TokenStream) -> Vec<String> {
    let all = expanded(arguments);
    let begin = ":: core :: compile_error ! { \"";
    assert!(all.starts_with(&format!("{{ {begin}")), "{all}");
    assert!(all.contains("facade :: new_enhanced_pipeline ()"), "{all}");
    all.split(begin)
        .skip(1)
        .map(|part| {
            let (message, _) = part.split_once("\" }").expect("the end of the error");
            message.replace("\\\"", "\"")
        })
        .collect()
}

fn one_error(arguments: TokenStream) -> String {
    let mut all = errors(arguments);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn no_arguments_install_the_defaults() {
    assert_calls(quote!(), quote!());
}

#[test]
fn trailing_comma_is_allowed() {
    assert_calls(quote!(service = "a",), quote!(.with_service_name("a")));
}

#[test]
fn service_version_and_environment_become_calls_in_their_order() {
    assert_calls(
        quote!(
            environment = env(),
            service = "checkout",
            version = env!("CARGO_PKG_VERSION")
        ),
        quote! {
            .with_environment(env())
            .with_service_name("checkout")
            .with_service_version(env!("CARGO_PKG_VERSION"))
        },
    );
}

#[test]
fn resource_becomes_key_values() {
    assert_calls(
        quote!(resource(
            "odd key" = 1,
            cloud.region = region(),
            shop = true
        )),
        quote! {
            .with_resource_attributes([
                facade::KeyValue::new("odd key", 1),
                facade::KeyValue::new("cloud.region", region()),
                facade::KeyValue::new("shop", true)
            ])
        },
    );
}

#[test]
fn exporter_by_name_becomes_its_call() {
    assert_calls_that_require(
        quote!(exporter = otlp_http),
        quote!(facade::__require_otlp_http! {}),
        quote!(.with_otlp_http()),
    );
    assert_calls_that_require(
        quote!(exporter = otlp_grpc),
        quote!(facade::__require_otlp_grpc! {}),
        quote!(.with_otlp_grpc()),
    );
    assert_calls_that_require(
        quote!(exporter = otlp_json),
        quote!(facade::__require_otlp_json! {}),
        quote!(.with_protocol(facade::config::Protocol::HttpJson)),
    );
    assert_calls(quote!(exporter = stdout), quote!(.with_stdout_exporter()));
    assert_calls(quote!(exporter = none), quote!(.with_no_exporter()));
}

#[test]
fn exporter_as_expression_is_made_by_the_pipeline() {
    assert_calls(
        quote!(exporter = MyExporter::new(a, b)),
        quote!(.with_exporter_fn(move || MyExporter::new(a, b))),
    );
    assert_calls(
        quote!(exporter = mine),
        quote!(.with_exporter_fn(move || mine)),
    );
    assert_calls(
        quote!(exporter = (otlp)),
        quote!(.with_exporter_fn(move || otlp)),
    );
}

#[test]
fn exporter_that_is_mistyped_names_the_nearest() {
    assert_eq!(
        one_error(quote!(exporter = otlp_htpp)),
        "unknown exporter `otlp_htpp`: did you mean `otlp_http`? For a variable of this name write `exporter = (otlp_htpp)`"
    );
    assert_eq!(
        one_error(quote!(exporter = console)),
        "unknown exporter `console`: did you mean `stdout`? For a variable of this name write `exporter = (console)`"
    );
    assert_eq!(
        one_error(quote!(exporter = "otlp_grpc")),
        "`exporter` is no literal: write `exporter = otlp_grpc` without quotes"
    );
    assert_eq!(
        one_error(quote!(exporter = "otlp")),
        "`exporter` is no literal: expected `otlp_http`, `otlp_json`, `otlp_grpc`, `stdout`, `none`, or an expression that is a `SpanExporter`"
    );
}

#[test]
fn endpoint_headers_and_timeout_become_calls() {
    assert_calls(
        quote!(
            endpoint = "http://localhost:4318",
            headers(
                authorization = token,
                "x-tenant" = "a",
                x - api - key = key()
            ),
            timeout = 10s
        ),
        quote! {
            .with_endpoint("http://localhost:4318")
            .with_header("authorization", token)
            .with_header("x-tenant", "a")
            .with_header("x-api-key", key())
            .with_timeout(::core::time::Duration::from_millis(10000u64))
        },
    );
}

#[test]
fn duration_is_a_literal_with_unit_or_an_expression() {
    assert_calls(
        quote!(timeout = "2m", shutdown_timeout = Duration::from_secs(3)),
        quote! {
            .with_timeout(::core::time::Duration::from_millis(120000u64))
            .with_shutdown_timeout(Duration::from_secs(3))
        },
    );
    assert_eq!(
        one_error(quote!(timeout = 10)),
        "expected a duration with its unit, such as `timeout = 10s` (ms, s, m, h), or an expression of type `Duration`"
    );
}

#[test]
fn compression_by_name_or_expression() {
    assert_calls_that_require(
        quote!(compression = gzip),
        quote!(facade::__require_gzip! {}),
        quote!(.with_compression(facade::config::Compression::Gzip)),
    );
    assert_calls(
        quote!(compression = none),
        quote!(.with_compression(facade::config::Compression::None)),
    );
    assert_calls(
        quote!(compression = settings.compression),
        quote!(.with_compression(settings.compression)),
    );
    assert_eq!(
        one_error(quote!(compression = gzp)),
        "unknown compression `gzp`: did you mean `gzip`? For a variable of this name write `compression = (gzp)`"
    );
    assert_eq!(
        one_error(quote!(compression = "zstd")),
        "`compression` is no literal: write `compression = zstd` without quotes"
    );
}

#[test]
fn tls_requires_its_feature() {
    assert_calls_that_require(
        quote!(tls(ca = "ca.pem", cert = cert(), key = "k.pem")),
        quote!(facade::__require_tls! {}),
        quote! {
            .with_ca_file("ca.pem")
            .with_client_certificate_file(cert())
            .with_client_key_file("k.pem")
        },
    );
    assert_eq!(
        one_error(quote!(tls(certificate = "c"))),
        "unknown setting `certificate` of `tls`: expected one of `ca`, `cert`, `key`"
    );
    assert_eq!(
        one_error(quote!(tls)),
        "`tls` takes a list in parentheses: write `tls(ca = \"ca.pem\")`"
    );
}

#[test]
fn sampler_by_name_becomes_the_official_one() {
    for (argument, sampler) in [
        (
            quote!(always_on),
            quote!(facade::sdk::trace::Sampler::AlwaysOn),
        ),
        (
            quote!(always_off),
            quote!(facade::sdk::trace::Sampler::AlwaysOff),
        ),
        (
            quote!(ratio(0.1)),
            quote!(facade::sdk::trace::Sampler::TraceIdRatioBased(0.1)),
        ),
        (
            quote!(ratio(1)),
            quote!(facade::sdk::trace::Sampler::TraceIdRatioBased(1f64)),
        ),
        (
            quote!(ratio(share)),
            quote!(facade::sdk::trace::Sampler::TraceIdRatioBased(share)),
        ),
        (
            quote!(parent_based(always_off)),
            quote!(facade::sdk::trace::Sampler::ParentBased(
                ::std::boxed::Box::new(facade::sdk::trace::Sampler::AlwaysOff)
            )),
        ),
        (quote!(MySampler::new()), quote!(MySampler::new())),
        (quote!(mine), quote!(mine)),
    ] {
        assert_calls(quote!(sampler = #argument), quote!(.with_sampler(#sampler)));
    }
    assert_calls(
        quote!(sampler = parent_based(ratio(0.5))),
        quote!(.with_sampling_ratio(0.5)),
    );
}

#[test]
fn sampler_that_is_wrong_says_what_is_right() {
    for (argument, message) in [
        (
            quote!(ratio),
            "`ratio` lacks the share of the traces to keep: write `sampler = ratio(0.1)`",
        ),
        (
            quote!(ratio("x")),
            "expected the share of the traces to keep, from 0.0 to 1.0, found a string",
        ),
        (
            quote!(ratio()),
            "`ratio` takes the share of the traces to keep: write `sampler = ratio(0.1)`",
        ),
        (
            quote!(always_on(1)),
            "`always_on` takes no value: write `sampler = always_on`",
        ),
        (
            quote!(parent_based(x)),
            "expected `always_on`, `always_off` or `ratio(0.1)` as the sampler of root spans",
        ),
        (
            quote!(allways_on),
            "unknown sampler `allways_on`: did you mean `always_on`? For a variable of this name write `sampler = (allways_on)`",
        ),
        (
            quote!(parentbased(always_on)),
            "unknown sampler `parentbased`: did you mean `parent_based`? For a function of this name write `sampler = (parentbased(…))`",
        ),
        (
            quote!(0.1),
            "`sampler` is no literal: expected `always_on`, `always_off`, `ratio`, `parent_based`, or an expression that is a `ShouldSample`",
        ),
    ] {
        assert_eq!(one_error(quote!(sampler = #argument)), message);
    }
}

#[test]
fn propagators_are_words() {
    assert_calls(
        quote!(propagators(tracecontext, baggage, B3::new(), (mine))),
        quote! {
            .with_propagator(facade::sdk::propagation::TraceContextPropagator::new())
            .with_propagator(facade::sdk::propagation::BaggagePropagator::new())
            .with_propagator(B3::new())
            .with_propagator(mine)
        },
    );
    assert_calls(quote!(propagators(none)), quote!(.with_no_propagators()));
    assert_eq!(
        errors(quote!(
            propagators(tracecontxt, b3, "baggage"),
            propagators(none)
        )),
        [
            "unknown propagator `tracecontxt`: did you mean `tracecontext`? For a variable of this name write `(tracecontxt)`",
            "unknown propagator `b3`: expected `tracecontext`, `baggage`, `none`. For a variable of this name write `(b3)`",
            "a propagator is no literal: expected `tracecontext`, `baggage`, `none`, or an expression that is a `TextMapPropagator`",
            "duplicate argument `propagators`: it was given before",
        ]
    );
    assert_eq!(
        one_error(quote!(propagators(none, baggage))),
        "`none` and other propagators contradict each other"
    );
    assert_eq!(
        one_error(quote!(propagators())),
        "`propagators` names none: write `propagators(none)` to carry no context between services"
    );
}

#[test]
fn batch_and_limits_become_calls() {
    assert_calls(
        quote!(
            batch(
                max_queue_size = 4096,
                max_export_batch_size = n,
                scheduled_delay = 1s,
                export_timeout = d()
            ),
            limits(
                attributes_per_span = 1,
                events_per_span = 2,
                links_per_span = 3,
                attributes_per_event = 4,
                attributes_per_link = 5,
                attribute_value_length = 6
            )
        ),
        quote! {
            .with_max_queue_size(4096)
            .with_max_export_batch_size(n)
            .with_scheduled_delay(::core::time::Duration::from_millis(1000u64))
            .with_export_timeout(d())
            .with_max_attributes_per_span(1)
            .with_max_events_per_span(2)
            .with_max_links_per_span(3)
            .with_max_attributes_per_event(4)
            .with_max_attributes_per_link(5)
            .with_max_attribute_value_length(6)
        },
    );
    assert_eq!(
        errors(quote!(batch(
            max_queue_sise = 1,
            max_export_batch_size = "x",
            scheduled_delay = 1,
            scheduled_delay = 1s
        ))),
        [
            "unknown setting `max_queue_sise` of `batch`: did you mean `max_queue_size`?",
            "expected an integer, found a string: write `max_export_batch_size = 1024`",
            "expected a duration with its unit, such as `scheduled_delay = 10s` (ms, s, m, h), or an expression of type `Duration`",
            "duplicate argument `scheduled_delay`: it was given before",
        ]
    );
}

#[test]
fn processors_add_up_and_flags_stand_alone() {
    assert_calls(
        quote!(
            processor = A,
            processor = B::new(),
            end_processor = C,
            end_processor = D,
            error_handler = |m| log(m),
            signals
        ),
        quote! {
            .with_span_processor(A)
            .with_span_processor(B::new())
            .with_end_processor(C)
            .with_end_processor(D)
            .with_error_handler(|m| log(m))
            .with_signal_handler()
        },
    );
    assert_eq!(
        one_error(quote!(signals = true)),
        "`signals` takes no value: write `signals` alone, or leave it out"
    );
}

#[test]
fn simple_installs_the_simple_processor() {
    assert_eq!(
        expanded(quote!(simple)),
        quote!(facade::new_enhanced_pipeline().install_simple()).to_string()
    );
    assert_eq!(
        one_error(quote!(simple, batch(max_queue_size = 1))),
        "`batch` and `simple` contradict each other: a simple pipeline exports each span as it ends"
    );
}

#[test]
fn simd_asks_the_facade_and_switches_the_encoder() {
    assert_calls_that_require(
        quote!(simd, service = "a"),
        quote!(facade::__require_simd! {}),
        quote!(.with_simd_optimization(true).with_service_name("a")),
    );
}

#[test]
fn simd_with_settings_becomes_their_calls_and_encodes_unless_told_otherwise() {
    let require = quote!(facade::__require_simd! {});
    assert_calls_that_require(
        quote!(simd(red_metrics = true, red_max_series = MOST)),
        require.clone(),
        quote!(.with_red_metrics(true).with_red_max_series(MOST).with_simd_optimization(true)),
    );
    assert_calls_that_require(
        quote!(simd(encode = false, red_metrics = on)),
        require,
        quote!(.with_simd_optimization(false).with_red_metrics(on)),
    );
}

#[test]
fn simd_settings_that_are_wrong_are_explained_where_they_stand() {
    assert_eq!(
        one_error(quote!(simd(red = true))),
        "unknown setting `red` of `simd`: expected one of `encode`, `red_metrics`, `red_max_series`"
    );
    assert_eq!(
        one_error(quote!(simd(red_metrics = "yes"))),
        "expected `true` or `false`, found a string: write `red_metrics = true`"
    );
    assert_eq!(
        one_error(quote!(red_max_series = 10)),
        "`red_max_series` belongs in `simd`: write `simd(red_max_series = …)`"
    );
}

#[test]
fn extensions_to_come_with_and_without_settings_ask_the_facade() {
    for name in ["enterprise", "semconv"] {
        let name = quote::format_ident!("{name}");
        let require = quote::format_ident!("__require_{name}");
        assert_calls_that_require(quote!(#name), quote!(facade::#require! {}), quote!());
        assert_calls_that_require(
            quote!(#name(a = 1, b), service = "a"),
            quote!(facade::#require! {}),
            quote!(.with_service_name("a")),
        );
    }
}

#[test]
fn ebpf_with_and_without_settings_becomes_calls() {
    let require = quote!(facade::__require_ebpf! {});
    assert_calls_that_require(
        quote!(ebpf),
        require.clone(),
        quote!(.with_ebpf_profiling(true)),
    );
    assert_calls_that_require(
        quote!(ebpf(
            sample_hz = 99,
            off_cpu,
            page_faults = false,
            spans = "marked"
        )),
        require,
        quote!(
            .with_ebpf_profiling(true)
            .with_ebpf_sample_hz(99)
            .with_ebpf_off_cpu(true)
            .with_ebpf_page_faults(false)
            .with_ebpf_spans(facade::config::EbpfSpans::Marked)
        ),
    );
}

#[test]
fn performance_with_and_without_settings_becomes_calls() {
    let require = quote!(facade::__require_performance! {});
    assert_calls_that_require(
        quote!(performance),
        require.clone(),
        quote!(.with_performance()),
    );
    assert_calls_that_require(
        quote!(performance(
            endpoints = ["http://a:4318", other],
            queue = 1000,
            queue_bytes = 1 << 20,
            batch = 100,
            batch_bytes = SIZE,
            in_flight = 4,
            drop = "oldest",
            ordered = false
        )),
        require.clone(),
        quote! {
            .with_performance()
            .with_endpoints(["http://a:4318", other])
            .with_max_queue_size(1000)
            .with_max_queue_bytes(1 << 20)
            .with_max_export_batch_size(100)
            .with_max_export_batch_bytes(SIZE)
            .with_max_exports_in_flight(4)
            .with_drop_policy(facade::config::DropPolicy::Oldest)
            .with_ordered_exports(false)
        },
    );
    assert_calls_that_require(
        quote!(performance(deadline = 5ms, drop = "block")),
        require.clone(),
        quote! {
            .with_performance()
            .with_drop_policy(facade::config::DropPolicy::Block {
                deadline: ::core::time::Duration::from_millis(5u64)
            })
        },
    );
    assert_calls_that_require(
        quote!(performance(unsampled = "inherit_parent_id")),
        require.clone(),
        quote! {
            .with_performance()
            .with_unsampled_id(facade::config::UnsampledId::InheritParent)
        },
    );
    assert_calls_that_require(
        quote!(performance(drop = policy())),
        require,
        quote!(.with_performance().with_drop_policy(policy())),
    );
}

#[test]
fn performance_given_a_mistake_names_it() {
    assert_eq!(
        one_error(quote!(performance(in_fligth = 4))),
        "unknown setting `in_fligth` of `performance`: did you mean `in_flight`?"
    );
    assert_eq!(
        one_error(quote!(performance(endpoints = "http://a:4318"))),
        "expected a list of URLs, found a string: write `endpoints = [\"http://a:4318\", \"http://b:4318\"]`"
    );
    assert_eq!(
        one_error(quote!(
            endpoint = "http://a:4318",
            performance(endpoints = ["http://b:4318"])
        )),
        "`endpoint` and `performance(endpoints = …)` contradict each other: put all of them into the list"
    );
    assert_eq!(
        one_error(quote!(
            exporter = none,
            performance(endpoints = ["http://b:4318"])
        )),
        "`endpoints` is about the OTLP that is sent, and `exporter = none` sends none"
    );
    assert_eq!(
        one_error(quote!(performance(drop = "oldets"))),
        "unknown drop policy `oldets`: did you mean `oldest`?"
    );
    assert_eq!(
        one_error(quote!(performance(drop = 3))),
        "expected what is dropped when the queue is full, found an integer: write `drop = \"newest\"`, `\"oldest\"` or `\"block\"`"
    );
    assert_eq!(
        one_error(quote!(performance(unsampled = "inherit_parent"))),
        "unknown id of spans that are not recorded `inherit_parent`: did you mean `inherit_parent_id`?"
    );
    assert_eq!(
        one_error(quote!(performance(unsampled = true))),
        "expected which id a span has that is not recorded, found a bool: write `unsampled = \"inherit_parent_id\"` or `\"new_id\"`"
    );
    assert_eq!(
        one_error(quote!(performance(ordered = 1))),
        "expected `true` or `false`, found an integer: write `ordered = true`"
    );
    assert_eq!(
        one_error(quote!(performance(drop = "newest", deadline = 1s))),
        "`deadline` is how long `drop = \"block\"` waits for room: the other policies do not wait"
    );
    assert_eq!(
        one_error(quote!(performance(queue = 9), batch(max_queue_size = 9))),
        "`performance(queue = …)` and `batch(max_queue_size = …)` are the same setting: give one"
    );
    assert_eq!(
        one_error(quote!(performance = true)),
        "`performance` takes no value: write `performance` alone, or leave it out"
    );
}

#[test]
fn unknown_argument_names_the_nearest_or_the_word_here() {
    assert_eq!(
        one_error(quote!(sevrice = "a")),
        "unknown argument `sevrice`: did you mean `service`?"
    );
    assert_eq!(
        one_error(quote!(service_name = "a")),
        "unknown argument `service_name`: the service is named by `service = \"…\"`"
    );
    assert_eq!(
        one_error(quote!(max_queue_size = 1)),
        "`max_queue_size` belongs in `batch`: write `batch(max_queue_size = …)`"
    );
    assert!(
        one_error(quote!(colour))
            .starts_with("unknown argument `colour`: expected one of `service`")
    );
}

#[test]
fn value_of_another_type_is_refused_by_its_type() {
    assert_eq!(
        one_error(quote!(service = 3)),
        "expected a string, found an integer: write `service = \"checkout\"`"
    );
    assert_eq!(
        one_error(quote!(endpoint)),
        "`endpoint` needs a value: write `endpoint = \"http://localhost:4318\"`"
    );
}

#[test]
fn what_only_otlp_heeds_contradicts_other_exporters() {
    assert_eq!(
        errors(quote!(exporter = stdout, endpoint = "x", timeout = 1s)),
        [
            "`endpoint` is about the OTLP that is sent, and `exporter = stdout` sends none",
            "`timeout` is about the OTLP that is sent, and `exporter = stdout` sends none",
        ]
    );
    assert_eq!(
        one_error(quote!(exporter = mine(), headers(a = "b"))),
        "`headers` is about the OTLP that is sent, and the exporter given in code has its own settings"
    );
}

#[test]
fn duplicate_argument_is_refused_at_the_second() {
    assert_eq!(
        one_error(quote!(service = "a", service = "b")),
        "duplicate argument `service`: it was given before"
    );
    assert_eq!(
        one_error(quote!(resource(a = 1, a = 2))),
        "duplicate key `a`: it was given before"
    );
}

#[test]
fn several_mistakes_are_reported_together_and_the_rest_is_kept() {
    let arguments = quote!(
        sevrice = "a",
        timeout = 10,
        version = "1",
        compression = gzp
    );
    assert_eq!(errors(arguments.clone()).len(), 3);
    assert!(expanded(arguments).ends_with(
        "facade :: new_enhanced_pipeline () . with_service_version (\"1\") . install_batch () }"
    ));
}

#[test]
fn tracezip_asks_the_facade_and_switches_the_coding() {
    assert_calls_that_require(
        quote!(tracezip, service = "a"),
        quote!(facade::__require_tracezip! {}),
        quote!(.with_tracezip_compression(true).with_service_name("a")),
    );
}

#[test]
fn tracezip_with_settings_becomes_their_calls() {
    let require = quote!(facade::__require_tracezip! {});
    assert_calls_that_require(
        quote!(tracezip(
            endpoint = "https://gateway:4318",
            fleet_key = env("FLEET_KEY")
        )),
        require.clone(),
        quote!(
            .with_endpoint("https://gateway:4318")
            .with_tracezip_fleet_key_variable("FLEET_KEY")
            .with_tracezip_compression(true)
        ),
    );
    assert_calls_that_require(
        quote!(tracezip(level = 7)),
        require.clone(),
        quote!(.with_tracezip_level(7).with_tracezip_compression(true)),
    );
    assert_calls_that_require(
        quote!(tracezip(fleet_key = vault.key())),
        require,
        quote!(.with_tracezip_fleet_key(vault.key()).with_tracezip_compression(true)),
    );
}

#[test]
fn tracezip_settings_that_are_wrong_are_explained_where_they_stand() {
    assert_eq!(
        one_error(quote!(tracezip(key = "a"))),
        "unknown setting `key` of `tracezip`: expected one of `level`, `endpoint`, `fleet_key`"
    );
    assert_eq!(
        one_error(quote!(tracezip(fleet_key = "00ff"))),
        "`fleet_key` is a secret, which does not belong in the program: write `fleet_key = env(\"VARIABLE\")`"
    );
    assert_eq!(
        one_error(quote!(tracezip(fleet_key = env("A", "B")))),
        "`env` takes the name of one variable: write `fleet_key = env(\"TRACEZIP_FLEET_KEY\")`"
    );
    assert_eq!(
        one_error(quote!(tracezip(fleet_key = env(7)))),
        "expected the name of a variable, found an integer: write `fleet_key = env(\"TRACEZIP_FLEET_KEY\")`"
    );
    assert_eq!(
        one_error(quote!(fleet_key = key)),
        "`fleet_key` belongs in `tracezip`: write `tracezip(fleet_key = …)`"
    );
    assert_eq!(
        one_error(quote!(endpoint = a, tracezip(endpoint = b))),
        "`endpoint` and `tracezip(endpoint = …)` are the same setting: give one"
    );
    assert_eq!(
        one_error(quote!(exporter = stdout, tracezip)),
        "`tracezip` is about the OTLP that is sent, and `exporter = stdout` sends none"
    );
}
