//! The resource: who sends the spans. Detectors, the environment, and code over both.
//!
//! Each detector implements the official [`ResourceDetector`], so that it can be used by hand too:
//!
//! ```
//! use opentelemetry_sdk::Resource;
//! use otel_enhance::resource::{HostDetector, OsDetector};
//!
//! let resource = Resource::builder()
//!     .with_detectors(&[Box::new(HostDetector), Box::new(OsDetector)])
//!     .build();
//! assert!(resource.get(&"os.type".into()).is_some());
//! ```
//!
//! What cannot be read is left out without a word. Command lines are never recorded: they carry
//! secrets.
//!
//! Later ones win: [`TelemetryDetector`], [`OsDetector`], [`HostDetector`], [`ContainerDetector`],
//! [`ProcessDetector`], [`ServiceDetector`], `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`, code.

mod container;
mod environment;
mod host;
mod os;
mod process;
mod service;
mod telemetry;

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceDetector;

pub use container::ContainerDetector;
pub use host::HostDetector;
pub use os::OsDetector;
pub use process::ProcessDetector;
pub use service::ServiceDetector;
pub use telemetry::TelemetryDetector;

use crate::InitError;
use crate::config::{Overrides, Reader};

/// The version of the semantic conventions that the attributes' names are taken from.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.42.0";

/// Code over the environment over the detectors.
pub(crate) fn resolve(code: &Overrides, reader: &mut Reader<'_>) -> Result<Resource, InitError> {
    let mut attributes: HashMap<Key, Value> = HashMap::new();
    let detectors: [&dyn ResourceDetector; 6] = [
        &TelemetryDetector,
        &OsDetector,
        &HostDetector,
        &ContainerDetector,
        &ProcessDetector,
        &ServiceDetector,
    ];
    for detector in detectors {
        let detected = detector.detect();
        attributes.extend(detected.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    attributes.extend(environment::attributes(reader));

    let mut schema_url = Cow::Borrowed(SCHEMA_URL);
    if let Some(resource) = &code.resource {
        // `Resource::builder()` reads the environment too, less carefully than we do: what came from
        // there is not code's word, and neither is its name of last resort.
        let undecoded = environment::undecoded(reader);
        let by_code = resource.iter().filter(|(key, value)| {
            let last_resort =
                key.as_str() == "service.name" && value.as_str().starts_with("unknown_service");
            !last_resort && !undecoded.iter().any(|(k, v)| (k, v) == (*key, *value))
        });
        attributes.extend(by_code.map(|(k, v)| (k.clone(), v.clone())));
        // The specification's rule for a merge of two schemas: neither.
        if resource.schema_url().is_some_and(|url| url != SCHEMA_URL) {
            schema_url = Cow::Borrowed("");
        }
    }
    for attribute in &code.resource_attributes {
        if attribute.key.as_str().trim().is_empty() {
            return Err(InitError::InvalidArgument {
                argument: "resource",
                value: attribute.key.to_string(),
                expected: "a key that is not empty".to_owned(),
            });
        }
        attributes.insert(attribute.key.clone(), attribute.value.clone());
    }
    for (argument, key, text) in [
        ("service", "service.name", &code.service_name),
        ("version", "service.version", &code.service_version),
        (
            "environment",
            "deployment.environment.name",
            &code.environment,
        ),
    ] {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            return Err(InitError::InvalidArgument {
                argument,
                value: text.clone(),
                expected: "a text that is not empty".to_owned(),
            });
        }
        attributes.insert(Key::from_static_str(key), text.clone().into());
    }
    Ok(Resource::builder_empty()
        .with_schema_url(
            attributes
                .into_iter()
                .map(|(key, value)| KeyValue::new(key, value)),
            schema_url,
        )
        .build())
}

/// A resource of what could be found.
fn of(attributes: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Resource {
    Resource::builder_empty()
        .with_schema_url(
            attributes
                .into_iter()
                .filter_map(|(key, value)| Some(KeyValue::new(key, value?))),
            SCHEMA_URL,
        )
        .build()
}

/// A small text file's trimmed content; `None` if it is missing, unreadable or empty.
fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
