//! OTLP/JSON: protobuf's JSON with ids in hexadecimal.
//!
//! The derives of `opentelemetry-proto` read what it writes. They refuse much of what the rules
//! of protobuf's JSON oblige a reader to take: `null` for a field that is not set, `"NaN"`, base64
//! without padding, integers as strings. Hence a reader of our own; it fills the messages
//! directly, without a tree of values between.

mod messages;
mod scalars;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde_core::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Reads one request.
pub(crate) fn decode(body: &[u8]) -> Result<ExportTraceServiceRequest, serde_json::Error> {
    serde_json::from_slice::<Json<ExportTraceServiceRequest>>(body).map(|json| json.0)
}

/// A message that is read key by key.
trait Fields: Default {
    /// Reads the value that belongs to `key`, or returns false without reading.
    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// A message; `null` is an empty one.
struct Json<T>(T);

impl<'de, T: Fields> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Fields> Visitor<'de> for Reader<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<T, E> {
                Ok(T::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
                let mut message = T::default();
                while let Some(Key(key)) = map.next_key()? {
                    if !message.set(&key, &mut map)? {
                        // The specification has receivers ignore what they do not know.
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(message)
            }
        }

        deserializer.deserialize_any(Reader(PhantomData)).map(Self)
    }
}

/// A key, borrowed unless it is written with escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

/// A list; `null` is an empty one. `W` reads an element and turns into what is stored.
struct List<W, T>(Vec<T>, PhantomData<W>);

impl<'de, W, T> Deserialize<'de> for List<W, T>
where
    W: Deserialize<'de> + Unwrap<T>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<W, T>(PhantomData<(W, T)>);

        impl<'de, W, T> Visitor<'de> for Reader<W, T>
        where
            W: Deserialize<'de> + Unwrap<T>,
        {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_unit<E>(self) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element::<W>()? {
                    items.push(item.unwrap_json());
                }
                Ok(items)
            }
        }

        deserializer
            .deserialize_any(Reader::<W, T>(PhantomData))
            .map(|items| Self(items, PhantomData))
    }
}

/// From the form that reads to the form that is stored.
trait Unwrap<T> {
    fn unwrap_json(self) -> T;
}

impl<T> Unwrap<T> for Json<T> {
    fn unwrap_json(self) -> T {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

    use super::*;

    /// The only span of a request that holds this one.
    fn span(json: &str) -> Result<Span, String> {
        let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{json}]}}]}}]}}"#);
        let mut request = decode(body.as_bytes()).map_err(|error| error.to_string())?;
        Ok(request.resource_spans[0].scope_spans[0].spans.remove(0))
    }

    fn value(json: &str) -> Result<Option<Value>, String> {
        let mut span = span(&format!(
            r#"{{"attributes":[{{"key":"k","value":{json}}}]}}"#
        ))?;
        Ok(span.attributes.remove(0).value.and_then(|any| any.value))
    }

    #[test]
    fn null_and_absent_fields_are_defaults() {
        assert_eq!(
            decode(b"{}").unwrap(),
            decode(b"{\"resourceSpans\":null}").unwrap()
        );
        let all_null = r#"{"traceId":null,"spanId":null,"traceState":null,"parentSpanId":null,
            "flags":null,"name":null,"kind":null,"startTimeUnixNano":null,"endTimeUnixNano":null,
            "attributes":null,"droppedAttributesCount":null,"events":null,"links":null,
            "status":null}"#;
        assert_eq!(span(all_null).unwrap(), Span::default());
        assert_eq!(span("{}").unwrap(), Span::default());
        assert_eq!(span("null").unwrap(), Span::default());
        assert_eq!(
            span(r#"{"status":{}}"#).unwrap().status,
            Some(Status::default())
        );
        assert_eq!(value("null").unwrap(), None);
        assert_eq!(value("{}").unwrap(), None);
        assert_eq!(
            value(r#"{"boolValue":true,"intValue":null}"#).unwrap(),
            Some(Value::BoolValue(true))
        );
    }

    #[test]
    fn unknown_keys_of_any_shape_are_ignored_everywhere() {
        let body =
            r#"{"new":1,"resourceSpans":[{"new":[{}],"scopeSpans":[{"new":"x","spans":[]}]}]}"#;
        let expected = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans::default()],
                ..Default::default()
            }],
        };
        assert_eq!(decode(body.as_bytes()).unwrap(), expected);
        assert_eq!(
            value(r#"{"newValue":{"a":[1,2]},"intValue":5,"z":null}"#).unwrap(),
            Some(Value::IntValue(5))
        );
        // A key is the same however it is written.
        assert_eq!(span(r#"{"n\u0061me":"x"}"#).unwrap().name, "x");
    }

    #[test]
    fn integers_are_numbers_or_texts_within_their_range() {
        for (json, expected) in [
            ("5", 5),
            ("\"5\"", 5),
            ("5.0", 5),
            ("1e3", 1000),
            ("-9223372036854775808", i64::MIN),
            ("\"9223372036854775807\"", i64::MAX),
        ] {
            let json = format!(r#"{{"intValue":{json}}}"#);
            assert_eq!(
                value(&json).unwrap(),
                Some(Value::IntValue(expected)),
                "{json}"
            );
        }
        for json in [
            "5.5",
            "\"x\"",
            "\"\"",
            "9223372036854775808",
            "1e300",
            "true",
            "[]",
        ] {
            assert!(
                value(&format!(r#"{{"intValue":{json}}}"#)).is_err(),
                "{json}"
            );
        }
        let time = |json: &str| {
            span(&format!(r#"{{"startTimeUnixNano":{json}}}"#))
                .map(|span| span.start_time_unix_nano)
        };
        assert_eq!(time("\"18446744073709551615\""), Ok(u64::MAX));
        assert_eq!(time("18446744073709551615"), Ok(u64::MAX));
        assert!(time("-1").is_err());
        assert!(time("18446744073709551616").is_err());
        assert!(span(r#"{"flags":4294967296}"#).is_err());
    }

    #[test]
    fn doubles_are_numbers_or_names() {
        for (json, expected) in [
            ("0.5", 0.5),
            ("2", 2.0),
            ("-3", -3.0),
            ("\"1.5\"", 1.5),
            ("\"Infinity\"", f64::INFINITY),
            ("\"-Infinity\"", f64::NEG_INFINITY),
        ] {
            let json = format!(r#"{{"doubleValue":{json}}}"#);
            assert_eq!(
                value(&json).unwrap(),
                Some(Value::DoubleValue(expected)),
                "{json}"
            );
        }
        let Ok(Some(Value::DoubleValue(nan))) = value(r#"{"doubleValue":"NaN"}"#) else {
            panic!("NaN is a double");
        };
        assert!(nan.is_nan());
        assert!(value(r#"{"doubleValue":"much"}"#).is_err());
    }

    #[test]
    fn enumerations_are_numbers_or_names() {
        for (json, kind, code) in [("2", 2, 2), ("\"2\"", 2, 2), ("77", 77, 77)] {
            let span = span(&format!(r#"{{"kind":{json},"status":{{"code":{json}}}}}"#)).unwrap();
            assert_eq!((span.kind, span.status.unwrap().code), (kind, code));
        }
        let named = span(r#"{"kind":"SPAN_KIND_CLIENT","status":{"code":"STATUS_CODE_ERROR"}}"#);
        let named = named.unwrap();
        assert_eq!((named.kind, named.status.unwrap().code), (3, 2));
        assert!(span(r#"{"kind":"SPAN_KIND_BUTLER"}"#).is_err());
    }

    #[test]
    fn ids_are_hexadecimal_of_either_case() {
        let upper = span(r#"{"traceId":"0AFF","spanId":"","parentSpanId":"0aff"}"#).unwrap();
        assert_eq!(upper.trace_id, [0x0a, 0xff]);
        assert_eq!(upper.parent_span_id, upper.trace_id);
        assert!(upper.span_id.is_empty());
        for id in ["0", "0g", "+f", "ü", "0x0a"] {
            assert!(span(&format!(r#"{{"traceId":"{id}"}}"#)).is_err(), "{id}");
        }
    }

    #[test]
    fn bytes_are_base64_of_either_alphabet_with_or_without_padding() {
        for text in ["-_8=", "+/8=", "-_8", "+/8"] {
            assert_eq!(
                value(&format!(r#"{{"bytesValue":"{text}"}}"#)).unwrap(),
                Some(Value::BytesValue(vec![0xfb, 0xff])),
                "{text}"
            );
        }
        assert!(value(r#"{"bytesValue":"!"}"#).is_err());
    }

    #[test]
    fn what_is_no_request_is_an_error_that_says_where() {
        for body in [
            "",
            "[]",
            "7",
            "{\"resourceSpans\":{}}",
            "{} {}",
            "{\"resourceSpans\":[7]}",
        ] {
            let error = decode(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("line 1"), "{body}: {error}");
        }
    }
}
