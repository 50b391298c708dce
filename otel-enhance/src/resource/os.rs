//! The operating system: type, name, version, description.

use opentelemetry::Value;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceDetector;

/// `os.type`, and on Linux `os.name`, `os.version`, `os.description` from `os-release` and the
/// kernel's release.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDetector;

impl ResourceDetector for OsDetector {
    fn detect(&self) -> Resource {
        let release = super::read("/etc/os-release")
            .or_else(|| super::read("/usr/lib/os-release"))
            .unwrap_or_default();
        let kernel = super::read("/proc/sys/kernel/osrelease");
        let description = match (field(&release, "PRETTY_NAME"), kernel) {
            (Some(name), Some(kernel)) => Some(format!("{name}, kernel {kernel}")),
            (Some(name), None) => Some(name),
            (None, kernel) => kernel.map(|kernel| format!("kernel {kernel}")),
        };
        super::of([
            ("os.type", Some(os_type(std::env::consts::OS).into())),
            ("os.name", field(&release, "NAME").map(Value::from)),
            ("os.version", field(&release, "VERSION_ID").map(Value::from)),
            ("os.description", description.map(Value::from)),
        ])
    }
}

/// Rust's name of a system as the semantic conventions call it.
fn os_type(rust: &'static str) -> &'static str {
    match rust {
        "macos" | "ios" | "tvos" | "watchos" | "visionos" => "darwin",
        "android" => "linux",
        "dragonfly" => "dragonflybsd",
        "illumos" => "solaris",
        other => other,
    }
}

/// A field of `os-release`, whose values are quoted as in a shell.
fn field(release: &str, name: &str) -> Option<String> {
    let value = release
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    let value = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        text.extend(match character {
            '\\' => characters.next(),
            other => Some(other),
        });
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_given_os_release_unquotes_the_value() {
        let release =
            "PRETTY_NAME=\"Shop \\\"OS\\\" 1\"\nNAME='Shop OS'\nVERSION_ID=12\nEMPTY=\"\"\n";
        assert_eq!(
            field(release, "PRETTY_NAME").as_deref(),
            Some("Shop \"OS\" 1")
        );
        assert_eq!(field(release, "NAME").as_deref(), Some("Shop OS"));
        assert_eq!(field(release, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(field(release, "VERSION"), None);
        assert_eq!(field(release, "EMPTY"), None);
    }

    #[test]
    fn os_type_given_rust_names_returns_those_of_the_conventions() {
        for (rust, ours) in [
            ("linux", "linux"),
            ("macos", "darwin"),
            ("windows", "windows"),
            ("dragonfly", "dragonflybsd"),
        ] {
            assert_eq!(os_type(rust), ours);
        }
    }

    #[test]
    fn os_detector_here_knows_the_type() {
        let detected = OsDetector.detect().get(&"os.type".into());
        assert_eq!(detected, Some(os_type(std::env::consts::OS).into()));
    }
}
