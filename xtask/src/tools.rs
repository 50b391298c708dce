//! The tools that building and running the peers takes, and what to do where one is missing.

use crate::error::{Error, Result};
use crate::process;

struct Tool {
    name: &'static str,
    /// Prints the version.
    version: &'static [&'static str],
    least: (u32, u32),
    for_what: &'static str,
    install: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "Go",
        version: &["go", "version"],
        least: (1, 26),
        for_what: "builds the OpenTelemetry Collector, its eBPF profiler, pprof and Jaeger",
        install: "follow go.dev/doc/install and put go/bin on the PATH",
    },
    Tool {
        name: "Node.js",
        version: &["node", "--version"],
        least: (20, 6),
        for_what: "runs the service on the official JavaScript SDK",
        install: "follow nodejs.org/en/download",
    },
    Tool {
        name: "npm",
        version: &["npm", "--version"],
        least: (9, 0),
        for_what: "installs the official JavaScript SDK",
        install: "it comes with Node.js, or on Debian: apt-get install npm",
    },
    Tool {
        name: "Python",
        version: &["python3", "--version"],
        least: (3, 10),
        for_what: "runs the service on the official Python SDK",
        install: "on Debian: apt-get install python3",
    },
    Tool {
        name: "Python's venv module",
        // Debian's python3 has venv without ensurepip, and then no environment can be made.
        version: &[
            "python3",
            "-c",
            "import ensurepip, sys, venv; print(sys.version)",
        ],
        least: (3, 10),
        for_what: "installs the official Python SDK",
        install: "on Debian: apt-get install python3-venv",
    },
    Tool {
        name: "Graphviz",
        // It says so on stderr.
        version: &["sh", "-c", "dot -V 2>&1"],
        least: (2, 40),
        for_what: "draws what pprof shows",
        install: "on Debian: apt-get install graphviz",
    },
    Tool {
        name: "QEMU",
        version: &["qemu-aarch64", "--version"],
        least: (7, 0),
        for_what: "runs the kernels' tests for AArch64",
        install: "on Debian: apt-get install qemu-user",
    },
    Tool {
        name: "A compiler for AArch64",
        version: &["aarch64-linux-gnu-gcc", "-dumpfullversion"],
        least: (9, 0),
        for_what: "links the kernels' tests for AArch64",
        install: "on Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross, \
                  and rustup target add aarch64-unknown-linux-gnu",
    },
];

/// Whether every tool is there.
///
/// # Errors
///
/// [`Error::MissingTools`], with a line for each that is missing or too old.
pub(crate) fn check() -> Result<()> {
    let lines: Vec<String> = TOOLS.iter().filter_map(complaint).collect();
    if lines.is_empty() {
        Ok(())
    } else {
        Err(Error::MissingTools { lines })
    }
}

/// A line about a tool that is missing or too old.
fn complaint(tool: &Tool) -> Option<String> {
    let found = process::read(process::program(tool.version[0]).args(&tool.version[1..])).ok();
    let problem = match found.as_deref().map(|text| (text, version(text))) {
        None => "was not found".to_owned(),
        Some((_, Some(version))) if version >= tool.least => return None,
        Some((_, Some((major, minor)))) => format!("is {major}.{minor}, which is too old"),
        Some((text, None)) => format!("tells no version that can be read: {}", text.trim()),
    };
    let (major, minor) = tool.least;
    Some(format!(
        "{} {problem}: {major}.{minor} or newer {}. To install it, {}.",
        tool.name, tool.for_what, tool.install
    ))
}

/// The first `MAJOR.MINOR` in a text such as `go version go1.26.8 linux/amd64`.
fn version(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find_map(|number| {
            let mut parts = number.split('.');
            let major = parts.next()?.parse().ok()?;
            let minor = parts.next()?.parse().ok()?;
            Some((major, minor))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_what_each_tool_prints() {
        assert_eq!(version("go version go1.26.8 linux/amd64\n"), Some((1, 26)));
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("11.19.1\n"), Some((11, 19)));
        assert_eq!(version("Python 3.11.7\n"), Some((3, 11)));
        assert_eq!(
            version("3.11.7 (main, Nov  1 2026) [GCC 12.2.0]\n"),
            Some((3, 11))
        );
        assert_eq!(version("no idea"), None);
    }

    #[test]
    fn a_tool_that_is_not_there_is_named_with_what_installs_it() {
        let tool = Tool {
            name: "Nonesuch",
            version: &["otel-enhance-no-such-program", "--version"],
            least: (1, 2),
            for_what: "does nothing",
            install: "wish for it",
        };
        let line = complaint(&tool).unwrap();
        assert!(line.contains("Nonesuch was not found"), "{line}");
        assert!(line.contains("1.2 or newer"), "{line}");
        assert!(line.contains("wish for it"), "{line}");
    }

    #[test]
    fn a_tool_that_is_too_old_is_named_with_both_versions() {
        let tool = Tool {
            name: "echo",
            version: &["echo", "1.9"],
            least: (1, 10),
            for_what: "echoes",
            install: "ask for a newer one",
        };
        let line = complaint(&tool).unwrap();
        assert!(line.contains("is 1.9, which is too old"), "{line}");
        assert!(line.contains("1.10 or newer"), "{line}");
    }
}
