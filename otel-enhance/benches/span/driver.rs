//! Starts the workers in turns, and prints what they say.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use crate::limits::{self, Measured};
use crate::stats::{median, quantile};
use crate::worker::{IMPLEMENTATIONS, Implementation, State};

struct Options {
    rounds: usize,
    case: Option<String>,
    implementation: Option<String>,
    instructions: bool,
    strict: bool,
    check: bool,
}

impl Options {
    fn from(arguments: &[String]) -> Self {
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            arguments.get(at + 1).cloned()
        };
        let flag = |name: &str| arguments.iter().any(|argument| argument == name);
        Self {
            rounds: value("--rounds")
                .map_or(20, |rounds| rounds.parse().expect("a number of rounds")),
            case: value("--case"),
            implementation: value("--impl"),
            instructions: !flag("--no-instructions"),
            strict: flag("--strict"),
            check: flag("--check"),
        }
    }

    fn wants(&self, case: &str, implementation: &str) -> bool {
        self.case.as_deref().is_none_or(|only| only == case)
            && self.implementation.as_deref().is_none_or(|only| {
                only == implementation
                    || implementation.starts_with("sdk")
                    || matches!(implementation, "plain" | "fastrace" | "floor")
            })
    }
}

/// Nanoseconds of each round.
type Rounds = BTreeMap<(&'static str, &'static str, String), Vec<f64>>;

pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let options = Options::from(arguments);
    if options.check {
        return check();
    }
    let mut rounds = Rounds::new();
    for round in 0..options.rounds {
        for state in State::ALL {
            for case in IMPLEMENTATIONS[0].cases {
                // What is compared runs side by side, and a different one begins each round.
                for place in 0..IMPLEMENTATIONS.len() {
                    let implementation = &IMPLEMENTATIONS[(place + round) % IMPLEMENTATIONS.len()];
                    if !options.wants(case.name, implementation.name)
                        || (implementation.name == "floor"
                            && !matches!(state, State::Recording | State::NotSampled))
                    {
                        continue;
                    }
                    for (case, ns) in
                        worker(&[implementation.name, state.name(), case.name, "time"])
                    {
                        let key = (state.name(), implementation.name, case);
                        rounds.entry(key).or_default().push(ns);
                    }
                }
            }
        }
    }
    report(&options, &rounds)
}

/// What a worker printed: names and numbers.
fn worker(arguments: &[&str]) -> Vec<(String, f64)> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .arg("--worker")
        .args(arguments)
        .output()
        .expect("a worker starts");
    assert!(
        output.status.success(),
        "worker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            let (case, number) = line.split_once(' ').expect("a name and a number");
            (case.to_owned(), number.parse().expect("a number"))
        })
        .collect()
}

fn report(options: &Options, rounds: &Rounds) -> ExitCode {
    let mut missed = Vec::new();
    let mut counts = BTreeMap::new();
    for state in State::ALL {
        for case in IMPLEMENTATIONS[0].cases {
            for implementation in IMPLEMENTATIONS {
                let of =
                    |name: &'static str| rounds.get(&(state.name(), name, case.name.to_owned()));
                let Some(own) = of(implementation.name) else {
                    continue;
                };
                if !options.wants(case.name, implementation.name) {
                    continue;
                }
                let count = options
                    .instructions
                    .then(|| instructions(implementation, state, case.name))
                    .flatten();
                counts.insert((state.name(), case.name, implementation.name), count);
                let of_baseline = counts.get(&(state.name(), case.name, implementation.baseline));
                let row = Row::new(
                    own,
                    of,
                    implementation,
                    count,
                    of_baseline.copied().flatten(),
                );
                row.print(state, case.name, implementation);
                for limit in limits::missed(&row.measured, state, case.name, implementation) {
                    missed.push(format!(
                        "{} {} {}: {limit}",
                        state.name(),
                        case.name,
                        implementation.name
                    ));
                }
            }
        }
    }
    for limit in &missed {
        println!("limit missed: {limit}");
    }
    if missed.is_empty() {
        println!("all limits kept");
    }
    if options.strict && !missed.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// One line of the report.
struct Row {
    ns: f64,
    low: f64,
    high: f64,
    instructions: Option<f64>,
    measured: Measured,
}

impl Row {
    fn new<'a>(
        own: &[f64],
        of: impl Fn(&'static str) -> Option<&'a Vec<f64>>,
        implementation: &Implementation,
        instructions: Option<f64>,
        of_baseline: Option<f64>,
    ) -> Self {
        let paired = |other: &'static str, compare: fn(f64, f64) -> f64| {
            let mut each: Vec<f64> = of(other)?
                .iter()
                .zip(own)
                .map(|(other, own)| compare(*own, *other))
                .collect();
            Some(median(&mut each))
        };
        let mut sorted = own.to_vec();
        Self {
            ns: median(&mut sorted),
            low: quantile(&mut sorted, 0.1),
            high: quantile(&mut sorted, 0.9),
            instructions,
            measured: Measured {
                to_sdk: paired(implementation.baseline, |own, other| own / other),
                to_tracing: paired("tracing", |own, other| own / other),
                to_fastrace: paired("fastrace", |own, other| own / other),
                over_plain: paired("plain", |own, other| own - other),
                instructions: instructions
                    .zip(of_baseline)
                    .map(|(own, baseline)| own / baseline),
            },
        }
    }

    fn print(&self, state: State, case: &str, implementation: &Implementation) {
        let number =
            |value: Option<f64>| value.map_or("n/a".to_owned(), |value| format!("{value:.3}"));
        let count = self.instructions;
        let count = count.map_or("n/a".to_owned(), |count| format!("{count:.0}"));
        let Measured {
            to_sdk,
            to_tracing,
            to_fastrace,
            over_plain,
            instructions,
        } = &self.measured;
        println!(
            "case={state}/{case} impl={name} ns={ns:.2} p10={low:.2} p90={high:.2} instructions={count} ratio_to_sdk={sdk} instructions_to_sdk={instructions} ratio_to_tracing={tracing} ratio_to_fastrace={fastrace} minus_plain={plain}",
            state = state.name(),
            name = implementation.name,
            ns = self.ns,
            low = self.low,
            high = self.high,
            sdk = number(*to_sdk),
            instructions = number(*instructions),
            tracing = number(*to_tracing),
            fastrace = number(*to_fastrace),
            plain = number(*over_plain),
        );
    }
}

/// Instructions a span, counted by valgrind in the worker's loop alone.
fn instructions(implementation: &Implementation, state: State, case: &str) -> Option<f64> {
    let known = implementation
        .cases
        .iter()
        .find(|known| known.name == case)?;
    // Few enough for what a thread keeps of ended spans: valgrind runs one thread at a time, and the one that collects
    // them might have no turn meanwhile.
    let calls = 1_000 / known.spans;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_calls*")
        .arg(std::env::current_exe().ok()?)
        .args(["--worker", implementation.name, state.name(), case])
        .arg(calls.to_string())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("Collected : "))?;
    let collected: f64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(collected / (calls * known.spans) as f64)
}

/// Every case makes the spans that it says; those of fastrace are not counted by the SDK.
fn check() -> ExitCode {
    let mut wrong = 0;
    for implementation in IMPLEMENTATIONS.iter() {
        for state in State::ALL {
            let records = state == State::Recording
                && !matches!(implementation.name, "plain" | "fastrace" | "floor");
            for (case, spans) in worker(&[implementation.name, state.name(), "all", "--count"]) {
                let known = implementation.cases.iter().find(|known| known.name == case);
                let expected = known.map_or(0, |known| known.spans * 10) as f64;
                let expected = if records { expected } else { 0.0 };
                if (spans - expected).abs() > 0.5 {
                    eprintln!(
                        "{} {} {case}: {spans} spans, expected {expected}",
                        implementation.name,
                        state.name()
                    );
                    wrong += 1;
                }
            }
        }
    }
    println!("span benchmark, self-test: {wrong} cases wrong");
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
