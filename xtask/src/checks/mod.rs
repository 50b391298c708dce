//! What the stages do.

mod collector;
pub(crate) mod ebpf;
mod ebpf_profiler;
pub(crate) mod emulated;
pub(crate) mod examples;
pub(crate) mod fuzz;
pub(crate) mod manifests;
pub(crate) mod package;
pub(crate) mod profiles;
pub(crate) mod source;
pub(crate) mod suites;
pub(crate) mod vectors;
pub(crate) mod weight;
