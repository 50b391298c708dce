//! Profiles of a pipeline's spans: on both paths, while it runs, and what it leaves behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use otel_enhance::extensions::ebpf::{Profile, ProfileKind};
use otel_enhance::{Context, enhanced_trace};

use crate::again::{assert_gone, fork, own_objects, wait};
use crate::common::{BOTH, Path, alone, burn, install_with};

#[enhanced_trace(name = "hot")]
fn hot() {
    guilty();
}

#[inline(never)]
fn guilty() {
    burn(Duration::from_millis(200));
}

#[enhanced_trace(name = "waiting")]
fn waiting() {
    std::thread::sleep(Duration::from_millis(20));
}

fn calls(profile: &Profile, kind: ProfileKind, function: &str) -> bool {
    profile
        .samples()
        .filter(|sample| sample.kind() == kind)
        .all(|sample| {
            sample
                .frames()
                .any(|frame| frame.function.ends_with(function))
        })
}

#[test]
fn samples_are_of_the_exported_span_and_in_its_functions_on_both_paths() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_with(path, |pipeline| {
            pipeline
                .with_ebpf_sample_hz(997)
                .with_ebpf_off_cpu(true)
                .with_ebpf_off_cpu_min(Duration::from_millis(10))
        });
        hot();
        waiting();
        guard.force_flush().unwrap();
        let profile = guard.ebpf().unwrap().profile().unwrap();
        let spans = kept.take();
        for (name, kind, function) in [
            ("hot", ProfileKind::Cpu, "::hot"),
            ("waiting", ProfileKind::OffCpu, "::waiting"),
        ] {
            let context = &spans
                .iter()
                .find(|span| span.name == name)
                .unwrap()
                .span_context;
            let part = profile.of_span_name(name);
            assert!(
                part.time(kind) >= Duration::from_millis(15),
                "{path:?} {name}: {:?}",
                part.time(kind)
            );
            assert!(calls(&part, kind, function), "{}", part.to_folded(kind));
            for sample in part.samples() {
                assert_eq!(sample.span_id(), Some(context.span_id().to_bytes()));
                assert_eq!(sample.trace_id(), Some(context.trace_id().to_bytes()));
            }
        }
        guard.shutdown().unwrap();
    }
}

#[test]
fn sleeps_of_more_threads_than_are_looked_at_are_counted() {
    const THREADS: u64 = 300;
    let _alone = alone();
    let (guard, _kept) = install_with(Path::Fast, |pipeline| pipeline.with_ebpf_off_cpu(true));
    let unwatched = || {
        let _ = guard.ebpf().unwrap().profile();
        let account = guard.ebpf().unwrap().profile_account().unwrap();
        account.sleeps_unwatched
    };
    waiting();
    assert_eq!(unwatched(), 0);
    let all_are_there = std::sync::Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                // By its first context a thread has a place.
                let attached = Context::new().with_value(0_u8).attach();
                all_are_there.wait();
                drop(attached);
                waiting();
            });
        }
    });
    let counted = unwatched();
    assert!(
        (THREADS - 255..=THREADS * 10).contains(&counted),
        "{counted}"
    );
    let handle = guard.ebpf().unwrap();
    guard.shutdown().unwrap();
    assert_eq!(handle.profile_account().unwrap().sleeps_unwatched, counted);
}

#[test]
fn a_child_has_no_profile_and_its_parent_goes_on() {
    let _alone = alone();
    let (guard, _kept) = install_with(Path::Sdk, |pipeline| pipeline.with_ebpf_sample_hz(499));
    let handle = guard.ebpf().unwrap();
    wait(fork(|| handle.profile().is_none()));
    hot();
    assert!(!handle.profile().unwrap().is_empty());
}

#[test]
fn last_profiles_that_cannot_be_sent_in_time_are_said() {
    let _alone = alone();
    // Takes connections, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let (guard, _kept) = install_with(Path::Fast, |pipeline| {
        pipeline
            .with_ebpf_sample_hz(499)
            .with_ebpf_profiles_endpoint(format!("http://{}/x", silent.local_addr().unwrap()))
            .with_error_handler(move |report| hears.lock().unwrap().push(report.to_string()))
    });
    hot();
    guard
        .shutdown_with_timeout(Duration::from_millis(1_500))
        .unwrap();
    let said = said.lock().unwrap();
    let of_it = said.iter().filter(|text| text.contains("last profiles"));
    assert_eq!(of_it.count(), 1, "{said:?}");
}

#[test]
fn the_folder_is_written_at_the_end_and_nothing_stays_in_the_kernel() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (guard, _kept) = install_with(Path::Fast, |pipeline| {
        pipeline
            .with_ebpf_sample_hz(997)
            .with_ebpf_profile_folder(folder.path())
    });
    let ours = own_objects();
    assert!(!ours.is_empty());
    hot();
    guard.shutdown().unwrap();
    assert_gone(&ours);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let folded = read("profile.folded");
    assert!(folded.contains("hot;"), "{folded}");
    assert!(read("spans/hot.svg").contains("::guilty"));
    for folder in [folder.path().to_owned(), folder.path().join("spans")] {
        let names = std::fs::read_dir(folder).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        let half = names
            .iter()
            .filter(|name| name.to_string_lossy().ends_with(".part"));
        assert_eq!(half.count(), 0, "{names:?}");
    }
    assert!(
        std::fs::read(folder.path().join("profile.pb.gz"))
            .unwrap()
            .starts_with(&[0x1f, 0x8b])
    );
}
