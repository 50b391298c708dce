//! What options of the extension cost: the same binary with and without one, two processes by turns. No limits.
//!
//! And what two threads would pay there and back if the extension did next to nothing at each switch.
#![expect(unsafe_code, reason = "a bpffs is mounted, and a map pinned there")]

use std::ffi::CString;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use otel_enhance::trace::{TraceContextExt as _, Tracer as _};
use otel_enhance::{Context, EnhancedPipeline, TelemetryGuard};
use otel_enhance_kernel_tests::{Does, hook};

use crate::cases::{Case, Compare, Discard, ping_pong_of, repeat, spans_of, sync};
use crate::switches::deep_ping_pong_under;

const fn option(name: &'static str, run: fn() -> f64, base: fn() -> f64) -> Case {
    Case {
        name,
        compare: Compare::Difference,
        limit: f64::INFINITY,
        unit: "ns",
        run,
        base: Some(base),
    }
}

const fn hooked(name: &'static str, run: fn() -> f64) -> Case {
    Case {
        compare: Compare::Ratio,
        ..option(name, run, || ping_pong_of(plain()))
    }
}

pub(crate) static CASES: &[Case] = &[
    // A program that does nothing where ours is.
    hooked("floor_ping_pong", || ping_pong_hooked(Does::Nothing)),
    // One that reads the clock, as whoever accounts for time has to.
    hooked("floor_ping_pong_clock", || {
        ping_pong_hooked(Does::ReadsTheClock)
    }),
    // Two threads on one CPU that block within a span for some microseconds each, by the time of one of them.
    option(
        "off_cpu_a_sleep",
        || ping_pong_of(install(|pipeline| pipeline.with_ebpf_off_cpu(true))) / 2.0,
        || ping_pong_of(install(|pipeline| pipeline)) / 2.0,
    ),
    // The same where all of the 16 KiB are copied that a sample may have of the stack.
    option(
        "off_cpu_a_deep_sleep",
        || deep_ping_pong_of(install(|pipeline| pipeline.with_ebpf_off_cpu(true))) / 2.0,
        || deep_ping_pong_of(install(|pipeline| pipeline)) / 2.0,
    ),
    // And where each of the sleeps is long enough to be a sample.
    option(
        "off_cpu_a_sample",
        || {
            let least = Duration::from_micros(1);
            let watched = |pipeline: EnhancedPipeline| {
                pipeline
                    .with_ebpf_off_cpu(true)
                    .with_ebpf_off_cpu_min(least)
            };
            ping_pong_of(install(watched)) / 2.0
        },
        || ping_pong_of(install(|pipeline| pipeline)) / 2.0,
    ),
    // A span is attached and detached.
    option(
        "pinned_map_a_span",
        || {
            let map = pinned();
            let guard = install(|pipeline| pipeline.with_ebpf_pinned_map(map));
            spans_of(guard, 1, |n| repeat(n, |_| _ = black_box(sync())))
        },
        || {
            let guard = install(|pipeline| pipeline);
            spans_of(guard, 1, |n| repeat(n, |_| _ = black_box(sync())))
        },
    ),
];

fn deep_ping_pong_of(guard: TelemetryGuard) -> f64 {
    let tracer = guard.tracer("ping");
    deep_ping_pong_under(|| Context::new().with_span(tracer.start("pong")))
}

fn ping_pong_hooked(does: Does) -> f64 {
    let _attached = hook("sched_switch", does).expect("takes root");
    ping_pong_of(plain())
}

/// Without the extension.
fn plain() -> TelemetryGuard {
    otel_enhance::new_enhanced_pipeline()
        .with_service_name("bench")
        .with_error_handler(|_| {})
        .with_exporter(Discard)
        .with_performance()
        .install_batch()
        .expect("it installs")
}

fn install(set: impl FnOnce(EnhancedPipeline) -> EnhancedPipeline) -> TelemetryGuard {
    let pipeline = otel_enhance::new_enhanced_pipeline()
        .with_service_name("bench")
        .with_error_handler(|_| {})
        .with_exporter(Discard)
        .with_performance()
        .with_ebpf_profiling(true);
    let guard = set(pipeline).install_batch().expect("it installs");
    let status = guard.ebpf().expect("it is asked for").status().clone();
    assert!(status.refusals.is_empty(), "{status}");
    guard
}

/// A map as the OpenTelemetry eBPF profiler pins it, in a bpffs that only this process sees.
fn pinned() -> PathBuf {
    const MAP_CREATE: libc::c_long = 0;
    const OBJ_PIN: libc::c_long = 6;
    const LRU_HASH: u64 = 9;
    let folder = std::env::temp_dir().join("otel-enhance-bench-bpf");
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = |path: &Path| CString::new(path.to_str().expect("a text")).expect("a path");
    let (at, path) = (text(&folder), folder.join("traces_ctx_v1"));
    let name = text(&path);
    // SAFETY: what is pointed to lives until each call returns; the process has one thread.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0, "takes root");
        let null = std::ptr::null();
        let private = libc::MS_REC | libc::MS_PRIVATE;
        libc::mount(null, c"/".as_ptr(), null, private, null.cast());
        let done = libc::mount(
            c"bpf".as_ptr(),
            at.as_ptr(),
            c"bpf".as_ptr(),
            0,
            null.cast(),
        );
        assert_eq!(done, 0, "a bpffs");
        // Type and size of keys; size of values and their number.
        let make = [LRU_HASH | 8 << 32, 24 | (1 << 14) << 32, 0];
        let map = libc::syscall(libc::SYS_bpf, MAP_CREATE, make.as_ptr(), size_of_val(&make));
        assert!(map >= 0, "a map");
        let pin = [name.as_ptr() as u64, map as u64];
        let done = libc::syscall(libc::SYS_bpf, OBJ_PIN, pin.as_ptr(), size_of_val(&pin));
        assert_eq!(done, 0, "it is pinned");
    }
    path
}
