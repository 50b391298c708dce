//! Assertions on one captured span.
#![expect(
    clippy::panic,
    reason = "an assertion that fails panics: that is what tests are for"
)]

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

/// One captured span, with assertions that chain; see [`Capture::assert_span`](super::Capture::assert_span).
#[derive(Clone, Debug)]
pub struct SpanAssert {
    span: SpanData,
    all: Vec<SpanData>,
}

impl SpanAssert {
    #[track_caller]
    pub(super) fn only(all: Vec<SpanData>, name: &str) -> Self {
        let mut found = all.iter().filter(|span| span.name == name);
        match (found.next(), found.next()) {
            (Some(span), None) => Self {
                span: span.clone(),
                all,
            },
            (first, _) => {
                let names: Vec<&str> = all.iter().map(|span| &*span.name).collect();
                let problem = if first.is_none() {
                    "no span"
                } else {
                    "several spans"
                };
                panic!("{problem} named `{name}` ended; what ended is {names:?}");
            }
        }
    }

    /// The span itself.
    #[must_use]
    pub fn data(&self) -> &SpanData {
        &self.span
    }

    /// The last value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        let found = self.span.attributes.iter().rev();
        found
            .filter(|attribute| attribute.key.as_str() == key)
            .map(|attribute| &attribute.value)
            .next()
    }

    /// Checks that the attribute has this value, and this type.
    ///
    /// # Panics
    ///
    /// If it is not so.
    #[track_caller]
    pub fn has(&self, key: &str, value: impl Into<Value>) -> &Self {
        let name = &self.span.name;
        assert_eq!(
            self.attribute(key),
            Some(&value.into()),
            "attribute `{key}` of `{name}`"
        );
        self
    }

    /// Checks that the span has no attribute of this key.
    ///
    /// # Panics
    ///
    /// If it has.
    #[track_caller]
    pub fn lacks(&self, key: &str) -> &Self {
        let name = &self.span.name;
        assert_eq!(self.attribute(key), None, "attribute `{key}` of `{name}`");
        self
    }

    /// Checks the kind.
    ///
    /// # Panics
    ///
    /// If it is another.
    #[track_caller]
    pub fn is_kind(&self, kind: SpanKind) -> &Self {
        assert_eq!(self.span.span_kind, kind, "kind of `{}`", self.span.name);
        self
    }

    /// Checks that the status is Error with this message.
    ///
    /// # Panics
    ///
    /// If it is not so.
    #[track_caller]
    pub fn failed_with(&self, message: &str) -> &Self {
        let expected = Status::error(message.to_owned());
        assert_eq!(self.span.status, expected, "status of `{}`", self.span.name);
        self
    }

    /// Checks that the status was not set.
    ///
    /// # Panics
    ///
    /// If it was.
    #[track_caller]
    pub fn status_is_unset(&self) -> &Self {
        assert_eq!(
            self.span.status,
            Status::Unset,
            "status of `{}`",
            self.span.name
        );
        self
    }

    /// Checks that the span has no parent.
    ///
    /// # Panics
    ///
    /// If it has one.
    #[track_caller]
    pub fn is_root(&self) -> &Self {
        let name = &self.span.name;
        assert_eq!(
            self.span.parent_span_id,
            SpanId::INVALID,
            "parent of `{name}`"
        );
        self
    }

    /// Checks that the span is a child of the only ended span of this name.
    ///
    /// # Panics
    ///
    /// If it is not so.
    #[track_caller]
    pub fn is_child_of(&self, parent: &str) -> &Self {
        let expected = Self::only(self.all.clone(), parent).span.span_context;
        let name = &self.span.name;
        assert_eq!(
            (self.span.span_context.trace_id(), self.span.parent_span_id),
            (expected.trace_id(), expected.span_id()),
            "trace and parent of `{name}`, which should be `{parent}`"
        );
        self
    }
}
