//! How many crates our users compile.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::features::{Combination, Features, LIBRARY};
use crate::process::{cargo, read};

struct Limit {
    who: &'static str,
    features: Features,
    /// The most crates in all, the user's own and ours included.
    crates: usize,
}

const LIMITS: &[Limit] = &[
    Limit {
        who: "a library (default-features = false)",
        features: Features::Nothing,
        crates: 16,
    },
    // What the official SDK weighs with its OTLP exporter and that exporter's default client.
    Limit {
        who: "an application (default features)",
        features: Features::Default,
        crates: 95,
    },
];

pub(crate) fn check() -> Result<()> {
    let mut complaints = Vec::new();
    for limit in LIMITS {
        let combination = Combination {
            package: LIBRARY,
            features: limit.features,
            tested: false,
        };
        let mut command = cargo();
        combination.select(command.arg("tree")).args([
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]);
        let tree = read(&mut command)?;
        // One more for the user's own crate.
        let crates = count(&tree) + 1;
        println!("{}: {crates} crates of at most {}", limit.who, limit.crates);
        if crates > limit.crates {
            complaints.push(format!(
                "{} compiles {crates} crates, at most {} are promised",
                limit.who, limit.crates
            ));
        }
    }
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(Error::Check(complaints.join("\n")))
    }
}

/// Counts crates in what `cargo tree` prints: a name and a version each, repeated where shared.
fn count(tree: &str) -> usize {
    let crates: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    crates.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_named_twice_counts_once_and_two_versions_count_twice() {
        let tree = "ours v0.1.0 (/somewhere)\nsyn v3.0.1\nquote v1.0.42 (proc-macro)\nsyn v3.0.1 (*)\nsyn v2.0.9\n\n";
        assert_eq!(count(tree), 4);
    }
}
