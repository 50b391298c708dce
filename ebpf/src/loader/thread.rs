//! A thread's slot, as the thread itself sees it.
#![expect(unsafe_code, reason = "the slots are memory shared with the kernel")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};

use super::shared::Shared;
use super::sys;
use crate::abi::{Slot, UserLine, control, state};

/// The calling thread's own slot: which span is active goes in, what the thread did comes out.
///
/// Neither takes a system call or a lock. The slot is given back when this is dropped, which must happen on the
/// thread that it was made for; hence it is not `Send`.
///
/// # Minimum kernel version
///
/// 5.15 with BTF for figures; without, only samples know the span. Once privileges have been dropped, threads
/// can be registered on 5.19 or newer, or where `kernel.unprivileged_bpf_disabled` is 0.
#[derive(Debug)]
pub struct ThreadSlot {
    slot: NonNull<Slot>,
    number: u32,
    shared: Arc<Shared>,
    /// [`Counters::since_ns`] before a turn of which the kernel did not tell, and the longest wait found since.
    untold: Cell<(u64, u64)>,
    /// Only the thread that has the slot may use it.
    not_send: PhantomData<*mut ()>,
}

/// What stays the same for as long as a thread is neither switched nor has a page fault: see [`ThreadSlot::mark`].
///
/// # Minimum kernel version
///
/// As for the figures of [`ThreadSlot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    switches: u64,
    since_ns: u64,
    /// Page faults and state.
    rest: u64,
}

impl Mark {
    /// One that no thread ever has.
    pub const NEVER: Self = Self {
        switches: 0,
        since_ns: u64::MAX,
        rest: 0,
    };
}

/// What a thread did since it was registered, up to [`since_ns`](Self::since_ns).
///
/// Take differences of two by [`since`](Self::since): `on_cpu_ns`, `blocked_ns` and `run_queue_ns` together grow
/// exactly as `since_ns`.
///
/// # Minimum kernel version
///
/// As for the figures of [`ThreadSlot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Time on a CPU, in nanoseconds.
    pub on_cpu_ns: u64,
    /// Time asleep, in nanoseconds.
    pub blocked_ns: u64,
    /// Time ready, without a CPU, in nanoseconds; after a sleep, as the scheduler accounts it.
    pub run_queue_ns: u64,
    /// When these were true: `CLOCK_MONOTONIC`, in nanoseconds.
    pub since_ns: u64,
    /// Times that it went to sleep. Wraps.
    pub voluntary: u32,
    /// Times that it was taken off its CPU. Wraps.
    pub involuntary: u32,
    /// Page faults, minor and major. Wraps.
    pub page_faults: u32,
    /// What the thread does by the kernel's account, one of [`state`](mod@state): as a thread reads its own,
    /// [`state::RUNNING`], unless the kernel switched to it in a way that reaches no tracepoint.
    pub state: u32,
    /// The thread's CPU time when it was last switched, `CLOCK_THREAD_CPUTIME_ID`; 0 if unknown. By this the time
    /// of turns that reached no tracepoint is told from waits.
    pub cpu_time_ns: u64,
}

impl Counters {
    /// The same at a later moment up to which the thread has not been switched, such as now on the thread itself.
    ///
    /// That time goes where the kernel will put it: on a CPU, unless it missed that the thread got one, which
    /// [`state`](Self::state) says. Then it is a wait, but for as much as `cpu_time`, the thread's CPU time in
    /// nanoseconds, has grown; it is asked for in that case alone.
    #[must_use]
    pub fn until(mut self, now_ns: u64, cpu_time: impl FnOnce() -> u64) -> Self {
        let more = now_ns.saturating_sub(self.since_ns);
        if self.state == state::RUNNING {
            self.on_cpu_ns = self.on_cpu_ns.wrapping_add(more);
            self.since_ns = self.since_ns.wrapping_add(more);
            return self;
        }
        let on_cpu = if self.cpu_time_ns == 0 {
            0
        } else {
            cpu_time().saturating_sub(self.cpu_time_ns).min(more)
        };
        let waited = more - on_cpu;
        self.on_cpu_ns = self.on_cpu_ns.wrapping_add(on_cpu);
        if self.state == state::BLOCKED {
            self.blocked_ns = self.blocked_ns.wrapping_add(waited);
        } else {
            self.run_queue_ns = self.run_queue_ns.wrapping_add(waited);
        }
        self.since_ns = self.since_ns.wrapping_add(more);
        self
    }

    /// What happened since `earlier`.
    ///
    /// The clock that user space reads may be some nanoseconds ahead of the kernel's, so that a thread seems to
    /// have been on its CPU a little longer than it was when it is taken off; then the wait that followed began
    /// that much later, and the sum is right. So it
    /// is with any other share that seems to have shrunk.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        let grown = [
            self.run_queue_ns.wrapping_sub(earlier.run_queue_ns),
            self.blocked_ns.wrapping_sub(earlier.blocked_ns),
            self.on_cpu_ns.wrapping_sub(earlier.on_cpu_ns),
        ]
        .map(u64::cast_signed);
        let mut ahead: u64 = grown.iter().map(|share| share.min(&0).unsigned_abs()).sum();
        let [run_queue_ns, blocked_ns, on_cpu_ns] = grown.map(|share| {
            let share = share.max(0).unsigned_abs();
            let taken = share.min(ahead);
            ahead -= taken;
            share - taken
        });
        Self {
            on_cpu_ns,
            blocked_ns,
            run_queue_ns,
            since_ns: on_cpu_ns + blocked_ns + run_queue_ns,
            voluntary: self.voluntary.wrapping_sub(earlier.voluntary),
            involuntary: self.involuntary.wrapping_sub(earlier.involuntary),
            page_faults: self.page_faults.wrapping_sub(earlier.page_faults),
            state: self.state,
            cpu_time_ns: self.cpu_time_ns,
        }
    }
}

impl ThreadSlot {
    /// Takes a slot for the calling thread; one system call, no allocation, no lock.
    pub(crate) fn register(shared: &Arc<Shared>) -> Option<Self> {
        if !shared.is_live() {
            return None;
        }
        let number = shared.claim()?;
        let slot = shared.slot(number);
        // SAFETY: the slot is ours and within the mapping.
        unsafe {
            (&raw mut (*slot.as_ptr()).user).write(UserLine {
                trace_id: [0; 16],
                span_id: [0; 8],
                valid: 0,
                trace_flags: 0,
                attrs_data_size: 0,
                padding: [0; 4],
                stack_end: sys::stack_end(),
                tag: 0,
                unused: [0; 16],
            });
        }
        match shared.ask([control::REGISTER, number.into(), 0]) {
            Ok(control::DONE) => Some(Self {
                slot,
                number,
                shared: shared.clone(),
                untold: Cell::new((0, 0)),
                not_send: PhantomData,
            }),
            _ => {
                shared.release(number);
                None
            }
        }
    }

    /// The slot's number, as it stands in samples.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Where the record of OTEP 4947 lies, to be published as `otel_thread_ctx_v1`; valid as long as `self`.
    #[must_use]
    pub fn thread_context(&self) -> NonNull<UserLine> {
        self.slot.cast()
    }

    /// The thread in the initial PID namespace, as profilers know it: `process << 32 | thread`.
    #[must_use]
    pub fn key(&self) -> u64 {
        // SAFETY: both slots are valid; the kernel wrote the numbers when this was registered.
        let (process, thread) = unsafe {
            (
                (&raw const (*self.shared.process().as_ptr()).tgid).read_volatile(),
                (&raw const (*self.slot.as_ptr()).kernel.tid).read_volatile(),
            )
        };
        u64::from(process) << 32 | u64::from(thread)
    }

    /// Says which span is active from now on, by its ids and its trace flags as W3C Trace Context has them; samples
    /// carry `tag` as well.
    #[inline]
    pub fn enter(&self, trace_id: [u8; 16], span_id: [u8; 8], trace_flags: u8, tag: u64) {
        // SAFETY: the slot is ours, and samples carry the tag of what is active when they are taken: of nothing now.
        unsafe {
            let user = &raw mut (*self.slot.as_ptr()).user;
            (&raw mut (*user).valid).write_volatile(0);
            compiler_fence(Ordering::SeqCst);
            (&raw mut (*user).tag).write(tag);
        }
        self.lines().enter(trace_id, span_id, trace_flags);
    }

    /// Says that no span is active.
    #[inline]
    pub fn leave(&self) {
        self.lines().leave();
    }

    /// The same for whoever says so at each change.
    #[inline]
    #[must_use]
    pub fn lines(&self) -> Lines<'_> {
        Lines {
            slot: self.slot,
            of: PhantomData,
        }
    }

    /// A mark of what the thread did so far: while it is the same, so is what [`counters`](Self::counters) says.
    /// Three loads, and no clock.
    #[inline(always)]
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.lines().mark()
    }

    /// What the thread did up to when it last got its CPU; no clock is read.
    ///
    /// `None` once the session has ended, and in a forked child.
    #[inline]
    #[must_use]
    pub fn counters(&self) -> Option<Counters> {
        self.stable(|counters| counters)
    }

    /// What the thread did up to this moment, which is in [`Counters::since_ns`].
    ///
    /// `None` once the session has ended, and in a forked child.
    #[inline]
    #[must_use]
    pub fn counters_now(&self) -> Option<Counters> {
        // SAFETY: the slot is ours. Asked beforehand, for a result that is looked at is copied once more.
        if unsafe { (&raw const (*self.slot.as_ptr()).kernel.state).read_volatile() }
            != state::RUNNING
        {
            return self.untold_now();
        }
        self.stable(|counters| counters.until(sys::now(), sys::cpu_time))
    }

    /// The same as [`counters`](Self::counters), and what `clock` says at a moment up to which they hold: the thread
    /// was not switched between. `clock` may be read several times.
    ///
    /// In the rare case that the kernel has not told of the thread's turn, the figures are up to this moment, as
    /// those of [`counters_now`](Self::counters_now).
    #[inline]
    #[must_use]
    pub fn counters_and<T>(&self, mut clock: impl FnMut() -> T) -> Option<(Counters, T)> {
        let (counters, now) = self.stable(|counters| (counters, clock()))?;
        if counters.state == state::RUNNING {
            return Some((counters, now));
        }
        Some((self.untold_now()?, clock()))
    }

    /// Two clocks are never read at once: keeps a wait, which is their difference, from shrinking by that.
    #[cold]
    fn untold_now(&self) -> Option<Counters> {
        let (counters, mut now) =
            self.stable(|counters| (counters, counters.until(sys::now(), sys::cpu_time)))?;
        if counters.state == state::RUNNING {
            return Some(now);
        }
        let (share, before) = if counters.state == state::BLOCKED {
            (&mut now.blocked_ns, counters.blocked_ns)
        } else {
            (&mut now.run_queue_ns, counters.run_queue_ns)
        };
        let waited = share.wrapping_sub(before);
        let least = match self.untold.get() {
            (since, least) if since == counters.since_ns => least,
            _ => 0,
        };
        let more = least.saturating_sub(waited);
        *share = share.wrapping_add(more);
        now.on_cpu_ns = now.on_cpu_ns.wrapping_sub(more);
        self.untold.set((counters.since_ns, waited + more));
        Some(now)
    }

    /// Reads anew until the thread was not switched meanwhile.
    ///
    /// The kernel writes the times of a running thread only when it switches it, which counts in one of two words
    /// beside each other: those are the sequence. Where it does not tell of a thread's leave but of its return, only
    /// the time of that changes.
    #[inline]
    fn stable<T>(&self, mut complete: impl FnMut(Counters) -> T) -> Option<T> {
        // SAFETY: the slot is ours; the kernel writes its line between two instructions of this thread.
        unsafe {
            let line = &raw const (*self.slot.as_ptr()).kernel;
            let sequence = (&raw const (*line).voluntary).cast::<u64>();
            loop {
                let before = sequence.read_volatile();
                let since_ns = (&raw const (*line).since_ns).read_volatile();
                compiler_fence(Ordering::SeqCst);
                if (&raw const (*line).tid).read_volatile() == 0 {
                    return None;
                }
                let counters = complete(Counters {
                    on_cpu_ns: (&raw const (*line).on_cpu_ns).read_volatile(),
                    blocked_ns: (&raw const (*line).blocked_ns).read_volatile(),
                    run_queue_ns: (&raw const (*line).run_queue_ns).read_volatile(),
                    since_ns,
                    voluntary: (&raw const (*line).voluntary).read_volatile(),
                    involuntary: (&raw const (*line).involuntary).read_volatile(),
                    page_faults: (&raw const (*line).page_faults).read_volatile(),
                    state: (&raw const (*line).state).read_volatile(),
                    cpu_time_ns: (&raw const (*line).cpu_time_ns).read_volatile(),
                });
                compiler_fence(Ordering::SeqCst);
                if sequence.read_volatile() == before
                    && (&raw const (*line).since_ns).read_volatile() == since_ns
                {
                    return Some(counters);
                }
            }
        }
    }
}

/// What a [`ThreadSlot`] consists of, one pointer: for whoever keeps that beside what else a change of spans takes.
///
/// # Minimum kernel version
///
/// As for [`ThreadSlot`].
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a> {
    slot: NonNull<Slot>,
    of: PhantomData<&'a ThreadSlot>,
}

impl Lines<'_> {
    /// Says which span is active from now on, as [`ThreadSlot::enter`] does; the tag stays what it was.
    #[inline(always)]
    pub fn enter(self, trace_id: [u8; 16], span_id: [u8; 8], trace_flags: u8) {
        // SAFETY: the slot is ours. The kernel reads on this CPU, between two instructions: the order of the
        // stores is all that it takes.
        unsafe {
            let user = &raw mut (*self.slot.as_ptr()).user;
            (&raw mut (*user).valid).write_volatile(0);
            compiler_fence(Ordering::SeqCst);
            (&raw mut (*user).trace_id).write(trace_id);
            (&raw mut (*user).span_id).write(span_id);
            (&raw mut (*user).trace_flags).write(trace_flags);
            compiler_fence(Ordering::SeqCst);
            (&raw mut (*user).valid).write_volatile(1);
        }
    }

    /// Says that no span is active.
    #[inline(always)]
    pub fn leave(self) {
        // SAFETY: as above.
        unsafe { (&raw mut (*self.slot.as_ptr()).user.valid).write_volatile(0) };
    }

    /// See [`ThreadSlot::mark`].
    #[inline(always)]
    #[must_use]
    pub fn mark(self) -> Mark {
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the slot is ours; each of the three is eight aligned bytes of the line, which the kernel writes
        // between two instructions of this thread.
        let mark = unsafe {
            let line = &raw const (*self.slot.as_ptr()).kernel;
            Mark {
                switches: (&raw const (*line).voluntary).cast::<u64>().read_volatile(),
                since_ns: (&raw const (*line).since_ns).read_volatile(),
                rest: (&raw const (*line).page_faults)
                    .cast::<u64>()
                    .read_volatile(),
            }
        };
        compiler_fence(Ordering::SeqCst);
        mark
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        self.leave();
        // SAFETY: the slot is valid.
        let tid = unsafe { (&raw const (*self.slot.as_ptr()).kernel.tid).read_volatile() };
        if self.shared.is_live()
            && self
                .shared
                .ask([control::UNREGISTER, self.number.into(), tid.into()])
                .is_err()
            && self.shared.is_live()
        {
            // The kernel still counts here: nobody else may have the slot until this thread is gone.
            return;
        }
        self.shared.release(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_ahead_is_put_right_without_losing_time() {
        let before = Counters {
            on_cpu_ns: 1_000,
            blocked_ns: 500,
            since_ns: 10_000,
            ..Counters::default()
        };
        // Taken off its CPU 40 ns before the moment that was read.
        let after = Counters {
            on_cpu_ns: 960,
            blocked_ns: 600,
            run_queue_ns: 30,
            since_ns: 10_090,
            ..before
        };
        let spent = after.since(before);
        assert_eq!(
            (spent.on_cpu_ns, spent.blocked_ns, spent.run_queue_ns),
            (0, 90, 0)
        );
        assert_eq!(spent.since_ns, after.since_ns - before.since_ns);
    }

    #[test]
    fn a_turn_the_kernel_did_not_tell_of_is_no_wait() {
        let woken = Counters {
            on_cpu_ns: 1_000,
            run_queue_ns: 10,
            since_ns: 5_000,
            state: state::RUNNABLE,
            cpu_time_ns: 900,
            ..Counters::default()
        };
        let now = woken.until(5_500, || 1_300);
        assert_eq!(
            (now.on_cpu_ns, now.run_queue_ns, now.blocked_ns),
            (1_400, 110, 0)
        );
        assert_eq!(now.since_ns, 5_500);
        // CPU time knows no more than the wall's clock.
        let all = Counters {
            state: state::BLOCKED,
            ..woken
        }
        .until(5_500, || 9_000);
        assert_eq!((all.on_cpu_ns, all.blocked_ns), (1_500, 0));
    }

    #[test]
    fn a_wait_that_shrank_is_put_right_without_losing_time() {
        let before = Counters {
            on_cpu_ns: 1_000,
            blocked_ns: 500,
            since_ns: 10_000,
            ..Counters::default()
        };
        let after = Counters {
            on_cpu_ns: 1_140,
            blocked_ns: 460,
            since_ns: 10_100,
            ..before
        };
        let spent = after.since(before);
        assert_eq!(
            (spent.on_cpu_ns, spent.blocked_ns, spent.run_queue_ns),
            (100, 0, 0)
        );
        assert_eq!(spent.since_ns, 100);
    }

    #[test]
    fn counts_that_wrapped_are_differences_all_the_same() {
        let before = Counters {
            voluntary: u32::MAX,
            page_faults: u32::MAX - 1,
            ..Counters::default()
        };
        let after = Counters {
            voluntary: 1,
            page_faults: 1,
            ..before
        };
        let spent = after.since(before);
        assert_eq!((spent.voluntary, spent.page_faults), (2, 3));
    }
}
