//! The ends of a process once more, with the spans in the queue of `performance`.

#[path = "exits.rs"]
mod exits;
