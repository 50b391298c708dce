//! The seam between `#[enhanced_trace]` and the official API.
