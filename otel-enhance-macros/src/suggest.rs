//! The nearest known word to a mistyped one.
