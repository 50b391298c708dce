//! One request on its way.

use bytes::Bytes;

use super::encode::{Coder, Made};

/// A request, and the frame that stands for it.
#[derive(Debug)]
pub(crate) struct Batch {
    request: Bytes,
    made: Option<Made>,
    is_answered: bool,
}

impl Batch {
    pub(crate) fn new(request: Bytes) -> Self {
        Self {
            request,
            made: None,
            is_answered: false,
        }
    }

    pub(crate) fn request(&self) -> &Bytes {
        &self.request
    }

    pub(super) fn frame(&self) -> Option<Bytes> {
        self.made.as_ref().map(|made| made.bytes.clone())
    }

    pub(super) fn set_frame(&mut self, made: Made) -> Bytes {
        self.is_answered = false;
        self.made.insert(made).bytes.clone()
    }

    pub(super) fn forget_frame(&mut self) {
        self.made = None;
    }

    pub(super) fn frame_len(&self) -> usize {
        self.made.as_ref().map_or(0, |made| made.bytes.len())
    }

    pub(super) fn answered(&mut self) {
        self.is_answered = true;
    }

    /// Whether its frame is of this coder's stream.
    pub(super) fn is_of(&self, coder: &Coder) -> bool {
        self.made
            .as_ref()
            .is_some_and(|made| made.stream == coder.stream())
    }

    /// The frame, if it was not answered.
    pub(super) fn unanswered(&self) -> Option<&Made> {
        self.made.as_ref().filter(|_| !self.is_answered)
    }
}
