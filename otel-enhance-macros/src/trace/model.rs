//! What the arguments of `#[enhanced_trace]` say, checked one by one; how they go together is
//! checked in `validate`, what they become is said in `expand`.

use proc_macro2::Span;
use syn::{Attribute, Expr, Ident, LitStr, Path};

/// How a value is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Typed: integers, floats, bool, strings, arrays stay what they are.
    Value,
    /// `%x`
    Display,
    /// `?x`
    Debug,
}

/// One of `fields(user.id = id, total = %x, body = ?b)`; `fields(x)` and `fields(%x)` name a variable.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// `user.id`, or a string literal for keys that are no path.
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) form: Form,
    pub(crate) value: Expr,
}

/// One name of `capture(a, %b, ?c)`.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) name: Ident,
    pub(crate) form: Form,
    /// The `#[cfg]`s of the argument, for what uses its name; filled in by `validate`.
    pub(crate) cfgs: Vec<Attribute>,
}

/// `err`, `err(Debug)`, `err(Display, exception = false)`; `ret`, `ret(Debug)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) form: Form,
    pub(crate) span: Span,
    /// `err` alone: whether the exception event is recorded.
    pub(crate) exception_event: bool,
}

/// `SpanKind` by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// All arguments; what is `None` or empty was not given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) name: Option<LitStr>,
    pub(crate) kind: Option<Kind>,
    pub(crate) fields: Vec<Field>,
    /// Behind `validate` this is everything to capture: what `capture_all` stands for, less `skip`.
    pub(crate) captures: Vec<Capture>,
    /// `capture_all`, and its span.
    pub(crate) capture_all: Option<Span>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) err: Option<Outcome>,
    pub(crate) ret: Option<Outcome>,
    pub(crate) parent: Option<Expr>,
    pub(crate) links: Option<Expr>,
    /// `root`, and its span.
    pub(crate) root: Option<Span>,
    pub(crate) tracer: Option<LitStr>,
    /// `code = false`
    pub(crate) code: Option<bool>,
    pub(crate) sample: Option<Expr>,
    pub(crate) enabled: Option<Expr>,
    /// `crate = path`
    pub(crate) crate_path: Option<Path>,
    /// `profile`, and its span (feature `ebpf`).
    pub(crate) profile: Option<Span>,
}

impl Arguments {
    /// The path under which an expansion finds `otel_enhance`.
    pub(crate) fn facade(&self) -> Path {
        self.crate_path
            .clone()
            .unwrap_or_else(|| syn::parse_quote!(::otel_enhance))
    }
}
