//! The official SDK as an expert writes it: a cached tracer, a span builder with one `Vec`,
//! `current_with_span`, `attach`. Once bare, once with the three attributes that `#[enhanced_trace]`
//! adds by default.

use std::sync::OnceLock;

use opentelemetry::trace::{
    FutureExt as _, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use std::hint::black_box;

use crate::worker::{Implementation, State, cases, provider, work, work_and_yield};

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Without a provider the same code runs on the global no-op tracer.
static NO_OP: OnceLock<opentelemetry::global::BoxedTracer> = OnceLock::new();

fn install(state: State) {
    match provider(state) {
        Some(provider) => {
            let tracer = provider.tracer("bench");
            opentelemetry::global::set_tracer_provider(provider);
            let _ = TRACER.set(tracer);
        }
        None => {
            let _ = NO_OP.set(opentelemetry::global::tracer("bench"));
        }
    }
}

/// Starts the span on whichever tracer there is; the first branch is the measured one.
macro_rules! start {
    ($name:expr, $attributes:expr) => {{
        match TRACER.get() {
            Some(tracer) => {
                let span = start!(@on tracer, $name, $attributes);
                Context::current_with_span(span)
            }
            None => {
                let tracer = NO_OP.get().expect("installed");
                let span = start!(@on tracer, $name, $attributes);
                Context::current_with_span(span)
            }
        }
    }};
    (@on $tracer:ident, $name:expr, $attributes:expr) => {{
        let attributes: Vec<KeyValue> = $attributes;
        let builder = $tracer.span_builder($name);
        if attributes.is_empty() {
            builder.start($tracer)
        } else {
            builder.with_attributes(attributes).start($tracer)
        }
    }};
}

/// The same functions for both rows; `$code` are the attributes that each span has in addition.
macro_rules! functions {
    ($($code:expr),*) => {
        #[inline(never)]
        fn attributes_0(i: u64) -> u64 {
            let _active = start!("attributes_0", vec![$($code),*]).attach();
            work(i)
        }

        #[inline(never)]
        fn attributes_3(i: u64, flag: bool, text: &str) -> u64 {
            let _active = start!("attributes_3", vec![
                KeyValue::new("i", i64::try_from(i).unwrap_or(i64::MAX)),
                KeyValue::new("flag", flag),
                KeyValue::new("text", text.to_owned()),
                $($code),*
            ]).attach();
            work(i) + u64::from(flag) + text.len() as u64
        }

        #[inline(never)]
        fn nested(i: u64, deeper: u32) -> u64 {
            let _active = start!("nested", vec![$($code),*]).attach();
            if deeper == 0 { work(i) } else { black_box(nested(i, deeper - 1)) }
        }

        async fn yields(i: u64, yields: u32) -> u64 {
            let context = start!("yields", vec![$($code),*]);
            work_and_yield(i, yields).with_context(context).await
        }
    };
}

pub(crate) use bare::BARE;
pub(crate) use with_code::WITH_CODE;

mod bare {
    use super::*;

    pub(crate) const BARE: Implementation = Implementation {
        name: "sdk",
        baseline: "sdk",
        install,
        settle: || (),
        cases: cases!(),
    };

    functions!();
}

mod with_code {
    use super::*;

    pub(crate) const WITH_CODE: Implementation = Implementation {
        name: "sdk_code",
        baseline: "sdk_code",
        install,
        settle: || (),
        cases: cases!(),
    };

    functions!(
        KeyValue::new("code.function.name", "span::by_hand::function"),
        KeyValue::new("code.file.path", "benches/span/by_hand.rs"),
        KeyValue::new("code.line.number", 64)
    );
}
