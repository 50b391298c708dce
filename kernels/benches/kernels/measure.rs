//! Interleaved rounds, and the line that each comparison prints.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Each round runs every side once.
const ROUNDS: usize = 101;
/// What one side takes in one round, about.
const SLICE: Duration = Duration::from_micros(100);

/// One implementation: its name, and what it does to the whole corpus.
pub(crate) struct Side<'a> {
    level: String,
    run: Box<dyn FnMut() -> usize + 'a>,
}

impl<'a> Side<'a> {
    /// `run` returns something that depends on its work, so that the work is done.
    pub(crate) fn new(level: impl ToString, run: impl FnMut() -> usize + 'a) -> Self {
        Self {
            level: level.to_string(),
            run: Box::new(run),
        }
    }

    fn time(&mut self, repetitions: u32) -> f64 {
        let started = Instant::now();
        for _ in 0..repetitions {
            black_box((self.run)());
        }
        started.elapsed().as_nanos() as f64 / f64::from(repetitions)
    }
}

/// Runs the sides in turns and prints one line for each; the first one is the scalar twin. Nothing, if the
/// corpus has no such items.
pub(crate) fn compare(kernel: &str, corpus: &str, items: usize, mut sides: Vec<Side<'_>>) {
    if items == 0 {
        return;
    }
    let repetitions: Vec<u32> = sides
        .iter_mut()
        .map(|side| {
            let once = side.time(3).max(1.0);
            (SLICE.as_nanos() as f64 / once).ceil() as u32
        })
        .collect();
    let mut times = vec![Vec::new(); sides.len()];
    for _ in 0..ROUNDS {
        for (at, side) in sides.iter_mut().enumerate() {
            times[at].push(side.time(repetitions[at]));
        }
    }
    for (side, own) in sides.iter().zip(&times) {
        let mut ratios: Vec<f64> = own.iter().zip(&times[0]).map(|(a, b)| a / b).collect();
        let mut per_item: Vec<f64> = own.iter().map(|time| time / items as f64).collect();
        println!(
            "kernel={kernel} level={} corpus={corpus} ns_per_item={:.2} ratio_to_scalar={:.3} p10={:.3} p90={:.3}",
            side.level,
            quantile(&mut per_item, 0.5),
            quantile(&mut ratios, 0.5),
            quantile(&mut ratios, 0.1),
            quantile(&mut ratios, 0.9),
        );
    }
}

/// The value below which this share of the values lies; 0 of nothing.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((share * last as f64).round() as usize)
        .copied()
        .unwrap_or_default()
}
