use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::Value;
use opentelemetry::trace::{Event, Link};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanLimits as Counts;
use proptest::prelude::*;

use super::super::clock::Moment;
use super::super::contents::{Beginning, Rules};
use super::super::store::Store as _;
use super::*;
use crate::encode::SpanEncoder;
use crate::encode::tests::{arbitrary, config};
use crate::span::Code;

static CODE: Code = Code::new("shop::checkout", "src/shop/checkout.rs", 4711);

const fn rules(most: [u32; 5], copies_texts: bool) -> Rules {
    Rules {
        limits: Counts {
            max_events_per_span: most[0],
            max_attributes_per_span: most[1],
            max_links_per_span: most[2],
            max_attributes_per_event: most[3],
            max_attributes_per_link: most[4],
        },
        copies_texts,
    }
}

static RULES: [Rules; 5] = [
    rules([128; 5], false),
    rules([128; 5], true),
    rules([1, 6, 2, 1, 2], false),
    rules([1, 6, 2, 1, 2], true),
    rules([0; 5], true),
];

/// What happens to a span beside what its data says.
#[derive(Clone, Debug)]
struct Life {
    rules: usize,
    /// Its code follows so many attributes.
    code_after: Option<usize>,
    renamed: bool,
    /// A key comes again, on the span, an event and a link.
    repeats: bool,
    /// Many more attributes.
    more: usize,
    /// The scope has a number.
    numbered: bool,
}

fn life() -> impl Strategy<Value = Life> {
    (
        0..RULES.len(),
        proptest::option::of(0_usize..12),
        any::<bool>(),
        proptest::bool::weighted(0.2),
        prop_oneof![4 => Just(0), 1 => 1_usize..60],
        any::<bool>(),
    )
        .prop_map(
            |(rules, code_after, renamed, repeats, more, numbered)| Life {
                rules,
                code_after,
                renamed,
                repeats,
                more,
                numbered,
            },
        )
}

/// Lives the life of `data` in a record.
fn contents(data: &SpanData, life: &Life) -> Contents {
    let mut contents = Contents::vacant();
    let number = Scope::of(&data.instrumentation_scope).filter(|_| life.numbered);
    let beginning = Beginning {
        hub: 0,
        trace_id: data.span_context.trace_id(),
        span_id: data.span_context.span_id(),
        flags: data.span_context.trace_flags(),
        parent_span_id: data.parent_span_id,
        parent_is_remote: data.parent_span_is_remote,
        name: if life.renamed {
            "before".into()
        } else {
            data.name.clone()
        },
        kind: data.span_kind.clone(),
        scope: number.unwrap_or(Scope::NONE),
        rules: &RULES[life.rules],
        is_dropped: false,
    };
    let now = Moment {
        wall: 1_700_000_000_000_000_000,
        monotonic: 5,
    };
    contents.begin(beginning, now);
    if number.is_none() {
        contents.set_scope(data.instrumentation_scope.clone());
    }
    if *data.span_context.trace_state() != opentelemetry::trace::TraceState::NONE {
        contents.set_trace_state(data.span_context.trace_state().clone());
    }
    contents.set_start(data.start_time);
    contents.set_links(data.links.links.clone());
    contents.set_events(data.events.events.clone());
    for (index, attribute) in data.attributes.iter().enumerate() {
        if life.code_after == Some(index) {
            contents.set_code(&CODE);
        }
        contents.set_attribute(attribute.clone());
    }
    if life.code_after >= Some(data.attributes.len()) {
        contents.set_code(&CODE);
    }
    for n in 0..life.more {
        contents.set_attribute(KeyValue::new(format!("more.{n}"), n as i64));
    }
    if life.repeats {
        let again = || {
            vec![
                KeyValue::new("again", 1),
                KeyValue::new("code.file.path", "other"),
                KeyValue::new("again", "another"),
            ]
        };
        contents.set_attributes(&mut again());
        contents.add_event("repeats".into(), data.end_time, again());
        contents.add_link(data.span_context.clone(), again());
    }
    if life.renamed {
        contents.set_name(data.name.clone());
    }
    contents.set_status(data.status.clone());
    contents.end_at(data.end_time);
    contents
}

fn is_number(attribute: &KeyValue) -> bool {
    !matches!(attribute.value, Value::F64(number) if number.is_nan())
}

/// The bytes of a batch by way of `SpanData`, and directly: through a queue's chunks of `chunk` spans, of
/// which the first `evicted` spans are thrown out.
fn both_ways(
    lives: &[(SpanData, Life)],
    limits: &SpanLimits,
    chunk: usize,
    evicted: usize,
    is_protobuf: bool,
    mut encoder: impl FnMut() -> SpanEncoder,
) -> (Bytes, Bytes) {
    let mut writer = Writer::new(match is_protobuf {
        true => SpanWriter::protobuf(),
        #[cfg(feature = "otlp-json")]
        false => SpanWriter::json(),
        #[cfg(not(feature = "otlp-json"))]
        false => unreachable!(),
    });
    let batch: Vec<SpanData> = lives
        .iter()
        .skip(evicted)
        .map(|(data, life)| {
            let mut span = contents(data, life).take(Written::looked_up);
            config::limits::apply(limits, &mut span);
            span
        })
        .collect();
    let by_data = encoder().encode(batch);

    let mut weights = Vec::new();
    for (data, life) in lives {
        let mut contents = contents(data, life);
        weights.push(contents.weight());
        writer.write(&mut contents, limits);
    }
    if is_protobuf {
        // Else a request could exceed its limit.
        for (span, weight) in writer.written().zip(weights) {
            assert!(
                span.bytes.len() <= weight,
                "{} weigh {weight}",
                span.bytes.len()
            );
        }
    }
    let mut chunks = vec![WrittenSpans::default()];
    for span in writer.written() {
        if chunks.last().unwrap().len() == chunk {
            chunks.push(WrittenSpans::default());
        }
        let weight = WrittenSpans::weight(&span);
        assert!(weight > span.bytes.len());
        chunks.last_mut().unwrap().push(span);
    }
    let mut out = WrittenSpans::default();
    for _ in 0..evicted {
        let oldest = chunks.iter_mut().find(|chunk| chunk.len() > 0);
        assert!(oldest.unwrap().move_oldest(&mut out).unwrap() > 0);
    }
    assert_eq!(out.len(), evicted);
    let mut encoder = encoder();
    for chunk in &mut chunks {
        chunk.each_run(|scope, spans| encoder.push_written(scope, spans));
        chunk.clear();
        assert_eq!(chunk.len(), 0);
    }
    writer.clear();
    (by_data, encoder.finish())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn record_written_directly_is_to_the_byte_what_it_is_by_way_of_span_data(
        resource in arbitrary::resource(),
        spans in proptest::collection::vec((arbitrary::span(), life()), 0..20),
        length in proptest::option::of(0_u32..60),
        chunk in 1_usize..8,
        evicted in 0_usize..5,
    ) {
        let limits = SpanLimits {
            attribute_value_length: length,
            ..SpanLimits::default()
        };
        // A scope with a number that is none is equal to nothing, itself included: by way of `SpanData`
        // each of its spans has a group of its own. Here they share one.
        let spans: Vec<_> = spans
            .into_iter()
            .filter(|(span, _)| span.instrumentation_scope.attributes().all(is_number))
            .collect();
        let evicted = evicted.min(spans.len());
        let encoder = || SpanEncoder::protobuf(&resource);
        let (by_data, directly) = both_ways(&spans, &limits, chunk, evicted, true, encoder);
        prop_assert_eq!(by_data, directly);
        #[cfg(feature = "otlp-json")]
        {
            let encoder = || SpanEncoder::json(&resource);
            let (by_data, directly) = both_ways(&spans, &limits, chunk, evicted, false, encoder);
            prop_assert_eq!(by_data, directly);
        }
    }
}

/// Both ways of the check are taken, and the quick one where it can be.
#[test]
fn attributes_are_right_if_no_key_comes_twice_and_no_text_is_too_long() {
    let limits = SpanLimits {
        attribute_value_length: Some(5),
        ..SpanLimits::default()
    };
    let number = |n: usize| KeyValue::new(format!("k{n}"), n as i64);
    let right: Vec<_> = (0..FEW).map(number).collect();
    assert!(Check::of(&right, &limits));
    let too_many: Vec<_> = (0..=FEW).map(number).collect();
    assert!(!Check::of(&too_many, &limits));
    let twice = [number(1), number(2), number(1)];
    assert!(!Check::of(&twice, &limits));
    let texts = |text: &'static str| [KeyValue::new("text", text)];
    assert!(Check::of(&texts("12345"), &limits));
    assert!(!Check::of(&texts("123456"), &limits));
    let list = |text: &'static str| {
        let texts = Array::String(vec![text.into()]);
        [KeyValue::new("list", Value::Array(texts))]
    };
    assert!(Check::of(&list("12345"), &limits));
    assert!(!Check::of(&list("123456"), &limits));
}

/// Scopes that come and go do not stay with a writer for ever.
#[test]
fn writer_given_ever_new_scopes_forgets_them() {
    let mut writer = Writer::new(SpanWriter::protobuf());
    let mut data = crate::export::testing::span("s");
    for n in 0..1000 {
        data.instrumentation_scope = InstrumentationScope::builder(format!("scope {n}")).build();
        writer.write_official(&data);
        writer.write_official(&data);
        assert_eq!(writer.written().count(), 2);
        writer.clear();
        assert!(writer.scopes.len() <= SCOPES);
    }
}

#[test]
fn event_and_link_with_a_repeated_key_are_put_right() {
    let mut data = crate::export::testing::span("s");
    let twice = vec![KeyValue::new("k", 1), KeyValue::new("k", 2)];
    let time = UNIX_EPOCH + Duration::from_secs(1);
    let life = Life {
        rules: 0,
        code_after: None,
        renamed: false,
        repeats: false,
        more: 0,
        numbered: true,
    };
    let resource = Resource::builder_empty().build();
    let limits = SpanLimits::default();
    let mut written = Vec::new();
    for (event, link) in [
        (twice.clone(), twice[..1].to_vec()),
        (twice[1..].to_vec(), twice.clone()),
    ] {
        data.events.events = vec![Event::new("e", time, event, 0)];
        data.links.links = vec![Link::new(data.span_context.clone(), link, 0)];
        let lives = [(data.clone(), life.clone())];
        let encoder = || SpanEncoder::protobuf(&resource);
        let (by_data, directly) = both_ways(&lives, &limits, 1, 0, true, encoder);
        assert_eq!(by_data, directly);
        written.push(directly.len());
    }
    assert_eq!(written[0], written[1]);
}
