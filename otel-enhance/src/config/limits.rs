//! Span limits: resolved here, and applied where the official SDK leaves them out.
//!
//! The SDK counts attributes, events and links while a span is recorded. It keeps duplicate keys and
//! knows no limit of length; [`apply`] puts both right on the export thread, where nobody waits.

use std::collections::HashMap;

use opentelemetry::{Array, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::env::{Parsed, Reader};
use super::number::{Bound, to_u32};
use super::settings::{Overrides, SpanLimits};
use crate::InitError;

const COUNT: Bound = Bound::count("items", 0, u32::MAX as u64, 128);

/// Up to this many attributes, comparing each with each is faster than a map.
const FEW: usize = 24;

/// Code over the span's variable over the general one over default.
pub(crate) fn resolve(code: &Overrides, reader: &mut Reader<'_>) -> Result<SpanLimits, InitError> {
    const GENERAL: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
    let mut count = |argument, code: Option<u32>, names: &[&str]| {
        COUNT
            .count_of(reader, (argument, code.map(u64::from)), names)
            .map(to_u32)
    };
    let mut limits = SpanLimits {
        attributes_per_span: count(
            "attributes_per_span",
            code.attributes_per_span,
            &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", GENERAL],
        )?,
        events_per_span: count(
            "events_per_span",
            code.events_per_span,
            &["OTEL_SPAN_EVENT_COUNT_LIMIT"],
        )?,
        links_per_span: count(
            "links_per_span",
            code.links_per_span,
            &["OTEL_SPAN_LINK_COUNT_LIMIT"],
        )?,
        attributes_per_event: count(
            "attributes_per_event",
            code.attributes_per_event,
            &["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", GENERAL],
        )?,
        attributes_per_link: count(
            "attributes_per_link",
            code.attributes_per_link,
            &["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", GENERAL],
        )?,
        attribute_value_length: None,
    };
    limits.attribute_value_length = match code.attribute_value_length {
        Some(characters) => Some(characters),
        None => value_length(reader),
    };
    Ok(limits)
}

fn value_length(reader: &mut Reader<'_>) -> Option<u32> {
    let names = [
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    ];
    let show = |limit: &Option<u32>| match limit {
        Some(characters) => characters.to_string(),
        None => "no limit".to_owned(),
    };
    reader.choose(&names, None, show, |_, text| match text.parse() {
        Ok(characters) => Parsed::Good(Some(characters)),
        Err(_) => Parsed::Bad(format!("a whole number of characters, 0 to {}", u32::MAX)),
    })
}

impl Default for SpanLimits {
    fn default() -> Self {
        let count = to_u32(COUNT.default);
        Self {
            attributes_per_span: count,
            events_per_span: count,
            links_per_span: count,
            attributes_per_event: count,
            attributes_per_link: count,
            attribute_value_length: None,
        }
    }
}

impl From<SpanLimits> for opentelemetry_sdk::trace::SpanLimits {
    /// The counts; the SDK knows no limit of length.
    fn from(limits: SpanLimits) -> Self {
        Self {
            max_events_per_span: limits.events_per_span,
            max_attributes_per_span: limits.attributes_per_span,
            max_links_per_span: limits.links_per_span,
            max_attributes_per_event: limits.attributes_per_event,
            max_attributes_per_link: limits.attributes_per_link,
        }
    }
}

/// Removes duplicate keys (the last value wins, in the first one's place) and shortens values, on the
/// span, its events and its links. Allocates only where something is put right, except that more than
/// 24 attributes in one place are compared by a map.
pub(crate) fn apply(limits: &SpanLimits, span: &mut SpanData) {
    let put_right = |attributes: &mut Vec<KeyValue>| {
        remove_duplicates(attributes);
        if let Some(limit) = limits.attribute_value_length {
            for attribute in attributes {
                shorten(&mut attribute.value, limit as usize);
            }
        }
    };
    put_right(&mut span.attributes);
    for event in &mut span.events.events {
        put_right(&mut event.attributes);
    }
    for link in &mut span.links.links {
        put_right(&mut link.attributes);
    }
}

fn remove_duplicates(attributes: &mut Vec<KeyValue>) {
    if attributes.len() <= FEW {
        let mut at = 1;
        while at < attributes.len() {
            let key = &attributes[at].key;
            match attributes[..at].iter().position(|first| first.key == *key) {
                Some(first) => attributes[first] = attributes.remove(at),
                None => at += 1,
            }
        }
        return;
    }
    let mut places: HashMap<Key, usize> = HashMap::with_capacity(attributes.len());
    let mut unique: Vec<KeyValue> = Vec::with_capacity(attributes.len());
    for attribute in attributes.drain(..) {
        match places.get(&attribute.key) {
            Some(&place) => unique[place] = attribute,
            None => {
                places.insert(attribute.key.clone(), unique.len());
                unique.push(attribute);
            }
        }
    }
    *attributes = unique;
}

/// Strings, and each string of an array; other values have no length that the specification limits.
fn shorten(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => shorten_text(text, limit),
        Value::Array(Array::String(texts)) => {
            for text in texts {
                shorten_text(text, limit);
            }
        }
        _ => {}
    }
}

fn shorten_text(text: &mut StringValue, limit: usize) {
    // Fewer bytes than the limit are fewer characters too.
    if text.as_str().len() <= limit {
        return;
    }
    if let Some((end, _)) = text.as_str().char_indices().nth(limit) {
        *text = text.as_str()[..end].to_owned().into();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use opentelemetry::trace::{Span as _, SpanContext, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanProcessor};

    use super::*;

    #[test]
    fn shorten_text_given_every_limit_keeps_that_many_characters() {
        let text = "aß京😀e\u{301}\0z";
        let characters = text.chars().count();
        for limit in 0..=characters + 2 {
            let mut value = Value::from(text);
            shorten(&mut value, limit);
            let expected: String = text.chars().take(limit).collect();
            assert_eq!(value.as_str(), expected, "limit {limit}");
        }
    }

    #[test]
    fn shorten_given_arrays_and_numbers_cuts_strings_only() {
        let mut value = Value::Array(Array::String(vec!["abc".into(), "d".into()]));
        shorten(&mut value, 2);
        assert_eq!(
            value,
            Value::Array(Array::String(vec!["ab".into(), "d".into()]))
        );
        for untouched in [
            Value::I64(123_456),
            Value::Bool(true),
            Value::Array(Array::I64(vec![1_000_000])),
        ] {
            let mut value = untouched.clone();
            shorten(&mut value, 1);
            assert_eq!(value, untouched);
        }
    }

    #[test]
    fn remove_duplicates_given_any_length_keeps_first_place_and_last_value() {
        for count in [0, 1, 2, FEW, FEW + 1, 200] {
            for keys in [1, 3, 17, 1000] {
                let all: Vec<_> = (0..count)
                    .map(|n: usize| KeyValue::new(format!("k{}", n * 7 % keys), n as i64))
                    .collect();
                // The naive twin.
                let mut expected: Vec<KeyValue> = Vec::new();
                for attribute in &all {
                    match expected.iter_mut().find(|e| e.key == attribute.key) {
                        Some(known) => known.value = attribute.value.clone(),
                        None => expected.push(attribute.clone()),
                    }
                }
                let mut attributes = all;
                remove_duplicates(&mut attributes);
                assert_eq!(attributes, expected, "{count} attributes, {keys} keys");
            }
        }
    }

    /// Spans as the official SDK hands them to processors.
    #[derive(Clone, Debug, Default)]
    struct Ended(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Ended {
        fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}
        fn on_end(&self, span: SpanData) {
            self.0.lock().unwrap().push(span);
        }
        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }
        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    #[test]
    fn apply_given_an_official_span_puts_duplicates_and_lengths_right_everywhere() {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(ended.clone())
            .build();
        let twice = || {
            vec![
                KeyValue::new("k", "first"),
                KeyValue::new("other", 1),
                KeyValue::new("k", "second"),
            ]
        };
        let mut span = provider.tracer("test").start("span");
        span.set_attributes(twice());
        span.add_event("event", twice());
        span.add_link(SpanContext::empty_context(), twice());
        span.end();

        let mut span = ended.0.lock().unwrap().pop().unwrap();
        // The premise: the SDK keeps both. When this fails one day, `apply` may go.
        assert_eq!(span.attributes.len(), 3);
        let limits = SpanLimits {
            attribute_value_length: Some(3),
            ..SpanLimits::default()
        };
        apply(&limits, &mut span);
        let expected = [KeyValue::new("k", "sec"), KeyValue::new("other", 1)];
        assert_eq!(span.attributes, expected);
        assert_eq!(span.events[0].attributes, expected);
        assert_eq!(span.links[0].attributes, expected);
    }
}
