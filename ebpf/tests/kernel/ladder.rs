//! What is left with fewer privileges, and how it is said.

use otel_enhance_ebpf::loader::{Options, Session, Step, Tier};

use crate::common::{again, alone, is, keep_capabilities, load};

const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Runs this test in a process that keeps only these capabilities; there it ends by itself.
fn refused_with(kept: &[u32], test: &str, role: &str) {
    if !is(role) {
        let _alone = alone();
        let status = again(&[], &std::format!("ladder::{test}"), role).status();
        assert!(status.unwrap().success());
        return;
    }
    keep_capabilities(kept);
    let error = Session::load(&Options::new()).expect_err("the kernel refuses");
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    let paranoid: i32 = paranoid.trim().parse().unwrap();
    let own_events = paranoid <= 2 || kept.contains(&CAP_PERFMON);
    let tier = if own_events {
        Tier::OwnThreads
    } else {
        Tier::Off
    };
    assert_eq!(error.tier, tier, "{error}");
    let first = &error.refusals[0];
    assert!(
        matches!(first.step, Step::Load | Step::Attach | Step::OpenEvent),
        "{error}"
    );
    assert_eq!(first.errno, Some(libc::EPERM), "{error}");
}

#[test]
fn without_capabilities_the_error_says_eperm_and_what_is_left() {
    refused_with(
        &[],
        "without_capabilities_the_error_says_eperm_and_what_is_left",
        "none",
    );
}

#[test]
fn cap_bpf_alone_is_not_enough() {
    refused_with(&[CAP_BPF], "cap_bpf_alone_is_not_enough", "bpf");
}

#[test]
fn cap_perfmon_alone_is_not_enough() {
    refused_with(&[CAP_PERFMON], "cap_perfmon_alone_is_not_enough", "perfmon");
}

#[test]
fn both_capabilities_together_are_enough() {
    const TEST: &str = "ladder::both_capabilities_together_are_enough";
    if is("both") {
        keep_capabilities(&[CAP_BPF, CAP_PERFMON]);
        let session = load(&Options::new().with_sample_hz(99));
        assert!(session.register().is_some());
        return;
    }
    let _alone = alone();
    assert!(again(&[], TEST, "both").status().unwrap().success());
}

#[test]
fn without_btf_there_are_samples_and_the_reason_is_said() {
    let _alone = alone();
    let options = Options::new()
        .with_sample_hz(999)
        .with_btf("/nonexistent/btf");
    let mut session = Session::load(&options).unwrap();
    assert_eq!(session.tier(), Tier::Samples);
    let refusal = &session.refusals()[0];
    assert_eq!(
        (refusal.step, refusal.errno),
        (Step::ReadBtf, Some(libc::ENOENT))
    );
    let slot = session.register().unwrap();
    slot.enter([7; 16], [8; 8], 1, 9);
    crate::samples::burn(std::time::Duration::from_millis(100));
    slot.leave();
    let mut spans = 0;
    session.samples().unwrap().drain(|sample, stack| {
        if sample.span_id == [8; 8] {
            spans += 1;
            assert!(!stack.is_empty() || sample.registers == [0; 34]);
        }
    });
    assert!(spans > 10, "{spans}");
}
