//! Starts the workers in turns, and prints what they say.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

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
                    || implementation == "plain"
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
                    if !options.wants(case.name, implementation.name) {
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
                let row = Row::new(own, of(implementation.baseline), of("tracing"), of("plain"));
                row.print(options, state, case.name, implementation);
                if let Some(limit) = row.missed(state, implementation) {
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
        println!(
            "all limits kept: at most {SDK_LIMIT} of the SDK by hand, {TRACING_LIMIT} of tracing, {OFF_LIMIT} ns where nothing is installed"
        );
    }
    if options.strict && !missed.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

const SDK_LIMIT: f64 = 1.05;
const TRACING_LIMIT: f64 = 0.40;
const OFF_LIMIT: f64 = 1.0;

/// One line of the report.
struct Row {
    ns: f64,
    low: f64,
    high: f64,
    to_sdk: Option<f64>,
    to_tracing: Option<f64>,
    over_plain: Option<f64>,
}

impl Row {
    fn new(
        own: &[f64],
        sdk: Option<&Vec<f64>>,
        tracing: Option<&Vec<f64>>,
        plain: Option<&Vec<f64>>,
    ) -> Self {
        let paired = |other: Option<&Vec<f64>>, of: fn(f64, f64) -> f64| {
            let mut each: Vec<f64> = other?
                .iter()
                .zip(own)
                .map(|(other, own)| of(*own, *other))
                .collect();
            Some(median(&mut each))
        };
        let mut sorted = own.to_vec();
        Self {
            ns: median(&mut sorted),
            low: quantile(&mut sorted, 0.1),
            high: quantile(&mut sorted, 0.9),
            to_sdk: paired(sdk, |own, other| own / other),
            to_tracing: paired(tracing, |own, other| own / other),
            over_plain: paired(plain, |own, other| own - other),
        }
    }

    fn print(&self, options: &Options, state: State, case: &str, implementation: &Implementation) {
        let number =
            |value: Option<f64>| value.map_or("n/a".to_owned(), |value| format!("{value:.3}"));
        let instructions = if options.instructions {
            instructions(implementation, state, case)
        } else {
            None
        };
        println!(
            "case={state}/{case} impl={name} ns={ns:.2} p10={low:.2} p90={high:.2} instructions={instructions} ratio_to_sdk={sdk} ratio_to_tracing={tracing} minus_plain={plain}",
            state = state.name(),
            name = implementation.name,
            ns = self.ns,
            low = self.low,
            high = self.high,
            instructions = instructions.map_or("n/a".to_owned(), |count| format!("{count:.0}")),
            sdk = number(self.to_sdk),
            tracing = number(self.to_tracing),
            plain = number(self.over_plain),
        );
    }

    /// The limit that this row misses.
    fn missed(&self, state: State, implementation: &Implementation) -> Option<String> {
        if !implementation.name.starts_with("enhanced") {
            return None;
        }
        if state == State::Nothing {
            let over = self.over_plain.filter(|over| *over > OFF_LIMIT)?;
            return Some(format!("{over:.2} ns over the plain function"));
        }
        if let Some(ratio) = self.to_sdk.filter(|ratio| *ratio > SDK_LIMIT) {
            return Some(format!("{ratio:.3} of the SDK by hand"));
        }
        let bare = implementation.baseline == "sdk";
        let ratio = self
            .to_tracing
            .filter(|ratio| bare && *ratio > TRACING_LIMIT)?;
        Some(format!("{ratio:.3} of tracing-opentelemetry"))
    }
}

/// Instructions a span, counted by valgrind in the worker's loop alone.
fn instructions(implementation: &Implementation, state: State, case: &str) -> Option<f64> {
    let known = implementation
        .cases
        .iter()
        .find(|known| known.name == case)?;
    let calls = 1_000;
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
            let records =
                state == State::Recording && !matches!(implementation.name, "plain" | "fastrace");
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
