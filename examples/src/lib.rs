//! What the examples of otel-enhance share.

pub mod style;
pub mod waterfall;
