//! More contexts on top of each other than are told apart.

use std::time::Instant;

use otel_enhance::trace::TraceContextExt as _;
use otel_enhance::{Context, enhanced_trace};

use crate::attribution::{STEP, STEP_NS, assert_cpu, context, find};
use crate::common::{BOTH, Shares, alone, burn, install_full};

#[enhanced_trace]
fn works() {
    burn(STEP);
}

/// As whoever keeps one guard attaches one context after the other: each while the one before it still is.
fn replaces_guards(contexts: &[Context]) {
    let mut attached = None;
    for context in contexts {
        let next = context.clone().attach();
        drop(attached.replace(next));
    }
}

#[test]
fn span_after_many_contexts_that_replaced_each_other_has_its_own() {
    let _alone = alone();
    for path in BOTH {
        for has_outer in [false, true] {
            let (guard, kept) = install_full(path);
            let outer = context("outer");
            let _outer = has_outer.then(|| outer.clone().attach());
            let many: Vec<_> = (0..200).map(|_| context("one_of_many")).collect();
            replaces_guards(&many);
            // Two by turns: the last of them are of spans that the first are of.
            for _ in 0..100 {
                replaces_guards(&many[..2]);
            }
            works();
            for context in &many {
                context.span().end();
            }
            guard.shutdown().unwrap();
            let spans = kept.take();
            assert_cpu("after", Shares::total(find(&spans, "works")).unwrap(), 1);
            let of_many = spans.iter().filter(|span| span.name == "one_of_many");
            for span in of_many.filter_map(Shares::total) {
                assert!(span.active() < STEP_NS, "{path:?}: {span:?}");
            }
        }
    }
}

#[test]
fn what_is_active_again_too_deep_leaves_those_around_it_all_they_do() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let around: Vec<_> = (0..70).map(|_| context("around")).collect();
        let begun = Instant::now();
        let attached: Vec<_> = around
            .iter()
            .map(|context| context.clone().attach())
            .collect();
        let again = around[3].clone().attach();
        works();
        let nothing = Context::new().attach();
        works();
        drop(nothing);
        drop(again);
        burn(STEP);
        attached.into_iter().rev().for_each(drop);
        let passed = begun.elapsed().as_nanos() as u64;
        for context in &around {
            context.span().end();
        }
        guard.shutdown().unwrap();
        let spans = kept.take();
        let of_around = spans.iter().filter(|span| span.name == "around");
        let with: Vec<_> = of_around.filter_map(Shares::total).collect();
        assert_eq!(with.len(), 64);
        for shares in with {
            // No more than there was: a busy machine takes longer for a step.
            assert!(
                (3 * STEP_NS - 100_000..=passed).contains(&shares.cpu),
                "{path:?}: {shares:?} of {passed}"
            );
        }
    }
}
