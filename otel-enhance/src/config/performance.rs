//! What code may say of the extension `performance`.

use std::time::Duration;

/// What happens to a span that ends while the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropPolicy {
    /// It is dropped; the spans that wait already stay.
    #[default]
    Newest,
    /// The spans that have waited longest make room for it.
    Oldest,
    /// The thread that ends the span waits for room, and the span is dropped after `deadline`. In
    /// asynchronous code that blocks a thread of the runtime. Threads that export never wait.
    Block {
        /// The longest wait for one span.
        deadline: Duration,
    },
}

impl DropPolicy {
    /// [`DropPolicy::Block`] with the deadline that holds where none is given: 100 ms.
    pub const BLOCK: Self = Self::Block {
        deadline: Duration::from_millis(100),
    };
}

/// The id of a span that is not recorded, of the extension `performance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsampledId {
    /// A new one, as the specification wants it.
    #[default]
    New,
    /// That of its parent, if it has one: where the parent is not sampled either, its context stays the
    /// active one and nothing is made at all. What is propagated to other services has the same trace id
    /// and is not sampled, as before; its parent id is that of the outermost span that was not recorded.
    InheritParent,
}

/// Spans held where `performance` holds them, unless code or `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise.
pub(super) const QUEUE_SPANS: u64 = 65_536;
/// Spans in one export then, unless code or `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` says otherwise.
pub(super) const BATCH_SPANS: u64 = 8192;
/// What code asked for beyond the specification's settings of a batch processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tuning {
    pub(crate) max_queue_bytes: Option<usize>,
    pub(crate) max_export_batch_bytes: Option<usize>,
    pub(crate) max_exports_in_flight: Option<usize>,
    pub(crate) drop_policy: DropPolicy,
    pub(crate) ordered: bool,
    pub(crate) unsampled: UnsampledId,
}
