//! The host: name, id, architecture.

use opentelemetry::Value;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceDetector;

/// `host.name`, `host.arch`, and `host.id` (the machine id; outside of containers, whose file of that
/// name belongs to the image).
#[derive(Clone, Copy, Debug, Default)]
pub struct HostDetector;

impl ResourceDetector for HostDetector {
    fn detect(&self) -> Resource {
        let id = match super::container::id() {
            None => machine_id(),
            Some(_) => None,
        };
        super::of([
            ("host.name", name().map(Value::from)),
            ("host.arch", Some(arch(std::env::consts::ARCH).into())),
            ("host.id", id.map(Value::from)),
        ])
    }
}

fn name() -> Option<String> {
    let from_env = |variable| {
        std::env::var(variable)
            .ok()
            .filter(|name: &String| !name.is_empty())
    };
    super::read("/proc/sys/kernel/hostname")
        .or_else(|| super::read("/etc/hostname"))
        .or_else(|| from_env("COMPUTERNAME"))
        .or_else(|| from_env("HOSTNAME"))
}

fn machine_id() -> Option<String> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"]
        .into_iter()
        .find_map(super::read)
        // systemd writes this while an image is prepared.
        .filter(|id| id != "uninitialized")
}

/// Rust's name of an architecture as the semantic conventions call it.
fn arch(rust: &'static str) -> &'static str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arch_given_rust_names_returns_those_of_the_conventions() {
        for (rust, ours) in [
            ("x86_64", "amd64"),
            ("aarch64", "arm64"),
            ("arm", "arm32"),
            ("x86", "x86"),
            ("s390x", "s390x"),
            ("riscv64", "riscv64"),
        ] {
            assert_eq!(arch(rust), ours);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn host_detector_on_linux_has_the_kernels_host_name() {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let detected = HostDetector.detect().get(&"host.name".into());
        assert_eq!(detected, Some(kernel.trim().to_owned().into()));
    }
}
