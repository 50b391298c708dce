//! What a record holds of a span: two cache lines that every span fills, eight attributes in place, and a
//! box for whatever else happens to a span.
#![expect(
    unsafe_code,
    reason = "an attribute, or the data of a span, that is moved right after it was built stalls the processor"
)]

#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod encode;
#[cfg(feature = "ebpf")]
mod figures;
mod note;
mod rules;

use std::borrow::Cow;
use std::mem::{self, MaybeUninit};
use std::time::SystemTime;

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

pub(super) use self::note::UNKNOWN;
pub(super) use self::rules::Rules;
use super::attribute::{Attribute, Seen};
use super::clock::{Moment, nanos_since_1970, system_time};
use super::inline::Inline;
use super::record::{Owned, Record, Sealed};
use super::weight;
#[cfg(feature = "ebpf")]
use crate::extensions::ebpf;
use crate::extensions::simd::{RedStatus, nanos_between};
use crate::span::{Code, Scope};

/// Attributes that a span keeps in place.
pub(super) const INLINE: usize = 8;

/// The fields stand in the order in which they fill the lines.
#[repr(C)]
pub(super) struct Contents {
    /// The hub that hears of the span when it ends: its number, or [`NOBODY`](super::hub::NOBODY).
    pub(super) hub: u32,
    /// Attributes, wherever they are.
    attributes: u32,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_span_id: [u8; 8],
    /// Nanoseconds since 1970.
    start: u64,
    /// While the span is open, what the monotonic clock showed when it began; then its end, in
    /// nanoseconds since 1970.
    time: u64,

    name: Cow<'static, str>,
    rules: rules::Place,
    code: Option<&'static Code>,
    cold: Option<Box<Cold>>,
    scope: Scope,
    /// How many attributes stand before those of `code`.
    code_at: u8,
    kind: SpanKind,
    flags: TraceFlags,
    marks: Marks,
    inline: Inline<Attribute, INLINE>,
    /// What the span did, of one that is marked so.
    #[cfg(feature = "ebpf")]
    figures: ebpf::Figures,
}

#[cfg(not(feature = "ebpf"))]
const FIGURES: usize = 0;
#[cfg(feature = "ebpf")]
const FIGURES: usize = size_of::<ebpf::Figures>();

// A model's cells and locks are larger.
#[cfg(not(otel_enhance_loom))]
const _: () = assert!(size_of::<Record<Contents>>() == if FIGURES == 0 { 640 } else { 768 });
const _: () = assert!(size_of::<Contents>() == 120 + INLINE * size_of::<Attribute>() + FIGURES);

/// Lines of a record that each span fills. Each attribute in place has one of its own, after them.
const FILLED: usize = 2;
/// So many records before its turn one is fetched by whoever reads many: first those lines.
const FETCHED_AHEAD: usize = 8;
/// And then, when they are there, the attributes, whose number they have.
const ATTRIBUTES_FETCHED_AHEAD: usize = 3;

#[cfg(not(otel_enhance_loom))]
const _: () = assert!(
    FILLED * 64
        == size_of::<Record<Contents>>()
            - INLINE * size_of::<Attribute>()
            - FIGURES.next_multiple_of(64)
);

/// Has the processor fetch a record that will soon be written to, with so many attributes.
#[inline(always)]
pub(super) fn fetch(record: &Owned<Contents>, attributes: usize) {
    record.fetch(0..FILLED);
    if attributes > 0 {
        record.fetch(FILLED..FILLED + attributes);
    }
}

/// Has the processor fetch those records whose turn it will be soon. `visit` shows the record that is so many places
/// behind the next one, if there is one, to the function that it is given.
#[inline(always)]
pub(super) fn fetch_ahead(mut visit: impl FnMut(usize, fn(&mut Sealed<Contents>))) {
    visit(FETCHED_AHEAD, |record| record.fetch(0..FILLED));
    visit(ATTRIBUTES_FETCHED_AHEAD, |record| {
        let attributes = record.with(|contents| contents.inline.as_slice().len());
        record.fetch(FILLED..FILLED + attributes);
        // Few have figures there, and of those none was written by whoever does not.
        #[cfg(feature = "ebpf")]
        if record.with(|contents| contents.marks.has(Marks::HAS_FIGURES)) {
            record.fetch(FILLED + INLINE..size_of::<Record<Contents>>() / 64);
        }
    });
}

/// What is either so or not so.
#[derive(Clone, Copy)]
struct Marks(u8);

impl Marks {
    const NONE: Self = Self(0);
    const PARENT_IS_REMOTE: Self = Self(1);
    /// Whoever made the span gave its start.
    const START_IS_GIVEN: Self = Self(1 << 2);
    /// It did nothing but to be on a CPU for less than four seconds, which is what is kept of it.
    #[cfg(feature = "ebpf")]
    const IS_SHORT: Self = Self(1 << 1);
    /// The status is `Ok`; else it is what the cold part says.
    const IS_OK: Self = Self(1 << 3);
    /// The sampler has dropped the span, of which only what counts is kept.
    const IS_DROPPED: Self = Self(1 << 4);
    /// There are figures of it.
    #[cfg(feature = "ebpf")]
    const HAS_FIGURES: Self = Self(1 << 5);
    /// It did nothing but to be on a CPU from begin to end.
    #[cfg(feature = "ebpf")]
    const IS_PLAIN: Self = Self(1 << 6);
    /// But not all of that was its own.
    #[cfg(feature = "ebpf")]
    const HAS_OWN: Self = Self(1 << 7);

    #[inline(always)]
    const fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    #[cfg(feature = "ebpf")]
    #[inline(always)]
    const fn has_any(self, one: Self, other: Self) -> bool {
        self.0 & (one.0 | other.0) != 0
    }

    #[inline(always)]
    const fn set(&mut self, mark: Self) {
        self.0 |= mark.0;
    }

    #[inline(always)]
    const fn set_if(&mut self, mark: Self, condition: bool) {
        if condition {
            self.set(mark);
        }
    }
}

/// What most spans do not have.
#[derive(Debug, Default)]
struct Cold {
    attributes: Vec<KeyValue>,
    dropped_attributes: u32,
    events: Vec<Event>,
    dropped_events: u32,
    links: Vec<Link>,
    dropped_links: u32,
    error: Status,
    trace_state: TraceState,
    /// Where there are too many scopes to number them.
    scope: Option<InstrumentationScope>,
    /// Times that nanoseconds since 1970 cannot say.
    start: Option<SystemTime>,
    end: Option<SystemTime>,
}

/// What is known of a span when it starts.
pub(super) struct Beginning {
    /// See [`Contents::hub`].
    pub(super) hub: u32,
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) flags: TraceFlags,
    /// [`SpanId::INVALID`] for a root.
    pub(super) parent_span_id: SpanId,
    pub(super) parent_is_remote: bool,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    pub(super) scope: Scope,
    pub(super) rules: &'static Rules,
    pub(super) is_dropped: bool,
}

impl Contents {
    /// Of a record that no span uses.
    pub(super) fn vacant() -> Self {
        Self {
            hub: 0,
            attributes: 0,
            trace_id: [0; 16],
            span_id: [0; 8],
            parent_span_id: [0; 8],
            start: 0,
            time: 0,
            name: Cow::Borrowed(""),
            rules: rules::Place::NONE,
            code: None,
            cold: None,
            scope: Scope::NONE,
            code_at: 0,
            kind: SpanKind::Internal,
            flags: TraceFlags::NOT_SAMPLED,
            marks: Marks::NONE,
            inline: Inline::new(),
            #[cfg(feature = "ebpf")]
            figures: ebpf::Figures::NONE,
        }
    }

    /// A span begins in a vacant record: nothing is there that would have to be dropped, so nothing is
    /// read. Another processor had the record last, and would have to be asked for it.
    #[inline(always)]
    pub(super) fn begin(&mut self, beginning: Beginning, now: Moment) {
        self.hub = beginning.hub;
        self.attributes = 0;
        self.trace_id = beginning.trace_id.to_bytes();
        self.span_id = beginning.span_id.to_bytes();
        self.parent_span_id = beginning.parent_span_id.to_bytes();
        let mut marks = Marks::NONE;
        marks.set_if(Marks::PARENT_IS_REMOTE, beginning.parent_is_remote);
        marks.set_if(Marks::IS_DROPPED, beginning.is_dropped);
        self.marks = marks;
        self.start = now.wall;
        self.time = now.monotonic;
        self.code = None;
        mem::forget(mem::replace(&mut self.name, beginning.name));
        self.rules = rules::Place::of(beginning.rules);
        self.scope = beginning.scope;
        self.kind = beginning.kind;
        self.flags = beginning.flags;
    }

    /// A trace state that is not empty.
    pub(super) fn set_trace_state(&mut self, trace_state: TraceState) {
        self.cold().trace_state = trace_state;
    }

    /// The span began at another time than now.
    pub(super) fn set_start(&mut self, start: SystemTime) {
        self.marks.set(Marks::START_IS_GIVEN);
        match nanos_since_1970(start) {
            Some(nanos) => self.start = nanos,
            None => self.cold().start = Some(start),
        }
    }

    /// The scope where it has no number.
    pub(super) fn set_scope(&mut self, scope: InstrumentationScope) {
        self.cold().scope = Some(scope);
    }

    /// Whether the sampler has dropped the span: attributes, events and links of it are not kept.
    #[inline(always)]
    pub(super) fn is_dropped(&self) -> bool {
        self.marks.has(Marks::IS_DROPPED)
    }

    /// Name, kind, status and nanoseconds of a span that has ended.
    pub(super) fn call(&self) -> (&Cow<'static, str>, &SpanKind, RedStatus, u64) {
        let cold = self.cold.as_deref();
        let status = if self.marks.has(Marks::IS_OK) {
            RedStatus::Ok
        } else {
            cold.map_or(RedStatus::Unset, |cold| (&cold.error).into())
        };
        let nanos = match cold.map(|cold| (cold.start, cold.end)) {
            None | Some((None, None)) => self.time.saturating_sub(self.start),
            Some((start, end)) => nanos_between(
                start.unwrap_or_else(|| system_time(self.start)),
                end.unwrap_or_else(|| system_time(self.time)),
            ),
        };
        (&self.name, &self.kind, status, nanos)
    }

    #[inline(always)]
    pub(super) fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// What the record weighs in a queue.
    #[inline(never)]
    pub(super) fn weight(&self) -> usize {
        let mut bytes = size_of::<Record<Self>>() + weight::text(&self.name);
        bytes += self
            .inline
            .as_slice()
            .iter()
            .map(|attribute| weight::text(attribute.key()) + weigh(attribute.seen()))
            .sum::<usize>();
        if let Some(code) = self.code {
            let (function, file, _) = code.parts();
            // Its keys, and what stands around them on the wire.
            bytes += 128 + function.len() + file.len();
        }
        #[cfg(feature = "ebpf")]
        if self.has_done() {
            bytes += ebpf::ATTRIBUTES * size_of::<KeyValue>();
        }
        if let Some(cold) = &self.cold {
            bytes += size_of::<Cold>() + weight::attributes(&cold.attributes);
            bytes += weight::events(&cold.events) + weight::links(&cold.links);
            bytes += weight::status(&cold.error) + weight::trace_state(&cold.trace_state);
            bytes += cold.scope.as_ref().map_or(0, weight::scope);
        }
        bytes
    }

    #[cold]
    fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    #[inline(always)]
    pub(super) fn set_attribute(&mut self, attribute: KeyValue) {
        if self.attributes < self.rules().limits.max_attributes_per_span {
            self.attributes += 1;
            if self.inline.is_full() {
                self.cold().attributes.push(attribute);
            } else {
                let attribute = Attribute::new(attribute, self.rules().copies_texts);
                let _fits = self.inline.push(attribute);
            }
        } else {
            self.drop_attributes(1);
        }
    }

    /// All of `attributes`, which is empty then.
    #[inline(always)]
    pub(super) fn set_attributes(&mut self, attributes: &mut Vec<KeyValue>) {
        let count = u32::try_from(attributes.len()).unwrap_or(u32::MAX);
        let total = self.attributes.saturating_add(count);
        if total <= self.rules().limits.max_attributes_per_span && self.take_all(attributes) {
            self.attributes = total;
        } else {
            for attribute in attributes.drain(..) {
                self.set_attribute(attribute);
            }
        }
    }

    /// Moves the attributes into the record, if all of them fit.
    #[inline(always)]
    fn take_all(&mut self, attributes: &mut Vec<KeyValue>) -> bool {
        let copies_texts = self.rules().copies_texts;
        self.inline.take_all(attributes, |attribute| {
            Attribute::new(attribute, copies_texts)
        })
    }

    /// The attributes of the span's function follow those that it has.
    #[inline(always)]
    pub(super) fn set_code(&mut self, code: &'static Code) {
        const COUNT: u32 = Code::ATTRIBUTES as u32;
        let fits =
            self.attributes.saturating_add(COUNT) <= self.rules().limits.max_attributes_per_span;
        if fits && let Ok(at) = u8::try_from(self.attributes) {
            self.code = Some(code);
            self.code_at = at;
            self.attributes += COUNT;
        } else {
            self.set_whole_code(code);
        }
    }

    #[cold]
    fn set_whole_code(&mut self, code: &Code) {
        let mut attributes = Vec::new();
        code.push_to(&mut attributes);
        for attribute in attributes {
            self.set_attribute(attribute);
        }
    }

    /// Adds an attribute of the span that will begin here to the `count` that have been gathered. Nothing is read, and
    /// the attribute is built where it stays.
    ///
    /// # Safety
    ///
    /// So many have been gathered since the record was vacant, fewer than [`INLINE`].
    #[inline(always)]
    pub(super) unsafe fn gather(&mut self, count: u32, key: &'static str, value: impl Into<Value>) {
        let (key, value) = (Key::from_static_str(key), value.into());
        // SAFETY: the slot is a place for an attribute.
        let write = |slot| unsafe { Attribute::write_value(slot, key, value) };
        // SAFETY: as the caller says.
        unsafe { self.inline.write_at(count, write) };
    }

    /// The same for a text that has room in an attribute.
    ///
    /// # Safety
    ///
    /// As above.
    #[inline(always)]
    pub(super) unsafe fn gather_text(&mut self, count: u32, key: &'static str, text: &str) {
        let key = Key::from_static_str(key);
        // SAFETY: the slot is a place for an attribute.
        let write = |slot| unsafe { Attribute::write_text(slot, key, text) };
        // SAFETY: as the caller says.
        unsafe { self.inline.write_at(count, write) };
    }

    /// The span that has begun has the attributes that were gathered.
    ///
    /// # Safety
    ///
    /// There are `count` of them.
    #[inline(always)]
    pub(super) unsafe fn adopt_gathered(&mut self, count: u32) {
        if count <= self.rules().limits.max_attributes_per_span {
            self.attributes = count;
            // SAFETY: as the caller says.
            unsafe { self.inline.set_len(count) };
        } else {
            // SAFETY: as the caller says.
            let gathered = unsafe { self.take_gathered(count) };
            self.adopt_within_limits(gathered);
        }
    }

    #[cold]
    fn adopt_within_limits(&mut self, gathered: Vec<KeyValue>) {
        for attribute in gathered {
            self.set_attribute(attribute);
        }
    }

    /// Takes them out again.
    ///
    /// # Safety
    ///
    /// There are `count` of them.
    #[cold]
    pub(super) unsafe fn take_gathered(&mut self, count: u32) -> Vec<KeyValue> {
        let mut gathered = Vec::new();
        // SAFETY: as the caller says.
        unsafe {
            self.inline.set_len(count);
            self.inline.move_to(&mut gathered, Attribute::move_to);
        }
        gathered
    }

    fn drop_attributes(&mut self, count: usize) {
        let dropped = &mut self.cold().dropped_attributes;
        *dropped = dropped.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(super) fn add_event(
        &mut self,
        name: Cow<'static, str>,
        time: SystemTime,
        mut attributes: Vec<KeyValue>,
    ) {
        let limits = &self.rules().limits;
        let cold = self.cold();
        if cold.events.len() < limits.max_events_per_span as usize {
            let dropped = cut(&mut attributes, limits.max_attributes_per_event);
            cold.events
                .push(Event::new(name, time, attributes, dropped));
        } else {
            cold.dropped_events = cold.dropped_events.saturating_add(1);
        }
    }

    pub(super) fn add_link(&mut self, span_context: SpanContext, mut attributes: Vec<KeyValue>) {
        let limits = &self.rules().limits;
        let cold = self.cold();
        if cold.links.len() < limits.max_links_per_span as usize {
            let dropped = cut(&mut attributes, limits.max_attributes_per_link);
            cold.links
                .push(Link::new(span_context, attributes, dropped));
        } else {
            cold.dropped_links = cold.dropped_links.saturating_add(1);
        }
    }

    /// The links that the span begins with.
    pub(super) fn set_links(&mut self, mut links: Vec<Link>) {
        let limits = &self.rules().limits;
        let dropped = cut(&mut links, limits.max_links_per_span);
        for link in &mut links {
            link.dropped_attributes_count =
                cut(&mut link.attributes, limits.max_attributes_per_link);
        }
        let cold = self.cold();
        (cold.links, cold.dropped_links) = (links, dropped);
    }

    /// The events that the span begins with.
    pub(super) fn set_events(&mut self, mut events: Vec<Event>) {
        let limits = &self.rules().limits;
        let dropped = cut(&mut events, limits.max_events_per_span);
        for event in &mut events {
            event.dropped_attributes_count =
                cut(&mut event.attributes, limits.max_attributes_per_event);
        }
        let cold = self.cold();
        (cold.events, cold.dropped_events) = (events, dropped);
    }

    /// As the SDK: the greater one holds, `Ok` above errors above none.
    pub(super) fn set_status(&mut self, status: Status) {
        match status {
            Status::Unset => {}
            Status::Ok => self.marks.set(Marks::IS_OK),
            Status::Error { .. } if self.marks.has(Marks::IS_OK) => {}
            Status::Error { .. } => {
                let error = &mut self.cold().error;
                if status > *error {
                    *error = status;
                }
            }
        }
    }

    pub(super) fn set_name(&mut self, name: Cow<'static, str>) {
        self.name = name;
    }

    /// The span ends now: its start plus its duration.
    #[inline(always)]
    pub(super) fn end(&mut self, now: Moment) {
        #[cfg(feature = "ebpf")]
        self.account(Some(now.monotonic));
        self.time = if self.marks.has(Marks::START_IS_GIVEN) {
            now.wall
        } else {
            self.start + now.monotonic.saturating_sub(self.time)
        };
    }

    /// The span ends at a given time. Whoever ends it through its context gives the system's, which may
    /// be a little behind the clock that gave the start.
    pub(super) fn end_at(&mut self, end: SystemTime) {
        #[cfg(feature = "ebpf")]
        self.account(None);
        const CLOCKS_DIFFER_NANOS: u64 = 100_000;
        match nanos_since_1970(end) {
            Some(mut nanos) => {
                if !self.marks.has(Marks::START_IS_GIVEN)
                    && nanos < self.start
                    && self.start - nanos < CLOCKS_DIFFER_NANOS
                {
                    nanos = self.start;
                }
                self.time = nanos;
            }
            None => self.cold().end = Some(end),
        }
    }

    /// Nothing of the span is left.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.inline.clear();
        if self.cold.is_some() {
            self.cold = None;
        }
        if let Cow::Owned(_) = self.name {
            self.name = Cow::Borrowed("");
        }
    }

    /// Moves the span out; what is left is vacant.
    #[inline(always)]
    pub(super) fn take(
        &mut self,
        write_scope: impl FnOnce(Scope, &mut MaybeUninit<InstrumentationScope>) -> Written,
    ) -> SpanData {
        let mut slot = MaybeUninit::uninit();
        #[cfg(feature = "ebpf")]
        {
            let did = self.did();
            let span = self.take_into(&mut slot, did.attributes(), write_scope);
            did.push_to(span);
        }
        #[cfg(not(feature = "ebpf"))]
        self.take_into(&mut slot, 0, write_scope);
        // SAFETY: it was written.
        unsafe { slot.assume_init() }
    }

    /// The same without what it did, with room for so many more attributes. It is written where it stays: moved, it would
    /// be read back in other pieces before it has left for the cache, and its length is more than that of a record.
    #[inline(always)]
    pub(super) fn take_into<'a>(
        &mut self,
        slot: &'a mut MaybeUninit<SpanData>,
        room: usize,
        write_scope: impl FnOnce(Scope, &mut MaybeUninit<InstrumentationScope>) -> Written,
    ) -> &'a mut SpanData {
        let mut cold = self.cold.take();
        let span = slot.as_mut_ptr();
        let attributes = Vec::with_capacity(self.attributes as usize + room);
        // SAFETY: it is a field of the slot, which is valid for writes, and written before it is borrowed. (If something
        // below should unwind, it is leaked.)
        let attributes = unsafe {
            (&raw mut (*span).attributes).write(attributes);
            &mut (*span).attributes
        };
        // SAFETY: that is what the function does.
        unsafe { self.inline.move_to(attributes, Attribute::move_to) };
        if let Some(cold) = &mut cold {
            attributes.append(&mut cold.attributes);
        }
        if let Some(code) = self.code {
            let mut of_code = Vec::with_capacity(Code::ATTRIBUTES);
            code.push_to(&mut of_code);
            let at = usize::from(self.code_at);
            attributes.splice(at..at, of_code);
        }
        // SAFETY: each is a field of the slot, which is valid for writes, and the name is moved. The assertion below knows all of them.
        unsafe {
            (&raw mut (*span).parent_span_id).write(SpanId::from_bytes(self.parent_span_id));
            let is_remote = self.marks.has(Marks::PARENT_IS_REMOTE);
            (&raw mut (*span).parent_span_is_remote).write(is_remote);
            (&raw mut (*span).span_kind).write(self.kind.clone());
            // Not by way of the stack: see above.
            (&raw mut (*span).name).copy_from_nonoverlapping(&raw const self.name, 1);
            mem::forget(mem::replace(&mut self.name, Cow::Borrowed("")));
            match cold {
                None => self.write_plain(span, write_scope),
                Some(cold) => self.write_cold(span, *cold, write_scope),
            }
            slot.assume_init_mut()
        }
    }

    /// What is left of a span of which most have nothing.
    ///
    /// # Safety
    ///
    /// `span` is valid for writes.
    #[inline(always)]
    unsafe fn write_plain(
        &self,
        span: *mut SpanData,
        write_scope: impl FnOnce(Scope, &mut MaybeUninit<InstrumentationScope>) -> Written,
    ) {
        // SAFETY: as the caller says.
        unsafe {
            (&raw mut (*span).span_context).write(self.span_context(TraceState::NONE));
            (&raw mut (*span).start_time).write(system_time(self.start));
            (&raw mut (*span).end_time).write(system_time(self.time));
            (&raw mut (*span).dropped_attributes_count).write(0);
            (&raw mut (*span).events).write(SpanEvents::default());
            (&raw mut (*span).links).write(SpanLinks::default());
            (&raw mut (*span).status).write(self.status(Status::Unset));
            let scope = &raw mut (*span).instrumentation_scope;
            write_scope(self.scope, &mut *scope.cast());
        }
    }

    /// The same of one that has some of it.
    ///
    /// # Safety
    ///
    /// As above.
    #[inline(never)]
    unsafe fn write_cold(
        &self,
        span: *mut SpanData,
        cold: Cold,
        write_scope: impl FnOnce(Scope, &mut MaybeUninit<InstrumentationScope>) -> Written,
    ) {
        let mut events = SpanEvents::default();
        (events.events, events.dropped_count) = (cold.events, cold.dropped_events);
        let mut links = SpanLinks::default();
        (links.links, links.dropped_count) = (cold.links, cold.dropped_links);
        let start = cold.start.unwrap_or_else(|| system_time(self.start));
        let end = cold.end.unwrap_or_else(|| system_time(self.time));
        // SAFETY: as the caller says.
        unsafe {
            (&raw mut (*span).span_context).write(self.span_context(cold.trace_state));
            (&raw mut (*span).start_time).write(start);
            (&raw mut (*span).end_time).write(end);
            (&raw mut (*span).dropped_attributes_count).write(cold.dropped_attributes);
            (&raw mut (*span).events).write(events);
            (&raw mut (*span).links).write(links);
            (&raw mut (*span).status).write(self.status(cold.error));
            let place = &raw mut (*span).instrumentation_scope;
            match cold.scope {
                Some(scope) => place.write(scope),
                None => drop(write_scope(self.scope, &mut *place.cast())),
            }
        }
    }

    #[inline(always)]
    fn span_context(&self, trace_state: TraceState) -> SpanContext {
        SpanContext::new(
            TraceId::from_bytes(self.trace_id),
            SpanId::from_bytes(self.span_id),
            self.flags,
            false,
            trace_state,
        )
    }

    #[inline(always)]
    fn status(&self, error: Status) -> Status {
        if self.marks.has(Marks::IS_OK) {
            Status::Ok
        } else {
            error
        }
    }
}

/// A scope has been written.
pub(super) struct Written(());

impl Written {
    #[inline(always)]
    pub(super) fn of(
        slot: &mut MaybeUninit<InstrumentationScope>,
        scope: InstrumentationScope,
    ) -> Self {
        slot.write(scope);
        Self(())
    }

    /// For whoever has no scope at hand.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(super) fn looked_up(scope: Scope, slot: &mut MaybeUninit<InstrumentationScope>) -> Self {
        Self::of(slot, scope.to_instrumentation_scope())
    }
}

/// A span with other fields than those that [`Contents::take_into`] writes does not compile.
const _: fn(SpanData) = |every_field| {
    let SpanData {
        span_context: _,
        parent_span_id: _,
        parent_span_is_remote: _,
        span_kind: _,
        name: _,
        start_time: _,
        end_time: _,
        attributes: _,
        dropped_attributes_count: _,
        events: _,
        links: _,
        status: _,
        instrumentation_scope: _,
    } = every_field;
};

/// Leaves `limit` items, and returns how many it drops.
fn cut<T>(items: &mut Vec<T>, limit: u32) -> u32 {
    let limit = limit as usize;
    let dropped = items.len().saturating_sub(limit);
    items.truncate(limit);
    u32::try_from(dropped).unwrap_or(u32::MAX)
}

fn weigh(seen: Seen<'_>) -> usize {
    match seen {
        Seen::Text(text) => weight::text(text),
        Seen::Value(value) => weight::value(value),
    }
}
