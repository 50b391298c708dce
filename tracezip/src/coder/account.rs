//! What costs how much.

use std::collections::BTreeMap;

use super::{Coder, Model, Sink, Writer};
use crate::error::Outcome;

/// What bytes are spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    Envelope,
    Trace,
    Leaf,
    Group,
    SpanId,
    ParentId,
    Start,
    End,
    Odd,
    /// Entries, by kind.
    Definition(u8),
    /// A slot of a template.
    Slot(u16, u16),
}

/// Bits by column: coded, as they are, and bytes of text before compression.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) columns: BTreeMap<Column, Spent>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) coded_bits: f64,
    pub(crate) raw_bits: u64,
    pub(crate) text_bytes: usize,
    pub(crate) symbols: usize,
}

/// A writer that keeps an account.
#[derive(Debug)]
pub(crate) struct Accountant<'a> {
    pub(crate) writer: Writer,
    pub(crate) account: &'a mut Account,
    column: Column,
}

impl<'a> Accountant<'a> {
    pub(crate) fn new(writer: Writer, account: &'a mut Account) -> Self {
        Self {
            writer,
            account,
            column: Column::Envelope,
        }
    }

    fn spent(&mut self) -> &mut Spent {
        self.account.columns.entry(self.column).or_default()
    }
}

impl Sink for Accountant<'_> {
    fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Coder for Accountant<'_> {
    const ENCODES: bool = true;

    fn symbol(&mut self, model: &mut Model, symbol: usize) -> usize {
        let bits = model.bits(symbol);
        let spent = self.spent();
        spent.coded_bits += bits;
        spent.symbols += 1;
        self.writer.symbol(model, symbol)
    }

    fn bits(&mut self, value: u64, count: u32) -> Outcome<u64> {
        self.spent().raw_bits += u64::from(count);
        self.writer.bits(value, count)
    }

    fn text(&mut self, text: &[u8], len: usize, out: &mut Vec<u8>) -> Outcome<()> {
        self.spent().text_bytes += text.len();
        self.writer.text(text, len, out)
    }

    fn at(&mut self, column: Column) {
        self.column = column;
    }
}
