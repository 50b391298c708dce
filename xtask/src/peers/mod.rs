//! The programs that we did not write and test against: built here, cached between runs.

mod cache;
mod collector;
mod ebpf_profiler;
mod go;
mod jaeger;
mod node;
mod pprof;
mod python;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::tools;
use cache::Cache;
pub(crate) use ebpf_profiler::VARIABLE as EBPF_PROFILER;
pub(crate) use pprof::VARIABLE as PPROF;

/// Where the tests find the Collector.
pub(crate) const COLLECTOR: &str = "OTEL_ENHANCE_PEER_COLLECTOR";

struct Peer {
    name: &'static str,
    /// The variable that tells the tests where it is; `tests/src/peers/locate.rs` reads it.
    variable: &'static str,
    build: fn(&Cache) -> Result<PathBuf>,
}

/// The quick ones first, so that what is wrong with them shows early.
const PEERS: &[Peer] = &[
    Peer {
        name: "python",
        variable: "OTEL_ENHANCE_PEER_PYTHON",
        build: python::build,
    },
    Peer {
        name: "node",
        variable: "OTEL_ENHANCE_PEER_NODE_MODULES",
        build: node::build,
    },
    Peer {
        name: "pprof",
        variable: PPROF,
        build: pprof::build,
    },
    Peer {
        name: "ebpf-profiler",
        variable: EBPF_PROFILER,
        build: ebpf_profiler::build,
    },
    Peer {
        name: "collector",
        variable: COLLECTOR,
        build: collector::build,
    },
    Peer {
        name: "jaeger",
        variable: "OTEL_ENHANCE_PEER_JAEGER",
        build: jaeger::build,
    },
];

type Locations = Vec<(&'static str, PathBuf)>;

/// The peers of one run, under construction in the background or ready.
#[derive(Debug)]
pub(crate) struct Peers {
    building: std::sync::Mutex<Option<JoinHandle<Result<Locations>>>>,
    ready: OnceLock<Locations>,
}

impl Peers {
    /// Starts building whatever the cache lacks, at the lowest priority.
    pub(crate) fn start() -> Self {
        Self {
            building: std::sync::Mutex::new(Some(std::thread::spawn(build))),
            ready: OnceLock::new(),
        }
    }

    /// For a run without peers.
    pub(crate) fn none() -> Self {
        Self {
            building: std::sync::Mutex::new(None),
            ready: OnceLock::new(),
        }
    }

    /// Waits until every peer is there.
    pub(crate) fn wait(&self) -> Result<()> {
        self.locations().map(|_| ())
    }

    /// The variables that tell the tests where each peer is; waits until all are built.
    pub(crate) fn locations(&self) -> Result<Locations> {
        let building = match self.building.lock() {
            Ok(mut slot) => slot.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(thread) = building {
            let built = thread.join().map_err(|_| {
                Error::Check("the thread that builds the peers panicked".to_owned())
            })??;
            return Ok(self.ready.get_or_init(|| built).clone());
        }
        let missing =
            || Error::Check("the peers could not be built, see the stage `peers`".to_owned());
        self.ready.get().cloned().ok_or_else(missing)
    }
}

/// `cargo xtask peers`.
pub(crate) fn build_all() -> Result<()> {
    tools::check()?;
    for (variable, path) in build()? {
        println!("{variable}={}", path.display());
    }
    Ok(())
}

fn build() -> Result<Locations> {
    let cache = Cache::open()?;
    let mut locations = Locations::new();
    for peer in PEERS {
        let start = Instant::now();
        let path = (peer.build)(&cache)?;
        println!(
            "peer {}: ready after {:.1} s",
            peer.name,
            start.elapsed().as_secs_f64()
        );
        locations.push((peer.variable, path));
    }
    // For `cargo test` by hand, which has no variables from us.
    cache.remember(&locations)?;
    Ok(locations)
}
