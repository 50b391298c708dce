//! The map that today's OpenTelemetry eBPF profiler reads.

use std::ffi::CString;
use std::path::Path as File;
use std::process::Command;

use otel_enhance::extensions::ebpf::EbpfSettings;
use otel_enhance::trace::{TraceContextExt as _, Tracer as _};
use otel_enhance::{Context, global};

use crate::again::{fork, is, passes, wait};
use crate::common::{Path, alone, install_with};

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP: libc::c_long = 1;
const OBJ_PIN: libc::c_long = 6;
const HASH: u32 = 1;

/// bpf(2), with the head of its attributes.
fn bpf(what: libc::c_long, attributes: &[u64]) -> libc::c_long {
    // SAFETY: what the attributes point to lives until the call returns.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            what,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    }
}

const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// A hash map as the profiler makes it, pinned at `path`.
fn make(path: &File) -> u32 {
    let map = bpf(MAP_CREATE, &[pair(HASH, 8), pair(24, 1024), 0]);
    let map = u32::try_from(map).expect("a map");
    let path = CString::new(path.to_str().unwrap()).unwrap();
    assert_eq!(bpf(OBJ_PIN, &[path.as_ptr() as u64, map.into()]), 0);
    map
}

fn look_up(map: u32, key: u64) -> Option<[u8; 24]> {
    let mut value = [0_u8; 24];
    let attributes = [
        map.into(),
        (&raw const key) as u64,
        value.as_mut_ptr() as u64,
        0,
    ];
    (bpf(MAP_LOOKUP, &attributes) == 0).then_some(value)
}

#[test]
fn pinned_map_has_the_active_span_of_each_thread() {
    const TEST: &str = "pinned::pinned_map_has_the_active_span_of_each_thread";
    if !is("mounted") {
        let _alone = alone();
        // The mount is seen by nobody else.
        return passes(&["unshare", "--mount"], TEST, "mounted");
    }
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "bpf", "bpf"])
        .arg(folder.path())
        .status();
    assert!(mounted.unwrap().success());
    let path = folder.path().join("traces_ctx_v1");
    let map = make(&path);
    let (guard, _kept) = install_with(Path::Fast, |pipeline| pipeline.with_ebpf_pinned_map(&path));
    let refusals = guard.ebpf().unwrap().status().refusals.clone();
    assert!(refusals.is_empty(), "{refusals:?}");
    let check = || {
        // SAFETY: no condition.
        let thread = unsafe { libc::gettid() };
        let key = u64::from(std::process::id()) << 32 | u64::from(thread.unsigned_abs());
        assert_eq!(look_up(map, key), None);
        let context = Context::current_with_span(global::tracer("pinned").start("span"));
        let span = context.span().span_context().clone();
        let attached = context.attach();
        let value = look_up(map, key).expect("the span is told");
        assert_eq!(value[..16], span.trace_id().to_bytes());
        assert_eq!(value[16..], span.span_id().to_bytes());
        drop(attached);
        assert_eq!(look_up(map, key), None);
    };
    check();
    std::thread::scope(|scope| {
        scope.spawn(check);
    });
    // What a child does is not told as its parent's.
    let context = Context::current_with_span(global::tracer("pinned").start("span"));
    let span = context.span().span_context().clone();
    let attached = context.attach();
    wait(fork(|| {
        let tracer = global::tracer("child");
        let inner = Context::current_with_span(tracer.start("in the child")).attach();
        drop(inner);
        // It is never detached.
        std::mem::forget(Context::new().attach());
        true
    }));
    // SAFETY: no condition.
    let thread = unsafe { libc::gettid() };
    let key = u64::from(std::process::id()) << 32 | u64::from(thread.unsigned_abs());
    let value = look_up(map, key).expect("it is still told");
    assert_eq!(value[..16], span.trace_id().to_bytes());
    assert_eq!(value[16..], span.span_id().to_bytes());
    drop(attached);
    assert_eq!(look_up(map, key), None);
    guard.shutdown().unwrap();
}

#[test]
fn map_that_is_not_there_is_said_and_no_error() {
    let _alone = alone();
    let (guard, _kept) = install_with(Path::Fast, |pipeline| {
        pipeline.with_ebpf_pinned_map("/nonexistent/map")
    });
    let said = guard.ebpf().unwrap().status().to_string();
    assert!(
        said.contains("/nonexistent/map is left out: No such file"),
        "{said}"
    );
    drop(guard);
    let settings = EbpfSettings::new().with_btf("/nonexistent/btf");
    let (guard, _kept) = install_with(Path::Fast, |pipeline| {
        pipeline
            .with_ebpf_settings(settings)
            .with_ebpf_pinned_map("/nonexistent/map")
    });
    let said = guard.ebpf().unwrap().status().to_string();
    assert!(said.contains("known at the full tier"), "{said}");
}
