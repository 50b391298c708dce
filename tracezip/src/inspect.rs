//! Where the bytes of a stream go.

use std::collections::BTreeMap;

use crate::coder::{Account, Column};
use crate::encoder::{Encoded, Encoder};

/// What a column cost.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnCost {
    /// What it holds; an attribute by its key.
    pub name: String,
    /// Bytes in the coded stream.
    pub coded: f64,
    /// Bytes of what no model would make smaller.
    pub raw: f64,
    /// Bytes of text before it is compressed.
    pub text: usize,
    /// Symbols that were coded.
    pub symbols: usize,
}

/// An account of what costs how much, over the requests that are encoded with it.
#[derive(Debug, Default)]
pub struct Inspection {
    account: Account,
    names: BTreeMap<Column, String>,
}

impl Inspection {
    /// Encodes a request as [`Encoder::encode`] does, and takes its columns to account.
    pub fn encode(&mut self, encoder: &mut Encoder, request: &[u8], out: &mut Vec<u8>) -> Encoded {
        let encoded = encoder.encode_accounted(request, out, &mut self.account);
        for column in self.account.columns.keys() {
            self.names
                .entry(*column)
                .or_insert_with(|| name(encoder, *column));
        }
        encoded
    }

    /// The columns, those that cost most first; columns of one name are one.
    #[must_use]
    pub fn columns(&self) -> Vec<ColumnCost> {
        let mut by_name = BTreeMap::<&str, ColumnCost>::new();
        for (column, spent) in &self.account.columns {
            let name = self.names.get(column).map_or("?", String::as_str);
            let cost = by_name.entry(name).or_default();
            cost.name = name.to_owned();
            cost.coded += spent.coded_bits / 8.0;
            cost.raw += spent.raw_bits as f64 / 8.0;
            cost.text += spent.text_bytes;
            cost.symbols += spent.symbols;
        }
        let mut columns: Vec<_> = by_name.into_values().collect();
        let total = |cost: &ColumnCost| cost.coded + cost.raw + cost.text as f64;
        columns.sort_by(|a, b| total(b).total_cmp(&total(a)));
        columns
    }
}

fn name(encoder: &Encoder, column: Column) -> String {
    let fixed = match column {
        Column::Envelope => "envelope",
        Column::Trace => "trace",
        Column::Leaf => "leaf",
        Column::Group => "scope",
        Column::SpanId => "span id",
        Column::ParentId => "parent id",
        Column::Start => "start",
        Column::End => "end",
        Column::Odd => "odd spans",
        Column::Definition(0) => "definitions of shells",
        Column::Definition(1) => "definitions of templates",
        Column::Definition(2) => "definitions of leaves",
        Column::Definition(3) => "definitions of texts",
        Column::Definition(_) => "definitions of keys",
        Column::Slot(template, slot) => return encoder.slot_name(template, usize::from(slot)),
    };
    fixed.to_owned()
}
