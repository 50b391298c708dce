//! The macros of otel-enhance.
