//! Five spans, each of which spends its time in another way.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use otel_enhance::enhanced_trace;

use crate::truth::{Truth, cpu, of_thread};

const MS: Duration = Duration::from_millis(1);

/// Runs them all; what each really did.
pub(crate) fn all() -> Vec<Truth> {
    vec![
        on_a_thread("computing", cpu_bound),
        on_a_thread("sleeping", sleeping),
        on_a_thread("locking", lock_contended),
        on_a_thread("starving", run_queue_starved),
        asynchronous(),
    ]
}

fn on_a_thread(name: &str, work: fn() -> Truth) -> Truth {
    let builder = thread::Builder::new().name(name.to_owned());
    let running = builder.spawn(work).map(thread::JoinHandle::join);
    match running {
        Ok(Ok(truth)) => truth,
        _ => Truth::default(),
    }
}

#[enhanced_trace(name = "cpu-bound")]
fn cpu_bound() -> Truth {
    of_thread("cpu-bound", |_| burn(800 * MS))
}

#[enhanced_trace(name = "sleeping")]
fn sleeping() -> Truth {
    of_thread("sleeping", |sleeps| {
        sleeps.during(|| {
            take_a_nap(350 * MS);
            take_a_nap(250 * MS);
        });
    })
}

#[enhanced_trace(name = "lock-contended")]
fn lock_contended() -> Truth {
    of_thread("lock-contended", |sleeps| {
        let lock = Arc::new(Mutex::new(0_u64));
        let (held, is_held) = mpsc::channel();
        let holder = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || {
                let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
                // The other side is waiting for it.
                let _ = held.send(());
                thread::sleep(500 * MS);
            })
        };
        sleeps.during(|| {
            // An error would be a holder that is gone, and then the lock is free.
            let _ = is_held.recv();
            wait_for(&lock);
            let _ = holder.join();
        });
    })
}

/// Two that compute, and one CPU for both.
#[enhanced_trace(name = "run-queue-starved")]
fn run_queue_starved() -> Truth {
    let mut pinned = false;
    let mut truth = of_thread("run-queue-starved", |sleeps| {
        pinned = pin_to_one_cpu();
        let (sender, done) = mpsc::channel::<()>();
        let rival = thread::spawn(move || {
            // Where the mask is inherited, it is on the same CPU.
            while done.try_recv() == Err(mpsc::TryRecvError::Empty) {
                burn(2 * MS);
            }
        });
        burn(400 * MS);
        drop(sender);
        sleeps.during(|| {
            let _ = rival.join();
        });
    });
    if !pinned {
        truth.note = "not pinned to one CPU: little to wait for";
    }
    truth
}

fn asynchronous() -> Truth {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    match runtime {
        // Spawned, so that its polls may be on either thread.
        Ok(runtime) => {
            let task = runtime.spawn(polled());
            runtime.block_on(task).unwrap_or_default()
        }
        Err(_) => Truth::default(),
    }
}

/// A span whose work is spread over polls, and perhaps over threads.
#[enhanced_trace(name = "async")]
async fn polled() -> Truth {
    let (mut computed, mut stolen, begin) = (Duration::ZERO, Duration::ZERO, Instant::now());
    for _ in 0..5 {
        let part = of_thread("part", |_| burn(60 * MS));
        computed += part.cpu;
        stolen += part.stolen;
        tokio::time::sleep(40 * MS).await;
    }
    Truth {
        name: "async",
        wall: begin.elapsed(),
        cpu: computed,
        stolen,
        is_async: true,
        ..Truth::default()
    }
}

/// Computes until the thread has had so much of a CPU.
#[inline(never)]
fn burn(time: Duration) {
    let end = cpu() + time;
    let mut state = 1;
    while cpu() < end {
        for _ in 0..2_000 {
            state = mix(state);
        }
    }
    black_box(state);
}

/// Has no frame of its own: the compiler puts it into `burn`.
#[inline(always)]
fn mix(state: u64) -> u64 {
    black_box((state ^ (state >> 27)).wrapping_mul(0x3c79_ac49_2ba7_b653))
}

#[inline(never)]
fn take_a_nap(time: Duration) {
    thread::sleep(black_box(time));
}

#[inline(never)]
fn wait_for(lock: &Mutex<u64>) {
    *lock.lock().unwrap_or_else(PoisonError::into_inner) += 1;
}

/// Whether this thread and those that it starts have one CPU together.
#[cfg(target_os = "linux")]
fn pin_to_one_cpu() -> bool {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(all) = sched_getaffinity(None) else {
        return false;
    };
    let Some(first) = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)) else {
        return false;
    };
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn pin_to_one_cpu() -> bool {
    false
}
