//! Profiles, in programs that we did not write: the example `profile` on the real kernel, its file in pprof, and
//! what it sends in the Collector.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::features::{EXAMPLES, LIBRARY};
use crate::peers::{COLLECTOR, PPROF, Peers};
use crate::process::{cargo, program, read, show};
use crate::targets::root;

/// How long the Collector may take to listen, and to write what it got.
const PATIENCE: Duration = Duration::from_secs(20);

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
    collector(&at(COLLECTOR)?, &example, &folder)
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

/// Ends with its variable.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address that nobody listens at.
fn address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    let address = address.map_err(Error::io("bind", "127.0.0.1:0"))?;
    Ok(address.to_string())
}

/// What the Collector received, over HTTP: each sample's link is a span that it received as well. And over gRPC, that
/// it answers.
fn collector(collector: &Path, example: &Path, folder: &Path) -> Result<()> {
    let (address, grpc) = (address()?, address()?);
    let file = |name: &str| folder.join(name);
    let exporter = |path: PathBuf| json!({ "path": path, "flush_interval": "100ms" });
    let config = json!({
        "receivers": { "otlp": { "protocols": {
            "http": { "endpoint": address },
            "grpc": { "endpoint": grpc },
        } } },
        "exporters": {
            "file/traces": exporter(file("traces.json")),
            "file/profiles": exporter(file("profiles.json")),
        },
        "service": {
            "telemetry": { "metrics": { "level": "none" } },
            "pipelines": {
                "traces": { "receivers": ["otlp"], "exporters": ["file/traces"] },
                "profiles": { "receivers": ["otlp"], "exporters": ["file/profiles"] },
            },
        },
    });
    let path = file("config.yaml");
    fs::write(&path, config.to_string()).map_err(Error::io("write", &path))?;
    let log = file("collector.log");
    let said = fs::File::create(&log).map_err(Error::io("write", &log))?;
    let mut command = Command::new(collector);
    command
        .arg("--config")
        .arg(&path)
        .arg("--feature-gates=+service.profilesSupport")
        .stdout(Stdio::null())
        .stderr(said);
    let running = Running(command.spawn().map_err(Error::io("start", collector))?);
    wait_until("the Collector listens", || {
        std::net::TcpStream::connect(&address).is_ok()
    })?;
    let endpoint = format!("http://{address}");
    show(
        program(example)
            .args(["--endpoint", &endpoint, "--out"])
            .arg(folder.join("sent")),
    )?;
    let mut found = Err(Error::Check("nothing arrived".to_owned()));
    let written = wait_until("profiles are written", || {
        found = linked(&file("traces.json"), &file("profiles.json"));
        found.is_ok()
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
            .env("OTEL_ENHANCE_PROFILES_GRPC", format!("http://{grpc}")),
    );
    drop(running);
    over_grpc?;
    match (written, found) {
        (Ok(()), Ok(links)) => {
            println!("the Collector has profiles with links to {links} of its spans");
            Ok(())
        }
        (_, Err(error)) => {
            print!("{}", fs::read_to_string(&log).unwrap_or_default());
            Err(error)
        }
        (Err(error), _) => Err(error),
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return Err(Error::Check(format!("not within {PATIENCE:?}: {what}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// How many spans samples are linked to; all of them must have arrived as spans.
fn linked(traces: &Path, profiles: &Path) -> Result<usize> {
    let lines = |path: &Path| -> Result<Vec<Value>> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let parsed = text
            .lines()
            .map(serde_json::from_str)
            .collect::<serde_json::Result<_>>();
        parsed.map_err(|error| Error::Check(format!("{}: {error}", path.display())))
    };
    let mut spans = BTreeSet::new();
    for request in lines(traces)? {
        collect(&request, "spans", &mut |list| {
            for span in list.as_array().into_iter().flatten() {
                spans.insert(span["spanId"].as_str().unwrap_or_default().to_owned());
            }
        });
    }
    let mut links = BTreeSet::new();
    let mut text = String::new();
    for request in lines(profiles)? {
        // Names are in the table of strings, values of attributes where those are.
        for table in ["stringTable", "attributeTable"] {
            text.push_str(&request["dictionary"][table].to_string());
        }
        for link in request["dictionary"]["linkTable"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let id = link["spanId"].as_str().unwrap_or_default();
            if !id.is_empty() {
                links.insert(id.to_owned());
            }
        }
    }
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

/// Calls `visit` with each value of this name, however deep.
fn collect(value: &Value, name: &str, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == name {
                    visit(value);
                }
                collect(value, name, visit);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, name, visit)),
        _ => {}
    }
}
