//! Buffers that come back when the request that was in them is done with.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Requests under way at once whose buffers are all kept.
const KEPT: usize = 8;

/// Buffers that have grown beyond this are freed: one huge batch must not be paid for ever after.
pub(super) const LARGEST: usize = 16 << 20;

/// Buffers at rest.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// A buffer with whatever it held last; an empty one if none is at rest.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pop().unwrap_or_default()
    }

    fn put(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && buffer.len() <= LARGEST {
            kept.push(buffer);
        }
    }

    /// This part of `buffer`, which comes back when the last clone of it is dropped.
    pub(super) fn lend(self: &Arc<Self>, buffer: Vec<u8>, part: Range<usize>) -> Bytes {
        Bytes::from_owner(Loan {
            buffer,
            part,
            pool: Arc::clone(self),
        })
    }
}

struct Loan {
    buffer: Vec<u8>,
    part: Range<usize>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[self.part.clone()]
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_takes_back_as_many_as_it_keeps_and_nothing_huge() {
        let pool = Arc::new(Pool::default());
        let lent: Vec<Bytes> = (0..KEPT + 5)
            .map(|_| pool.lend(vec![0; 100], 10..20))
            .collect();
        assert!(lent.iter().all(|bytes| bytes.len() == 10));
        let clone = lent[0].clone();
        drop(lent);
        drop(pool.lend(vec![0; LARGEST + 1], 0..1));
        drop(clone);
        let kept: Vec<usize> = (0..KEPT + 5).map(|_| pool.take().len()).collect();
        assert_eq!(kept.iter().filter(|len| **len == 100).count(), KEPT);
        assert_eq!(kept.iter().max(), Some(&100));
    }
}
