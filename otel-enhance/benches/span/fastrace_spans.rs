//! fastrace, whose outermost span must be made a root by hand; the ones below it are `#[trace]`.

use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::future::FutureExt as _;
use fastrace::prelude::{Span, SpanContext};
use fastrace::trace;

use std::hint::black_box;

use crate::worker::{Implementation, State, cases, work, work_and_yield};

pub(crate) const FASTRACE: Implementation = Implementation {
    name: "fastrace",
    baseline: "sdk",
    install,
    settle: || (),
    cases: cases!(),
};

struct Null;

impl Reporter for Null {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        drop(std::hint::black_box(spans));
    }
}

static SAMPLED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);

fn install(state: State) {
    if state != State::Nothing {
        fastrace::set_reporter(Null, Config::default());
    }
    SAMPLED.store(
        state == State::Recording || state == State::Nothing,
        std::sync::atomic::Ordering::Relaxed,
    );
}

fn root(name: &'static str) -> Span {
    let sampled = SAMPLED.load(std::sync::atomic::Ordering::Relaxed);
    Span::root(name, SpanContext::random().sampled(sampled))
}

#[inline(never)]
fn attributes_0(i: u64) -> u64 {
    let root = root("attributes_0");
    let _active = root.set_local_parent();
    work(i)
}

#[inline(never)]
fn attributes_3(i: u64, flag: bool, text: &str) -> u64 {
    let root = root("attributes_3").with_properties(|| {
        [
            ("i", i.to_string()),
            ("flag", flag.to_string()),
            ("text", text.to_owned()),
        ]
    });
    let _active = root.set_local_parent();
    work(i) + u64::from(flag) + text.len() as u64
}

#[inline(never)]
fn nested(i: u64, deeper: u32) -> u64 {
    let root = root("nested");
    let _active = root.set_local_parent();
    black_box(below(i, deeper - 1))
}

#[trace(name = "nested")]
#[inline(never)]
fn below(i: u64, deeper: u32) -> u64 {
    if deeper == 0 {
        work(i)
    } else {
        black_box(below(i, deeper - 1))
    }
}

async fn yields(i: u64, yields: u32) -> u64 {
    work_and_yield(i, yields).in_span(root("yields")).await
}
