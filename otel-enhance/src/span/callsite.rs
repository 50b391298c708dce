//! What is known of an annotated function before it runs.

use std::borrow::Cow;
use std::mem;
use std::sync::OnceLock;

use opentelemetry::trace::SpanKind;

use super::backend::SpanStart;
use super::code::Code;
use super::future::OpenSpan;
use super::guard::SpanGuard;
use super::parent::Parent;
use super::path::function_path;
use super::registry;
use super::scope::Scope;
use super::spare;
use super::start::{Start, enter_current, start_in};
#[cfg(feature = "performance")]
use crate::extensions::performance::{self, Started};

/// The static of one annotated function.
#[derive(Debug)]
pub struct Callsite {
    /// `None`: the function's path.
    name: Option<&'static str>,
    kind: SpanKind,
    tracer: (&'static str, Option<&'static str>),
    /// Names a type that was declared inside the function.
    marker: fn() -> &'static str,
    /// `None`: no `code.*` attributes.
    code: Option<(&'static str, u32)>,
    /// Whether its spans are among those that shall have figures where not all have.
    is_profiled: bool,
    resolved: OnceLock<Resolved>,
}

/// What is found out when the callsite records its first span.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) name: &'static str,
    #[cfg(feature = "performance")]
    pub(crate) kind: SpanKind,
    pub(crate) scope: Scope,
    pub(crate) code: Option<Code>,
    #[cfg(all(feature = "performance", feature = "ebpf"))]
    pub(crate) is_profiled: bool,
}

/// Names the marker type of a callsite.
pub fn type_name<T>() -> &'static str {
    std::any::type_name::<T>()
}

/// The crate of a module path, for crates that are built without cargo.
#[must_use]
pub const fn crate_of(module: &'static str) -> &'static str {
    let bytes = module.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b':' {
        end += 1;
    }
    module.split_at(end).0
}

impl Callsite {
    /// `code`: file and line, or `None` for `code = false`.
    #[must_use]
    pub const fn new(
        name: Option<&'static str>,
        kind: SpanKind,
        tracer: (&'static str, Option<&'static str>),
        marker: fn() -> &'static str,
        code: Option<(&'static str, u32)>,
    ) -> Self {
        Self {
            name,
            kind,
            tracer,
            marker,
            code,
            is_profiled: false,
            resolved: OnceLock::new(),
        }
    }

    /// `profile`
    #[must_use]
    pub const fn profiled(mut self) -> Self {
        self.is_profiled = true;
        self
    }

    /// Whether anybody listens: one relaxed load.
    #[inline(always)]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        registry::is_installed()
    }

    /// A span without attributes of its own around the rest of the caller's scope.
    #[inline(never)]
    pub fn enter(&'static self) -> SpanGuard {
        #[cfg(feature = "performance")]
        {
            let started = performance::start::<0, true, _>(
                self.resolved(),
                None,
                None,
                SpanGuard::attach_started,
            );
            if let Some(guard) = SpanGuard::of_started(started) {
                return guard;
            }
        }
        self.enter_at_backend()
    }

    #[inline(never)]
    fn enter_at_backend(&'static self) -> SpanGuard {
        let mut span = self.span(0);
        let guard = enter_current(&mut span);
        if span.is_taken() {
            mem::forget(span);
        }
        guard
    }

    /// A span without attributes of its own for a future.
    #[inline(never)]
    pub fn open(&'static self) -> OpenSpan {
        let mut open = OpenSpan::none();
        self.open_in(&mut open);
        open
    }

    /// The same, where the future keeps it.
    #[inline(never)]
    pub fn open_in(&'static self, open: &mut OpenSpan) {
        #[cfg(feature = "performance")]
        {
            let take = |context, handle| open.set(context, handle);
            match performance::start::<1, false, _>(self.resolved(), None, None, take) {
                Started::Elsewhere => {}
                Started::Nowhere | Started::Here(()) => return,
            }
        }
        self.open_at_backend(open);
    }

    #[inline(never)]
    fn open_at_backend(&'static self, open: &mut OpenSpan) {
        let mut span = self.span(0);
        start_in(&mut span, &Parent::Current, open);
        if span.is_taken() {
            mem::forget(span);
        }
    }

    /// Begins a span that will be given about this many attributes.
    #[must_use]
    pub fn begin(&'static self, attributes: usize) -> Start {
        Start::new(self, attributes)
    }

    /// A span of this callsite without attributes yet, with room for so many beside those of its code.
    #[inline(always)]
    pub(crate) fn span(&'static self, attributes: usize) -> SpanStart {
        self.span_with_room(attributes + self.code_attributes())
    }

    /// The same with room for so many attributes in all.
    #[inline(always)]
    pub(crate) fn span_with_room(&'static self, room: usize) -> SpanStart {
        let resolved = self.resolved();
        SpanStart {
            scope: resolved.scope,
            name: Cow::Borrowed(resolved.name),
            kind: self.kind.clone(),
            attributes: spare::vec(room),
            code: resolved.code.as_ref(),
            links: Vec::new(),
            is_recording: false,
            #[cfg(feature = "ebpf")]
            is_profiled: self.is_profiled,
            #[cfg(feature = "performance")]
            handle: None,
            #[cfg(feature = "performance")]
            installation: 0,
        }
    }

    #[inline(always)]
    pub(crate) const fn code_attributes(&self) -> usize {
        if self.code.is_some() {
            Code::ATTRIBUTES
        } else {
            0
        }
    }

    #[inline(always)]
    pub(crate) fn resolved(&self) -> &Resolved {
        self.resolved.get_or_init(|| self.resolve())
    }

    #[cold]
    fn resolve(&self) -> Resolved {
        // Leaked once for each callsite that ever records: a static's string for a static.
        let function: &'static str = Box::leak(function_path((self.marker)()).into_boxed_str());
        let (name, version) = self.tracer;
        Resolved {
            name: self.name.unwrap_or(function),
            #[cfg(feature = "performance")]
            kind: self.kind.clone(),
            #[cfg(all(feature = "performance", feature = "ebpf"))]
            is_profiled: self.is_profiled,
            scope: Scope::intern(name, version),
            code: self
                .code
                .map(|(file, line)| Code::new(function, file, line)),
        }
    }
}
