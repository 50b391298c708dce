//! `#[tracing::instrument]` with tracing-opentelemetry's layer as it comes.

use opentelemetry::trace::TracerProvider as _;
use tracing::instrument;
use tracing_subscriber::layer::SubscriberExt as _;

use std::hint::black_box;

use crate::worker::{Implementation, State, cases, provider, work, work_and_yield};

pub(crate) const TRACING: Implementation = Implementation {
    name: "tracing",
    baseline: "sdk",
    install,
    settle: || (),
    cases: cases!(),
};

fn install(state: State) {
    if let Some(provider) = provider(state) {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("no subscriber yet");
    }
}

#[instrument(skip_all, name = "attributes_0")]
#[inline(never)]
fn attributes_0(i: u64) -> u64 {
    work(i)
}

#[instrument(skip_all, name = "attributes_3", fields(i = i, flag = flag, text = text))]
#[inline(never)]
fn attributes_3(i: u64, flag: bool, text: &str) -> u64 {
    work(i) + u64::from(flag) + text.len() as u64
}

#[instrument(skip_all, name = "nested")]
#[inline(never)]
fn nested(i: u64, deeper: u32) -> u64 {
    if deeper == 0 {
        work(i)
    } else {
        black_box(nested(i, deeper - 1))
    }
}

#[instrument(skip_all, name = "yields")]
async fn yields(i: u64, yields: u32) -> u64 {
    work_and_yield(i, yields).await
}
