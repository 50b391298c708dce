//! Profiles, in programs that we did not write: the example `profile` on the real kernel, its file in pprof, what it
//! sends in the Collector, and its spans in the OpenTelemetry eBPF profiler.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::collector::{Collector, wait_until};
use super::ebpf_profiler;
use crate::error::{Error, Result};
use crate::features::{EXAMPLES, LIBRARY};
use crate::peers::{COLLECTOR, EBPF_PROFILER, PPROF, Peers};
use crate::process::{cargo, program, read, show};
use crate::targets::root;

/// As root, on a kernel with BTF.
pub(crate) fn check(peers: &Peers) -> Result<()> {
    let example = ["--features", "ebpf", "--example", "profile"];
    let build = ["build", "--release", "-p", EXAMPLES];
    show(cargo().args(build).args(example))?;
    let folder = root().join("target/profile-check");
    let _ = fs::remove_dir_all(&folder);
    let example = root().join("target/release/examples/profile");
    show(program(&example).arg("--out").arg(&folder))?;
    for file in [
        "flamegraph.svg",
        "flamegraph-off-cpu.svg",
        "spans/cpu-bound.svg",
    ] {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        expect(file, &text, &["</svg>", "<title>profile::work::"])?;
    }
    let at = |wanted: &str| {
        let mut all = peers.locations()?.into_iter();
        let found = all.find(|(variable, _)| *variable == wanted);
        found
            .map(|(_, path)| path)
            .ok_or_else(|| Error::Check(format!("{wanted} was not built")))
    };
    pprof(&at(PPROF)?, &folder.join("profile.pb.gz"))?;
    collector(&at(COLLECTOR)?, &example, &folder)?;
    ebpf_profiler::links_to_our_spans(
        &at(EBPF_PROFILER)?,
        &at(COLLECTOR)?,
        &example,
        &folder.join("ebpf-profiler"),
    )
}

fn expect(what: &str, text: &str, wanted: &[&str]) -> Result<()> {
    for wanted in wanted {
        if !text.contains(wanted) {
            return Err(Error::Check(format!("{what} has no {wanted:?}:\n{text}")));
        }
    }
    Ok(())
}

/// What pprof says of the file.
fn pprof(pprof: &Path, file: &Path) -> Result<()> {
    let ask = |arguments: &[&str]| read(program(pprof).args(arguments).arg(file));
    let top = ask(&["-top", "-nodecount=30"])?;
    println!("{top}");
    expect(
        "pprof -top",
        &top,
        &["Type: cpu", "profile::work::burn", "profile::work::mix"],
    )?;
    let tags = ask(&["-tags"])?;
    let names = ["trace_id", "span_id", "thread", "cpu-bound", "async"];
    expect("pprof -tags", &tags, &names)?;
    let waits = [
        "-top",
        "-sample_index=off_cpu",
        "-cum",
        "-tagfocus=span=^lock-contended$",
    ];
    expect(
        "pprof -top of waits",
        &ask(&waits)?,
        &["profile::work::wait_for"],
    )?;
    let starved = ["-traces", "-tagfocus=span=^run-queue-starved$"];
    expect(
        "pprof -traces",
        &ask(&starved)?,
        &["profile::work::run_queue_starved"],
    )?;
    // One span alone, by its id.
    let raw = ask(&["-raw"])?;
    let id = raw
        .lines()
        .find_map(|line| line.split("span_id:[").nth(1)?.split(']').next())
        .ok_or_else(|| Error::Check(format!("pprof -raw has no span_id:\n{raw}")))?;
    let of_one = format!("-tagfocus=span_id=^{id}$");
    expect(
        "pprof -top of a span",
        &ask(&["-top", &of_one])?,
        &["profile::work::"],
    )?;
    let svg = ask(&["-svg", "-output=/dev/stdout"])?;
    expect("pprof -svg", &svg, &["</svg>"])
}

/// What the Collector received, over HTTP: each sample's link is a span that it received as well. And over gRPC, that
/// it answers.
fn collector(program_of: &Path, example: &Path, folder: &Path) -> Result<()> {
    let collector = Collector::start(program_of, &folder.join("collector"))?;
    let endpoint = format!("http://{}", collector.http);
    show(
        program(example)
            .args(["--endpoint", &endpoint, "--out"])
            .arg(folder.join("sent")),
    )?;
    let mut found = Err(Error::Check("nothing arrived".to_owned()));
    let written = wait_until("profiles are written", || {
        found = linked(&collector);
        Ok(found.is_ok())
    });
    let over_grpc = show(
        cargo()
            .args([
                "test",
                "-p",
                LIBRARY,
                "--features",
                "testing,ebpf,otlp-grpc",
            ])
            .args(["--lib", "--", "over_grpc_and_answers", "--ignored"])
            .env(
                "OTEL_ENHANCE_PROFILES_GRPC",
                format!("http://{}", collector.grpc),
            ),
    );
    let said = collector.log();
    drop(collector);
    over_grpc?;
    match (written, found) {
        (Ok(()), Ok(links)) => {
            println!("the Collector has profiles with links to {links} of its spans");
            Ok(())
        }
        (_, Err(error)) => {
            print!("{said}");
            Err(error)
        }
        (Err(error), _) => Err(error),
    }
}

/// How many spans samples are linked to; all of them must have arrived as spans.
fn linked(collector: &Collector) -> Result<usize> {
    let id = |value: &Value| value["spanId"].as_str().unwrap_or_default().to_owned();
    let spans: BTreeSet<_> = collector.spans()?.iter().map(id).collect();
    let mut links = BTreeSet::new();
    let mut text = String::new();
    for request in collector.profiles()? {
        // Names are in the table of strings, values of attributes where those are.
        for table in ["stringTable", "attributeTable"] {
            text.push_str(&request["dictionary"][table].to_string());
        }
        let table = request["dictionary"]["linkTable"].as_array();
        links.extend(table.into_iter().flatten().map(id));
    }
    links.remove("");
    let names = [
        "\"cpu\"",
        "\"off_cpu\"",
        "profile::work::mix",
        "otel_enhance.span.name",
        "\"async\"",
    ];
    expect("the strings of the profiles", &text, &names)?;
    let strangers: Vec<_> = links.difference(&spans).collect();
    if links.len() < 5 || !strangers.is_empty() {
        return Err(Error::Check(format!(
            "{} links, of which {strangers:?} are to no span that arrived: {spans:?}",
            links.len()
        )));
    }
    Ok(links.len())
}
