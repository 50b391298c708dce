//! Samples, their spans and their stacks.

use std::time::Duration;

use otel_enhance_ebpf::abi::{MAX_STACK, Sample, flag};
use otel_enhance_ebpf::loader::{Options, ThreadSlot};

use crate::common::{alone, cpu_clock, load, now};

/// Computes for so long on the CPU, however long that takes.
#[inline(never)]
pub(crate) fn burn(duration: Duration) {
    let end = cpu_clock() + u64::try_from(duration.as_nanos()).unwrap();
    while cpu_clock() < end {
        for number in 0..2_000_u32 {
            std::hint::black_box(number);
        }
    }
}

/// The same by our own account.
pub(crate) fn compute(slot: &ThreadSlot, duration: Duration) {
    let end = now(slot).on_cpu_ns + u64::try_from(duration.as_nanos()).unwrap();
    while now(slot).on_cpu_ns < end {
        std::hint::spin_loop();
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn pointers(sample: &Sample) -> (u64, u64) {
    (sample.registers[16], sample.registers[19])
}

#[cfg(target_arch = "aarch64")]
pub(crate) fn pointers(sample: &Sample) -> (u64, u64) {
    (sample.registers[32], sample.registers[31])
}

#[test]
fn samples_name_the_span_that_was_active_and_bring_its_stack() {
    let _alone = alone();
    // Room for all of them: they are read at the end.
    let mut session = load(&Options::new().with_sample_hz(999).with_ring_bytes(1 << 24));
    let mut expected = Vec::new();
    for number in 1..=3_u8 {
        let (session, thread) = (&session, std::thread::current().id());
        expected.push(std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    assert_ne!(thread, std::thread::current().id());
                    let slot = session.register().unwrap();
                    slot.enter([number; 16], [number; 8], 1, number.into());
                    let local = 0_u64;
                    burn(Duration::from_millis(200));
                    slot.leave();
                    (slot.number(), &raw const local as u64)
                })
                .join()
                .unwrap()
        }));
    }
    let mut counts = [0; 4];
    let mut at = [0_u64; 4];
    session.samples().unwrap().drain(|sample, stack| {
        if sample.flags & flag::SPAN == 0 {
            return;
        }
        let number = usize::from(sample.span_id[0]);
        counts[number] += 1;
        let (slot, local) = expected[number - 1];
        assert_eq!(sample.trace_id, [sample.span_id[0]; 16]);
        assert_eq!(sample.tag, number as u64);
        assert_eq!(sample.slot, slot);
        assert_eq!(sample.stack_len as usize, stack.len());
        assert!(sample.time_ns > at[number], "in the order of time");
        at[number] = sample.time_ns;
        let (ip, sp) = pointers(sample);
        assert!(ip != 0);
        // The frame that called is on the copy of the stack.
        assert!(
            sp < local && local - sp < stack.len() as u64,
            "{sp:x} {local:x} {}",
            stack.len()
        );
        if sample.flags & flag::TRUNCATED == 0 {
            assert_eq!(sample.stack_depth as usize, stack.len());
        } else {
            assert_eq!(stack.len(), MAX_STACK);
        }
    });
    // 200 each by the clock; a busy machine delays ticks and merges them.
    assert!(counts[1..].iter().all(|count| *count > 100), "{counts:?}");
    assert_eq!(session.samples_lost(), 0);
}

#[test]
fn a_thread_without_a_slot_is_sampled_without_a_span() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sample_hz(999));
    burn(Duration::from_millis(100));
    let mut strangers = 0;
    session.samples().unwrap().drain(|sample, stack| {
        assert_eq!((sample.flags & flag::SPAN, sample.slot), (0, 0));
        assert!(!stack.is_empty(), "{sample:?}");
        strangers += 1;
    });
    assert!(strangers > 20, "{strangers}");
}

#[test]
fn no_span_is_charged_between_spans() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sample_hz(2_000));
    let slot = session.register().unwrap();
    for _ in 0..50 {
        slot.enter([5; 16], [5; 8], 1, 5);
        slot.leave();
        burn(Duration::from_millis(2));
    }
    let (mut with, mut without) = (0, 0);
    session.samples().unwrap().drain(|sample, _| {
        if sample.flags & flag::SPAN == 0 {
            without += 1;
        } else {
            with += 1;
        }
    });
    assert!(without > 20 && with <= 2, "{with} with, {without} without");
}

#[test]
fn a_full_ring_loses_samples_and_counts_them_and_nothing_else() {
    let _alone = alone();
    let mut session = load(
        &Options::new()
            .with_sample_hz(5_000)
            .with_ring_bytes(1 << 16),
    );
    let slot = session.register().unwrap();
    let before = now(&slot);
    burn(Duration::from_millis(300));
    let spent = now(&slot).since(before);
    assert!(spent.on_cpu_ns >= 299_000_000, "{spent:?}");
    session.set_sampling(false);
    let lost = session.samples_lost();
    assert!(lost > 0);
    let taken = session.samples_taken();
    let read = session.samples().unwrap().drain(|_, _| ());
    assert_eq!(read as u64, taken);
    // Room again.
    session.set_sampling(true);
    burn(Duration::from_millis(50));
    session.set_sampling(false);
    assert!(session.samples().unwrap().drain(|_, _| ()) > 0);
}

#[test]
fn samples_that_are_switched_off_do_not_come() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sample_hz(999));
    session.set_sampling(false);
    // One may have been under way.
    std::thread::sleep(Duration::from_millis(10));
    session.samples().unwrap().drain(|_, _| ());
    burn(Duration::from_millis(100));
    assert_eq!(session.samples().unwrap().drain(|_, _| ()), 0);
}

#[test]
fn system_calls_are_sampled_with_the_registers_they_were_entered_with() {
    let _alone = alone();
    let mut session = load(&Options::new().with_sample_hz(2_000));
    let slot = session.register().unwrap();
    slot.enter([6; 16], [6; 8], 1, 6);
    let file = std::fs::File::open("/dev/zero").unwrap();
    let mut buffer = vec![0_u8; 1 << 20];
    let end = cpu_clock() + 200_000_000;
    while cpu_clock() < end {
        std::io::Read::read_exact(&mut &file, &mut buffer).unwrap();
    }
    slot.leave();
    let mut inside = 0;
    session.samples().unwrap().drain(|sample, stack| {
        if sample.flags & flag::KERNEL != 0 && sample.flags & flag::SPAN != 0 {
            inside += 1;
            let (ip, sp) = pointers(sample);
            assert!(ip >> 63 == 0 && sp >> 63 == 0, "user space's own");
            assert!(!stack.is_empty());
        }
    });
    assert!(inside > 20, "{inside}");
}
