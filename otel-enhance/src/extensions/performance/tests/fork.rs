//! A child that was forked while other threads of its parent held the fast path's locks.
#![expect(unsafe_code, reason = "there is no safe way to fork")]

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};

use super::super::{FastBackend, FastProvider};
use super::{BATCHES, Told, alone, callsite, close, collect, provider};

/// Longer than a child takes for a few spans, however busy the machine is.
const STUCK: Duration = Duration::from_secs(30);

/// Forks; the child's exit code is what `child` returns, `None` if it had to be killed.
fn fork(child: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the child makes spans, for which the library answers, and is gone by `_exit`, which runs nothing of the
    // parent's.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = child();
        // SAFETY: it does not return, and needs nothing.
        unsafe { libc::_exit(code) };
    }
    let started = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: it asks after the one child, and writes to what is ours.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == pid {
            return Some(libc::WEXITSTATUS(status)).filter(|_| libc::WIFEXITED(status));
        }
        if started.elapsed() > STUCK {
            // SAFETY: the child has not been waited for, so the number is still its own.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &raw mut status, 0);
            }
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Forks while another thread is inside the provider's hub.
fn fork_beside_a_busy_thread(provider: &FastProvider, child: impl FnOnce() -> i32) -> Option<i32> {
    let (busy, is_busy) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _inside = provider.hub.shelves().occupy();
            busy.send(()).unwrap();
            let _ = is_done.recv();
        });
        is_busy.recv().unwrap();
        let code = fork(child);
        drop(done);
        code
    })
}

/// Two spans, the first that the child makes.
fn spans(provider: &FastProvider) {
    drop(callsite().enter());
    provider.tracer("by hand").start("by hand").end();
}

#[test]
fn forked_child_whose_parent_was_inside_the_hub_makes_spans_and_ends() {
    let _alone = alone();
    crate::lifecycle::arm(false).unwrap();
    let told = Told::default();
    let provider = provider(&told, Some(BATCHES));
    let registration = crate::span::install(Arc::new(FastBackend::new(provider.clone())));
    // Of a thread that had no seat at the hub, and of one that had.
    for before in [0, 2] {
        let child = || {
            std::thread::scope(|scope| {
                let forking = scope.spawn(|| {
                    if before > 0 {
                        spans(&provider);
                    }
                    fork_beside_a_busy_thread(&provider, || {
                        spans(&provider);
                        // A collection would wait for a thread that is not there.
                        collect(&provider);
                        i32::try_from(told.forked()).unwrap_or(-1)
                    })
                });
                forking.join().unwrap()
            })
        };
        assert_eq!(child(), Some(2), "forked spans of the child");
        collect(&provider);
        assert_eq!(told.take().len(), before);
    }
    registration.uninstall();
    close(&provider);
}
