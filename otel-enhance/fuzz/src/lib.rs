//! Spans of every shape, made of the bytes that a fuzzer gives, and what the official side makes of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

/// Texts that are literals, for what has the same place again and again.
const LITERALS: &[&str] = &["", "shop", "1.0", "http.request.method", "url.path"];

/// What the official exporter makes of a batch.
pub fn official(batch: &[SpanData], resource: &Resource) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(batch.to_vec(), &resource.into()),
    }
}

/// A resource.
pub fn resource(input: &mut Unstructured<'_>) -> Result<Resource> {
    let attributes = attributes(input)?;
    Ok(Resource::builder_empty()
        .with_schema_url(attributes, text(input)?)
        .build())
}

/// As many batches as the input has; some are empty.
pub fn batches(input: &mut Unstructured<'_>) -> Vec<Vec<SpanData>> {
    let mut batches = vec![Vec::new()];
    while !input.is_empty() {
        let Ok(span) = span(input) else {
            break;
        };
        if let Some(batch) = batches.last_mut() {
            batch.push(span);
        }
        if input.ratio(1, 8).unwrap_or(false) {
            batches.push(Vec::new());
        }
    }
    batches
}

fn span(input: &mut Unstructured<'_>) -> Result<SpanData> {
    let mut events = SpanEvents::default();
    let mut links = SpanLinks::default();
    if input.ratio(1, 4)? {
        events.dropped_count = dropped(input)?;
        for _ in 0..input.int_in_range(0..=3)? {
            events.events.push(Event::new(
                text(input)?,
                time(input)?,
                attributes(input)?,
                dropped(input)?,
            ));
        }
    }
    if input.ratio(1, 4)? {
        links.dropped_count = dropped(input)?;
        for _ in 0..input.int_in_range(0..=3)? {
            links.links.push(Link::new(
                context(input)?,
                attributes(input)?,
                dropped(input)?,
            ));
        }
    }
    Ok(SpanData {
        span_context: context(input)?,
        parent_span_id: SpanId::from(if input.arbitrary()? {
            input.arbitrary()?
        } else {
            0
        }),
        parent_span_is_remote: input.arbitrary()?,
        span_kind: input
            .choose(&[
                SpanKind::Internal,
                SpanKind::Server,
                SpanKind::Client,
                SpanKind::Producer,
                SpanKind::Consumer,
            ])?
            .clone(),
        name: text(input)?.into(),
        start_time: time(input)?,
        end_time: time(input)?,
        attributes: attributes(input)?,
        dropped_attributes_count: dropped(input)?,
        events,
        links,
        status: match input.int_in_range(0..=3)? {
            0 => Status::Ok,
            1 => Status::error(text(input)?),
            _ => Status::Unset,
        },
        instrumentation_scope: scope(input)?,
    })
}

fn scope(input: &mut Unstructured<'_>) -> Result<InstrumentationScope> {
    let name = *input.choose(LITERALS)?;
    // The same text at another place as well.
    let mut scope = if input.arbitrary()? {
        InstrumentationScope::builder(name)
    } else {
        InstrumentationScope::builder(name.to_owned())
    };
    if input.ratio(1, 4)? {
        scope = scope.with_version(*input.choose(LITERALS)?);
    }
    if input.ratio(1, 4)? {
        scope = scope.with_schema_url(text(input)?);
    }
    if input.ratio(1, 4)? {
        scope = scope.with_attributes(attributes(input)?);
    }
    Ok(scope.build())
}

fn context(input: &mut Unstructured<'_>) -> Result<SpanContext> {
    let mut state = TraceState::NONE;
    if input.ratio(1, 8)? {
        for _ in 0..input.int_in_range(1..=3)? {
            let (key, value) = (text(input)?, text(input)?);
            state = state.insert(key, value).unwrap_or(state);
        }
        // A list that has become empty is not the same as none.
        if input.ratio(1, 4)? {
            state = TraceState::from_key_value([("a", "1")])
                .and_then(|state| state.delete("a"))
                .unwrap_or(state);
        }
    }
    Ok(SpanContext::new(
        TraceId::from(input.arbitrary::<u128>()?),
        SpanId::from(input.arbitrary::<u64>()?),
        TraceFlags::new(input.arbitrary()?),
        input.arbitrary()?,
        state,
    ))
}

fn attributes(input: &mut Unstructured<'_>) -> Result<Vec<KeyValue>> {
    (0..input.int_in_range(0..=6)?)
        .map(|_| {
            let key = if input.arbitrary()? {
                Key::from_static_str(input.choose(LITERALS)?)
            } else {
                Key::new(text(input)?)
            };
            Ok(KeyValue::new(key, value(input)?))
        })
        .collect()
}

fn value(input: &mut Unstructured<'_>) -> Result<Value> {
    fn array<T>(
        input: &mut Unstructured<'_>,
        one: impl Fn(&mut Unstructured<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        (0..input.int_in_range(0..=20)?)
            .map(|_| one(input))
            .collect()
    }
    Ok(match input.int_in_range(0..=9)? {
        0 => Value::Bool(input.arbitrary()?),
        1 => Value::I64(input.arbitrary()?),
        2 => Value::I64(i64::from(input.arbitrary::<i16>()?)),
        3 => Value::F64(input.arbitrary()?),
        4 => Value::Array(Array::Bool(array(input, |input| input.arbitrary())?)),
        5 => Value::Array(Array::I64(array(input, |input| input.arbitrary())?)),
        6 => Value::Array(Array::F64(array(input, |input| input.arbitrary())?)),
        7 => Value::Array(Array::String(array(input, |input| {
            Ok(StringValue::from(text(input)?))
        })?)),
        _ => Value::String(text(input)?.into()),
    })
}

/// Some are around the lengths at which a length takes one byte more.
fn text(input: &mut Unstructured<'_>) -> Result<String> {
    Ok(match input.int_in_range(0..=15)? {
        0 => "x".repeat(input.int_in_range(100..=140)?),
        1 => "y".repeat(input.int_in_range(16_300..=16_400)?),
        2..=5 => (*input.choose(LITERALS)?).to_owned(),
        _ => input.arbitrary()?,
    })
}

fn dropped(input: &mut Unstructured<'_>) -> Result<u32> {
    if input.ratio(1, 4)? {
        input.arbitrary()
    } else {
        Ok(0)
    }
}

fn time(input: &mut Unstructured<'_>) -> Result<SystemTime> {
    let since = Duration::from_nanos(input.arbitrary()?);
    let time = match input.int_in_range(0..=7)? {
        0 => UNIX_EPOCH.checked_sub(since),
        // Later than nanoseconds in 64 bits can say.
        1 => UNIX_EPOCH.checked_add(Duration::from_secs(20_000_000_000) + since),
        2 => Some(UNIX_EPOCH),
        _ => UNIX_EPOCH.checked_add(since),
    };
    Ok(time.unwrap_or(UNIX_EPOCH))
}
