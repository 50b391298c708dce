//! What the system knows of a process, and where it runs.

use std::fs;

/// Lets the process, with the threads to come, run on these cores only; fewer cores are no error.
#[cfg(target_os = "linux")]
pub(crate) fn pin(receiver: bool) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let Ok(all) = sched_getaffinity(None) else {
        return;
    };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
    let (Some(first), Some(second)) = (cores.next(), cores.next()) else {
        return;
    };
    let mut set = CpuSet::new();
    if receiver {
        set.set(second);
    } else {
        set.set(first);
        cores.for_each(|core| set.set(core));
    }
    // A system that refuses leaves the measurement noisier, not wrong.
    let _ = sched_setaffinity(None, &set);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_: bool) {}

/// Nanoseconds that all threads but the one called `producer` have run.
pub(crate) fn export_threads_ns() -> u64 {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").expect("threads are listed") {
        let path = task.expect("a thread").path();
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.trim_end() == "producer" {
            continue;
        }
        // A thread may end meanwhile.
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let ran = text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
        sum += ran.unwrap_or(0);
    }
    sum
}

/// The most memory that was resident, in bytes.
pub(crate) fn peak_resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("resident memory") * 1024
}
