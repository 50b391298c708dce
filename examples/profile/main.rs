//! What five spans did with their time, beside what it really was, and which code it went into.
//!
//! ```sh
//! cargo build --release --features ebpf --example profile
//! sudo target/release/examples/profile            # or with the capabilities BPF and PERFMON
//! target/release/examples/profile                 # says what it cannot do, and runs
//! ```
//!
//! Writes `profile.pb.gz` (for `pprof`), `flamegraph.svg` and a graph for each span's name.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to a person"
)]

mod kept;
mod truth;
mod work;

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use otel_enhance::TelemetryGuard;
use otel_enhance::extensions::ebpf::{Profile, ProfileKind};

use crate::kept::Kept;

const USAGE: &str = "usage: profile [--out DIR] [--hz HZ] [--rounds N] [--endpoint URL] [--pinned-map FILE]

  --out DIR        where the files go; default: target/profile
  --hz HZ          samples a second; default: 499
  --rounds N       runs everything so often; default: 1
  --endpoint URL   sends spans and profiles to an OTLP/HTTP backend instead of printing what spans did
  --pinned-map FILE
                   where the OpenTelemetry eBPF profiler looks for spans, such as
                   /sys/fs/bpf/otel/traces_ctx_v1";

#[derive(Debug)]
struct Options {
    out: PathBuf,
    hz: u32,
    rounds: u32,
    endpoint: Option<String>,
    pinned_map: Option<PathBuf>,
}

fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        out: PathBuf::from("target/profile"),
        hz: 499,
        rounds: 1,
        endpoint: None,
        pinned_map: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--out" => options.out = value()?.into(),
            "--hz" => options.hz = value()?.parse()?,
            "--rounds" => options.rounds = value()?.parse()?,
            "--endpoint" => options.endpoint = Some(value()?),
            "--pinned-map" => options.pinned_map = Some(value()?.into()),
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown argument {other}\n\n{USAGE}").into()),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    let outcome = match options() {
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Some(options)) => run(&options),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("profile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let kept = Kept::default();
    let mut pipeline = otel_enhance::new_enhanced_pipeline()
        .with_service_name("profile")
        .with_ebpf_sample_hz(options.hz)
        .with_ebpf_off_cpu(true);
    if let Some(map) = &options.pinned_map {
        pipeline = pipeline.with_ebpf_pinned_map(map);
    }
    let guard = match &options.endpoint {
        Some(endpoint) => pipeline
            .with_endpoint(endpoint.clone())
            .with_ebpf_otlp_profiles(true)
            .install_batch()?,
        None => pipeline.with_exporter(kept.clone()).install_batch()?,
    };
    let ebpf = guard.ebpf().ok_or("the pipeline has no eBPF")?;
    println!("{}\n", ebpf.status());

    let mut truths = Vec::new();
    for _ in 0..options.rounds {
        truths = work::all();
    }
    guard.force_flush()?;
    if options.endpoint.is_none() {
        println!("{}", truth::table(&truths, &kept.spans()));
    }
    profile(options, &guard)?;
    guard.shutdown()?;
    Ok(())
}

fn profile(options: &Options, guard: &TelemetryGuard) -> Result<(), Box<dyn Error>> {
    let Some(profile) = guard.ebpf().and_then(|ebpf| ebpf.profile()) else {
        println!(
            "There are no samples of stacks: those take Linux 5.15 and the capabilities BPF and PERFMON, \
             which root has."
        );
        return Ok(());
    };
    for name in profile.span_names() {
        println!("{name}");
        let part = profile.of_span_name(name);
        for (kind, what) in [
            (ProfileKind::Cpu, "computes in"),
            (ProfileKind::OffCpu, "waits in"),
        ] {
            for (function, time) in culprits(&part, kind).into_iter().take(3) {
                println!("  {:>7.1} ms  {what} {function}", time.as_secs_f64() * 1e3);
            }
        }
    }
    let account = profile.account();
    println!(
        "\n{} samples read, {} lost, {} whose stack could not be followed to its root",
        account.read, account.lost, account.cut_off
    );
    for path in profile.write_to(&options.out)? {
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Functions of this program, by how long they were the innermost of its own on the stack.
fn culprits(profile: &Profile, kind: ProfileKind) -> Vec<(String, Duration)> {
    let mut times: HashMap<String, Duration> = HashMap::new();
    for sample in profile.samples().filter(|sample| sample.kind() == kind) {
        let own = sample
            .frames()
            .find(|frame| frame.function.starts_with("profile::"));
        if let Some(frame) = own {
            let inlined = if frame.inlined { " (inlined)" } else { "" };
            let name = format!("{}{inlined}", frame.function);
            *times.entry(name).or_default() += Duration::from_nanos(sample.nanoseconds());
        }
    }
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    times
}
