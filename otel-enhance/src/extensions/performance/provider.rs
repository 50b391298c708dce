//! The official tracer provider of the fast path.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;

use super::clock::clock;
use super::hub::{Hub, HubConfig};
use super::tracer::FastTracer;

/// Makes tracers of the fast path. Clones are the same provider.
#[derive(Clone, Debug)]
pub(crate) struct FastProvider {
    pub(super) hub: Arc<Hub>,
}

/// While nothing ends, the collector looks this often.
const IDLE: Duration = Duration::from_secs(1);

impl FastProvider {
    pub(crate) fn new(config: HubConfig) -> Self {
        // Measures the machine's rate, once a process.
        let _ = clock();
        Self {
            hub: Hub::open(config),
        }
    }

    /// Starts the thread that collects what has ended: when a ring is half full, and every `tick`.
    pub(crate) fn start_collector(&self, tick: Duration) -> std::io::Result<()> {
        let hub = Arc::clone(&self.hub);
        let collect = move || {
            // What processors and exporters do here is not traced.
            let _quiet = opentelemetry::Context::enter_telemetry_suppressed_scope();
            let mut wait = tick;
            while !hub.is_closed() {
                std::thread::park_timeout(wait);
                // Nobody else has reason to collect for long.
                let deadline = Instant::now() + IDLE;
                wait = if hub.collect(deadline) == 0 {
                    IDLE.max(tick)
                } else {
                    tick
                };
            }
        };
        let thread = std::thread::Builder::new()
            .name("otel-enhance-spans".to_owned())
            .spawn(collect)?;
        self.hub.set_collector(thread.thread().clone());
        Ok(())
    }

    /// Tells the sink of every span that has ended so far, unless another thread is busy with that
    /// until `deadline`.
    pub(crate) fn collect(&self, deadline: Instant) {
        self.hub.collect_all(deadline);
    }

    /// From now on no span starts, and what ends is lost. The sink is told of what has ended before.
    pub(crate) fn close(&self, deadline: Instant) {
        self.hub.close();
        self.hub.collect_all(deadline);
        self.hub.end();
    }
}

impl TracerProvider for FastProvider {
    type Tracer = FastTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> FastTracer {
        FastTracer::new(Arc::clone(&self.hub), scope)
    }
}
