//! The shortest way into a span: that of a function under the active span, of a thread that knows the
//! hub, decided without asking anybody. What is not so goes the way of [`backend`](super::backend).
#![expect(
    unsafe_code,
    reason = "how many attributes a record has is known without reading it, which another processor wrote last; a closure as large as a span is not called in place"
)]

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue, Value};

use super::attribute::TEXT;
use super::contents::{Beginning, Contents, INLINE};
use super::desk::{self, Desk};
use super::hub::{Hub, Quick};
use super::record::Owned;
use super::span::{SpanHandle, put_plain_in};
use crate::span::{Resolved, SpanStart, installation};

/// What came of it.
#[derive(Debug)]
pub(crate) enum Started<T> {
    /// Nothing: ask the backend.
    Elsewhere,
    /// No span: the active one, which does not record, stands for it.
    Nowhere,
    /// A span, whose context was handed over.
    Here(T),
}

/// A record that gathers the attributes of a span before it starts; or none, where it is not known whether
/// the span will need one.
#[derive(Debug)]
pub(crate) struct Gathering {
    record: Option<Owned<Contents>>,
    /// Attributes in the record.
    count: u32,
}

impl Gathering {
    pub(crate) const NONE: Self = Self {
        record: None,
        count: 0,
    };

    #[inline(always)]
    pub(crate) fn new() -> Self {
        let installation = installation();
        // SAFETY: it is dropped here.
        let Some(mut desk) = (unsafe { desk::sit() }) else {
            return Self::NONE;
        };
        match desk.seat_of_installation(installation) {
            Some(seat) if seat.hub.quick != Quick::No && !seat.hub.is_closed() => Self {
                record: desk.vacant(),
                count: 0,
            },
            _ => Self::NONE,
        }
    }

    #[inline(always)]
    pub(crate) const fn is_some(&self) -> bool {
        self.record.is_some()
    }

    /// Adds an attribute, or gives the value back if there is no room.
    #[inline(always)]
    pub(crate) fn push<V: Into<Value>>(&mut self, key: &'static str, value: V) -> Result<(), V> {
        match &mut self.record {
            Some(record) if (self.count as usize) < INLINE => {
                // SAFETY: the record was vacant, and nobody else adds to it.
                record.with(|contents| unsafe { contents.gather(self.count, key, value) });
                self.count += 1;
                Ok(())
            }
            _ => Err(value),
        }
    }

    /// The same with a copy of a text; says whether there was room.
    #[inline(always)]
    pub(crate) fn push_text(&mut self, key: &'static str, text: &str) -> bool {
        match &mut self.record {
            Some(record) if (self.count as usize) < INLINE && text.len() <= TEXT => {
                // SAFETY: as above.
                record.with(|contents| unsafe { contents.gather_text(self.count, key, text) });
                self.count += 1;
                true
            }
            _ => false,
        }
    }

    /// The attributes, which no span of the record will have.
    #[cold]
    pub(crate) fn give_up(&mut self) -> Vec<KeyValue> {
        let Some(mut record) = self.record.take() else {
            return Vec::new();
        };
        self.count = 0;
        let gathered = record.with(Contents::take_gathered);
        desk::recycle(record);
        gathered
    }
}

impl Drop for Gathering {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_some() {
            drop(self.give_up());
        }
    }
}

/// Ids that receivers count, where the hub has such; random ones are made where they are needed.
struct Counted {
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
}

/// The active span, as far as a child depends on it.
struct Active {
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
    is_remote: bool,
    is_valid: bool,
    /// There is one, which need not be valid.
    is_some: bool,
    /// Spans are suppressed, or inherit more than ids.
    is_special: bool,
}

impl Active {
    #[inline(always)]
    fn of(current: &Context) -> Self {
        let span = current.span();
        let ids = span.span_context();
        Self {
            trace_id: ids.trace_id(),
            span_id: ids.span_id(),
            flags: ids.trace_flags(),
            is_remote: ids.is_remote(),
            is_valid: ids.is_valid(),
            is_some: current.has_active_span(),
            is_special: current.is_telemetry_suppressed() || *ids.trace_state() != TraceState::NONE,
        }
    }

    /// The id of a trace that begins, where receivers count such ids.
    #[inline(always)]
    fn wants_trace_id(&self, hub: &Hub) -> Option<TraceId> {
        if self.is_valid {
            return None;
        }
        hub.counted_trace_id()
    }

    /// Whether a child of it that is not recorded is nothing but it.
    #[inline(always)]
    fn stands_for_children(&self, hub: &Hub) -> bool {
        hub.inherits() && self.is_valid && !self.flags.is_sampled()
    }

    /// Whether a child of it is recorded, where nobody has to be asked.
    #[inline(always)]
    fn decide(&self, hub: &Hub) -> Option<bool> {
        if self.is_special || hub.is_closed() {
            return None;
        }
        let sampled = match hub.quick {
            Quick::No => return None,
            Quick::AsParent { roots } if !self.is_some => roots,
            // A parent that is active and not valid is one.
            Quick::AsParent { .. } => self.flags.is_sampled(),
            Quick::Always(sampled) => sampled,
        };
        (sampled || !hub.config.counts_dropped).then_some(sampled)
    }
}

/// Starts a child of the active span, with the attributes in `gathering` and what is in `more`, and hands its
/// context to `take`, with a handle if it records; whether it attaches that, and does nothing before, says `ATTACHES`.
/// `CALLER` is another number for each, so that what is called in here has one caller, and is compiled in place.
#[inline(always)]
pub(crate) fn start<const CALLER: u8, const ATTACHES: bool, T>(
    site: &'static Resolved,
    gathering: Option<&mut Gathering>,
    more: Option<&mut SpanStart>,
    take: impl FnOnce(Context, Option<SpanHandle>) -> T,
) -> Started<T> {
    // SAFETY: it is dropped here.
    let Some(mut desk) = (unsafe { desk::sit() }) else {
        return Started::Elsewhere;
    };
    // While the installation is known, the official context stack is there.
    if desk.seat_of_installation(installation()).is_none() {
        return Started::Elsewhere;
    }
    // Written where it stays: what is moved just after it was written stalls the processor.
    let mut context = MaybeUninit::uninit();
    let started = start_at::<CALLER, ATTACHES>(&mut desk, site, gathering, more, &mut context);
    drop(desk);
    match started {
        Started::Elsewhere => Started::Elsewhere,
        Started::Nowhere => Started::Nowhere,
        // SAFETY: where there is a span, its context was written.
        Started::Here(handle) => Started::Here(take(unsafe { context.assume_init() }, handle)),
    }
}

#[inline(always)]
fn start_at<const CALLER: u8, const ATTACHES: bool>(
    desk: &mut Desk,
    site: &'static Resolved,
    gathering: Option<&mut Gathering>,
    more: Option<&mut SpanStart>,
    context: &mut MaybeUninit<Context>,
) -> Started<Option<SpanHandle>> {
    let Some(seat) = desk.first_seat() else {
        return Started::Elsewhere;
    };
    let hub = &*seat.hub;
    // A closure as small as this is called in place.
    let current = Context::map_current(std::ptr::from_ref);
    // SAFETY: it is the top of the thread's own stack, and stays what it is until a context is attached or detached, which
    // nobody does who is called from here.
    let current = unsafe { &*current };
    let active = Active::of(current);
    let Some(sampled) = active.decide(hub) else {
        return Started::Elsewhere;
    };
    if !sampled {
        if active.stands_for_children(hub) {
            return Started::Nowhere;
        }
        let inherits = hub.inherits() && active.is_valid;
        let counted = Counted {
            trace_id: active.wants_trace_id(hub),
            span_id: hub.counted_span_id().filter(|_| !inherits),
        };
        let ids = silent_ids(desk, &active, inherits, &counted);
        context.write(current.with_remote_span_context(ids));
        return Started::Here(None);
    }
    seat.count_started();
    let counted = Counted {
        trace_id: active.wants_trace_id(hub),
        span_id: hub.counted_span_id(),
    };
    let (hub, rules) = (hub.id, hub.rules);
    let (trace_id, parent_span_id, parent_is_remote, flags) = if active.is_valid {
        (
            active.trace_id,
            active.span_id,
            active.is_remote,
            active.flags.with_sampled(true),
        )
    } else {
        let trace_id = counted.trace_id.unwrap_or_else(|| desk.rng().trace_id());
        (trace_id, SpanId::INVALID, false, TraceFlags::SAMPLED)
    };
    let span_id = counted.span_id.unwrap_or_else(|| desk.rng().span_id());
    let (gathered, count) = match gathering {
        Some(gathering) => {
            let gathered = gathering.record.take();
            let count = gathered.as_ref().map(|_| gathering.count);
            (gathered, count)
        }
        None => (None, None),
    };
    desk.expect(count.unwrap_or(0));
    let mut record = match gathered.or_else(|| desk.vacant()) {
        Some(record) => record,
        None => desk::one_vacant(),
    };
    let handle = record.handle();
    // Well before it is needed: it takes as long as forty other instructions, and the processor goes on meanwhile.
    let now = desk.watch.now();
    // Before the record is filled, so that what is read of the context next was written a while ago.
    let ids = (trace_id, span_id, flags);
    put_plain_in(context, current, handle, ids);
    let beginning = Beginning {
        hub,
        trace_id,
        span_id,
        flags,
        parent_span_id,
        parent_is_remote,
        name: Cow::Borrowed(site.name),
        kind: site.kind.clone(),
        scope: site.scope,
        rules,
        is_told: true,
        is_dropped: false,
    };
    record.with(|contents| {
        contents.begin(beginning, now);
        if let Some(count) = count {
            contents.adopt_gathered(count);
        }
        if let Some(more) = more {
            super::backend::fill_more(contents, more);
        }
        if let Some(code) = &site.code {
            contents.set_code(code);
        }
    });
    record.publish();
    #[cfg(feature = "ebpf")]
    if site.is_profiled {
        // SAFETY: it was written above.
        let context = unsafe { context.assume_init_ref() };
        crate::extensions::ebpf::mark(context.span().span_context());
    }
    #[cfg(feature = "ebpf")]
    {
        use crate::extensions::ebpf;
        let (span_id, now) = (span_id.to_bytes(), now.monotonic);
        if ATTACHES {
            ebpf::announce(trace_id.to_bytes(), span_id, flags.to_u8(), now);
        } else {
            ebpf::started(span_id, now);
        }
    }
    Started::Here(Some(SpanHandle(handle)))
}

/// All that a context needs of a span that does not record, which is nowhere on the heap.
#[inline(always)]
fn silent_ids(desk: &mut Desk, active: &Active, inherits: bool, counted: &Counted) -> SpanContext {
    let trace_id = if active.is_valid {
        active.trace_id
    } else {
        counted.trace_id.unwrap_or_else(|| desk.rng().trace_id())
    };
    let span_id = if inherits {
        active.span_id
    } else {
        counted.span_id.unwrap_or_else(|| desk.rng().span_id())
    };
    let flags = TraceFlags::NOT_SAMPLED;
    SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE)
}

/// Whether any hub ever was such that it may be known early that a span does not record.
static MAY_KNOW_EARLY: AtomicBool = AtomicBool::new(false);

pub(super) fn may_know_early() {
    MAY_KNOW_EARLY.store(true, Ordering::Relaxed);
}

/// What is known of a child of the active span before its attributes are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Early {
    /// Nothing.
    Open,
    /// It does not record: nobody will see its attributes.
    Unsampled,
    /// Nor will there be a span: see [`Started::Nowhere`].
    Nowhere,
}

/// Looks at the active span, where anything may be known of its children.
#[inline(always)]
pub(crate) fn early() -> Early {
    if MAY_KNOW_EARLY.load(Ordering::Relaxed) {
        look()
    } else {
        Early::Open
    }
}

fn look() -> Early {
    let installation = installation();
    let known = desk::with(|desk| {
        let Some(seat) = desk.seat_of_installation(installation) else {
            return Early::Open;
        };
        let active = Context::map_current(Active::of);
        match active.decide(&seat.hub) {
            Some(false) if active.stands_for_children(&seat.hub) => Early::Nowhere,
            Some(false) => Early::Unsampled,
            Some(true) | None => Early::Open,
        }
    });
    known.unwrap_or(Early::Open)
}
