//! From a span's bytes to its shape and values.

use super::{DEEPEST, LONGEST_SHAPE, MOST_SLOTS, code};
use crate::wire::{self, FIXED32, FIXED64, Field, LEN, VARINT};

/// The shape and the values of the span parsed last.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) shape: Vec<u8>,
    /// Numbers as they are; of bytes and ids, where they begin in the input << 32 | their length.
    pub(crate) values: Vec<u64>,
    /// Where the length of the literal is that the shape ends with.
    literal: Option<usize>,
}

/// What the fields of a message mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Span,
    Attribute,
    Any,
    Array,
    Pairs,
    Event,
    Link,
    Status,
}

/// A field's tag: its number and wire type.
const fn tag(number: u64, wire_type: u64) -> u64 {
    (number << 3) | wire_type
}

/// What a field of a message is.
enum Meaning {
    /// A slot of this code, if it has the length that such a slot has.
    Slot(u8, usize),
    Inner(Message),
    /// An attribute's key: part of the shape.
    Key,
    Other,
}

fn meaning(message: Message, field: u64) -> Meaning {
    use Meaning::{Inner, Key, Other, Slot};
    const ATTRIBUTE: u64 = tag(9, LEN);
    match message {
        Message::Span => match field {
            TRACE => Slot(code::TRACE_ID, 16),
            SPAN => Slot(code::SPAN_ID, 8),
            PARENT => Slot(code::PARENT_ID, 8),
            START => Slot(code::START, 8),
            END => Slot(code::END, 8),
            ATTRIBUTE => Inner(Message::Attribute),
            EVENT => Inner(Message::Event),
            LINK => Inner(Message::Link),
            STATUS => Inner(Message::Status),
            _ => Other,
        },
        Message::Attribute if field == tag(1, LEN) => Key,
        Message::Attribute if field == tag(2, LEN) => Inner(Message::Any),
        Message::Any if field == tag(5, LEN) => Inner(Message::Array),
        Message::Any if field == tag(6, LEN) => Inner(Message::Pairs),
        Message::Array if field == tag(1, LEN) => Inner(Message::Any),
        Message::Pairs if field == tag(1, LEN) => Inner(Message::Attribute),
        Message::Event if field == tag(1, FIXED64) => Slot(code::EVENT_TIME, 8),
        Message::Event if field == tag(3, LEN) => Inner(Message::Attribute),
        Message::Link if field == tag(1, LEN) => Slot(code::LINK_TRACE_ID, 16),
        Message::Link if field == tag(2, LEN) => Slot(code::LINK_SPAN_ID, 8),
        Message::Link if field == tag(4, LEN) => Inner(Message::Attribute),
        _ => Other,
    }
}

const TRACE: u64 = tag(1, LEN);
const SPAN: u64 = tag(2, LEN);
const PARENT: u64 = tag(4, LEN);
const NAME: u64 = tag(5, LEN);
const START: u64 = tag(7, FIXED64);
const END: u64 = tag(8, FIXED64);
const EVENT: u64 = tag(11, LEN);
const LINK: u64 = tag(13, LEN);
const STATUS: u64 = tag(15, LEN);

/// When a span ended, as far as can be told in a hurry; 0 if it cannot.
pub(crate) fn peek_end(span: &[u8]) -> u64 {
    peek(span, END).map_or(0, |at| number(span, at))
}

/// A span's name, as far as can be told in a hurry.
pub(crate) fn peek_name(span: &[u8]) -> &[u8] {
    let name = peek(span, NAME).and_then(|at| {
        let len = wire::varint(span, at)?;
        span.get(len.end..)?.get(..usize::try_from(len.value).ok()?)
    });
    name.unwrap_or_default()
}

/// Where the tag of a field ends.
fn peek(span: &[u8], wanted: u64) -> Option<usize> {
    let mut at = 0;
    while let Some(&[tag, next]) = span.get(at..at + 2) {
        // Usual fields are short, and their tags a byte.
        let tag = u64::from(tag);
        if tag == wanted {
            return Some(at + 1);
        }
        at = match tag & 7 {
            _ if tag >= 0x80 || next >= 0x80 => wire::field(span, at)?.end,
            VARINT => at + 2,
            FIXED64 => at + 9,
            LEN => at + 2 + usize::from(next),
            FIXED32 => at + 5,
            _ => return None,
        };
    }
    None
}

impl Parsed {
    /// Parses the span that lies at `start..end` of `input`. Says no if it has to be written as it is.
    pub(crate) fn span(&mut self, input: &[u8], start: usize, end: usize) -> bool {
        self.shape.clear();
        self.values.clear();
        self.literal = None;
        self.message(Message::Span, &input[..end], start, 0)
    }

    /// Parses the fields of a message, which ends where `input` ends.
    fn message(&mut self, message: Message, input: &[u8], start: usize, depth: usize) -> bool {
        let mut at = start;
        while at < input.len() {
            if self.shape.len() > LONGEST_SHAPE || self.values.len() >= MOST_SLOTS {
                return false;
            }
            let Some(field) = wire::field(input, at) else {
                return false;
            };
            match meaning(message, field.tag) {
                Meaning::Slot(slot, len) if field.end - field.start == len && field.width == 0 => {
                    self.put_literal(&input[at..field.start]);
                    self.put_slot(slot);
                    self.values.push(if len == 8 {
                        number(input, field.start)
                    } else {
                        place(&field)
                    });
                }
                Meaning::Inner(inner)
                    if depth < DEEPEST && self.inner(inner, input, at, &field, depth + 1) => {}
                Meaning::Key if field.end - at <= 255 => {
                    self.put_literal(&input[at..field.end]);
                }
                _ => self.plain(input, at, &field),
            }
            at = field.end;
        }
        true
    }

    /// A message within: undone if it is none, for then it is bytes.
    fn inner(
        &mut self,
        message: Message,
        input: &[u8],
        at: usize,
        field: &Field,
        depth: usize,
    ) -> bool {
        let (shape, values, literal) = (self.shape.len(), self.values.len(), self.literal);
        let literal_len = literal.map(|at| self.shape[at]);
        self.put_literal(&input[at..field.tag_end]);
        self.literal = None;
        self.shape.extend_from_slice(&[code::OPEN, field.width]);
        if self.message(message, &input[..field.end], field.start, depth) {
            self.literal = None;
            self.shape.push(code::CLOSE);
            return true;
        }
        self.shape.truncate(shape);
        self.values.truncate(values);
        self.literal = literal;
        if let (Some(at), Some(len)) = (literal, literal_len) {
            self.shape[at] = len;
        }
        false
    }

    /// A field whose contents mean nothing to us.
    fn plain(&mut self, input: &[u8], at: usize, field: &Field) {
        self.put_literal(&input[at..field.tag_end]);
        self.literal = None;
        let value = match field.tag & 7 {
            VARINT => {
                self.shape.extend_from_slice(&[code::VARINT, field.width]);
                field.value
            }
            FIXED64 => {
                self.shape.push(code::FIXED64);
                field.value
            }
            FIXED32 => {
                self.shape.push(code::FIXED32);
                field.value
            }
            _ => {
                self.shape.extend_from_slice(&[code::BYTES, field.width]);
                place(field)
            }
        };
        self.values.push(value);
    }

    fn put_slot(&mut self, slot: u8) {
        self.literal = None;
        self.shape.push(slot);
    }

    fn put_literal(&mut self, bytes: &[u8]) {
        if let Some(at) = self.literal
            && usize::from(self.shape[at]) + bytes.len() <= 255
        {
            self.shape[at] += bytes.len() as u8;
        } else {
            self.shape.push(code::LITERAL);
            self.literal = Some(self.shape.len());
            self.shape.push(bytes.len() as u8);
        }
        self.shape.extend_from_slice(bytes);
    }
}

/// Ids of eight bytes are numbers, little-endian like the rest.
fn number(input: &[u8], at: usize) -> u64 {
    let bytes = input.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn place(field: &Field) -> u64 {
    ((field.start as u64) << 32) | (field.end - field.start) as u64
}
