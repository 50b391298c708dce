//! The official tracer provider of the fast path.

use std::sync::Arc;
use std::time::Duration;

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
                wait = if hub.collect() == 0 {
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

    /// Tells the sink of every span that has ended so far.
    pub(crate) fn collect(&self) {
        self.hub.collect();
    }

    /// From now on no span starts, and none is told to the sink. What has ended has been collected
    /// before.
    pub(crate) fn close(&self) {
        self.hub.close();
        // What came between the last collection and the closing.
        self.hub.collect();
    }
}

impl TracerProvider for FastProvider {
    type Tracer = FastTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> FastTracer {
        FastTracer::new(Arc::clone(&self.hub), scope)
    }
}
