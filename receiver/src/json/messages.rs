//! The keys of every message.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, span, status,
};
use serde_core::de::MapAccess;

use super::scalars::{Base64, Double, Enumeration, Hex, Integer, Names, Plain};
use super::{Fields, Json, List};

impl Names for span::SpanKind {
    fn number(name: &str) -> Option<i32> {
        Self::from_str_name(name).map(i32::from)
    }
}

impl Names for status::StatusCode {
    fn number(name: &str) -> Option<i32> {
        Self::from_str_name(name).map(i32::from)
    }
}

/// Reads one value in the way that a field has.
macro_rules! read {
    ($map:ident, text) => {
        $map.next_value::<Plain<String>>()?.0
    };
    ($map:ident, integer) => {
        $map.next_value::<Integer<_>>()?.0
    };
    ($map:ident, id) => {
        $map.next_value::<Hex>()?.0
    };
    ($map:ident, one_of $names:ty) => {
        $map.next_value::<Enumeration<$names>>()?.0
    };
    ($map:ident, texts) => {
        $map.next_value::<List<Plain<String>, String>>()?.0
    };
    ($map:ident, messages) => {
        $map.next_value::<List<Json<_>, _>>()?.0
    };
    // `null` leaves a message out, where an empty object sets it.
    ($map:ident, message) => {
        $map.next_value::<Option<Json<_>>>()?.map(|json| json.0)
    };
}

/// `"key" field (the way to read it)`
macro_rules! message {
    ($message:ty: $($key:literal $field:ident ($($way:tt)+))+) => {
        impl Fields for $message {
            fn set<'de, A: MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match key {
                    $($key => self.$field = read!(map, $($way)+),)+
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

message! { ExportTraceServiceRequest:
    "resourceSpans" resource_spans (messages)
}

message! { ResourceSpans:
    "resource" resource (message)
    "scopeSpans" scope_spans (messages)
    "schemaUrl" schema_url (text)
}

message! { Resource:
    "attributes" attributes (messages)
    "droppedAttributesCount" dropped_attributes_count (integer)
    "entityRefs" entity_refs (messages)
}

message! { EntityRef:
    "schemaUrl" schema_url (text)
    "type" r#type (text)
    "idKeys" id_keys (texts)
    "descriptionKeys" description_keys (texts)
}

message! { ScopeSpans:
    "scope" scope (message)
    "spans" spans (messages)
    "schemaUrl" schema_url (text)
}

message! { InstrumentationScope:
    "name" name (text)
    "version" version (text)
    "attributes" attributes (messages)
    "droppedAttributesCount" dropped_attributes_count (integer)
}

message! { Span:
    "traceId" trace_id (id)
    "spanId" span_id (id)
    "traceState" trace_state (text)
    "parentSpanId" parent_span_id (id)
    "flags" flags (integer)
    "name" name (text)
    "kind" kind (one_of span::SpanKind)
    "startTimeUnixNano" start_time_unix_nano (integer)
    "endTimeUnixNano" end_time_unix_nano (integer)
    "attributes" attributes (messages)
    "droppedAttributesCount" dropped_attributes_count (integer)
    "events" events (messages)
    "droppedEventsCount" dropped_events_count (integer)
    "links" links (messages)
    "droppedLinksCount" dropped_links_count (integer)
    "status" status (message)
}

message! { span::Event:
    "timeUnixNano" time_unix_nano (integer)
    "name" name (text)
    "attributes" attributes (messages)
    "droppedAttributesCount" dropped_attributes_count (integer)
}

message! { span::Link:
    "traceId" trace_id (id)
    "spanId" span_id (id)
    "traceState" trace_state (text)
    "attributes" attributes (messages)
    "droppedAttributesCount" dropped_attributes_count (integer)
    "flags" flags (integer)
}

message! { Status:
    "message" message (text)
    "code" code (one_of status::StatusCode)
}

message! { KeyValue:
    "key" key (text)
    "value" value (message)
    "keyStrindex" key_strindex (integer)
}

message! { ArrayValue:
    "values" values (messages)
}

message! { KeyValueList:
    "values" values (messages)
}

impl Fields for AnyValue {
    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        // `null` is a field that is not set, and leaves what another key has set.
        let value = match key {
            "stringValue" => map.next_value::<Option<String>>()?.map(Value::StringValue),
            "boolValue" => map.next_value::<Option<bool>>()?.map(Value::BoolValue),
            "intValue" => map
                .next_value::<Option<Integer<i64>>>()?
                .map(|value| Value::IntValue(value.0)),
            "doubleValue" => map
                .next_value::<Option<Double>>()?
                .map(|value| Value::DoubleValue(value.0)),
            "arrayValue" => map
                .next_value::<Option<Json<ArrayValue>>>()?
                .map(|value| Value::ArrayValue(value.0)),
            "kvlistValue" => map
                .next_value::<Option<Json<KeyValueList>>>()?
                .map(|value| Value::KvlistValue(value.0)),
            "bytesValue" => map
                .next_value::<Option<Base64>>()?
                .map(|value| Value::BytesValue(value.0)),
            "stringValueStrindex" => map
                .next_value::<Option<Integer<i32>>>()?
                .map(|value| Value::StringValueStrindex(value.0)),
            _ => return Ok(false),
        };
        if value.is_some() {
            self.value = value;
        }
        Ok(true)
    }
}
