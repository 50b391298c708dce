//! The stages of the test command, in the order in which they run.
//!
//! What only compiles comes first: the peers are built in the background meanwhile, and the
//! tests that care about time find the machine quiet.

use std::time::Instant;

use crate::arguments::Options;
use crate::checks::{
    ebpf, emulated, examples, fuzz, manifests, package, profiles, source, suites, vectors, weight,
};
use crate::error::{Error, Result};
use crate::peers::Peers;
use crate::report::Report;
use crate::tools;

struct Stage {
    name: &'static str,
    about: &'static str,
    needs_peers: bool,
    run: fn(&Peers) -> Result<()>,
}

const fn alone(name: &'static str, about: &'static str, run: fn(&Peers) -> Result<()>) -> Stage {
    Stage {
        name,
        about,
        needs_peers: false,
        run,
    }
}

const fn peered(name: &'static str, about: &'static str, run: fn(&Peers) -> Result<()>) -> Stage {
    Stage {
        name,
        about,
        needs_peers: true,
        run,
    }
}

const STAGES: &[Stage] = &[
    alone("fmt", "the sources are formatted", |_| source::fmt()),
    alone(
        "manifests",
        "every crate declares its compiler, licence and description",
        |_| manifests::check(),
    ),
    alone(
        "weight",
        "a library costs its users at most 16 crates, an application 95",
        |_| weight::check(),
    ),
    alone(
        "clippy",
        "no lint fires, in any supported combination of features",
        |_| source::clippy(),
    ),
    alone(
        "systems",
        "the library compiles for other systems, where eBPF is not to be had",
        |_| source::systems(),
    ),
    alone("docs", "the documentation builds without a warning", |_| {
        source::docs()
    }),
    alone("examples", "every example builds", |_| examples::build()),
    alone(
        "unit",
        "unit tests, in every tested combination of features",
        |_| suites::unit(),
    ),
    alone(
        "doctests",
        "every example in the documentation runs",
        |_| suites::doctests(),
    ),
    alone(
        "ui",
        "what the macros accept and refuse, and in which words",
        |_| suites::ui(),
    ),
    alone(
        "package",
        "every published crate can be packaged and builds from its package",
        |_| package::check(),
    ),
    alone(
        "quickstart",
        "the first command of the README runs and ends well",
        |_| examples::quickstart(),
    ),
    alone("e2e", "end to end over loopback", |_| suites::end_to_end()),
    alone(
        "fast-spans",
        "annotated functions record the same on the fast path of `performance`",
        |_| suites::fast_spans(),
    ),
    alone(
        "fuzz",
        "the fuzz targets build, and find nothing in a few seconds",
        |_| fuzz::run(),
    ),
    peered("neon", "the vector kernels for AArch64, under QEMU", |_| {
        emulated::neon()
    }),
    peered(
        "ebpf",
        "the committed BPF object is what its sources make, and works on this kernel (as root)",
        |_| ebpf::check(),
    ),
    peered(
        "peers",
        "the programs we test against are built",
        Peers::wait,
    ),
    peered(
        "profiles",
        "the profiles of spans, in pprof, the Collector and beside the eBPF profiler (as root)",
        profiles::check,
    ),
    peered(
        "vectors",
        "tracezip's frozen frames, by a second decoder in Python",
        vectors::second_decoder,
    ),
    peered(
        "interop",
        "the same spans in programs that we did not write",
        suites::interop,
    ),
];

/// Prints the stages.
pub(crate) fn list() {
    for stage in STAGES {
        let note = if stage.needs_peers {
            " (left out by --without-peers)"
        } else {
            ""
        };
        println!("{:<12} {}{note}", stage.name, stage.about);
    }
}

/// Runs the stages that were asked for; whether all passed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if let Some(name) = options
        .only
        .iter()
        .find(|name| STAGES.iter().all(|s| s.name != **name))
    {
        return Err(Error::UnknownStage { name: name.clone() });
    }
    let asked = |stage: &&Stage| {
        options.only.is_empty() || options.only.iter().any(|name| name == stage.name)
    };
    let (left_out, chosen): (Vec<&Stage>, Vec<&Stage>) = STAGES
        .iter()
        .filter(asked)
        .partition(|stage| stage.needs_peers && options.without_peers);
    if chosen.is_empty() {
        return Err(Error::NothingToRun);
    }

    let started = Instant::now();
    let peers = if chosen.iter().any(|stage| stage.needs_peers) {
        tools::check()?;
        Peers::start()
    } else {
        Peers::none()
    };
    let mut report = Report::default();
    for stage in chosen {
        report.stage(stage.name, || (stage.run)(&peers));
    }
    let left_out: Vec<&'static str> = left_out.iter().map(|stage| stage.name).collect();
    Ok(report.finish(&left_out, started))
}
