//! The process: id, executable, owner, runtime. Never its command line.

use opentelemetry::Value;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceDetector;

/// `process.pid`, `process.parent_pid` (Unix), `process.executable.name`, `process.executable.path`,
/// `process.owner` (Linux) and `process.runtime.name`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessDetector;

impl ResourceDetector for ProcessDetector {
    fn detect(&self) -> Resource {
        let path = std::env::current_exe().ok();
        let path = path.as_deref().and_then(|path| path.to_str());
        super::of([
            ("process.pid", Some(pid(std::process::id()))),
            ("process.parent_pid", parent()),
            (
                "process.executable.name",
                executable_name().map(Value::from),
            ),
            (
                "process.executable.path",
                path.map(|path| path.to_owned().into()),
            ),
            ("process.owner", owner().map(Value::from)),
            ("process.runtime.name", Some("rustc".into())),
        ])
    }
}

fn pid(id: u32) -> Value {
    Value::I64(i64::from(id))
}

#[cfg(unix)]
fn parent() -> Option<Value> {
    Some(pid(std::os::unix::process::parent_id()))
}

#[cfg(not(unix))]
fn parent() -> Option<Value> {
    None
}

/// The executable's file name.
pub(super) fn executable_name() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    Some(path.file_name()?.to_str()?.to_owned())
}

/// The login name of the effective user, or its number where `/etc/passwd` does not know it.
#[cfg(target_os = "linux")]
fn owner() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let user = std::fs::metadata("/proc/self").ok()?.uid();
    Some(
        super::read("/etc/passwd")
            .and_then(|passwd| login_name(&passwd, user))
            .unwrap_or_else(|| user.to_string()),
    )
}

#[cfg(not(target_os = "linux"))]
fn owner() -> Option<String> {
    None
}

#[cfg(any(target_os = "linux", test))]
fn login_name(passwd: &str, user: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id = fields.nth(1)?;
        (id.parse() == Ok(user) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_name_given_passwd_finds_the_user_by_number() {
        let passwd =
            "root:x:0:0:root:/:/bin/sh\n# odd line\nshop:x:1000:1000::/home/shop:/bin/sh\n";
        assert_eq!(login_name(passwd, 1000).as_deref(), Some("shop"));
        assert_eq!(login_name(passwd, 0).as_deref(), Some("root"));
        assert_eq!(login_name(passwd, 7), None);
        assert_eq!(login_name("", 0), None);
    }

    #[test]
    fn process_detector_in_this_process_names_it_and_no_command_line() {
        let resource = ProcessDetector.detect();
        let pid = Value::I64(i64::from(std::process::id()));
        assert_eq!(resource.get(&"process.pid".into()), Some(pid));
        assert!(resource.get(&"process.executable.path".into()).is_some());
        assert!(
            resource
                .iter()
                .all(|(key, _)| !key.as_str().contains("command"))
        );
    }
}
