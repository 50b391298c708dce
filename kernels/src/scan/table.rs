//! From the first bytes of a position to the literals that may begin there.

use super::{Case, LiteralError};

/// More would fill the table.
const MAX_LITERALS: usize = 4096;
/// Slots of the table: 8 KiB, which stay in the first-level cache.
const SLOT_BITS: u32 = 12;
/// The most bytes that keys are made of.
pub(super) const MAX_PREFIX: usize = 3;
/// Bytes that are read to make a key.
pub(super) const WINDOW: usize = 4;

/// Literals by the hash of their first bytes.
#[derive(Debug, Clone)]
pub(super) struct Table {
    literals: Vec<Box<[u8]>>,
    case: Case,
    /// Bytes that keys are made of: [`MAX_PREFIX`], or what the shortest literal has.
    pub(super) prefix: usize,
    /// Which bits of a key's bytes count.
    key_mask: u32,
    /// Bits set in both the key and the text: the one in which the letters' cases differ.
    pub(super) fold: u8,
    /// For each hash the list in `lists`, or 0 for the empty one.
    slots: Box<[u16; 1 << SLOT_BITS]>,
    lists: Vec<Vec<u16>>,
}

impl Table {
    pub(super) fn new(literals: Vec<Box<[u8]>>, case: Case) -> Result<Self, LiteralError> {
        if literals.len() > MAX_LITERALS {
            return Err(LiteralError::TooMany {
                count: literals.len(),
                limit: MAX_LITERALS,
            });
        }
        if let Some(literal) = literals.iter().position(|literal| literal.is_empty()) {
            return Err(LiteralError::Empty { literal });
        }
        let shortest = literals.iter().map(|literal| literal.len()).min();
        let prefix = shortest.unwrap_or(MAX_PREFIX).min(MAX_PREFIX);
        let mut table = Self {
            literals,
            case,
            prefix,
            key_mask: u32::MAX >> (32 - 8 * prefix),
            fold: match case {
                Case::Sensitive => 0,
                Case::IgnoreAscii => b'a' ^ b'A',
            },
            slots: Box::new([0; 1 << SLOT_BITS]),
            lists: vec![Vec::new()],
        };
        for number in 0..table.literals.len() {
            if let Some(slot) = table.slot_of_text(&table.literals[number]) {
                if table.slots[slot] == 0 {
                    table.slots[slot] = table.lists.len() as u16;
                    table.lists.push(Vec::new());
                }
                table.lists[usize::from(table.slots[slot])].push(number as u16);
            }
        }
        Ok(table)
    }

    pub(super) fn literals(&self) -> impl Iterator<Item = &[u8]> {
        self.literals.iter().map(|literal| &**literal)
    }

    /// Whether a literal may begin the window.
    #[inline(always)]
    pub(super) fn may_begin(&self, window: &[u8; WINDOW]) -> bool {
        self.slots[self.slot(window)] != 0
    }

    /// The literals that may begin the text, in order.
    pub(super) fn candidates(&self, text: &[u8]) -> &[u16] {
        let list = self.slot_of_text(text).map_or(0, |slot| self.slots[slot]);
        self.lists.get(usize::from(list)).map_or(&[], Vec::as_slice)
    }

    /// The length of the literal, if the text begins with it.
    pub(super) fn matches(&self, literal: usize, text: &[u8]) -> Option<usize> {
        let literal = &*self.literals[literal];
        let begins = text.get(..literal.len())?;
        let equal = match self.case {
            Case::Sensitive => begins == literal,
            Case::IgnoreAscii => begins.eq_ignore_ascii_case(literal),
        };
        equal.then_some(literal.len())
    }

    /// None if the text is shorter than every literal.
    fn slot_of_text(&self, text: &[u8]) -> Option<usize> {
        let text = &text[..text.len().min(WINDOW)];
        if text.len() < self.prefix {
            return None;
        }
        let mut window = [0; WINDOW];
        window[..text.len()].copy_from_slice(text);
        Some(self.slot(&window))
    }

    #[inline(always)]
    fn slot(&self, window: &[u8; WINDOW]) -> usize {
        let key =
            (u32::from_le_bytes(*window) | u32::from_le_bytes([self.fold; 4])) & self.key_mask;
        // Fibonacci hashing: the high bits of the product depend on all bits of the key.
        (key.wrapping_mul(0x9e37_79b1) >> (32 - SLOT_BITS)) as usize
    }
}
