//! Rows of integers by keys that are always the same (feature `ebpf`): most of what is in them is 0, so that a row is
//! written once, and copied from then on.

use super::cursor::{Cursor, written};
use super::protobuf::{ATTRIBUTE, put_attribute};
use super::span::ValueRef;
use crate::extensions::ebpf::{ROWS, Row, Rows};

/// All attributes of each row but the first, as they are written if they are 0; empty where nobody has asked for it.
#[derive(Debug, Default)]
pub(super) struct WrittenRows([Box<[u8]>; ROWS]);

impl WrittenRows {
    /// Writes rows as attributes of a span.
    #[inline(always)]
    pub(super) const fn put<'a, 'b>(&'a mut self, out: &'a mut Cursor<'b>) -> Put<'a, 'b> {
        Put { written: self, out }
    }

    #[inline(always)]
    fn zeroes<const N: usize>(&mut self, row: &Row<N>) -> &[u8] {
        let zeroes = &mut self.0[row.number];
        if zeroes.is_empty() {
            *zeroes = write(&row.keys[1..]);
        }
        zeroes
    }
}

#[cold]
#[inline(never)]
fn write(keys: &[&'static str]) -> Box<[u8]> {
    written(|out| put_each(out, keys, &vec![0; keys.len()]))
}

/// Rows of so many are written one by one.
const FEW: usize = 2;

/// See [`WrittenRows::put`].
pub(super) struct Put<'a, 'b> {
    written: &'a mut WrittenRows,
    out: &'a mut Cursor<'b>,
}

impl Rows for Put<'_, '_> {
    #[inline(always)]
    fn row<const N: usize>(&mut self, row: &'static Row<N>, values: [i64; N]) {
        self.put(row.keys[0], values[0]);
        let (keys, values) = (&row.keys[1..], &values[1..]);
        let is_small = |value: &i64| (0..0x80).contains(value);
        if N > FEW && values.iter().all(is_small) {
            self.put_small(row, values);
        } else if N > FEW {
            self.out.apart(|out| put_each(out, keys, values));
        } else {
            for (key, value) in keys.iter().zip(values) {
                self.put(key, *value);
            }
        }
    }
}

impl Put<'_, '_> {
    #[inline(always)]
    fn put(&mut self, key: &'static str, value: i64) {
        put_attribute(self.out, ATTRIBUTE, key, ValueRef::I64(value));
    }

    /// All but the first, which take a byte each.
    #[inline(always)]
    fn put_small<const N: usize>(&mut self, row: &Row<N>, values: &[i64]) {
        let mut end = self.out.position();
        self.out.put_slice(self.written.zeroes(row));
        for (key, value) in row.keys[1..].iter().zip(values) {
            // Around the key: tag and length of the attribute, of the key, and of the value, and that.
            end += 8 + key.len();
            if *value != 0 {
                self.out.overwrite(end - 1, [*value as u8]);
            }
        }
    }
}

#[inline(never)]
fn put_each(out: &mut Cursor<'_>, keys: &[&'static str], values: &[i64]) {
    for (key, value) in keys.iter().zip(values) {
        put_attribute(out, ATTRIBUTE, key, ValueRef::I64(*value));
    }
}

/// Each attribute by itself.
#[cfg(feature = "otlp-json")]
pub(super) struct Each<F>(pub(super) F);

#[cfg(feature = "otlp-json")]
impl<F: FnMut(&'static str, ValueRef<'static>)> Rows for Each<F> {
    #[inline(always)]
    fn row<const N: usize>(&mut self, row: &'static Row<N>, values: [i64; N]) {
        for (key, value) in row.keys.into_iter().zip(values) {
            self.0(key, ValueRef::I64(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ROW: Row<6> = Row {
        number: 1,
        keys: ["cpu", "blocked", "run_queue", "v", "involuntary", "faults"],
    };

    static PAIR: Row<2> = Row {
        number: 4,
        keys: ["polls", "between"],
    };

    fn one_by_one(keys: &[&'static str], values: &[i64]) -> Box<[u8]> {
        written(|out| put_each(out, keys, values))
    }

    #[test]
    fn rows_of_any_numbers_are_written_as_attributes_one_by_one_are() {
        let numbers = [0, 1, 127, 128, 70_000, 1 << 56, i64::MAX];
        let mut rows = WrittenRows::default();
        for first in numbers {
            for other in numbers {
                for at in 1..6 {
                    let mut values = [first, 0, 1, 0, 127, 0];
                    values[at] = other;
                    let row = written(|out| rows.put(out).row(&ROW, values));
                    assert_eq!(row, one_by_one(&ROW.keys, &values), "{values:?}");
                }
                let values = [first, other];
                let pair = written(|out| rows.put(out).row(&PAIR, values));
                assert_eq!(pair, one_by_one(&PAIR.keys, &values), "{values:?}");
            }
        }
    }
}
