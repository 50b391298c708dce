//! The receivers that answered lately.

/// Receivers that a sender keeps apart.
const MOST: usize = 8;
/// Answers after which a receiver that gave none of them is forgotten.
const PATIENCE: u64 = 32;

#[derive(Debug, Default)]
pub(super) struct Receivers {
    /// Their numbers, and when each was heard last.
    known: Vec<(u64, u64)>,
    answers: u64,
    changed: bool,
}

impl Receivers {
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// A bit for each; one if there is none yet.
    pub(super) fn bits(&self) -> u8 {
        (u16::from(1_u8) << self.known.len().max(1)).wrapping_sub(1) as u8
    }

    /// A receiver answered: its index.
    pub(super) fn heard(&mut self, instance: u64) -> usize {
        self.answers += 1;
        let (answers, before) = (self.answers, self.known.len());
        self.known
            .retain(|(known, heard)| *known == instance || answers - heard < PATIENCE);
        if self.known.len() == MOST && self.known.iter().all(|(known, _)| *known != instance) {
            self.known.remove(0);
        }
        self.changed |= self.known.len() != before;
        if let Some(at) = self.known.iter().position(|(known, _)| *known == instance) {
            self.known[at].1 = answers;
            return at;
        }
        // The first receiver takes nothing away from what is known, which is nothing.
        self.changed |= !self.known.is_empty();
        self.known.push((instance, answers));
        self.known.len() - 1
    }

    /// Whether the indexes have changed since the last call.
    pub(super) fn changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }
}
