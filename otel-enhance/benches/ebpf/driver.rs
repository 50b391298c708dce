//! Builds the other binary, and runs both by turns.

use std::cell::LazyCell;
use std::path::PathBuf;
use std::process::Command;

use crate::cases::{BASE, Compare, all};

/// The same benchmark without the feature.
fn build_other() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "bench",
            "--no-run",
            "--message-format=json",
            "-p",
            "otel-enhance",
        ])
        .args([
            "--bench",
            "ebpf",
            "--no-default-features",
            "--features",
            "performance,otlp-http",
        ])
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains("\"name\":\"ebpf\""))
        .find_map(|line| {
            let (_, rest) = line.split_once("\"executable\":\"")?;
            rest.split_once('"').map(|(path, _)| path.into())
        })
        .expect("cargo names the executable")
}

fn run(program: &PathBuf, case: &str) -> f64 {
    let output = Command::new(program)
        .args(["--worker", case])
        .output()
        .expect("the worker runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{case}: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

pub(crate) fn drive(pairs: usize, only: Option<&str>) {
    let with = std::env::current_exe().expect("this program is somewhere");
    // Not every case wants it.
    let without = LazyCell::new(build_other);
    println!("{pairs} pairs; median, and where it lies by 95 %");
    for case in all() {
        if only.is_some_and(|only| !case.name.contains(only)) {
            continue;
        }
        let mut values = Vec::new();
        let mut plain = Vec::new();
        let (other, base) = match case.base {
            None => (&*without, case.name.to_owned()),
            Some(_) => (&with, format!("{}{BASE}", case.name)),
        };
        for pair in 0..pairs {
            // Each goes first every other time.
            let (a, b) = if pair % 2 == 0 {
                let a = run(other, &base);
                (a, run(&with, case.name))
            } else {
                let b = run(&with, case.name);
                (run(other, &base), b)
            };
            plain.push(a);
            values.push(match case.compare {
                Compare::Difference => b - a,
                Compare::Ratio => b / a,
            });
        }
        values.sort_by(f64::total_cmp);
        plain.sort_by(f64::total_cmp);
        let (low, high) = bounds(pairs);
        let middle = |values: &[f64]| values[values.len() / 2];
        let unit = match case.compare {
            Compare::Difference => "ns more",
            Compare::Ratio => "times",
        };
        let limit = if case.limit.is_finite() {
            format!("limit {}", case.limit)
        } else {
            "no limit".to_owned()
        };
        println!(
            "{:<28} {:8.3} {unit} ({:.3} to {:.3}); {limit}; without {:.1} {}",
            case.name,
            middle(&values),
            values[low],
            values[high],
            middle(&plain),
            case.unit,
        );
    }
}

/// Ranks between which the median lies by 95 %, by the binomial distribution.
fn bounds(count: usize) -> (usize, usize) {
    let spread = 1.96 * (count as f64).sqrt() / 2.0;
    let middle = count as f64 / 2.0;
    let low = (middle - spread).floor().max(0.0) as usize;
    let high = ((middle + spread).ceil() as usize).min(count.saturating_sub(1));
    (low, high)
}
