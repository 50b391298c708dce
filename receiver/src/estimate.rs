//! What a message will take in memory, told before it is decoded.
//!
//! Two bytes of protobuf can announce an empty span, and a decoded span takes some hundred bytes:
//! a body within its limit could still fill the memory. So its submessages are counted first, by a
//! walk that allocates nothing.

use std::mem::size_of;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};

/// The messages of a trace request that hold others. The rest are leaves.
#[derive(Clone, Copy)]
enum Shape {
    Request,
    ResourceSpans,
    Resource,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
    EntityRef,
}

impl Shape {
    /// The submessage, or the string in a list, at a field: its shape if it holds more of them, and
    /// its own size where it is stored.
    fn child(self, field: u64) -> Option<(Option<Self>, usize)> {
        use Shape::*;
        Some(match (self, field) {
            (Request, 1) => (Some(ResourceSpans), size_of::<self::ResourceSpans>()),
            // A part of its parent, hence without a size of its own.
            (ResourceSpans, 1) => (Some(Resource), size_of::<self::Resource>()),
            (ResourceSpans, 2) => (Some(ScopeSpans), size_of::<self::ScopeSpans>()),
            (Resource, 3) => (Some(EntityRef), 6 * size_of::<String>()),
            (ScopeSpans, 1) => (Some(Scope), size_of::<InstrumentationScope>()),
            (ScopeSpans, 2) => (Some(Span), size_of::<self::Span>()),
            (Span, 11) => (Some(Event), size_of::<span::Event>()),
            (Span, 13) => (Some(Link), size_of::<span::Link>()),
            (Resource, 1) | (Scope, 3) | (Span, 9) | (Event, 3) | (Link, 4) | (KeyValueList, 1) => {
                (Some(KeyValue), size_of::<self::KeyValue>())
            }
            (KeyValue, 2) => (Some(AnyValue), 0),
            (ArrayValue, 1) => (Some(AnyValue), size_of::<self::AnyValue>()),
            (AnyValue, 5) => (Some(ArrayValue), 0),
            (AnyValue, 6) => (Some(KeyValueList), 0),
            (EntityRef, 3 | 4) => (None, size_of::<String>()),
            _ => return None,
        })
    }
}

/// Deeper than `prost` decodes: what is below will be refused by it anyway.
const MAX_DEPTH: usize = 101;

/// A lower bound of the bytes that decoding `body` allocates, its strings included. Malformed input
/// gives the estimate up to the fault, where decoding stops as well.
pub(crate) fn protobuf(body: &[u8]) -> usize {
    walk(body, Shape::Request, 0).saturating_add(body.len())
}

fn walk(mut body: &[u8], shape: Shape, depth: usize) -> usize {
    let mut total = 0_usize;
    if depth > MAX_DEPTH {
        return total;
    }
    while let Some(tag) = varint(&mut body) {
        let skipped = match tag & 7 {
            0 => varint(&mut body).map(|_| ()),
            1 => take(&mut body, 8).map(|_| ()),
            2 => {
                let Some(inner) = varint(&mut body).and_then(|length| take(&mut body, length))
                else {
                    break;
                };
                if let Some((child, size)) = shape.child(tag >> 3) {
                    let nested = child.map_or(0, |child| walk(inner, child, depth + 1));
                    total = total.saturating_add(size).saturating_add(nested);
                }
                Some(())
            }
            5 => take(&mut body, 4).map(|_| ()),
            // Groups do not occur in OTLP, and skipping one holds no memory.
            _ => None,
        };
        if skipped.is_none() {
            break;
        }
    }
    total
}

fn varint(body: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = body.split_first()?;
        *body = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(body: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
    *body = rest;
    Some(taken)
}

/// The same for JSON, where an element of a list is taken for the largest message that a list so
/// deep can hold: spans are elements at the third level and at no other.
pub(crate) fn json(body: &[u8]) -> usize {
    let mut total = body.len();
    let mut open = Containers::default();
    let mut in_string = false;
    let mut escaped = false;
    for &byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => open.push(false),
            b'[' => {
                open.push(true);
                total = total.saturating_add(element(open.lists));
            }
            b',' if open.in_list() => total = total.saturating_add(element(open.lists)),
            b'}' | b']' => open.pop(),
            _ => {}
        }
    }
    total
}

/// The largest message that is an element of lists within lists.
fn element(lists: u32) -> usize {
    match lists {
        0 | 1 => size_of::<ResourceSpans>(),
        2 => size_of::<ScopeSpans>().max(6 * size_of::<String>()),
        3 => size_of::<Span>(),
        _ => size_of::<span::Event>().max(size_of::<span::Link>()),
    }
}

/// The lists and objects around a place in a JSON text.
#[derive(Default)]
struct Containers {
    /// A bit for each, the innermost lowest: set for a list. What is deeper than 128 is forgotten,
    /// and refused when it is read.
    kinds: u128,
    lists: u32,
}

impl Containers {
    fn push(&mut self, list: bool) {
        self.kinds = self.kinds << 1 | u128::from(list);
        self.lists += u32::from(list);
    }

    fn pop(&mut self) {
        self.lists = self.lists.saturating_sub(u32::from(self.in_list()));
        self.kinds >>= 1;
    }

    fn in_list(&self) -> bool {
        self.kinds & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    use super::*;

    fn request(spans: usize) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![Span::default(); spans],
                    ..Default::default()
                }],
                ..Default::default()
            }],
        }
    }

    #[test]
    fn empty_spans_are_estimated_at_their_decoded_size() {
        let body = request(1000).encode_to_vec();
        assert!(body.len() < 3000);
        assert!(protobuf(&body) >= 1000 * size_of::<Span>());
    }

    #[test]
    fn empty_json_spans_are_estimated_at_their_decoded_size() {
        for span in ["{}", "null"] {
            let body = format!(
                r#"{{"x":[1,[2]],"resourceSpans":[{{"scopeSpans":[{{"spans":[{}{span}]}}]}}]}}"#,
                format!("{span},").repeat(999)
            );
            let estimate = json(body.as_bytes());
            assert!(estimate >= 1000 * size_of::<Span>(), "{span}");
            assert!(estimate < 1010 * size_of::<Span>() + body.len(), "{span}");
        }
        let lists_in_a_text = br#"{"a":"[,,,,\"[,,,"}"#;
        assert_eq!(json(lists_in_a_text), lists_in_a_text.len());
    }

    /// What honest senders send must not be refused for what it might have been: the default limits
    /// are 16 MiB for the body and eight times that for the message.
    #[test]
    fn ordinary_requests_are_estimated_within_eight_times_their_size() {
        let attribute = r#"{"key":"http.status","value":{"intValue":"1"}}"#;
        let attributes = format!("[{}{attribute}]", format!("{attribute},").repeat(20));
        let span = format!(
            r#"{{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"n",
                "events":[{{"attributes":{attributes}}}],"attributes":{attributes}}}"#
        );
        let body = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}{span}]}}]}}]}}"#,
            format!("{span},").repeat(100)
        );
        assert!(json(body.as_bytes()) < 8 * body.len());
        let message = crate::json::decode(body.as_bytes())
            .unwrap()
            .encode_to_vec();
        assert!(protobuf(&message) < 8 * message.len());
    }

    #[test]
    fn damaged_input_of_every_length_ends_the_walk() {
        let body = request(3).encode_to_vec();
        for end in 0..body.len() {
            protobuf(&body[..end]);
        }
        for start in 0..=255_u8 {
            protobuf(&[start; 64]);
            json(&[start; 1000]);
        }
    }
}
