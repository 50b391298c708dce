//! The supported combinations of packages and features.
//!
//! Each runs with `-p`, one package at a time: a build of the whole workspace unifies features,
//! and a combination that is broken alone would pass.

use std::process::Command;

/// Which features of a package are on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Features {
    Default,
    Nothing,
    /// Only these, without the defaults.
    Just(&'static str),
}

#[derive(Debug)]
pub(crate) struct Combination {
    pub(crate) package: &'static str,
    pub(crate) features: Features,
    /// Whether its unit tests run too, or only the compiler and the lints.
    pub(crate) tested: bool,
}

const fn tested(package: &'static str, features: Features) -> Combination {
    Combination {
        package,
        features,
        tested: true,
    }
}

const fn linted(package: &'static str, features: Features) -> Combination {
    Combination {
        package,
        features,
        tested: false,
    }
}

/// The package of end-to-end, trybuild and interop tests, which have stages of their own.
pub(crate) const TESTS: &str = "otel-enhance-tests";
/// The package of the trybuild fixtures: with few dependencies, because those are built anew.
pub(crate) const UI_TESTS: &str = "otel-enhance-ui-tests";
pub(crate) const EXAMPLES: &str = "otel-enhance-examples";
pub(crate) const LIBRARY: &str = "otel-enhance";
const RECEIVER: &str = "otel-enhance-receiver";
const GATEWAY: &str = "otel-enhance-gateway";
const KERNELS: &str = "otel-enhance-kernels";
const TRACEZIP: &str = "tracezip";
const EBPF: &str = "otel-enhance-ebpf";

/// What `--all-features` would be, were not the features of extensions that are to come errors.
const EVERYTHING: Features = Features::Just(
    "otlp-http,otlp-json,otlp-grpc,tls,gzip,zstd,testing,simd,performance,ebpf,tracezip",
);

/// Each published package with all that it can do, for its documentation.
pub(crate) const DOCUMENTED: &[Combination] = &[
    linted(LIBRARY, EVERYTHING),
    linted("otel-enhance-macros", Features::Default),
    linted(RECEIVER, Features::Just("tls,tracezip")),
    linted(GATEWAY, Features::Default),
    linted(KERNELS, Features::Default),
    linted(TRACEZIP, Features::Default),
    linted(EBPF, Features::Just("loader")),
];

pub(crate) const COMBINATIONS: &[Combination] = &[
    tested(LIBRARY, Features::Nothing),
    linted(LIBRARY, Features::Just("sdk")),
    tested(LIBRARY, Features::Default),
    linted(LIBRARY, Features::Just("otlp-json")),
    linted(LIBRARY, Features::Just("otlp-grpc")),
    linted(LIBRARY, Features::Just("otlp-http,gzip")),
    linted(LIBRARY, Features::Just("otlp-http,tls-no-provider")),
    linted(LIBRARY, Features::Just("otlp-grpc,tls,zstd")),
    linted(LIBRARY, Features::Just("performance")),
    linted(LIBRARY, Features::Just("testing")),
    linted(LIBRARY, Features::Just("ebpf")),
    linted(LIBRARY, Features::Just("ebpf,performance,otlp-http")),
    linted(LIBRARY, Features::Just("simd")),
    linted(LIBRARY, Features::Just("simd,otlp-http,gzip")),
    linted(LIBRARY, Features::Just("simd,otlp-grpc,zstd")),
    linted(LIBRARY, Features::Just("tracezip")),
    linted(LIBRARY, Features::Just("tracezip,otlp-http")),
    linted(LIBRARY, Features::Just("tracezip,otlp-grpc,zstd")),
    tested(LIBRARY, EVERYTHING),
    tested("otel-enhance-macros", Features::Default),
    tested("otel-enhance-test-library", Features::Default),
    linted(RECEIVER, Features::Default),
    tested(RECEIVER, Features::Just("tls,tracezip")),
    linted(RECEIVER, Features::Nothing),
    tested(GATEWAY, Features::Default),
    linted(GATEWAY, Features::Just("kafka")),
    tested(KERNELS, Features::Default),
    tested(TRACEZIP, Features::Default),
    linted(TRACEZIP, Features::Just("cli")),
    linted(EBPF, Features::Nothing),
    linted(EBPF, Features::Just("object")),
    tested(EBPF, Features::Just("loader")),
    // Its tests on the real kernel have a stage of their own.
    linted(EBPF, Features::Just("kernel-tests")),
    linted("otel-enhance-kernel-tests", Features::Default),
    tested("xtask", Features::Default),
    linted(EXAMPLES, Features::Default),
];

/// What differs from system to system, each linted for the [`SYSTEMS`] as well. Nothing that takes a C compiler.
pub(crate) const PORTABLE: &[Combination] = &[
    linted(LIBRARY, Features::Just("ebpf")),
    linted(LIBRARY, Features::Just("ebpf,performance,otlp-http")),
    linted(EBPF, Features::Just("loader")),
];

/// Beside the one that this is built on: another processor, another Unix, and no Unix.
pub(crate) const SYSTEMS: &[&str] = &[
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-gnu",
];

impl Combination {
    /// Puts the package and its features on a cargo command line.
    pub(crate) fn select<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.args(["-p", self.package]);
        match self.features {
            Features::Default => command,
            Features::Nothing => command.arg("--no-default-features"),
            Features::Just(names) => command.args(["--no-default-features", "--features", names]),
        }
    }
}
