//! What is left with fewer privileges, and that it is no error.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::context::{ContextObserver, GlobalContextObserver};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SimpleSpanProcessor};
use otel_enhance::extensions::ebpf::{EbpfSettings, EbpfTracerExtension, Tier};
use otel_enhance::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use otel_enhance::{Context, enhanced_trace};

use crate::again::{drop_capabilities, fork, is, passes, wait};
use crate::common::{BOTH, Kept, Path, Shares, alone, burn, install, install_with, number};

const STEP: Duration = Duration::from_millis(10);

#[enhanced_trace]
fn outer() {
    burn(STEP);
    inner();
}

#[enhanced_trace]
fn inner() {
    std::thread::sleep(STEP);
}

#[test]
fn without_capabilities_outermost_spans_have_the_kernels_own_accounts() {
    const TEST: &str = "tiers::without_capabilities_outermost_spans_have_the_kernels_own_accounts";
    if !is("none") {
        let _alone = alone();
        return passes(&[], TEST, "none");
    }
    drop_capabilities();
    for path in BOTH {
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        let (guard, kept) = install_with(path, |pipeline| {
            pipeline
                .with_ebpf_profiling(true)
                .with_error_handler(move |report| hears.lock().unwrap().push(report.to_string()))
        });
        let ebpf = guard.ebpf().unwrap();
        assert_eq!(ebpf.tier(), Tier::OwnThreads, "{}", ebpf.status());
        assert!(!ebpf.status().refusals.is_empty());
        let said = said.lock().unwrap();
        let of_us = said.iter().filter(|text| text.starts_with("ebpf:"));
        assert_eq!(of_us.count(), 1, "{said:?}");
        let names_them = |text: &String| text.contains("CAP_BPF and CAP_PERFMON");
        assert!(said.iter().any(names_them), "{said:?}");
        drop(said);
        outer();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let find = |name: &str| spans.iter().find(|span| span.name.ends_with(name)).unwrap();
        let (outer, inner) = (find("outer"), find("inner"));
        let cpu = number(outer, "otel_enhance.cpu.time").unwrap();
        assert!((10_000_000..15_000_000).contains(&cpu), "{cpu}");
        let waiting = number(outer, "otel_enhance.waiting.time").unwrap();
        assert!(waiting >= 9_000_000, "{waiting}");
        assert_eq!(number(outer, "otel_enhance.blocked.time"), None);
        assert!(number(outer, "otel_enhance.context_switches.voluntary").unwrap() >= 1);
        assert_eq!(number(inner, "otel_enhance.cpu.time"), None);
    }
}

#[test]
fn without_btf_outermost_spans_have_the_kernels_own_accounts() {
    let _alone = alone();
    for path in BOTH {
        let settings = EbpfSettings::new().with_btf("/nonexistent/btf");
        let (guard, kept) = install_with(path, |pipeline| pipeline.with_ebpf_settings(settings));
        let ebpf = guard.ebpf().unwrap();
        assert_eq!(ebpf.tier(), Tier::Samples, "{}", ebpf.status());
        assert!(ebpf.status().refusals[0].contains("ReadBtf"));
        outer();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let outer = spans
            .iter()
            .find(|span| span.name.ends_with("outer"))
            .unwrap();
        let waiting = number(outer, "otel_enhance.waiting.time").unwrap();
        assert!(waiting >= 9_000_000, "{waiting}");
    }
}

#[test]
fn capabilities_dropped_after_the_install_change_nothing() {
    const TEST: &str = "tiers::capabilities_dropped_after_the_install_change_nothing";
    if !is("drops") {
        let _alone = alone();
        return passes(&[], TEST, "drops");
    }
    let (guard, kept) = install(Path::Fast);
    assert_eq!(guard.ebpf().unwrap().tier(), Tier::Full);
    drop_capabilities();
    outer();
    // Of a thread that did not exist then.
    std::thread::scope(|scope| {
        scope.spawn(outer);
    });
    guard.shutdown().unwrap();
    let spans = kept.take();
    assert_eq!(spans.len(), 4);
    for span in &spans {
        let shares = Shares::total(span).expect("figures");
        assert!(shares.blocked >= 9_000_000, "{shares:?}");
    }
}

struct Theirs;

impl ContextObserver for Theirs {
    fn on_context_enter(&self, _: &Context, _: &Context) {}
    fn on_context_exit(&self, _: &Context, _: &Context) {}
}

#[test]
fn observer_of_somebody_else_is_said_and_no_error() {
    const TEST: &str = "tiers::observer_of_somebody_else_is_said_and_no_error";
    if !is("theirs") {
        let _alone = alone();
        return passes(&[], TEST, "theirs");
    }
    GlobalContextObserver::set(Arc::new(Theirs));
    let (guard, kept) = install(Path::Fast);
    let ebpf = guard.ebpf().unwrap();
    assert_eq!(ebpf.tier(), Tier::ObserverTaken);
    assert!(ebpf.status().to_string().contains("another observer"));
    outer();
    guard.shutdown().unwrap();
    let spans = kept.take();
    assert_eq!(spans.len(), 2);
    assert!(
        spans
            .iter()
            .all(|span| number(span, "otel_enhance.cpu.time").is_none())
    );
}

#[test]
fn provider_built_by_hand_has_figures_with_and_without_the_wrapped_exporter() {
    let _alone = alone();
    for wraps in [false, true] {
        let ebpf = EbpfTracerExtension::start(&EbpfSettings::new());
        assert_eq!(ebpf.tier(), Tier::Full);
        let kept = Kept::default();
        let processor = if wraps {
            let exporter = ebpf.exporter(kept.clone());
            ebpf.processor(BatchSpanProcessor::builder(exporter).build())
        } else {
            ebpf.processor(BatchSpanProcessor::builder(kept.clone()).build())
        };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .build();
        let tracer = provider.tracer("by hand");
        let context = Context::current_with_span(tracer.start("sleeps"));
        let attached = context.clone().attach();
        std::thread::sleep(STEP);
        drop(attached);
        context.span().end();
        provider.shutdown().unwrap();
        let spans = kept.take();
        let shares = Shares::total(&spans[0]).unwrap();
        assert!(shares.blocked >= 9_000_000, "{shares:?}");
        let names = spans[0].attributes.iter().map(|a| a.key.as_str());
        assert_eq!(names.filter(|name| name.ends_with("figures")).count(), 0);
    }
}

#[test]
fn every_processor_of_a_provider_by_hand_has_the_figures_of_every_span() {
    let _alone = alone();
    let ebpf = EbpfTracerExtension::start(&EbpfSettings::new());
    let all = [Kept::default(), Kept::default(), Kept::default()];
    let provider = SdkTracerProvider::builder()
        .with_span_processor(ebpf.processor(SimpleSpanProcessor::new(all[0].clone())))
        .with_span_processor(
            ebpf.processor(SimpleSpanProcessor::new(ebpf.exporter(all[1].clone()))),
        )
        .with_span_processor(ebpf.processor(BatchSpanProcessor::builder(all[2].clone()).build()))
        .build();
    let tracer = provider.tracer("by hand");
    for name in ["computes", "sleeps"] {
        let context = Context::current_with_span(tracer.start(name));
        let attached = context.clone().attach();
        if name == "sleeps" {
            std::thread::sleep(STEP);
        }
        context.span().end();
        drop(attached);
    }
    provider.shutdown().unwrap();
    let all = all.map(|kept| kept.take());
    for spans in &all {
        for (span, first) in spans.iter().zip(&all[0]) {
            let shares = Shares::total(span).unwrap();
            assert!(
                span.name != "sleeps" || shares.blocked >= 9_000_000,
                "{shares:?}"
            );
            assert_eq!(span.attributes, first.attributes);
        }
        assert_eq!(spans.len(), 2);
    }
}

/// A span by hand that sleeps, of a provider by hand; what it did.
fn sleeps_by_hand(ebpf: &EbpfTracerExtension) -> Shares {
    let kept = Kept::default();
    let processor = SimpleSpanProcessor::new(ebpf.exporter(kept.clone()));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(ebpf.processor(processor))
        .build();
    let context = Context::current_with_span(provider.tracer("by hand").start("sleeps"));
    let attached = context.clone().attach();
    std::thread::sleep(STEP);
    drop(attached);
    context.span().end();
    provider.shutdown().unwrap();
    Shares::total(&kept.take()[0]).unwrap_or_default()
}

#[test]
fn child_of_a_process_with_the_extension_alone_has_a_session_of_its_own() {
    // In a process of its own: no pipeline was ever there, which would know of forks.
    const TEST: &str =
        "tiers::child_of_a_process_with_the_extension_alone_has_a_session_of_its_own";
    if !is("by hand") {
        let _alone = alone();
        return passes(&[], TEST, "by hand");
    }
    let ebpf = EbpfTracerExtension::start(&EbpfSettings::new());
    assert!(sleeps_by_hand(&ebpf).blocked >= 9_000_000);
    wait(fork(|| {
        let own = EbpfTracerExtension::start(&EbpfSettings::new());
        own.tier() == Tier::Full && sleeps_by_hand(&own).blocked >= 9_000_000
    }));
    assert!(sleeps_by_hand(&ebpf).blocked >= 9_000_000);
}

#[test]
fn guard_and_extension_share_one_session_that_ends_with_the_last() {
    let _alone = alone();
    let ebpf = EbpfTracerExtension::start(&EbpfSettings::new());
    let (guard, kept) = install(Path::Fast);
    outer();
    guard.shutdown().unwrap();
    assert!(guard.ebpf().is_none());
    assert_eq!(kept.take().len(), 2);
    // Still open: a second pipeline finds it, and figures, and hears that what it asks for beyond them is not to be had.
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let (guard, kept) = install_with(Path::Sdk, |pipeline| {
        pipeline
            .with_ebpf_sample_hz(99)
            .with_error_handler(move |report| hears.lock().unwrap().push(report.to_string()))
    });
    assert!(guard.ebpf().unwrap().profile().is_none());
    let told = said.lock().unwrap();
    let of_it = told.iter().filter(|text| text.contains("open already"));
    assert_eq!(of_it.count(), 1, "{told:?}");
    drop(told);
    drop(ebpf);
    outer();
    guard.shutdown().unwrap();
    assert!(kept.take().iter().all(|span| Shares::total(span).is_some()));
}
