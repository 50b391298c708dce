//! What a receiver holds of a stream, and frames of it to requests.

use core::ops::Range;

use crate::hash::xxh3;

use crate::coder::{Reader, Streams};
use crate::dict::{Dict, Kind};
use crate::encoder::ANYTHING_ID;
use crate::envelope::{Envelope, Item, field_len, put_field, tag};
use crate::error::{DecodeError, Result};
use crate::frame::{self, Frame};
use crate::limits::{ENTRIES, SNAPSHOTS};
use crate::models::Models;
use crate::pattern::{ANYTHING, Parameter};
use crate::session::{Book, Buffers, NO_LEAF, Session};
use crate::shape::{Backwards, MOST_SLOTS};
use crate::text::TextDecompressor;

/// The entries of a stream, and which of them the frame at hand defines.
#[derive(Debug, Default)]
struct DecoderBook {
    dict: Dict,
    defined: Vec<(Kind, u16)>,
}

impl DecoderBook {
    fn clear(&mut self) {
        self.dict.clear();
        // Within any limit, and well formed.
        let _ = self.dict.define(Kind::Text, ANYTHING_ID, ANYTHING, ENTRIES);
    }

    fn roll_back(&mut self) {
        for (kind, id) in self.defined.drain(..) {
            self.dict.forget(kind, id);
        }
    }
}

impl Book for DecoderBook {
    fn dict(&self) -> &Dict {
        &self.dict
    }

    fn is_known(&mut self, _kind: Kind, _id: u16) -> bool {
        true
    }

    fn define(&mut self, kind: Kind, id: u16, bytes: &[u8]) -> Result<()> {
        if self.dict.define(kind, id, bytes, ENTRIES)? {
            self.defined.push((kind, id));
        }
        Ok(())
    }

    fn choose_text(&mut self, _: (u16, usize), _: &[u8], _: &mut Vec<Parameter>) -> u16 {
        ANYTHING_ID
    }
}

/// What decoding works with; holds nothing from one frame to the next.
#[derive(Debug, Default)]
pub(crate) struct Workshop {
    models: Models,
    buffers: Buffers,
    text: TextDecompressor,
    envelope: Envelope,
    entries: Vec<[u16; 2]>,
    spans: Backwards,
    /// Where each span lies in these, tag and length before it.
    places: Vec<Range<usize>>,
    /// Room for the values of any span.
    values: Vec<u64>,
}

/// What is held of a stream.
#[derive(Debug)]
pub(crate) struct Stream {
    book: DecoderBook,
    epoch: u64,
    /// By the number of the message that left them behind.
    snapshots: Vec<(u64, Models)>,
    /// The latest message whose models others were seen to build on.
    base: u64,
}

impl Stream {
    pub(crate) fn new(epoch: u64) -> Self {
        let mut book = DecoderBook::default();
        book.clear();
        Self {
            book,
            epoch,
            snapshots: Vec::new(),
            base: 0,
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Bytes of state.
    pub(crate) fn size(&self) -> usize {
        let snapshots = self.snapshots.iter().map(|(_, models)| models.size());
        self.book.dict.size() + snapshots.sum::<usize>()
    }

    /// Decodes a frame of this stream and epoch, appending to `out`. On an error, neither has changed.
    pub(crate) fn decode(
        &mut self,
        frame: &Frame<'_>,
        shop: &mut Workshop,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let first = out.len();
        self.book.defined.clear();
        let result = self.try_decode(frame, shop, out).and_then(|hash| {
            let decoded = &out[first..];
            if decoded.len() != frame.head.decoded_len {
                return Err(DecodeError::Corrupt("the decoded size"));
            }
            if xxh3(decoded) != hash {
                return Err(DecodeError::Hash);
            }
            Ok(())
        });
        if self.book.defined.iter().any(|(kind, _)| *kind == Kind::Key) {
            shop.text.wipe();
        }
        if let Err(error) = result {
            out.truncate(first);
            self.book.roll_back();
            return Err(error);
        }
        if frame.head.has(frame::RETAINED) && !frame.head.has(frame::STORED) {
            self.retain(frame.head.sequence, shop);
        }
        Ok(())
    }

    fn retain(&mut self, sequence: u64, shop: &mut Workshop) {
        let held = self.snapshots.iter().position(|held| held.0 == sequence);
        let at = held.or_else(|| {
            (self.snapshots.len() >= SNAPSHOTS).then(|| {
                let others = self.snapshots.iter().enumerate();
                let oldest = others
                    .filter(|(_, held)| held.0 != self.base)
                    .min_by_key(|(_, held)| held.0);
                oldest.map_or(0, |(at, _)| at)
            })
        });
        match at {
            Some(at) => {
                self.snapshots[at].0 = sequence;
                core::mem::swap(&mut self.snapshots[at].1, &mut shop.models);
            }
            None => self
                .snapshots
                .push((sequence, core::mem::take(&mut shop.models))),
        }
    }

    fn try_decode(
        &mut self,
        frame: &Frame<'_>,
        shop: &mut Workshop,
        out: &mut Vec<u8>,
    ) -> Result<u64> {
        let head = &frame.head;
        let compressed = head.has(frame::TEXT_COMPRESSED);
        let most_text = head.decoded_len + ENTRIES;
        if frame.text_len > most_text {
            return Err(DecodeError::TooLarge {
                what: "a text's length",
                declared: frame.text_len as u64,
                limit: most_text as u64,
            });
        }
        let text = shop
            .text
            .decompress(frame.streams.text, frame.text_len, compressed)?;
        if head.has(frame::STORED) {
            out.extend_from_slice(text);
            return Ok(frame.hash);
        }
        if head.base == 0 {
            shop.models.copy_from(&Models::default());
        } else {
            let base = head.sequence.checked_sub(head.base);
            let base = base.ok_or(DecodeError::Corrupt("a message before the first"))?;
            let held = self.snapshots.iter().find(|held| held.0 == base);
            let (_, models) = held.ok_or(DecodeError::StateLost)?;
            shop.models.copy_from(models);
            self.base = self.base.max(base);
        }
        let mut reader = Reader::new(Streams {
            text,
            ..frame.streams
        });
        shop.envelope.clear();
        shop.entries.clear();
        shop.buffers.scratch.clear();
        shop.places.clear();
        shop.values.resize(2 * MOST_SLOTS, 0);
        let mut session = Session::new(
            &mut self.book,
            &mut shop.models,
            &mut shop.buffers,
            &[],
            head.decoded_len,
        );
        session.keys(&mut reader, &[])?;
        session.envelope(&mut reader, &mut shop.envelope, &mut shop.entries)?;
        let envelope = &shop.envelope;
        let total: usize = envelope.scopes.iter().map(|scope| scope.inner.len()).sum();
        session.spend(total.saturating_mul(2))?;
        shop.places.resize(total, 0..0);
        shop.spans.reset(head.decoded_len);
        let kept = session.buffers.scratch.len();
        for _ in 0..total {
            let coded = session.span(&mut reader, 0, 0, &[], &mut shop.values)?;
            let end = shop.spans.written();
            let buffers = &session.buffers;
            if coded.leaf == NO_LEAF {
                let (start, len) = coded.text;
                shop.spans.put(&buffers.scratch[start..start + len])?;
            } else {
                let leaf = session.book.dict().leaf(coded.leaf)?;
                let values = &shop.values[..usize::from(leaf.head.own)];
                shop.spans.span(&leaf.compiled, values, &buffers.scratch)?;
            }
            session.buffers.scratch.truncate(kept);
            let scope = &envelope.scopes[coded.group];
            shop.spans.put_head(tag::SPAN, end, scope.inner_width)?;
            let index = scope.inner.end - session.buffers.groups.left(coded.group) - 1;
            shop.places[index] = end..shop.spans.written();
        }
        let hash = reader.finish();
        let hash = hash.ok_or(DecodeError::Corrupt("symbols that do not end in a hash"))?;
        assemble(shop, &self.book.dict, head.decoded_len, out)?;
        Ok(hash)
    }
}

/// Puts the envelope around the spans.
fn assemble(shop: &Workshop, dict: &Dict, len: usize, out: &mut Vec<u8>) -> Result<()> {
    let mut next = 0;
    let envelope = &shop.envelope;
    let limit = out.len() + len;
    out.reserve(len);
    let too_long = DecodeError::Corrupt("more bytes than the declared size");
    for item in &envelope.items {
        let resource = match item {
            Item::Raw(range) => {
                out.extend_from_slice(&shop.buffers.scratch[range.clone()]);
                continue;
            }
            Item::Resource(shell) => shell,
        };
        let shells = |at: usize| {
            let [before, after] = shop.entries.get(at).copied().unwrap_or_default();
            Ok::<_, DecodeError>((dict.shell(before)?, dict.shell(after)?))
        };
        let scopes = &envelope.scopes[resource.inner.clone()];
        let (before, after) = shells(next)?;
        let mut contents = before.len() + after.len();
        for (at, scope) in scopes.iter().enumerate() {
            contents += field_len(scope_len(shop, dict, next + 1 + at, scope)?, scope.width);
        }
        if out.len() + field_len(contents, resource.width) > limit {
            return Err(too_long);
        }
        put_field(tag::RESOURCE, contents, resource.width, out);
        out.extend_from_slice(before);
        for (at, scope) in scopes.iter().enumerate() {
            let (before, after) = shells(next + 1 + at)?;
            let contents = scope_len(shop, dict, next + 1 + at, scope)?;
            put_field(tag::SCOPE, contents, scope.width, out);
            out.extend_from_slice(before);
            for span in &shop.places[scope.inner.clone()] {
                out.extend_from_slice(shop.spans.get(span.end, span.start));
            }
            out.extend_from_slice(after);
        }
        out.extend_from_slice(after);
        next += 1 + scopes.len();
    }
    Ok(())
}

fn scope_len(
    shop: &Workshop,
    dict: &Dict,
    entry: usize,
    scope: &crate::envelope::Shell,
) -> Result<usize> {
    let [before, after] = shop.entries.get(entry).copied().unwrap_or_default();
    let spans = shop.places[scope.inner.clone()].iter();
    let spans: usize = spans.map(ExactSizeIterator::len).sum();
    Ok(dict.shell(before)?.len() + dict.shell(after)?.len() + spans)
}
