//! The service: a name of last resort, and an id for this instance.

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceDetector;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

/// `service.name` as `unknown_service:<executable>`, which code and environment override, and
/// `service.instance.id`, a random UUID (version 4), new with each detection.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceDetector;

impl ResourceDetector for ServiceDetector {
    fn detect(&self) -> Resource {
        let name = match super::process::executable_name() {
            Some(executable) => format!("unknown_service:{executable}"),
            None => "unknown_service".to_owned(),
        };
        super::of([
            ("service.name", Some(name.into())),
            ("service.instance.id", Some(instance_id().into())),
        ])
    }
}

/// The kernel's generator where there is one: the SDK's is copied by fork, and two children would
/// give themselves one id.
fn instance_id() -> String {
    super::read("/proc/sys/kernel/random/uuid")
        .filter(|uuid| uuid.len() == 36)
        .unwrap_or_else(|| uuid_v4(RandomIdGenerator::default().new_trace_id().to_bytes()))
}

/// Random bytes as RFC 9562 writes them, with version and variant set.
fn uuid_v4(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_v4_given_extreme_bytes_sets_version_and_variant() {
        assert_eq!(uuid_v4([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_v4([255; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn instance_id_taken_twice_differs_and_is_version_4() {
        let (one, two) = (instance_id(), instance_id());
        assert_ne!(one, two);
        for id in [one, two] {
            assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
        }
    }

    #[test]
    fn service_detector_without_configuration_names_the_executable() {
        let name = ServiceDetector.detect().get(&"service.name".into());
        let name = name.map(|name| name.to_string()).unwrap_or_default();
        assert!(name.starts_with("unknown_service:otel_enhance"), "{name}");
    }
}
