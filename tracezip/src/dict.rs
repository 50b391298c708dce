//! The entries that sender and receiver share: shells, templates, leaves, texts.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{DecodeError, Result};
use crate::ids::{IdKey, IdPermutation};
use crate::pattern::{self, Kind as Parameter, Part};
use crate::shape::{Compiled, Slot, Template};
use crate::wire;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// The bytes of a resource's or scope's message before or after what it contains.
    Shell,
    Template,
    Leaf,
    Text,
    /// What ids are made with.
    Key,
}

pub(crate) const KINDS: usize = 5;

/// The longest entry of each kind.
pub(crate) const LONGEST: [usize; KINDS] = [64 * 1024, 32 * 1024, 64 * 1024, 4 * 1024, 64];

/// What a slot of a leaf holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Each span its own.
    Local,
    Number(u64),
    /// Bytes of the leaf.
    Bytes {
        at: u32,
        len: u32,
    },
}

/// A template with the values that many spans have in common.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) template: Arc<Template>,
    pub(crate) compiled: Compiled,
    pub(crate) head: LeafHead,
    /// The slots that each span has its own values in: which of the template's they are.
    pub(crate) own: Box<[u16]>,
    /// Those without a rule of their own: which of the own, and of the template's, they are.
    pub(crate) rest: Box<[(u16, u16, Slot)]>,
}

/// What is to be known of a leaf again and again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeafHead {
    pub(crate) template_id: u16,
    /// Slots of the template.
    pub(crate) slots: u16,
    /// Slots that each span has its own values in, and how many of them have no rule of their own.
    pub(crate) own: u16,
    pub(crate) rest: u16,
    /// Which of these is the first of each kind that a span usually has one of.
    pub(crate) trace_id: Option<u16>,
    pub(crate) span_id: Option<u16>,
    pub(crate) parent_id: Option<u16>,
    pub(crate) start: Option<u16>,
    pub(crate) end: Option<u16>,
    /// Nanoseconds of which starts and ends are multiples.
    pub(crate) start_unit: u32,
    pub(crate) end_unit: u32,
    /// Bytes that a span has at least.
    pub(crate) min_len: u32,
}

/// Units that clocks have, by their code in a leaf.
pub(crate) const UNITS: [u32; 4] = [1, 100, 1_000, 1_000_000];

/// A string, or a pattern of strings.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) parts: Box<[Part]>,
    pub(crate) parameters: Box<[Parameter]>,
    /// Bytes of the literal parts.
    pub(crate) literal: usize,
}

impl Text {
    /// Whether a string is an instance; if so, with these parameters.
    #[inline]
    pub(crate) fn matches(&self, text: &[u8], parameters: &mut Vec<pattern::Parameter>) -> bool {
        parameters.clear();
        if self.parameters.is_empty() {
            // A pattern in which zero bytes are marked is longer than what it says.
            return self.literal == text.len() && *self.bytes == *text;
        }
        text.len() >= self.literal && pattern::matches(&self.parts, text, parameters)
    }
}

#[derive(Debug, Clone)]
enum Entry {
    Shell(Arc<[u8]>),
    Template(Arc<Template>),
    Leaf(Arc<Leaf>),
    Text(Arc<Text>),
    Key(Zeroizing<Vec<u8>>, Arc<IdPermutation>),
}

impl Entry {
    fn charge(&self) -> usize {
        let (kind, shape) = match self {
            Self::Shell(_) => (Kind::Shell, 0),
            Self::Template(_) => (Kind::Template, 0),
            Self::Leaf(leaf) => (Kind::Leaf, leaf.template.shape.len()),
            Self::Text(_) => (Kind::Text, 0),
            Self::Key(..) => (Kind::Key, 0),
        };
        charge(kind, self.bytes().len(), shape)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shell(bytes) => bytes,
            Self::Template(template) => &template.shape,
            Self::Leaf(leaf) => &leaf.bytes,
            Self::Text(text) => &text.bytes,
            Self::Key(key, _) => key,
        }
    }
}

/// Entries by kind and id.
#[derive(Debug, Default)]
pub(crate) struct Dict {
    entries: [Vec<Option<Entry>>; KINDS],
    size: usize,
}

/// What an entry is charged as, on both sides.
///
/// A leaf is charged for its template's bytes too, since both are in what its spans are written by.
pub(crate) fn charge(kind: Kind, len: usize, shape: usize) -> usize {
    let factor = match kind {
        Kind::Shell => 1,
        // The keys of the rounds.
        Kind::Key => 20,
        Kind::Text => 2,
        Kind::Template => 4,
        Kind::Leaf => 3,
    };
    96 + factor * len + shape
}

impl Dict {
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn clear(&mut self) {
        for entries in &mut self.entries {
            entries.clear();
        }
        self.size = 0;
    }

    fn get(&self, kind: Kind, id: u16) -> Option<&Entry> {
        self.entries[kind as usize].get(usize::from(id))?.as_ref()
    }

    pub(crate) fn bytes(&self, kind: Kind, id: u16) -> Option<&[u8]> {
        self.get(kind, id).map(Entry::bytes)
    }

    pub(crate) fn shell(&self, id: u16) -> Result<&Arc<[u8]>> {
        match self.get(Kind::Shell, id) {
            Some(Entry::Shell(shell)) => Ok(shell),
            _ => Err(DecodeError::StateLost),
        }
    }

    pub(crate) fn template(&self, id: u16) -> Result<&Arc<Template>> {
        match self.get(Kind::Template, id) {
            Some(Entry::Template(template)) => Ok(template),
            _ => Err(DecodeError::StateLost),
        }
    }

    pub(crate) fn leaf(&self, id: u16) -> Result<&Arc<Leaf>> {
        match self.get(Kind::Leaf, id) {
            Some(Entry::Leaf(leaf)) => Ok(leaf),
            _ => Err(DecodeError::StateLost),
        }
    }

    pub(crate) fn text(&self, id: u16) -> Result<&Arc<Text>> {
        match self.get(Kind::Text, id) {
            Some(Entry::Text(text)) => Ok(text),
            _ => Err(DecodeError::StateLost),
        }
    }

    pub(crate) fn key(&self, id: u16) -> Result<&Arc<IdPermutation>> {
        match self.get(Kind::Key, id) {
            Some(Entry::Key(_, key)) => Ok(key),
            _ => Err(DecodeError::StateLost),
        }
    }

    /// Defines an entry. Says whether it is new; defining it again with the same bytes does nothing.
    pub(crate) fn define(
        &mut self,
        kind: Kind,
        id: u16,
        bytes: &[u8],
        limit: usize,
    ) -> Result<bool> {
        if let Some(held) = self.bytes(kind, id) {
            return if held == bytes {
                Ok(false)
            } else {
                Err(DecodeError::Redefined(id))
            };
        }
        let entry = match kind {
            Kind::Shell => Entry::Shell(bytes.into()),
            Kind::Template => Entry::Template(Arc::new(Template::read(bytes)?)),
            Kind::Leaf => Entry::Leaf(Arc::new(self.read_leaf(bytes)?)),
            Kind::Text => Entry::Text(Arc::new(read_text(bytes)?)),
            Kind::Key => {
                let key = IdKey::read(bytes).ok_or(DecodeError::Corrupt("a key"))?;
                Entry::Key(bytes.to_vec().into(), Arc::new(IdPermutation::new(&key)))
            }
        };
        let size = self.size + entry.charge();
        if size > limit {
            return Err(DecodeError::TooLarge {
                what: "a stream's entries",
                declared: size as u64,
                limit: limit as u64,
            });
        }
        let entries = &mut self.entries[kind as usize];
        let index = usize::from(id);
        if entries.len() <= index {
            entries.resize(index + 1, None);
        }
        entries[index] = Some(entry);
        self.size = size;
        Ok(true)
    }

    /// Takes a definition back.
    pub(crate) fn forget(&mut self, kind: Kind, id: u16) {
        if let Some(slot) = self.entries[kind as usize].get_mut(usize::from(id))
            && let Some(entry) = slot.take()
        {
            self.size -= entry.charge();
        }
    }

    fn read_leaf(&self, bytes: &[u8]) -> Result<Leaf> {
        let corrupt = DecodeError::Corrupt("a leaf");
        let mut at = 0;
        let number = |at: &mut usize| {
            let varint = wire::varint(bytes, *at).ok_or(corrupt)?;
            *at = varint.end;
            Ok::<_, DecodeError>(varint.value)
        };
        let template_id = u16::try_from(number(&mut at)?).map_err(|_| corrupt)?;
        let template = Arc::clone(self.template(template_id)?);
        let units = number(&mut at)? as usize;
        if units > 15 {
            return Err(corrupt);
        }
        let mut plans = Vec::with_capacity(template.slots.len());
        let mut min_len = template.min_len;
        for slot in &template.slots {
            if !slot.is_plain() || number(&mut at)? == 0 {
                plans.push(Plan::Local);
                continue;
            }
            let value = number(&mut at)?;
            plans.push(if matches!(slot, Slot::Bytes(_)) {
                let len = usize::try_from(value).map_err(|_| corrupt)?;
                if bytes.len() - at < len {
                    return Err(corrupt);
                }
                let start = at as u32;
                at += len;
                min_len += len;
                Plan::Bytes {
                    at: start,
                    len: len as u32,
                }
            } else {
                Plan::Number(value)
            });
        }
        if at != bytes.len() {
            return Err(corrupt);
        }
        let slots = (0_u16..)
            .zip(&plans)
            .filter(|(_, plan)| **plan == Plan::Local);
        // Counted first, so that nothing is allocated twice.
        let mut own = Vec::with_capacity(slots.clone().count());
        own.extend(slots.map(|(slot, _)| slot));
        let kind = |slot: u16| template.slots[usize::from(slot)];
        let first = |wanted: Slot| {
            let at = own.iter().position(|&slot| kind(slot) == wanted);
            at.map(|at| at as u16)
        };
        let mut head = LeafHead {
            template_id,
            slots: template.slots.len() as u16,
            own: own.len() as u16,
            rest: 0,
            trace_id: first(Slot::TraceId),
            span_id: first(Slot::SpanId),
            parent_id: first(Slot::ParentId),
            start: first(Slot::Start),
            end: first(Slot::End),
            start_unit: UNITS[units & 3],
            end_unit: UNITS[units >> 2],
            min_len: min_len as u32,
        };
        let special = [
            head.trace_id,
            head.span_id,
            head.parent_id,
            head.start,
            head.end,
        ];
        let others = (0_u16..).zip(&own);
        let others = others.filter(|(at, _)| !special.contains(&Some(*at)));
        let mut rest = Vec::with_capacity(own.len() - special.iter().flatten().count());
        rest.extend(others.map(|(at, &slot)| (at, slot, kind(slot))));
        head.rest = rest.len() as u16;
        let compiled = Compiled::new(&template, &plans, bytes);
        Ok(Leaf {
            bytes: bytes.into(),
            template,
            compiled,
            head,
            own: own.into(),
            rest: rest.into(),
        })
    }
}

fn read_text(bytes: &[u8]) -> Result<Text> {
    let parts = pattern::read(bytes).ok_or(DecodeError::Corrupt("a pattern"))?;
    let parameters = parts
        .iter()
        .filter_map(|part| match part {
            Part::Parameter(kind) => Some(*kind),
            Part::Literal(_) => None,
        })
        .collect();
    let literal = parts
        .iter()
        .map(|part| match part {
            Part::Literal(literal) => literal.len(),
            Part::Parameter(_) => 0,
        })
        .sum();
    Ok(Text {
        bytes: bytes.into(),
        parts: parts.into(),
        parameters,
        literal,
    })
}
