//! Which frames' spans went on: what comes again is answered, and not delivered twice.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::outcome::Success;

/// Frames remembered of each stream, more than a decoder can tell repetitions of.
const REMEMBERED: usize = 192;
/// The longest message that is kept to be told again.
const MAX_MESSAGE_BYTES: usize = 512;

/// What names a frame in the life of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) shard: usize,
    pub(super) handle: u32,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
}

/// What became of a frame's spans.
#[derive(Debug)]
enum Fate {
    /// The handler has them; who repeats the frame waits until it says more.
    UnderWay(Arc<Notify>),
    /// They went on, and what was said to it.
    Delivered(Option<Box<(i64, String)>>),
}

#[derive(Debug)]
struct Stream {
    fates: BTreeMap<(u64, u64), Fate>,
    used: Instant,
}

/// The frames of all streams.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    streams: Mutex<HashMap<(usize, u32), Stream>>,
}

/// What to do with a frame.
pub(super) enum Arrival<'a> {
    /// Deliver it.
    Claimed(Claim<'a>),
    /// Answer as before.
    Delivered(Success),
}

/// The right to deliver a frame's spans. Dropped, it says that they were not, and the next one gets it.
pub(super) struct Claim<'a> {
    all: &'a Delivered,
    key: Key,
    waiting: Arc<Notify>,
    delivered: bool,
}

impl Delivered {
    fn lock(&self) -> MutexGuard<'_, HashMap<(usize, u32), Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn arrives(&self, key: Key, repeated: bool) -> Arrival<'_> {
        // What the decoder has not seen before is new, whatever is remembered: a handle is given anew when its
        // stream was dropped.
        let mut known = repeated;
        loop {
            let waiting = match self.look(key, known) {
                Ok(arrival) => return arrival,
                Err(waiting) => waiting,
            };
            waiting.await;
            known = true;
        }
    }

    /// Claims the frame, or tells what became of it, or what to wait for.
    fn look(&self, key: Key, known: bool) -> Result<Arrival<'_>, Pin<Box<OwnedNotified>>> {
        let mut streams = self.lock();
        let stream = streams
            .entry((key.shard, key.handle))
            .or_insert_with(|| Stream {
                fates: BTreeMap::new(),
                used: Instant::now(),
            });
        stream.used = Instant::now();
        let place = (key.epoch, key.sequence);
        match stream.fates.get(&place) {
            Some(Fate::Delivered(partial)) if known => {
                return Ok(Arrival::Delivered(Success {
                    partial: partial.as_deref().cloned(),
                    ..Success::default()
                }));
            }
            Some(Fate::UnderWay(notify)) if known => {
                // Registered before the lock is let go: nothing is missed.
                let mut notified = Box::pin(Arc::clone(notify).notified_owned());
                notified.as_mut().enable();
                return Err(notified);
            }
            _ => {}
        }
        let waiting = Arc::new(Notify::new());
        stream
            .fates
            .insert(place, Fate::UnderWay(Arc::clone(&waiting)));
        while stream.fates.len() > REMEMBERED {
            stream.fates.pop_first();
        }
        Ok(Arrival::Claimed(Claim {
            all: self,
            key,
            waiting,
            delivered: false,
        }))
    }

    pub(super) fn forget_older_than(&self, age: Duration) {
        self.lock().retain(|_, stream| stream.used.elapsed() < age);
    }
}

impl Claim<'_> {
    /// The spans went on.
    pub(super) fn delivered(mut self, success: &Success) {
        let partial = success.partial.as_ref().map(|(rejected, message)| {
            let mut message = message.clone();
            let end = (0..=MAX_MESSAGE_BYTES.min(message.len()))
                .rev()
                .find(|end| message.is_char_boundary(*end));
            message.truncate(end.unwrap_or(0));
            Box::new((*rejected, message))
        });
        self.delivered = true;
        self.settle(Some(Fate::Delivered(partial)));
    }

    fn settle(&self, fate: Option<Fate>) {
        let Key {
            shard,
            handle,
            epoch,
            sequence,
        } = self.key;
        let mut streams = self.all.lock();
        if let Some(stream) = streams.get_mut(&(shard, handle))
            && let Some(held) = stream.fates.get_mut(&(epoch, sequence))
            // Another stream may have the handle by now.
            && matches!(held, Fate::UnderWay(waiting) if Arc::ptr_eq(waiting, &self.waiting))
        {
            match fate {
                Some(fate) => *held = fate,
                None => {
                    stream.fates.remove(&(epoch, sequence));
                }
            }
        }
        drop(streams);
        self.waiting.notify_waiters();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.delivered {
            self.settle(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key {
        shard: 0,
        handle: 1,
        epoch: 2,
        sequence: 3,
    };

    async fn claim(all: &Delivered, repeated: bool) -> Claim<'_> {
        match all.arrives(KEY, repeated).await {
            Arrival::Claimed(claim) => claim,
            Arrival::Delivered(_) => panic!("delivered"),
        }
    }

    #[tokio::test]
    async fn frame_delivered_once_is_answered_the_second_time() {
        let all = Delivered::default();
        let partial = Some((2, "ü".repeat(400)));
        claim(&all, false).await.delivered(&Success {
            partial,
            ..Success::default()
        });
        let Arrival::Delivered(again) = all.arrives(KEY, true).await else {
            panic!("delivered twice");
        };
        assert_eq!(again.partial, Some((2, "ü".repeat(256))));
    }

    #[tokio::test]
    async fn frame_whose_delivery_failed_is_delivered_the_second_time() {
        let all = Delivered::default();
        drop(claim(&all, false).await);
        claim(&all, true).await.delivered(&Success::default());
        assert!(matches!(
            all.arrives(KEY, true).await,
            Arrival::Delivered(_)
        ));
    }

    #[tokio::test]
    async fn repetition_waits_for_the_delivery_that_is_under_way() {
        for succeeds in [true, false] {
            let all = Delivered::default();
            let first = claim(&all, false).await;
            let second = all.arrives(KEY, true);
            let settle = async move {
                tokio::task::yield_now().await;
                if succeeds {
                    first.delivered(&Success::default());
                }
            };
            let (second, ()) = tokio::join!(second, settle);
            assert_eq!(matches!(second, Arrival::Delivered(_)), succeeds);
        }
    }

    #[tokio::test]
    async fn new_stream_with_an_old_handle_is_not_taken_for_a_repetition() {
        let all = Delivered::default();
        claim(&all, false).await.delivered(&Success::default());
        drop(claim(&all, false).await);
        // A delivery of the dropped stream ends late and changes nothing.
        let old = claim(&all, false).await;
        let new = claim(&all, false).await;
        old.delivered(&Success::default());
        drop(new);
        claim(&all, true).await.delivered(&Success::default());
    }

    #[tokio::test]
    async fn memory_of_a_stream_is_bounded() {
        let all = Delivered::default();
        for sequence in 0..1000 {
            match all.arrives(Key { sequence, ..KEY }, false).await {
                Arrival::Claimed(claim) => claim.delivered(&Success::default()),
                Arrival::Delivered(_) => panic!("{sequence}"),
            }
        }
        assert_eq!(all.lock()[&(0, 1)].fates.len(), REMEMBERED);
        all.forget_older_than(Duration::ZERO);
        assert!(all.lock().is_empty());
    }
}
