//! `#[enhanced_trace]`, bare (`code = false`) and with its three `code.*` attributes, on the SDK's spans
//! and on those of the extension `performance`.

use otel_enhance::enhanced_trace;

use std::hint::black_box;

use crate::worker::{Implementation, State, cases, provider, work, work_and_yield};

fn install(state: State) {
    if let Some(provider) = provider(state) {
        otel_enhance::set_tracer_provider(provider);
    }
}

pub(crate) use bare::BARE;
pub(crate) use default::DEFAULT;
#[cfg(feature = "performance")]
pub(crate) use fast::{BARE as FAST, DEFAULT as FAST_DEFAULT};

/// The same functions on the fast path, whose processor drops what it gets as the SDK's does.
#[cfg(feature = "performance")]
mod fast {
    use std::sync::OnceLock;

    use opentelemetry_sdk::trace::Sampler;
    use otel_enhance::config::UnsampledId;
    use otel_enhance::{TelemetryGuard, new_enhanced_pipeline};

    use crate::worker::{Count, Implementation, Null, State, is_counting};

    static GUARD: OnceLock<TelemetryGuard> = OnceLock::new();

    fn install(state: State) {
        let builder = new_enhanced_pipeline()
            .with_no_exporter()
            .with_performance()
            .with_exit_handler(false);
        let builder = if is_counting() {
            builder.with_end_processor(Count)
        } else {
            builder.with_end_processor(Null)
        };
        let builder = match state {
            State::Recording => builder,
            State::NotSampled => builder.with_sampler(Sampler::AlwaysOff),
            State::Inherited => builder
                .with_sampler(Sampler::AlwaysOff)
                .with_unsampled_id(UnsampledId::InheritParent),
            State::Nothing => return,
        };
        let _ = GUARD.set(builder.install_batch().expect("installed once"));
    }

    /// Between what is measured the collector catches up.
    fn settle() {
        if let Some(guard) = GUARD.get() {
            let _ = guard.force_flush();
        }
    }

    pub(crate) const BARE: Implementation = Implementation {
        name: "performance",
        install,
        settle,
        ..super::BARE
    };

    pub(crate) const DEFAULT: Implementation = Implementation {
        name: "performance_default",
        install,
        settle,
        ..super::DEFAULT
    };
}

mod bare {
    use super::*;

    pub(crate) const BARE: Implementation = Implementation {
        name: "enhanced_trace",
        baseline: "sdk",
        install,
        settle: || (),
        cases: cases!(),
    };

    #[enhanced_trace(name = "attributes_0", code = false)]
    #[inline(never)]
    fn attributes_0(i: u64) -> u64 {
        work(i)
    }

    #[enhanced_trace(name = "attributes_3", code = false, capture(i, flag, text))]
    #[inline(never)]
    fn attributes_3(i: u64, flag: bool, text: &str) -> u64 {
        work(i) + u64::from(flag) + text.len() as u64
    }

    #[enhanced_trace(name = "nested", code = false)]
    #[inline(never)]
    fn nested(i: u64, deeper: u32) -> u64 {
        if deeper == 0 {
            work(i)
        } else {
            black_box(nested(i, deeper - 1))
        }
    }

    #[enhanced_trace(name = "yields", code = false)]
    async fn yields(i: u64, yields: u32) -> u64 {
        work_and_yield(i, yields).await
    }
}

mod default {
    use super::*;

    pub(crate) const DEFAULT: Implementation = Implementation {
        name: "enhanced_trace_default",
        baseline: "sdk_code",
        install,
        settle: || (),
        cases: cases!(),
    };

    #[enhanced_trace]
    #[inline(never)]
    fn attributes_0(i: u64) -> u64 {
        work(i)
    }

    #[enhanced_trace(capture(i, flag, text))]
    #[inline(never)]
    fn attributes_3(i: u64, flag: bool, text: &str) -> u64 {
        work(i) + u64::from(flag) + text.len() as u64
    }

    #[enhanced_trace]
    #[inline(never)]
    fn nested(i: u64, deeper: u32) -> u64 {
        if deeper == 0 {
            work(i)
        } else {
            black_box(nested(i, deeper - 1))
        }
    }

    #[enhanced_trace]
    async fn yields(i: u64, yields: u32) -> u64 {
        work_and_yield(i, yields).await
    }
}
