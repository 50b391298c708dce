//! What a fuzzer finds in a few seconds: that the targets still build, run, and find nothing near.
//!
//! Without AddressSanitizer, which takes the nightly toolchain: `cargo +nightly fuzz run TARGET` has it, and
//! runs for as long as one likes.

use crate::error::{Error, Result};
use crate::process::{cargo, program, read, show};

const SECONDS: u32 = 10;

/// Each package of targets, which is a workspace of its own.
const TARGETS: &[(&str, &[&str])] = &[
    ("kernels/fuzz", &["numbers", "scan", "text"]),
    ("otel-enhance/fuzz", &["protobuf", "json"]),
    ("tracezip/fuzz", &["damaged", "decode", "round_trip"]),
];

/// As cargo-fuzz has it: the fuzzer sees which branches an input takes.
const INSTRUMENTED: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

pub(crate) fn run() -> Result<()> {
    // Said to cargo, so that what runs while building is not instrumented.
    let host = host()?;
    let seconds = format!("-max_total_time={SECONDS}");
    for (folder, targets) in TARGETS {
        let manifest = format!("{folder}/Cargo.toml");
        for target in *targets {
            let mut command = cargo();
            command.current_dir(ROOT).env("RUSTFLAGS", INSTRUMENTED);
            command.args(["run", "--quiet", "--release", "--locked", "--target", &host]);
            command.args(["--target-dir", "target/fuzz", "--manifest-path", &manifest]);
            command.args(["--bin", target, "--", &seconds]);
            command.args(["-artifact_prefix=target/fuzz/", "-verbosity=0"]);
            show(&mut command)?;
        }
    }
    Ok(())
}

fn host() -> Result<String> {
    let version = read(program("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Error::Check("rustc -vV names no host".to_owned()))
}
