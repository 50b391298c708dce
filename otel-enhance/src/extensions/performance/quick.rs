//! The shortest way into a span: that of a function under the active span, of a thread that knows the
//! hub, decided without asking anybody. What is not so goes the way of [`backend`](super::backend).
#![expect(
    unsafe_code,
    reason = "how many attributes a record has is known without reading it, which another processor wrote last"
)]

use std::borrow::Cow;
use std::mem::{self, MaybeUninit};
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
use super::span::{SpanHandle, current_with};
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
    /// Attributes in the record; as many as have room where there is none.
    count: u32,
}

impl Gathering {
    pub(crate) const NONE: Self = Self {
        record: None,
        count: INLINE as u32,
    };

    /// If the thread has a record at hand, and the backend is one that takes it.
    #[inline(always)]
    pub(crate) fn begin() -> Self {
        let installation = installation();
        // SAFETY: it is dropped here.
        let Some(mut desk) = (unsafe { desk::sit() }) else {
            return Self::NONE;
        };
        match desk.seat_of_installation(installation) {
            Some(seat) if seat.hub.quick != Quick::No => {
                let record = desk.vacant();
                let count = if record.is_some() { 0 } else { INLINE as u32 };
                Self { record, count }
            }
            _ => Self::NONE,
        }
    }

    /// The record, and how many attributes are in it, if there is room for one more.
    #[inline(always)]
    fn room(&mut self) -> Option<(&mut Owned<Contents>, &mut u32)> {
        if self.count as usize >= INLINE {
            return None;
        }
        // SAFETY: where there is no record, the number says that there is no room.
        let record = unsafe { self.record.as_mut().unwrap_unchecked() };
        Some((record, &mut self.count))
    }

    #[inline(always)]
    pub(crate) const fn is_some(&self) -> bool {
        self.record.is_some()
    }

    /// Adds an attribute, or gives the value back if there is no room.
    #[inline(always)]
    pub(crate) fn push<V: Into<Value>>(&mut self, key: &'static str, value: V) -> Result<(), V> {
        let Some((record, count)) = self.room() else {
            return Err(value);
        };
        let gathered = *count;
        *count += 1;
        // SAFETY: the record was vacant, and nobody else adds to it.
        record.with(|contents| unsafe { contents.gather(gathered, key, value) });
        Ok(())
    }

    /// The same with a copy of a text; says whether there was room.
    #[inline(always)]
    pub(crate) fn push_text(&mut self, key: &'static str, text: &str) -> bool {
        if text.len() > TEXT {
            return false;
        }
        let Some((record, count)) = self.room() else {
            return false;
        };
        let gathered = *count;
        *count += 1;
        // SAFETY: as above.
        record.with(|contents| unsafe { contents.gather_text(gathered, key, text) });
        true
    }

    /// The record, and how many attributes are in it.
    #[inline(always)]
    fn take(&mut self) -> Option<(Owned<Contents>, u32)> {
        let record = self.record.take()?;
        Some((record, mem::replace(&mut self.count, INLINE as u32)))
    }

    /// The attributes, which no span of the record will have.
    #[cold]
    pub(crate) fn give_up(&mut self) -> Vec<KeyValue> {
        let Some((mut record, count)) = self.take() else {
            return Vec::new();
        };
        // SAFETY: so many have been gathered.
        let gathered = record.with(|contents| unsafe { contents.take_gathered(count) });
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
    let Some(seat) = desk.seat_of_installation(installation()) else {
        return Started::Elsewhere;
    };
    let hub = &*seat.hub;
    // In closures as small as these, which are called in place.
    let active = Context::map_current(Active::of);
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
        let ids = silent_ids(&mut desk, &active, inherits, &counted);
        drop(desk);
        // Written where it stays: what is moved just after it was written stalls the processor.
        let mut context = MaybeUninit::uninit();
        Context::map_current(|current| {
            context.write(current.with_remote_span_context(ids));
        });
        // SAFETY: it was written above.
        return Started::Here(take(unsafe { context.assume_init() }, None));
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
    let (mut record, count) = match gathering.and_then(Gathering::take) {
        Some(gathered) => gathered,
        None => (desk.vacant().unwrap_or_else(desk::one_vacant), 0),
    };
    desk.expect(count);
    let handle = record.handle();
    // Well before it is needed: it takes as long as forty other instructions, and the processor goes on meanwhile.
    let now = desk.watch.now();
    // What is dropped now need not be if one of the calls below should unwind.
    drop(desk);
    // Before the record is filled, so that what is read of the context next was written a while ago. It is written where
    // it stays: what is moved just after it was written stalls the processor.
    let context = current_with(handle, (trace_id, span_id, flags));
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
        is_dropped: false,
    };
    record.with(|contents| {
        contents.begin(beginning, now);
        if count > 0 {
            // SAFETY: so many have been gathered.
            unsafe { contents.adopt_gathered(count) };
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
    Started::Here(take(context, Some(SpanHandle(handle))))
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
