//! The switch, the exporter, the sampler, the propagators.

use opentelemetry::propagation::TextMapPropagator;

use super::*;

#[test]
fn sdk_disabled_given_any_text_is_true_only_for_true() {
    const NAME: &str = "OTEL_SDK_DISABLED";
    check(
        |settings| settings.disabled.to_string(),
        &[
            (&[], "false", &[]),
            (&[(NAME, "true")], "true", &[]),
            (&[(NAME, "TRUE")], "true", &[]),
            (&[(NAME, "False")], "false", &[]),
            (&[(NAME, "1")], "false", &[NAME]),
            (&[(NAME, "yes")], "false", &[NAME]),
        ],
    );
}

fn sampler(settings: &Settings) -> String {
    match settings.sampler {
        SamplerChoice::TraceIdRatio(ratio) | SamplerChoice::ParentBasedTraceIdRatio(ratio) => {
            format!("{} {ratio}", settings.sampler.as_str())
        }
        other => other.as_str().to_owned(),
    }
}

#[test]
fn sampler_given_every_value_of_the_specification_is_chosen_or_reported() {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    check(
        sampler,
        &[
            (&[], "parentbased_always_on", &[]),
            (&[(NAME, "always_on")], "always_on", &[]),
            (&[(NAME, "always_off")], "always_off", &[]),
            (&[(NAME, "traceidratio")], "traceidratio 1", &[]),
            (
                &[(NAME, "Parentbased_Always_On")],
                "parentbased_always_on",
                &[],
            ),
            (
                &[(NAME, "parentbased_always_off")],
                "parentbased_always_off",
                &[],
            ),
            (
                &[(NAME, "parentbased_traceidratio")],
                "parentbased_traceidratio 1",
                &[],
            ),
            (&[(NAME, "jaeger_remote")], "parentbased_always_on", &[NAME]),
            (
                &[(NAME, "parentbased_jaeger_remote")],
                "parentbased_always_on",
                &[NAME],
            ),
            (&[(NAME, "xray")], "parentbased_always_on", &[NAME]),
            (&[(NAME, "sometimes")], "parentbased_always_on", &[NAME]),
            (
                &[
                    (NAME, "jaeger_remote"),
                    ("OTEL_TRACES_SAMPLER_ARG", "endpoint=http://localhost:14250"),
                ],
                "parentbased_always_on",
                &[NAME],
            ),
        ],
    );
}

#[test]
fn sampler_argument_given_any_text_is_a_ratio_or_reported() {
    const ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
    for (argument, ratio, faults) in [
        ("0.25", 0.25, 0),
        (" 0 ", 0.0, 0),
        ("1", 1.0, 0),
        ("1e-3", 0.001, 0),
        ("1.1", 1.0, 1),
        ("-0.5", 1.0, 1),
        ("NaN", 1.0, 1),
        ("inf", 1.0, 1),
        ("50%", 1.0, 1),
        ("", 1.0, 0),
    ] {
        for (name, expected) in [
            ("traceidratio", SamplerChoice::TraceIdRatio(ratio)),
            (
                "parentbased_traceidratio",
                SamplerChoice::ParentBasedTraceIdRatio(ratio),
            ),
        ] {
            let env = Env::of([("OTEL_TRACES_SAMPLER", name), (ARG, argument)]);
            let (settings, diagnostics) = resolve(nothing(), &env).expect("code is right");
            assert_eq!(settings.sampler, expected, "{name} {argument}");
            assert_eq!(diagnostics.as_slice().len(), faults, "{diagnostics:?}");
            for diagnostic in diagnostics.as_slice() {
                assert_eq!(diagnostic.name, ARG);
                assert!(diagnostic.advice.ends_with("`1` holds"), "{diagnostic}");
            }
        }
    }
    for vars in [
        &[(ARG, "0.5")] as Vars,
        &[(ARG, "0.5"), ("OTEL_TRACES_SAMPLER", "always_on")],
    ] {
        let (_, diagnostics) = resolved(nothing(), vars);
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
        assert!(diagnostics[0].advice.contains("takes no argument"));
    }
}

#[test]
fn sampler_in_code_wins_and_is_refused_out_of_range() {
    let code = |choice| Overrides {
        sampler: Some(choice),
        ..nothing()
    };
    let (settings, diagnostics) = resolved(
        code(SamplerChoice::TraceIdRatio(0.5)),
        &[
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_TRACES_SAMPLER_ARG", "x"),
        ],
    );
    assert_eq!(settings.sampler, SamplerChoice::TraceIdRatio(0.5));
    assert_eq!(diagnostics, []);
    for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let choice = SamplerChoice::ParentBasedTraceIdRatio(ratio);
        check_refused("sampler", code(choice), "0.0 to 1.0");
    }
}

#[test]
fn sampler_build_given_each_choice_is_the_official_one() {
    for (choice, official) in [
        (SamplerChoice::AlwaysOn, "AlwaysOn"),
        (SamplerChoice::AlwaysOff, "AlwaysOff"),
        (SamplerChoice::TraceIdRatio(0.5), "TraceIdRatioBased(0.5)"),
        (SamplerChoice::ParentBasedAlwaysOn, "ParentBased(AlwaysOn)"),
        (
            SamplerChoice::ParentBasedAlwaysOff,
            "ParentBased(AlwaysOff)",
        ),
        (
            SamplerChoice::ParentBasedTraceIdRatio(0.25),
            "ParentBased(TraceIdRatioBased(0.25))",
        ),
    ] {
        assert_eq!(
            format!("{:?}", super::super::sampler::build(choice)),
            official
        );
    }
}

fn propagators(settings: &Settings) -> String {
    match settings.propagators.as_slice() {
        [] => "none".to_owned(),
        some => some
            .iter()
            .map(|propagator| propagator.as_str())
            .collect::<Vec<_>>()
            .join(","),
    }
}

#[test]
fn propagators_given_any_list_are_chosen_once_or_reported() {
    const NAME: &str = "OTEL_PROPAGATORS";
    check(
        propagators,
        &[
            (&[], "tracecontext,baggage", &[]),
            (&[(NAME, "tracecontext")], "tracecontext", &[]),
            (
                &[(NAME, "baggage, TraceContext")],
                "baggage,tracecontext",
                &[],
            ),
            (&[(NAME, "baggage,baggage,baggage")], "baggage", &[]),
            (&[(NAME, "none")], "none", &[]),
            (&[(NAME, "none,baggage")], "baggage", &[NAME]),
            (&[(NAME, "b3")], "tracecontext,baggage", &[NAME]),
            (&[(NAME, "b3multi,baggage")], "baggage", &[NAME]),
            (
                &[(NAME, "jaeger,xray,ottrace")],
                "tracecontext,baggage",
                &[NAME; 3],
            ),
            (&[(NAME, "w3c")], "tracecontext,baggage", &[NAME]),
            (&[(NAME, ",")], "tracecontext,baggage", &[]),
        ],
    );
}

#[test]
fn propagators_in_code_win_and_build_the_official_fields() {
    let code = |propagators| Overrides {
        propagators: Some(propagators),
        ..nothing()
    };
    let env: Vars = &[("OTEL_PROPAGATORS", "b3")];
    let twice = vec![Propagator::Baggage, Propagator::Baggage];
    let (settings, diagnostics) = resolved(code(twice), env);
    assert_eq!(settings.propagators, [Propagator::Baggage]);
    assert_eq!(diagnostics, []);
    let (settings, _) = resolved(code(Vec::new()), env);
    assert_eq!(settings.propagators, []);

    let fields = |propagators: &[Propagator]| {
        let mut fields: Vec<_> = super::super::propagator::build(propagators)
            .fields()
            .map(str::to_owned)
            .collect();
        fields.sort();
        fields
    };
    assert_eq!(fields(&[]), [""; 0]);
    assert_eq!(
        fields(&[Propagator::TraceContext, Propagator::Baggage]),
        ["baggage", "traceparent", "tracestate"]
    );
}

fn exporters(settings: &Settings) -> String {
    let names: Vec<_> = settings.exporters.iter().map(|e| e.as_str()).collect();
    names.join(",")
}

#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
#[test]
fn exporter_given_any_list_is_chosen_once_or_reported() {
    const NAME: &str = "OTEL_TRACES_EXPORTER";
    check(
        exporters,
        &[
            (&[], "otlp", &[]),
            (&[(NAME, "otlp")], "otlp", &[]),
            (&[(NAME, "Console")], "console", &[]),
            (&[(NAME, "none")], "none", &[]),
            (&[(NAME, "otlp, console,otlp")], "otlp,console", &[]),
            (&[(NAME, "none,console")], "console", &[NAME]),
            (&[(NAME, "zipkin")], "otlp", &[NAME]),
            (&[(NAME, "jaeger,console")], "console", &[NAME]),
            (&[(NAME, "logging")], "otlp", &[NAME]),
            (&[(NAME, "otlp/stdout")], "otlp", &[NAME]),
            (&[(NAME, "file")], "otlp", &[NAME]),
        ],
    );
    for exporter in [
        ExporterKind::Stdout,
        ExporterKind::None,
        ExporterKind::Custom,
    ] {
        let code = Overrides {
            exporter: Some(exporter),
            ..Overrides::default()
        };
        let (settings, diagnostics) = resolved(code, &[(NAME, "zipkin")]);
        assert_eq!(settings.exporters, [exporter]);
        assert_eq!(diagnostics, []);
    }
}

#[cfg(not(any(feature = "otlp-http", feature = "otlp-grpc")))]
#[test]
fn exporter_in_a_build_without_otlp_is_an_error_of_code_and_a_report_of_the_environment() {
    for exporter in [None, Some(ExporterKind::Otlp)] {
        let code = Overrides {
            exporter,
            ..Overrides::default()
        };
        assert!(matches!(
            refused(code, &[]),
            InitError::FeatureMissing {
                argument: "exporter",
                feature: "otlp-http"
            }
        ));
    }
    let (settings, diagnostics) =
        resolved(Overrides::default(), &[("OTEL_TRACES_EXPORTER", "otlp")]);
    assert_eq!(exporters(&settings), "none");
    assert_eq!(diagnostics.len(), 1);
    let (settings, diagnostics) =
        resolved(Overrides::default(), &[("OTEL_TRACES_EXPORTER", "console")]);
    assert_eq!(exporters(&settings), "console");
    assert_eq!(diagnostics, []);
}

#[test]
fn unsupported_variables_when_set_are_reported() {
    for name in [
        "OTEL_CONFIG_FILE",
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "OTEL_ENTITIES",
    ] {
        let env = Env::of([(name, "something")]);
        let (_, diagnostics) = resolve(nothing(), &env).expect("code is right");
        let [diagnostic] = diagnostics.as_slice() else {
            panic!("{diagnostics:?}");
        };
        assert_eq!(diagnostic.name, name);
        assert!(diagnostic.advice.contains("not supported"));
    }
}

#[cfg(unix)]
#[test]
fn values_that_are_not_unicode_are_reported_and_count_as_unset() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    let bad = || OsString::from_vec(vec![b'o', 0xff, b'n']);
    for name in [
        "OTEL_TRACES_SAMPLER",
        "OTEL_SERVICE_NAME",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_PROPAGATORS",
    ] {
        let (settings, diagnostics) =
            resolve(nothing(), &Env::of([(name, bad())])).expect("code is right");
        let [diagnostic] = diagnostics.as_slice() else {
            panic!("{diagnostics:?}");
        };
        assert_eq!(
            (diagnostic.name.as_str(), diagnostic.content.as_str()),
            (name, "o\u{fffd}n")
        );
        assert_eq!(settings.sampler, SamplerChoice::ParentBasedAlwaysOn);
        assert_eq!(settings.batch.max_queue_size, 2048);
    }
}

#[test]
fn diagnostic_given_a_very_long_value_repeats_its_beginning_only() {
    let long = "ü".repeat(5000);
    let env = Env::of([("OTEL_TRACES_SAMPLER", long)]);
    let (_, diagnostics) = resolve(nothing(), &env).expect("code is right");
    assert_eq!(diagnostics.as_slice()[0].content.chars().count(), 201);
}
