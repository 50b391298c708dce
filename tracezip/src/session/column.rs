//! Attribute values: integers, doubles, strings by their patterns.

use super::{Book, Session};
use crate::coder::{Coder, Column, equal_wide, follow};
use crate::dict::Kind;
use crate::error::{DecodeError, Outcome};
use crate::models::{ParameterModels, cheapest, put_next};
use crate::pattern::{self, Kind as ParameterKind, Parameter, Part};
use crate::traces::{self, IDENTIFIERS, MEMORY};

/// A value of its own; then the trace's memory, then the column's.
const NEW: usize = 0;
const FROM_TRACE: usize = 1;
const FROM_COLUMN: usize = FROM_TRACE + MEMORY;
const IDENTIFIER_FROM_COLUMN: usize = FROM_TRACE + IDENTIFIERS;

/// After so many new values in a row a column takes the next fifteen for new, too, and then asks for one.
const MANY_MISSES: u8 = 32;
const LAST_MISS: u8 = MANY_MISSES + 15;

/// Doubles that are decimal fractions of up to so many digits are integers.
const DIGITS: [f64; 5] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];
const NOT_DECIMAL: usize = 15;

impl<B: Book> Session<'_, B> {
    pub(super) fn integer<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        value: u64,
    ) -> Outcome<u64> {
        let place = self
            .models
            .integers_place(self.models.slots[models].integers);
        self.models.slots[models].integers = place;
        let value = self.column_integer(c, trace, place as usize, value)?;
        self.integer = value;
        Ok(value)
    }

    fn column_integer<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        column: usize,
        value: u64,
    ) -> Outcome<u64> {
        let memory = &mut self.buffers.traces.get(trace).integers;
        let held = &mut self.models.integers[column];
        if held.misses > MANY_MISSES {
            // It is new, as all before it were.
            let next = held.misses + 1;
            held.misses = if next > LAST_MISS { MANY_MISSES } else { next };
            let value = self.new_integer(c, column, value)?;
            if value >= 16 {
                let memory = &mut self.buffers.traces.get(trace).integers;
                traces::remember_at(memory, 0, value);
            }
            return Ok(value);
        }
        let (mut symbol, mut in_trace) = (NEW, 0);
        if C::ENCODES {
            in_trace = equal_wide(memory, value);
            let in_column = equal_wide(&held.values, value) & ((1 << held.len) - 1);
            let found = (in_trace << FROM_TRACE) | (in_column << FROM_COLUMN);
            if found != 0 {
                symbol = found.trailing_zeros() as usize;
                if in_trace != 0 && in_column != 0 {
                    let other = FROM_COLUMN + in_column.trailing_zeros() as usize;
                    if held.source.frequency(symbol) <= held.source.frequency(other) {
                        symbol = other;
                    }
                }
            }
        }
        let symbol = c.symbol(&mut held.source, symbol);
        let value = match symbol {
            NEW => {
                held.misses += 1;
                let value = self.new_integer(c, column, value)?;
                let held = &mut self.models.integers[column];
                put_next(&mut held.values, &mut held.len, &mut held.next, value);
                value
            }
            FROM_TRACE..FROM_COLUMN => {
                let value = memory[symbol - FROM_TRACE];
                held.last = value;
                held.misses = 0;
                value
            }
            _ => {
                let values = &held.values[..usize::from(held.len)];
                let value = *values
                    .get(symbol - FROM_COLUMN)
                    .ok_or(DecodeError::Corrupt("a value that was not there"))?;
                held.last = value;
                held.misses = 0;
                value
            }
        };
        if value >= 16 {
            let memory = &mut self.buffers.traces.get(trace).integers;
            if !C::ENCODES {
                in_trace = equal_wide(memory, value);
            }
            traces::remember_at(memory, in_trace, value);
        }
        Ok(value)
    }

    /// An integer by the cheapest of three modes.
    fn new_integer<C: Coder>(&mut self, c: &mut C, column: usize, value: u64) -> Outcome<u64> {
        let held = &self.models.integers[column];
        let since = self.duration.wrapping_sub(self.integer);
        let guesses = [0, held.last, since, since];
        let mode = cheapest(&held.costs).min(2);
        let place = held.numbers[mode];
        let value = if mode == 0 {
            let place = self.models.symbol_place(place);
            self.models.integers[column].numbers[mode] = place;
            self.models.number(c, place, value)?
        } else {
            let place = self.models.symbol_place(place);
            self.models.integers[column].numbers[mode] = place;
            let difference = value.wrapping_sub(guesses[mode]);
            guesses[mode].wrapping_add(self.models.signed(c, place, difference)?)
        };
        let held = &mut self.models.integers[column];
        follow(&mut held.costs, value, &guesses, &[0, 16, 16, 16]);
        held.last = value;
        Ok(value)
    }

    /// `bytes` bytes that mean nothing to us.
    fn identifier<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        column: usize,
        value: u128,
        bits: u32,
    ) -> Outcome<u128> {
        let memory = &mut self.buffers.traces.get(trace).identifiers;
        let held = &mut self.models.identifiers[column];
        let mut symbol = NEW;
        if C::ENCODES {
            symbol = match memory.iter().position(|&known| known == value) {
                Some(at) => FROM_TRACE + at,
                None => held
                    .find(value)
                    .map_or(NEW, |at| IDENTIFIER_FROM_COLUMN + at),
            };
        }
        let symbol = c.symbol(&mut held.source, symbol);
        let value = match symbol {
            NEW => {
                let low = c.bits(value as u64, bits.min(64))?;
                let high = c.bits((value >> 64) as u64, bits.saturating_sub(64))?;
                let high = if bits > 64 { high } else { 0 };
                held.put(low, high);
                u128::from(low) | (u128::from(high) << 64)
            }
            FROM_TRACE => return Ok(memory[0]),
            _ if symbol < IDENTIFIER_FROM_COLUMN => memory[symbol - FROM_TRACE],
            _ => held
                .get(symbol - IDENTIFIER_FROM_COLUMN)
                .ok_or(DecodeError::Corrupt("a value that was not there"))?,
        };
        traces::remember(memory, value);
        Ok(value)
    }

    pub(super) fn double<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        value: u64,
    ) -> Outcome<u64> {
        let (mut symbol, mut number) = (NOT_DECIMAL, value);
        if C::ENCODES
            && let Some((digits, whole)) = decimal(f64::from_bits(value))
        {
            symbol = digits;
            number = whole;
        }
        let place = self.models.symbol_place(self.models.common.double);
        self.models.common.double = place;
        let symbol = c.symbol(&mut self.models.symbols[place as usize], symbol);
        let number = self.integer(c, trace, models, number)?;
        if symbol == NOT_DECIMAL {
            return Ok(number);
        }
        let scale = DIGITS
            .get(symbol)
            .ok_or(DecodeError::Corrupt("a decimal fraction"))?;
        Ok((unzigzag(number) as f64 / scale).to_bits())
    }

    pub(super) fn string<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        (template, slot): (u16, usize),
        value: u64,
    ) -> Outcome<u64> {
        let (from, len) = if C::ENCODES {
            ((value >> 32) as usize, value as u32 as usize)
        } else {
            (0, 0)
        };
        let mut id = 0;
        let input = self.input;
        if C::ENCODES {
            let text = &input[from..from + len];
            let parameters = &mut self.buffers.parameters;
            id = self.book.choose_text((template, slot), text, parameters);
        }
        let place = self.models.recent_place(self.models.slots[models].recent);
        self.models.slots[models].recent = place;
        let id = self.entry(c, place, Kind::Text, id)?;
        c.at(Column::Slot(template, slot as u16));
        let text = self.book.dict().text(id)?;
        let start = self.buffers.scratch.len();
        if text.parameters.is_empty() {
            // Most strings: without a reference to the text of its own.
            if C::ENCODES {
                return Ok(value);
            }
            for part in &text.parts {
                if let Part::Literal(literal) = part {
                    self.buffers.scratch.extend_from_slice(literal);
                }
            }
            let len = text.literal;
            self.spend(len)?;
            return Ok(((start as u64) << 32) | len as u64);
        }
        let (literal, count) = (text.literal, text.parameters.len());
        if !C::ENCODES {
            self.spend(literal)?;
        }
        let first = self.models.text(id, count);
        let mut index = 0;
        // One at a time, so that the text need not be shared.
        for at in 0.. {
            let kind = match self.book.dict().text(id)?.parts.get(at) {
                None => break,
                Some(Part::Literal(literal)) => {
                    if !C::ENCODES {
                        self.buffers.scratch.extend_from_slice(literal);
                    }
                    continue;
                }
                Some(Part::Parameter(kind)) => *kind,
            };
            let models = first.map_or(0, |first| first + index);
            if kind == ParameterKind::Text {
                self.long_text(c, &input[from..from + len])?;
            } else {
                let parameter = self.buffers.parameters.get(index).copied();
                let parameter = self.parameter(c, trace, models, kind, parameter)?;
                if !C::ENCODES {
                    let before = self.buffers.scratch.len();
                    pattern::put(kind, parameter, &mut self.buffers.scratch);
                    self.spend(self.buffers.scratch.len() - before)?;
                }
            }
            index += 1;
        }
        if C::ENCODES {
            return Ok(value);
        }
        let len = self.buffers.scratch.len() - start;
        Ok(((start as u64) << 32) | len as u64)
    }

    fn parameter<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        kind: ParameterKind,
        value: Option<Parameter>,
    ) -> Outcome<Parameter> {
        let ParameterModels {
            integers,
            identifiers,
        } = self.models.parameters[models];
        let bits = match kind {
            ParameterKind::Uuid => 128,
            ParameterKind::Hex(digits) => 4 * u32::from(digits),
            _ => {
                let number = match value {
                    Some(Parameter::Number(number)) => number,
                    _ => 0,
                };
                let place = self.models.integers_place(integers);
                self.models.parameters[models].integers = place;
                let number = self.column_integer(c, trace, place as usize, number)?;
                return Ok(Parameter::Number(number));
            }
        };
        let bytes = match value {
            Some(Parameter::Bytes(bytes)) => bytes,
            _ => 0,
        };
        let place = self.models.identifiers_place(identifiers);
        self.models.parameters[models].identifiers = place;
        let bytes = self.identifier(c, trace, place as usize, bytes, bits)?;
        Ok(Parameter::Bytes(bytes))
    }
}

/// The digits after the point and the number without it, zigzag-coded, if that is all of the value.
fn decimal(value: f64) -> Option<(usize, u64)> {
    DIGITS.iter().enumerate().find_map(|(digits, scale)| {
        let whole = (value * scale).round();
        let fits = whole.abs() < (1_u64 << 53) as f64;
        let again = whole as i64 as f64 / scale;
        (fits && again.to_bits() == value.to_bits()).then(|| (digits, zigzag(whole as i64)))
    })
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
