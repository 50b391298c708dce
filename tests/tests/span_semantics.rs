//! What a span promises: cancellation, parents, links, sampling, values, threads and tasks.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::borrow::Cow;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context as TaskContext, Waker};

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    get_active_span,
};
use opentelemetry::{Context, KeyValue, global};
use otel_enhance::{enhanced_trace, task, testing};

fn remote(sampled: bool) -> SpanContext {
    SpanContext::new(
        TraceId::from(7),
        SpanId::from(9),
        TraceFlags::default().with_sampled(sampled),
        true,
        TraceState::default(),
    )
}

#[enhanced_trace(name = "leaf")]
fn leaf() {}

#[enhanced_trace(name = "waits")]
async fn waits(noisy: Noisy) {
    tokio::task::yield_now().await;
    drop(noisy);
}

struct Noisy;

impl Drop for Noisy {
    fn drop(&mut self) {
        get_active_span(|span| span.set_attribute(KeyValue::new("dropped", true)));
    }
}

#[test]
fn future_dropped_while_waiting_is_marked_as_cancelled() {
    let capture = testing::capture();
    {
        let mut future = pin!(waits(Noisy));
        let mut context = TaskContext::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        assert!(!Context::current().has_active_span());
    }
    capture
        .assert_span("waits")
        .has("otel_enhance.cancelled", true)
        .has("dropped", true)
        .status_is_unset();
}

#[test]
fn future_that_is_never_polled_records_nothing() {
    let capture = testing::capture();
    drop(waits(Noisy));
    capture.assert_names(&[]);
}

#[enhanced_trace(name = "panics")]
async fn panics() {
    tokio::task::yield_now().await;
    panic!("the message");
}

#[tokio::test]
async fn future_that_panics_ends_in_error_and_the_panic_goes_on() {
    let capture = testing::capture();
    let joined = tokio::spawn(task::child(panics())).await;
    assert!(joined.unwrap_err().is_panic());
    capture
        .assert_span("panics")
        .failed_with("panicked")
        .lacks("otel_enhance.cancelled");
}

#[enhanced_trace(name = "fails", err)]
fn fails() -> Result<(), std::num::ParseIntError> {
    "x".parse::<u8>().map(drop)
}

#[enhanced_trace(name = "quiet", err(Debug, exception = false))]
fn quiet() -> Result<(), std::num::ParseIntError> {
    "x".parse::<u8>().map(drop)
}

#[test]
fn error_returned_sets_status_type_and_one_event() {
    let capture = testing::capture();
    assert!(fails().is_err());
    assert!(quiet().is_err());
    let span = capture.assert_span("fails");
    span.failed_with("invalid digit found in string")
        .has("error.type", "core::num::error::ParseIntError");
    let events = &span.data().events.events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].name, "exception");
    let expected = [
        KeyValue::new("exception.type", "core::num::error::ParseIntError"),
        KeyValue::new("exception.message", "invalid digit found in string"),
    ];
    assert_eq!(events[0].attributes, expected);
    let quiet = capture.assert_span("quiet");
    quiet.failed_with("ParseIntError { kind: InvalidDigit }");
    assert_eq!(quiet.data().events.events.len(), 0);
}

#[enhanced_trace(name = "both", err, ret)]
fn both(good: bool) -> Result<u8, std::fmt::Error> {
    if good { Ok(7) } else { Err(std::fmt::Error) }
}

#[test]
fn ret_beside_err_records_the_value_alone() {
    let capture = testing::capture();
    assert_eq!(both(true), Ok(7));
    capture
        .assert_span("both")
        .has("return", 7)
        .status_is_unset();
    drop(capture);
    let capture = testing::capture();
    assert!(both(false).is_err());
    capture.assert_span("both").lacks("return");
}

#[enhanced_trace(name = "under", parent = parent)]
fn under(parent: Option<SpanContext>) {
    leaf();
}

#[enhanced_trace(name = "under_context", parent = context)]
fn under_context(context: &Context) {
    assert_eq!(
        Context::current()
            .baggage()
            .get("k")
            .map(|value| value.as_str()),
        Some("v")
    );
}

#[enhanced_trace(name = "root", root)]
fn root() {
    assert_eq!(
        Context::current()
            .baggage()
            .get("k")
            .map(|value| value.as_str()),
        Some("v")
    );
    leaf();
}

#[test]
fn parent_given_is_the_parent() {
    let capture = testing::capture();
    under(Some(remote(true)));
    let span = capture.assert_span("under");
    assert_eq!(span.data().span_context.trace_id(), TraceId::from(7));
    assert_eq!(span.data().parent_span_id, SpanId::from(9));
    assert!(span.data().parent_span_is_remote);
    capture.assert_span("leaf").is_child_of("under");
}

#[test]
fn parent_that_is_not_sampled_records_nothing_below() {
    let capture = testing::capture();
    under(Some(remote(false)));
    capture.assert_names(&[]);
}

#[test]
fn parent_none_is_the_active_span() {
    let capture = testing::capture();
    global::tracer("t").in_span("outer", |_| under(None));
    capture.assert_span("under").is_child_of("outer");
}

#[test]
fn parent_invalid_makes_a_root() {
    let capture = testing::capture();
    global::tracer("t").in_span("outer", |_| under(Some(SpanContext::NONE)));
    capture.assert_span("under").is_root();
}

#[test]
fn root_starts_a_trace_and_keeps_baggage() {
    let capture = testing::capture();
    let entries = Context::current_with_baggage([KeyValue::new("k", "v")]).attach();
    global::tracer("t").in_span("outer", |context| {
        root();
        under_context(&context);
    });
    drop(entries);
    capture.assert_span("root").is_root();
    capture.assert_span("leaf").is_child_of("root");
    capture.assert_span("under_context").is_child_of("outer");
}

#[enhanced_trace(name = "linked", links = links)]
fn linked(links: Vec<SpanContext>) {}

#[test]
fn links_given_are_recorded_and_invalid_ones_left_out() {
    let capture = testing::capture();
    linked(vec![remote(true), SpanContext::NONE, remote(false)]);
    let span = capture.assert_span("linked");
    let links = &span.data().links.links;
    assert_eq!(links.len(), 2);
    assert_eq!(links[0].span_context, remote(true));
}

#[enhanced_trace(name = "sampled", sample = share)]
fn sampled(share: f64) {
    leaf();
}

#[test]
fn sample_decides_for_local_roots_and_what_is_below() {
    let capture = testing::capture();
    sampled(0.0);
    sampled(f64::NAN);
    capture.assert_names(&[]);
    sampled(1.0);
    capture.assert_names(&["leaf", "sampled"]);
    for _ in 0..1000 {
        sampled(0.3);
    }
    let kept = capture.spans().len() / 2;
    assert!((200..400).contains(&kept), "{kept} of 1000 kept at 0.3");
}

#[test]
fn sample_below_an_active_span_keeps_all() {
    let capture = testing::capture();
    global::tracer("t").in_span("outer", |_| sampled(0.0));
    capture.assert_span("sampled").is_child_of("outer");
}

#[test]
fn sample_below_a_remote_parent_decides() {
    let capture = testing::capture();
    let active = Context::current()
        .with_remote_span_context(remote(true))
        .attach();
    sampled(0.0);
    drop(active);
    capture.assert_names(&[]);
}

#[enhanced_trace(name = "switched", enabled = on)]
fn switched(on: bool) {
    leaf();
}

#[test]
fn enabled_false_leaves_the_span_out_and_what_is_below_in() {
    let capture = testing::capture();
    switched(false);
    capture.assert_names(&["leaf"]);
    switched(true);
    capture.assert_span("switched").is_root();
}

const REGION: &str = "eu";

#[enhanced_trace(
    name = "values",
    kind = "client",
    tracer = "shop",
    code = false,
    capture(text, %shown, ?debugged, fixed, maybe),
    fields(
        total = count + 1, big = u64::MAX, ratio = 0.5, list = [1, 2].as_slice(), region = REGION,
        literal = "x", "odd key" = text.len(), none = None::<i32>, cow = cow, len = %text.len() + 1,
    )
)]
fn values(
    text: &str,
    shown: std::net::Ipv4Addr,
    debugged: &[Option<u8>],
    fixed: &'static str,
    maybe: Option<&'static str>,
    count: u32,
    cow: Cow<'static, str>,
) -> usize {
    text.len() + fixed.len() + debugged.len() + cow.len()
}

#[test]
fn values_of_every_form_are_recorded_as_documented() {
    let capture = testing::capture();
    values(
        "abc",
        [127, 0, 0, 1].into(),
        &[Some(1)],
        "fixed",
        None,
        3,
        Cow::Borrowed("cow"),
    );
    let span = capture.assert_span("values");
    span.is_kind(opentelemetry::trace::SpanKind::Client)
        .has("text", "abc")
        .has("shown", "127.0.0.1")
        .has("debugged", "[Some(1)]")
        .has("fixed", "fixed")
        .lacks("maybe")
        .has("total", 4)
        .has("big", "18446744073709551615")
        .has("ratio", 0.5)
        .has("list", opentelemetry::Value::Array(vec![1_i64, 2].into()))
        .has("region", "eu")
        .has("literal", "x")
        .has("odd key", 3)
        .lacks("none")
        .has("cow", "cow")
        .has("len", "4")
        .lacks("code.function.name");
    assert_eq!(span.data().instrumentation_scope.name(), "shop");
}

#[enhanced_trace(name = "all", capture_all, skip(secret))]
fn all(a: u8, (b, _c): (u8, u8), secret: &str) -> usize {
    usize::from(a + b) + secret.len()
}

#[test]
fn capture_all_takes_all_but_what_is_skipped() {
    let capture = testing::capture();
    all(1, (2, 3), "s");
    capture
        .assert_span("all")
        .has("a", "1")
        .has("b", "2")
        .has("_c", "3")
        .lacks("secret");
}

#[test]
fn scope_by_default_is_the_crate_that_annotates() {
    let capture = testing::capture();
    leaf();
    let span = capture.assert_span("leaf");
    let scope = &span.data().instrumentation_scope;
    assert_eq!(scope.name(), env!("CARGO_PKG_NAME"));
    assert_eq!(scope.version(), Some(env!("CARGO_PKG_VERSION")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_carry_the_span_as_child_or_link() {
    let capture = testing::capture();
    let tracer = global::tracer("t");
    let span = tracer.start("outer");
    let active = Context::current_with_span(span);
    let tasks = {
        let _active = active.clone().attach();
        [
            tokio::spawn(task::child(async { leaf() })),
            tokio::spawn(task::linked("apart", async { leaf() })),
            tokio::task::spawn_blocking(task::child_fn(leaf)),
            tokio::task::spawn_blocking(task::linked_fn("apart", leaf)),
        ]
    };
    for task in tasks {
        task.await.unwrap();
    }
    active.span().end();
    let spans = capture.spans();
    let outer = active.span().span_context().clone();
    let below: Vec<_> = spans
        .iter()
        .filter(|s| s.parent_span_id == outer.span_id())
        .collect();
    assert_eq!(below.len(), 2);
    let apart: Vec<_> = spans.iter().filter(|span| span.name == "apart").collect();
    assert_eq!(apart.len(), 2);
    for root in apart {
        assert_eq!(root.parent_span_id, SpanId::INVALID);
        assert_ne!(root.span_context.trace_id(), outer.trace_id());
        assert_eq!(root.links.links[0].span_context, outer);
        let leaf = spans
            .iter()
            .find(|s| s.parent_span_id == root.span_context.span_id());
        assert_eq!(leaf.map(|leaf| &*leaf.name), Some("leaf"));
    }
}

#[enhanced_trace(name = "spawns")]
fn spawns() -> Context {
    Context::current()
}

#[test]
fn context_kept_by_somebody_does_not_delay_the_end() {
    let capture = testing::capture();
    let kept = spawns();
    capture.assert_span("spawns").is_root();
    assert!(!kept.span().is_recording());
}

#[test]
fn hundred_parallel_captures_see_their_own_spans_only() {
    #[enhanced_trace(name = "numbered", capture(number))]
    async fn numbered(number: i64) {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(task::child_fn(leaf))
            .await
            .unwrap();
    }
    let test = |number: i64| {
        let capture = testing::capture();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        for _ in 0..5 {
            runtime.block_on(async {
                tokio::spawn(task::child(numbered(number))).await.unwrap();
            });
            leaf();
        }
        let spans = capture.spans();
        assert_eq!(spans.len(), 15);
        for span in spans.iter().filter(|span| span.name == "numbered") {
            assert!(span.attributes.contains(&KeyValue::new("number", number)));
        }
    };
    std::thread::scope(|scope| {
        let tests: Vec<_> = (0..100)
            .map(|number| scope.spawn(move || test(number)))
            .collect();
        for test in tests {
            test.join().unwrap();
        }
    });
}

/// A value whose text takes an annotated function to make.
struct Traced;

impl std::fmt::Display for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        leaf();
        f.write_str("traced")
    }
}

impl std::fmt::Debug for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[enhanced_trace(name = "fails aloud", err)]
fn fails_aloud() -> Result<(), Traced> {
    Err(Traced)
}

#[enhanced_trace(name = "returns", ret(Debug))]
fn returns() -> Traced {
    Traced
}

#[enhanced_trace(name = "fails later", err(Debug))]
async fn fails_later() -> Result<(), Traced> {
    Err(Traced)
}

#[test]
fn error_whose_display_starts_a_span_is_recorded_above_it() {
    let capture = testing::capture();
    assert!(fails_aloud().is_err());
    capture.assert_span("fails aloud").failed_with("traced");
    capture.assert_span("leaf").is_child_of("fails aloud");
}

#[test]
fn value_whose_debug_starts_a_span_is_recorded_above_it() {
    let capture = testing::capture();
    let _ = returns();
    capture.assert_span("returns").has("return", "traced");
    capture.assert_span("leaf").is_child_of("returns");
}

#[test]
fn error_of_a_future_whose_debug_starts_a_span_is_recorded_above_it() {
    let capture = testing::capture();
    let mut future = pin!(fails_later());
    let mut context = TaskContext::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_ready());
    capture.assert_span("fails later").failed_with("traced");
    capture.assert_span("leaf").is_child_of("fails later");
}

struct Unspeakable;

impl std::fmt::Debug for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no words")
    }
}

#[enhanced_trace(name = "unspeakable", ret(Debug))]
async fn unspeakable() -> Unspeakable {
    Unspeakable
}

#[test]
fn output_of_a_future_whose_debug_panics_is_a_panic_and_no_cancellation() {
    let capture = testing::capture();
    let polled = std::panic::catch_unwind(|| {
        let mut context = TaskContext::from_waker(Waker::noop());
        let _ = pin!(unspeakable()).poll(&mut context);
    });
    assert!(polled.is_err());
    capture
        .assert_span("unspeakable")
        .failed_with("panicked")
        .lacks("otel_enhance.cancelled");
}
