//! Starts receiver and senders, takes turns, and prints what they say.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::remote::Remote;
use crate::stats::{median, quantile};

const KINDS: [&str; 8] = [
    "official-http",
    "official*-http",
    "ours-http",
    "spans-http",
    "official-grpc",
    "official*-grpc",
    "ours-grpc",
    "spans-grpc",
];
/// Those of one protocol, of which the first is what the others are compared with.
const OF_A_PROTOCOL: usize = KINDS.len() / 2;
const LATENCIES_MS: [u8; 3] = [0, 10, 100];
/// The rate of the first table: the official defaults sustain it.
const EASY_RATE: f64 = 10_000.0;
/// Two rates that differ by less are one.
const RESOLUTION: f64 = 1.15;

/// What one sender measured.
#[derive(Clone, Copy)]
struct Measured {
    ended: u64,
    delivered: u64,
    export_ns: u64,
    resident: u64,
    /// Spans that ended a second.
    rate: f64,
}

fn measure(remote: &Remote, kind: &str, rate: f64, seconds: f64) -> Measured {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--sender", kind, &remote.http, &remote.grpc])
        .args([rate.to_string(), seconds.to_string()])
        .stderr(Stdio::null())
        .output()
        .expect("a sender");
    assert!(
        output.status.success(),
        "{kind} at {rate}: {}",
        output.status
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [ended, delivered, export_ns, resident, took_ns] = numbers[..] else {
        panic!("{kind} says {text:?}");
    };
    Measured {
        ended,
        delivered,
        export_ns,
        resident,
        rate: ended as f64 / (took_ns as f64 / 1e9),
    }
}

pub(crate) fn run(arguments: &[String]) {
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<f64>().ok()
    };
    let collector = arguments.iter().position(|one| one == "--collector");
    let collector = collector.and_then(|at| arguments.get(at + 1));
    let mut remote = match collector {
        Some(path) => Remote::collector(&PathBuf::from(path)),
        None => Remote::receiver(),
    };
    if arguments.iter().any(|argument| argument == "--check") {
        for kind in KINDS {
            let measured = measure(&remote, kind, 1000.0, 0.2);
            assert_eq!(measured.ended, measured.delivered, "{kind}");
            assert!(measured.ended > 0 && measured.export_ns > 0, "{kind}");
        }
        println!("every kind delivers what it gets");
        return;
    }
    if collector.is_some() {
        println!("the receiver is the Collector, on the core that the other one would have");
    }
    let rounds = value("--rounds").unwrap_or(10.0) as usize;
    let seconds = value("--seconds").unwrap_or(1.5);
    cpu(&remote, rounds, seconds);
    if !arguments.iter().any(|argument| argument == "--cpu-only") {
        rates(&mut remote, seconds);
    }
}

fn cpu(remote: &Remote, rounds: usize, seconds: f64) {
    let mut spent = [const { Vec::new() }; KINDS.len()];
    for round in 0..rounds {
        for place in 0..KINDS.len() {
            let kind = (place + round) % KINDS.len();
            let measured = measure(remote, KINDS[kind], EASY_RATE, seconds);
            spent[kind].push(measured.export_ns as f64 / measured.ended.max(1) as f64);
        }
    }
    println!("\nexport threads, ns of CPU a span at {EASY_RATE} spans/s, {rounds} rounds:");
    println!("| kind | median | p10 | p90 | ratio to official | p10 | p90 |");
    println!("|---|---|---|---|---|---|---|");
    // A place moves with the round, so the rounds of two kinds are side by side in time.
    for (kind, name) in KINDS.iter().enumerate() {
        let official = kind / OF_A_PROTOCOL * OF_A_PROTOCOL;
        let mut ratios: Vec<f64> = spent[kind]
            .iter()
            .zip(&spent[official])
            .map(|(own, official)| own / official)
            .collect();
        let mut own = spent[kind].clone();
        println!(
            "| {name} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
            median(&mut own),
            quantile(&mut own, 0.1),
            quantile(&mut own, 0.9),
            median(&mut ratios),
            quantile(&mut ratios, 0.1),
            quantile(&mut ratios, 0.9),
        );
    }
}

/// The highest rate without a drop, and the memory then.
fn highest(remote: &Remote, kind: &str, seconds: f64) -> (f64, u64) {
    // A drop may be the machine's: it counts if it comes twice.
    let holds = |rate: f64| {
        (0..2).find_map(|_| {
            let measured = measure(remote, kind, rate, seconds);
            // Beyond what the one thread that makes spans can do, nothing is shown.
            let is_one = measured.delivered == measured.ended && measured.rate > rate * 0.95;
            is_one.then_some(measured)
        })
    };
    let mut good = (0.0, 0);
    let mut rate = 5_000.0;
    while let Some(measured) = holds(rate) {
        good = (rate, measured.resident);
        rate *= 2.0;
        if rate > 5e6 {
            break;
        }
    }
    let mut bad = rate;
    while good.0 > 0.0 && bad / good.0 > RESOLUTION {
        let between = (good.0 * bad).sqrt();
        match holds(between) {
            Some(measured) => good = (between, measured.resident),
            None => bad = between,
        }
    }
    good
}

fn rates(remote: &mut Remote, seconds: f64) {
    println!("\nhighest rate without a drop, within a factor of {RESOLUTION}:");
    println!("| latency | kind | spans/s | ratio to official | resident MiB |");
    println!("|---|---|---|---|---|");
    for latency in LATENCIES_MS {
        if !remote.set_latency(latency) {
            continue;
        }
        let mut official = 0.0;
        for (kind, name) in KINDS.iter().enumerate() {
            let (rate, resident) = highest(remote, name, seconds);
            if kind % OF_A_PROTOCOL == 0 {
                official = rate;
            }
            println!(
                "| {latency} ms | {name} | {rate:.0} | {:.1} | {:.1} |",
                rate / official,
                resident as f64 / f64::from(1 << 20)
            );
        }
    }
}
