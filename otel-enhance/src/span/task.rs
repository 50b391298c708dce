//! Carrying a trace into tasks and threads.
//!
//! The active span belongs to a thread, or to the future that is being polled. What is spawned
//! starts without one, unless it is wrapped: as a **child**, its spans nest under the span that
//! was active where it was wrapped; **linked**, it gets a trace of its own whose first span links
//! back, which suits work that outlives the request that caused it. Baggage comes along either way.
//!
//! ```
//! use otel_enhance::task;
//!
//! # async fn send_mail() {}
//! # fn resize() {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
//! tokio::spawn(task::child(send_mail())).await?;
//! tokio::spawn(task::linked("send mail", send_mail())).await?;
//! tokio::task::spawn_blocking(task::child_fn(resize)).await?;
//!
//! let mut set = tokio::task::JoinSet::new();
//! set.spawn(task::child(send_mail()));
//! set.join_all().await;
//!
//! std::thread::spawn(task::linked_fn("resize", resize));
//! # Ok::<(), tokio::task::JoinError>(())
//! # })?;
//! # Ok(())
//! # }
//! ```
//!
//! `FutureExt::with_current_context` of the official API is the same as [`child`].

use std::borrow::Cow;
use std::future::Future;

use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, Link, SpanKind, TraceContextExt as _, WithContext};

use super::backend::SpanStart;
use super::future::{Instrumented, OpenSpan};
use super::guard::SpanGuard;
use super::parent::Parent;
use super::registry;
use super::scope::Scope;
use super::start::start_under;

/// Spans of `future` nest under the span that is active now, wherever it is polled.
pub fn child<F: Future>(future: F) -> WithContext<F> {
    future.with_current_context()
}

/// `future` gets a span of this name, the root of a trace of its own, with a link to the span that
/// is active now. The span starts now, and ends when the future is done or dropped.
pub fn linked<F: Future>(name: impl Into<Cow<'static, str>>, future: F) -> Instrumented<F> {
    let mut span = OpenSpan::none();
    if let Some(started) = start_linked(name.into(), active_link()) {
        span.start(|| started);
    }
    span.instrument(future)
}

/// Spans of `work` nest under the span that is active now, on whichever thread it runs.
pub fn child_fn<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let context = Context::current();
    move || {
        let _active = context.attach();
        work()
    }
}

/// `work` gets a span of this name, the root of a trace of its own, with a link to the span that is
/// active now. The span starts when `work` is called.
pub fn linked_fn<R>(
    name: impl Into<Cow<'static, str>>,
    work: impl FnOnce() -> R,
) -> impl FnOnce() -> R {
    let name = name.into();
    let context = Context::current();
    move || {
        // The caller's baggage; the span under it is linked, not a parent.
        let _entries = context.attach();
        let _span = match start_linked(name, active_link()) {
            Some((context, _)) => SpanGuard::attach(context),
            None => SpanGuard::none(),
        };
        work()
    }
}

fn active_link() -> Option<Link> {
    Context::map_current(|current| {
        let span = current.span();
        let span_context = span.span_context();
        span_context
            .is_valid()
            .then(|| Link::with_context(span_context.clone()))
    })
}

fn start_linked(name: Cow<'static, str>, link: Option<Link>) -> Option<(Context, bool)> {
    if !registry::is_installed() {
        return None;
    }
    let mut span = SpanStart {
        scope: Scope::intern("otel_enhance::task", Some(env!("CARGO_PKG_VERSION"))),
        name,
        kind: SpanKind::Internal,
        attributes: Vec::new(),
        code: None,
        links: link.into_iter().collect(),
        is_recording: false,
        #[cfg(feature = "ebpf")]
        is_profiled: false,
        #[cfg(feature = "performance")]
        handle: None,
        #[cfg(feature = "performance")]
        installation: 0,
    };
    let mut context = Context::new();
    start_under(&mut span, &Parent::Root, &mut context).then_some((context, span.is_recording))
}
