//! What is known of the other side.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whether the other side speaks tracezip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// It was never asked, or did not say.
    Unknown,
    /// It does.
    Speaks,
    /// It does not; ask again then.
    NotUntil(Instant),
}

/// What all streams to one destination know of it.
#[derive(Debug)]
pub(crate) struct Negotiation {
    memory: Mutex<Memory>,
    ask_again: Duration,
    /// Frames in a row that the other side could not read, or did not answer.
    unread: AtomicU32,
    /// Probes in a row that it did not answer.
    unanswered: AtomicU32,
}

/// When it is asked again what was asked in vain.
const ASK_SOON: Duration = Duration::from_secs(10);

/// So many, and it is asked anew.
const UNREAD: u32 = 3;

impl Negotiation {
    /// A destination that does not speak tracezip is asked again after `ask_again`.
    pub(crate) fn new(ask_again: Duration) -> Self {
        Self {
            memory: Mutex::new(Memory::Unknown),
            ask_again,
            unread: AtomicU32::new(0),
            unanswered: AtomicU32::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known; once the time has come, one caller alone gets [`Memory::Unknown`], and asks.
    pub(crate) fn recall(&self, now: Instant) -> Memory {
        let mut memory = self.lock();
        match *memory {
            Memory::NotUntil(then) if then <= now => {
                *memory = Memory::NotUntil(now + self.ask_again);
                Memory::Unknown
            }
            known => known,
        }
    }

    /// It speaks.
    pub(crate) fn speaks(&self) {
        *self.lock() = Memory::Speaks;
        self.unread.store(0, Ordering::Relaxed);
        self.unanswered.store(0, Ordering::Relaxed);
    }

    /// A frame was read.
    pub(crate) fn could_read(&self) {
        self.unread.store(0, Ordering::Relaxed);
    }

    /// A frame could not be read, or got no answer: the request's fault, or somebody else sits there by now.
    pub(crate) fn could_not_read(&self) {
        if self.unread.fetch_add(1, Ordering::Relaxed) + 1 >= UNREAD {
            *self.lock() = Memory::Unknown;
            self.unread.store(0, Ordering::Relaxed);
        }
    }

    /// It does not. Says whether that is news.
    pub(crate) fn does_not(&self, now: Instant) -> bool {
        let until = Memory::NotUntil(now + self.ask_again);
        !matches!(
            std::mem::replace(&mut *self.lock(), until),
            Memory::NotUntil(_)
        )
    }

    /// What it said to the probe tells nothing: OTLP until it is asked again, before long.
    pub(crate) fn unclear(&self, now: Instant) {
        *self.lock() = Memory::NotUntil(now + self.ask_again.min(ASK_SOON));
    }

    /// It did not answer the probe. Says whether OTLP is to go, which a proxy that sends requests twice delivers twice:
    /// not for an answer that was lost.
    pub(crate) fn did_not_answer(&self, now: Instant) -> bool {
        let is_habit = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= UNREAD;
        if is_habit {
            self.unclear(now);
        }
        is_habit
    }

    /// Whether it speaks, if that is known.
    pub(crate) fn known(&self) -> Option<bool> {
        match *self.lock() {
            Memory::Unknown => None,
            Memory::Speaks => Some(true),
            Memory::NotUntil(_) => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_speak_is_asked_again_by_one_after_the_time() {
        let negotiation = Negotiation::new(Duration::from_secs(60));
        let start = Instant::now();
        assert_eq!(negotiation.recall(start), Memory::Unknown);
        assert!(negotiation.does_not(start));
        assert!(!negotiation.does_not(start));
        let later = start + Duration::from_secs(59);
        assert!(matches!(negotiation.recall(later), Memory::NotUntil(_)));
        let later = start + Duration::from_secs(61);
        assert_eq!(negotiation.recall(later), Memory::Unknown);
        assert!(matches!(negotiation.recall(later), Memory::NotUntil(_)));
        negotiation.speaks();
        assert_eq!(negotiation.recall(later), Memory::Speaks);
        assert!(negotiation.does_not(later));
    }

    #[test]
    fn who_could_not_read_several_frames_in_a_row_is_asked_anew() {
        let negotiation = Negotiation::new(Duration::from_secs(60));
        negotiation.speaks();
        for _ in 0..2 {
            negotiation.could_not_read();
            negotiation.could_not_read();
            negotiation.could_read();
            assert_eq!(negotiation.known(), Some(true));
        }
        for _ in 0..3 {
            negotiation.could_not_read();
        }
        assert_eq!(negotiation.known(), None);
    }
}
