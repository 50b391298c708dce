//! Capturing the spans of one test, whatever other tests of the process do meanwhile.
//!
//! ```
//! use otel_enhance::{enhanced_trace, testing};
//!
//! #[enhanced_trace(name = "add", capture(a, b))]
//! fn add(a: i32, b: i32) -> i32 {
//!     a + b
//! }
//!
//! let capture = testing::capture();
//! add(1, 2);
//! capture.assert_span("add").has("a", 1).has("b", 2).is_root();
//! ```
//!
//! One provider serves the whole process. A capture puts its number into the active context; the
//! provider's id generator reads it there and makes it a part of each span id, by which ended spans
//! find their capture. So a span belongs to the test in whose context it started, on any thread: what
//! is spawned must carry the context, as it must for its spans to have a parent
//! ([`task::child`](crate::task::child)). Spans outside of every capture are discarded.
//!
//! In a build with the feature `performance`, `OTEL_ENHANCE_TEST_SPANS=fast` makes them the spans of that
//! extension, as a pipeline with `performance` would.

mod assert;
mod provider;

use std::fmt;

use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};

pub use assert::SpanAssert;

use provider::CaptureNumber;

/// Captures the spans that this thread, and what carries its context, starts until the result is
/// dropped.
///
/// Annotated functions and the official global tracer provider both lead to the test provider from
/// the first call on.
#[must_use = "spans are captured until it is dropped"]
pub fn capture() -> Capture {
    let number = provider::open();
    Capture {
        _active: Context::current_with_value(number).attach(),
        number,
    }
}

/// The spans of one test; see [`capture`].
pub struct Capture {
    _active: ContextGuard,
    number: CaptureNumber,
}

impl Capture {
    /// The spans that have ended, in the order in which they did.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanData> {
        provider::spans(self.number)
    }

    /// The only ended span of this name, to assert on.
    ///
    /// # Panics
    ///
    /// If there is none, or more than one; the message lists what there is.
    #[track_caller]
    #[must_use]
    pub fn assert_span(&self, name: &str) -> SpanAssert {
        SpanAssert::only(self.spans(), name)
    }

    /// Checks that these spans, and no others, have ended, in this order.
    ///
    /// # Panics
    ///
    /// If it is not so.
    #[track_caller]
    pub fn assert_names(&self, expected: &[&str]) {
        let spans = self.spans();
        let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, expected, "the spans that have ended, in this order");
    }

    /// The test provider, for code that wants one of its own.
    #[must_use]
    pub fn provider(&self) -> SdkTracerProvider {
        provider::provider().clone()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("spans", &self.spans())
            .finish_non_exhaustive()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        provider::close(self.number);
    }
}
