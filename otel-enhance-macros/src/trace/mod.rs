//! `#[enhanced_trace]`: parse → model → validate → expand, and a fallback that re-emits the item.

mod model;
