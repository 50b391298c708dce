//! The official OpenTelemetry eBPF profiler beside the example `profile`: its own samples are linked to our spans.
//!
//! It samples every process of the machine, and learns which span a thread works for from a map that is pinned in a
//! bpffs and that the example keeps up to date. It wants that and tracefs mounted, which nobody else needs to see: it
//! gets a mount namespace of its own, in which the example finds the map by way of `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::collector::{Collector, Running, wait_until};
use crate::error::{Error, Result};
use crate::memlock;
use crate::process::program;

/// Mounts what the profiler wants, and becomes it.
const MOUNTS: &str =
    "mount -t bpf bpf \"$0\" && mount -t tracefs tracefs /sys/kernel/tracing && exec \"$@\"";

/// What it says once it samples.
const ATTACHED: &str = "Attached tracer program";

/// The thread of the example that does nothing but compute under its span, and that span.
const THREAD: &str = "computing";
const SPAN: &str = "cpu-bound";

/// Of 0.8 s at 97 Hz, each round.
const SAMPLES: usize = 30;

/// The profiler reports nothing of a new process until it has read its executable, which takes it a second or two on a
/// busy machine: the first round is for that.
const ROUNDS: &str = "3";

pub(super) fn links_to_our_spans(
    profiler: &Path,
    collector: &Path,
    example: &Path,
    folder: &Path,
) -> Result<()> {
    let collector = Collector::start(collector, folder)?;
    let log = folder.join("ebpf-profiler.log");
    let outcome = beside(profiler, &collector, example, folder, &log);
    if outcome.is_err() {
        print!("{}", fs::read_to_string(&log).unwrap_or_default());
        print!("{}", collector.log());
    }
    outcome
}

fn beside(
    profiler: &Path,
    collector: &Collector,
    example: &Path,
    folder: &Path,
    log: &Path,
) -> Result<()> {
    let (_profiler, map) = start(profiler, collector, folder, log)?;
    let mut command = program(example);
    command
        .arg("--endpoint")
        .arg(format!("http://{}", collector.http))
        .arg("--pinned-map")
        .arg(map)
        .args(["--rounds", ROUNDS])
        .arg("--out")
        .arg(folder.join("out"))
        .stdout(Stdio::null());
    let mut running = Running(command.spawn().map_err(Error::io("start", example))?);
    let process = running.0.id();
    let status = running.0.wait().map_err(Error::io("wait for", example))?;
    if !status.success() {
        return Err(Error::Check(format!("the example ended with {status}")));
    }
    let mut seen = Seen::default();
    let arrived = wait_until("the profiler's samples are linked to spans", || {
        seen = Seen::of(collector, process)?;
        Ok(seen.complaint().is_none())
    });
    if let Some(complaint) = seen.complaint() {
        return Err(Error::Check(complaint));
    }
    arrived?;
    println!(
        "the eBPF profiler linked {} of its {} samples of the example to {} of its spans",
        seen.linked,
        seen.samples,
        seen.names.len()
    );
    Ok(())
}

/// Starts it, and says where its map is once it samples.
fn start(
    profiler: &Path,
    collector: &Collector,
    folder: &Path,
    log: &Path,
) -> Result<(Running, PathBuf)> {
    let mount = folder.join("bpf");
    fs::create_dir_all(&mount).map_err(Error::io("create", &mount))?;
    let said = fs::File::create(log).map_err(Error::io("write", log))?;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", MOUNTS])
        .arg(&mount)
        .arg(profiler)
        .arg(format!("-collection-agent={}", collector.grpc))
        .args(["-disable-tls", "-reporter-interval=2s"])
        .args(["-samples-per-second=97", "-obi-process-ctx"])
        .arg(format!("-bpffs-root={}", mount.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said);
    memlock::let_it_be_raised(&mut command);
    let mut running = Running(command.spawn().map_err(Error::io("start", profiler))?);
    // What follows `/proc/…/root` is looked up in the process's namespace.
    let root = format!("/proc/{}/root", running.0.id());
    let map = format!("{root}{}/otel/traces_ctx_v1", mount.display());
    wait_until("the eBPF profiler samples", || {
        let ended = running
            .0
            .try_wait()
            .map_err(Error::io("wait for", profiler))?;
        if let Some(status) = ended {
            return Err(Error::Check(format!("the eBPF profiler ended: {status}")));
        }
        let text = fs::read_to_string(log).map_err(Error::io("read", log))?;
        Ok(text.contains(ATTACHED) && Path::new(&map).exists())
    })?;
    Ok((running, map.into()))
}

/// What the profiler saw of the example and of others.
#[derive(Debug, Default)]
struct Seen {
    /// Samples of the example, and those of them that are linked.
    samples: usize,
    linked: usize,
    /// Names of the spans that they are linked to.
    names: BTreeSet<String>,
    /// Samples of the thread that does nothing else, by the span that they are linked to.
    computing: BTreeMap<Option<String>, usize>,
    /// Links to what is no span of the example, and links of other processes.
    wrong: Vec<String>,
}

impl Seen {
    fn of(collector: &Collector, process: u32) -> Result<Self> {
        let mut spans = BTreeMap::new();
        for span in collector.spans()? {
            spans.insert(ids(&span), text(&span["name"]));
        }
        let mut seen = Self::default();
        for request in collector.profiles()? {
            let tables = &request["dictionary"];
            for resource in list(&request["resourceProfiles"]) {
                let attributes = &resource["resource"]["attributes"];
                let is_ours = number(tables, attributes, "process.pid") == Some(process.into());
                for scope in list(&resource["scopeProfiles"]) {
                    // The example sends profiles of its own.
                    if !text(&scope["scope"]["name"]).ends_with("ebpf-profiler") {
                        continue;
                    }
                    for sample in list(&scope["profiles"]).flat_map(|p| list(&p["samples"])) {
                        seen.add(tables, sample, is_ours, &spans);
                    }
                }
            }
        }
        Ok(seen)
    }

    fn add(
        &mut self,
        tables: &Value,
        sample: &Value,
        is_ours: bool,
        spans: &BTreeMap<(String, String), String>,
    ) {
        // Equal ones are one, with a time for each.
        let count = list(&sample["timestampsUnixNano"]).count();
        let link = ids(at(tables, "linkTable", &sample["linkIndex"]));
        let is_linked = !link.1.is_empty();
        let span = spans.get(&link).cloned();
        if is_linked && (!is_ours || span.is_none()) {
            self.wrong.push(format!("{link:?}, {span:?}"));
        }
        if !is_ours {
            return;
        }
        self.samples += count;
        self.linked += if is_linked { count } else { 0 };
        self.names.extend(span.clone());
        let attributes = list(&sample["attributeIndices"]);
        let mut attributes = attributes.map(|index| at(tables, "attributeTable", index));
        if attributes.any(|attribute| {
            key(tables, attribute) == "thread.name" && string(tables, &attribute["value"]) == THREAD
        }) {
            *self.computing.entry(span).or_default() += count;
        }
    }

    /// What is not as it should be.
    fn complaint(&self) -> Option<String> {
        let all: usize = self.computing.values().sum();
        let right = self.computing.get(&Some(SPAN.to_owned()));
        let right = right.copied().unwrap_or_default();
        let none = self.computing.get(&None).copied().unwrap_or_default();
        // A thread begins before its span, and ends after it.
        let is_right = right >= SAMPLES && right + none == all && none * 10 <= all;
        let wanted = [SPAN, "run-queue-starved", "async"];
        let has_all = wanted.iter().all(|name| self.names.contains(*name));
        (!is_right || !has_all || !self.wrong.is_empty())
            .then(|| format!("what the eBPF profiler saw is not right: {self:?}"))
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn ids(value: &Value) -> (String, String) {
    (text(&value["traceId"]), text(&value["spanId"]))
}

/// The entry of a table; an index that is left out is 0.
fn at<'v>(tables: &'v Value, table: &str, index: &Value) -> &'v Value {
    let index = index.as_u64().unwrap_or_default();
    &tables[table][usize::try_from(index).unwrap_or(usize::MAX)]
}

/// Keys are in the table of strings, or written out.
fn key(tables: &Value, attribute: &Value) -> String {
    match attribute["key"].as_str() {
        Some(key) => key.to_owned(),
        None => text(at(tables, "stringTable", &attribute["keyStrindex"])),
    }
}

/// Text values as well.
fn string(tables: &Value, value: &Value) -> String {
    match value["stringValue"].as_str() {
        Some(text) => text.to_owned(),
        None => text(at(tables, "stringTable", &value["stringValueStrindex"])),
    }
}

fn number(tables: &Value, attributes: &Value, name: &str) -> Option<u64> {
    let found = list(attributes).find(|attribute| key(tables, attribute) == name)?;
    found["value"]["intValue"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn links_are_counted_and_those_of_strangers_are_wrong() {
        let tables = json!({
            "stringTable": ["", "thread.name", THREAD],
            "attributeTable": [{}, { "keyStrindex": 1, "value": { "stringValue": THREAD } }],
            "linkTable": [{}, { "traceId": "t", "spanId": "s" }, { "traceId": "t", "spanId": "?" }],
        });
        let sample = |link: u32| {
            json!({
                "linkIndex": link,
                "attributeIndices": [1],
                "timestampsUnixNano": ["1", "2"],
            })
        };
        let spans = BTreeMap::from([(("t".to_owned(), "s".to_owned()), SPAN.to_owned())]);
        let mut seen = Seen::default();
        seen.add(&tables, &sample(1), true, &spans);
        seen.add(&tables, &sample(0), true, &spans);
        seen.add(&tables, &sample(0), false, &spans);
        assert_eq!((seen.samples, seen.linked, seen.wrong.len()), (4, 2, 0));
        assert_eq!(seen.computing[&Some(SPAN.to_owned())], 2);
        assert!(seen.complaint().is_some(), "too few");
        seen.add(&tables, &sample(1), false, &spans);
        seen.add(&tables, &sample(2), true, &spans);
        assert_eq!(seen.wrong.len(), 2);
    }
}
