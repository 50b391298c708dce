//! `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`.

use opentelemetry::{Key, Value};

use crate::config::{Reader, percent};

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "service.name";

/// What the environment says, the service's own variable last.
pub(super) fn attributes(reader: &mut Reader<'_>) -> Vec<(Key, Value)> {
    let mut attributes = Vec::new();
    if let Some(list) = reader.text(ATTRIBUTES) {
        match parse(&list) {
            Ok(parsed) => attributes = parsed,
            // Half a resource would be taken for a whole one.
            Err(expected) => reader.report(
                ATTRIBUTES,
                crate::config::shown(&list),
                format!("expected {expected}; the whole value is discarded"),
            ),
        }
    }
    let nameless = |(key, value): &(Key, Value)| {
        key.as_str() == SERVICE_NAME && value.as_str().trim().is_empty()
    };
    if attributes.iter().any(nameless) {
        reader.report(
            ATTRIBUTES,
            format!("{SERVICE_NAME}="),
            "expected a name; this attribute is left out",
        );
        attributes.retain(|attribute| !nameless(attribute));
    }
    if let Some(name) = reader.text("OTEL_SERVICE_NAME") {
        attributes.push((Key::from_static_str(SERVICE_NAME), name.into()));
    }
    attributes
}

/// The pairs of `OTEL_RESOURCE_ATTRIBUTES` as the official detector takes them: neither decoded nor
/// checked. A resource made in code by `Resource::builder()` has them among its attributes.
pub(super) fn undecoded(reader: &mut Reader<'_>) -> Vec<(Key, Value)> {
    let list = reader.text(ATTRIBUTES).unwrap_or_default();
    percent::members(&list)
        .filter_map(|member| member.split_once('='))
        .map(|(key, value)| {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            (key.into(), value.into())
        })
        .collect()
}

/// `key=value,key=value`, both percent-encoded where they hold `,`, `=` or `%`; a value may hold
/// further `=` as they are, as Base64 does.
fn parse(list: &str) -> Result<Vec<(Key, Value)>, String> {
    percent::members(list)
        .map(|member| {
            let (key, value) = percent::key_value(member).ok_or_else(|| {
                format!("`key=value` pairs separated by commas, which `{member}` is not")
            })?;
            let decode = |text| {
                percent::decode(text).map_err(|expected| format!("{expected} in `{member}`"))
            };
            Ok((Key::from(decode(key)?), Value::from(decode(value)?)))
        })
        .collect()
}
