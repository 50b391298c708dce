//! What `init!` was asked for: calls of the pipeline builder, in the order of the arguments.

use proc_macro2::{Ident, Span, TokenStream};

/// One call of the builder.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The method, spanned as the argument that asked for it.
    pub(crate) method: Ident,
    /// What stands between its parentheses.
    pub(crate) value: TokenStream,
}

/// A `__require_*` macro of the facade: nothing, or an error on the argument that needs a feature.
#[derive(Clone, Debug)]
pub(crate) struct Requirement {
    pub(crate) what: &'static str,
    pub(crate) span: Span,
}

/// Where spans go in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Otlp,
    Stdout,
    None,
    Custom,
}

/// All arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) calls: Vec<Call>,
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) destination: Option<Destination>,
    /// Keys of arguments that only OTLP exporters heed.
    pub(crate) otlp_only: Vec<Ident>,
    /// `batch(…)`
    pub(crate) batch: Option<Span>,
    /// `simple`
    pub(crate) simple: Option<Span>,
    /// `performance(deadline = …)`: its key and its value.
    pub(crate) deadline: Option<Call>,
}

impl Pipeline {
    pub(crate) fn call(&mut self, method: &str, span: Span, value: TokenStream) {
        self.calls.push(Call {
            method: Ident::new(method, span),
            value,
        });
    }

    pub(crate) fn require(&mut self, what: &'static str, span: Span) {
        self.requirements.push(Requirement { what, span });
    }
}
