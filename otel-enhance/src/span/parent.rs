//! What `parent = …` and `links = …` accept.

use opentelemetry::Context;
use opentelemetry::trace::{Link, SpanContext, TraceContextExt as _};

/// Under which span a new one is put.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Parent {
    /// The span that is active.
    #[default]
    Current,
    /// None; baggage and other entries of the active context are kept.
    Root,
    /// The span of this context, whose entries replace those of the active one.
    Context(Context),
}

/// What `#[enhanced_trace(parent = …)]` accepts: a `Context`, a `SpanContext`, a reference to one,
/// or an `Option` of those, where `None` is the span that is active.
///
/// An invalid `SpanContext`, which is what an incoming request without a `traceparent` has, makes a
/// root span.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parent of a span",
    label = "expected a `Context`, a `SpanContext`, a reference to one, or an `Option` of those"
)]
pub trait IntoParent {
    /// The parent it stands for.
    fn into_parent(self) -> Parent;
}

impl IntoParent for Parent {
    fn into_parent(self) -> Parent {
        self
    }
}

impl IntoParent for Context {
    fn into_parent(self) -> Parent {
        Parent::Context(self)
    }
}

impl IntoParent for &Context {
    fn into_parent(self) -> Parent {
        Parent::Context(self.clone())
    }
}

impl IntoParent for SpanContext {
    fn into_parent(self) -> Parent {
        if self.is_valid() {
            Parent::Context(Context::current().with_remote_span_context(self))
        } else {
            Parent::Root
        }
    }
}

impl IntoParent for &SpanContext {
    fn into_parent(self) -> Parent {
        self.clone().into_parent()
    }
}

impl<T: IntoParent> IntoParent for Option<T> {
    fn into_parent(self) -> Parent {
        self.map_or(Parent::Current, IntoParent::into_parent)
    }
}

impl<'a, T> IntoParent for &'a Option<T>
where
    &'a T: IntoParent,
{
    fn into_parent(self) -> Parent {
        self.as_ref().into_parent()
    }
}

/// What the items of `#[enhanced_trace(links = …)]` may be: a `SpanContext`, a `Context` (its
/// span), a `Link`, or a reference to one. Invalid span contexts are left out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a link of a span",
    label = "expected items that are a `SpanContext`, a `Context`, a `Link`, or a reference to one"
)]
pub trait IntoLink {
    /// The link it stands for.
    fn into_link(self) -> Link;
}

impl IntoLink for Link {
    fn into_link(self) -> Link {
        self
    }
}

impl IntoLink for &Link {
    fn into_link(self) -> Link {
        self.clone()
    }
}

impl IntoLink for SpanContext {
    fn into_link(self) -> Link {
        Link::with_context(self)
    }
}

impl IntoLink for &SpanContext {
    fn into_link(self) -> Link {
        Link::with_context(self.clone())
    }
}

impl IntoLink for Context {
    fn into_link(self) -> Link {
        (&self).into_link()
    }
}

impl IntoLink for &Context {
    fn into_link(self) -> Link {
        Link::with_context(self.span().span_context().clone())
    }
}
