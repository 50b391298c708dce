//! The stack of a process's first thread, which is another mapping than those of other threads: tests of a harness
//! run on the latter alone, so this has none. As root, on a kernel with BTF.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::expect_used,
        clippy::unwrap_used,
        reason = "a test that cannot go on ends"
    )
)]

#[cfg(not(target_os = "linux"))]
fn main() {}

/// The kernel lays the stack out at random, so it takes some processes to meet every layout.
#[cfg(target_os = "linux")]
fn main() {
    const PROCESSES: usize = 25;
    if std::env::var_os("OTEL_ENHANCE_FIRST_THREAD").is_some() {
        return samples();
    }
    let own = std::env::current_exe().unwrap();
    for _ in 0..PROCESSES {
        let mut command = std::process::Command::new(&own);
        let status = command.env("OTEL_ENHANCE_FIRST_THREAD", "1").status();
        assert!(status.unwrap().success());
    }
}

/// All of the stack is copied, or as much of it as there is room for, however deep it is.
#[cfg(target_os = "linux")]
fn samples() {
    use otel_enhance_ebpf::abi::MAX_STACK;
    use otel_enhance_ebpf::loader::{Options, Session};

    let options = Options::new().with_sleep_samples(1_000, 4);
    let mut session = Session::load(&options).expect("takes root and a kernel with BTF");
    let slot = session.register().unwrap();
    for kibibytes in 0..16 {
        deep(kibibytes, &|| {
            slot.enter([1; 16], [2; 8], 1, 3);
            std::thread::sleep(std::time::Duration::from_millis(2));
            slot.leave();
        });
        let mut taken = 0;
        session.samples().unwrap().drain(|sample, stack| {
            taken += 1;
            assert!(sample.stack_depth > 0, "its end is known");
            let wanted = sample.stack_depth.min(MAX_STACK as u64);
            assert_eq!(stack.len() as u64, wanted, "{kibibytes} KiB");
        });
        assert_eq!(taken, 1);
    }
}

/// Calls `f` with so much more on the stack.
#[cfg(target_os = "linux")]
#[inline(never)]
fn deep(kibibytes: u32, f: &dyn Fn()) {
    let mut room = [0_u8; 1024];
    std::hint::black_box(&mut room);
    if kibibytes == 0 {
        f();
    } else {
        deep(kibibytes - 1, f);
    }
    std::hint::black_box(&mut room);
}
