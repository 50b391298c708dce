//! The functions without any span: what is subtracted where nothing is installed.

use std::hint::black_box;

use crate::worker::{Implementation, State, cases, work, work_and_yield};

pub(crate) const PLAIN: Implementation = Implementation {
    name: "plain",
    baseline: "plain",
    install: |_: State| {},
    settle: || (),
    cases: cases!(),
};

#[inline(never)]
fn attributes_0(i: u64) -> u64 {
    work(i)
}

#[inline(never)]
fn attributes_3(i: u64, flag: bool, text: &str) -> u64 {
    work(i) + u64::from(flag) + text.len() as u64
}

#[inline(never)]
fn nested(i: u64, deeper: u32) -> u64 {
    if deeper == 0 {
        work(i)
    } else {
        black_box(nested(i, deeper - 1))
    }
}

async fn yields(i: u64, yields: u32) -> u64 {
    work_and_yield(i, yields).await
}
