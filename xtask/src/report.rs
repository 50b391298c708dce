//! What a run says while it goes on and at its end.

use std::time::{Duration, Instant};

use crate::error::Result;

/// The outcomes of the stages that ran, in their order.
#[derive(Debug, Default)]
pub(crate) struct Report {
    outcomes: Vec<Outcome>,
}

#[derive(Debug)]
struct Outcome {
    stage: &'static str,
    took: Duration,
    failure: Option<String>,
}

impl Report {
    /// Runs one stage and keeps how it went.
    pub(crate) fn stage(&mut self, stage: &'static str, run: impl FnOnce() -> Result<()>) {
        println!("\n==== {stage}");
        let start = Instant::now();
        let failure = run().err().map(|error| error.to_string());
        let took = start.elapsed();
        match &failure {
            None => println!("==== {stage}: passed in {:.1} s", took.as_secs_f64()),
            Some(why) => println!(
                "==== {stage}: FAILED after {:.1} s: {why}",
                took.as_secs_f64()
            ),
        }
        self.outcomes.push(Outcome {
            stage,
            took,
            failure,
        });
    }

    /// Prints the summary; whether every stage passed.
    pub(crate) fn finish(&self, left_out: &[&'static str], started: Instant) -> bool {
        println!("\n==== summary");
        for outcome in &self.outcomes {
            let verdict = if outcome.failure.is_none() {
                "passed"
            } else {
                "FAILED"
            };
            println!(
                "{:<12} {verdict} {:>8.1} s",
                outcome.stage,
                outcome.took.as_secs_f64()
            );
        }
        for outcome in &self.outcomes {
            if let Some(why) = &outcome.failure {
                println!("\n{}: {why}", outcome.stage);
            }
        }
        if !left_out.is_empty() {
            println!(
                "\n--without-peers: left out {}. Nothing was tested against programs that we did not write.",
                left_out.join(", ")
            );
        }
        let failed = self.outcomes.iter().filter(|o| o.failure.is_some()).count();
        println!(
            "\nstages took {:.1} s in all",
            started.elapsed().as_secs_f64()
        );
        // Alone on its line and in these words: readers of CI logs look for it.
        println!("{} passed, {failed} failed", self.outcomes.len() - failed);
        failed == 0
    }
}
