//! Whole numbers: their bounds in code and in the environment.

use std::time::Duration;

use super::env::{Parsed, Reader};
use crate::InitError;

/// The longest time that a setting may name, one day: longer ones are mistakes, and sums with the
/// clock must not overflow.
pub(crate) const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

/// What a number may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// What is counted, for messages: `milliseconds`, `spans`.
    pub(crate) unit: &'static str,
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// What holds when nobody says anything, or nothing of use.
    pub(crate) default: u64,
    /// What holds when the environment says 0 and 0 is below `min`.
    pub(crate) zero: u64,
}

impl Bound {
    /// A count from `min` to `max`; 0, where it is too small, leaves the default.
    pub(crate) const fn count(unit: &'static str, min: u64, max: u64, default: u64) -> Self {
        Self {
            unit,
            min,
            max,
            default,
            zero: default,
        }
    }

    /// The same with another default.
    pub(crate) const fn with_default(self, default: u64) -> Self {
        Self {
            default,
            zero: default,
            ..self
        }
    }

    /// A pause: 0 becomes the shortest that is no busy loop.
    pub(crate) const fn pause_ms(default: u64) -> Self {
        Self {
            unit: "milliseconds",
            min: 1,
            max: LONGEST_MS,
            default,
            zero: 1,
        }
    }

    /// A timeout: 0 asks for no limit, for which the longest stands.
    pub(crate) const fn timeout_ms(default: u64) -> Self {
        Self {
            unit: "milliseconds",
            min: 1,
            max: LONGEST_MS,
            default,
            zero: LONGEST_MS,
        }
    }

    fn expected(&self) -> String {
        format!(
            "a whole number of {}, {} to {}",
            self.unit, self.min, self.max
        )
    }

    fn parse(&self, text: &str) -> Parsed<u64> {
        match text.parse::<u64>() {
            Ok(0) if self.min > 0 => Parsed::Adjusted(self.zero, self.expected()),
            Ok(value) if value > self.max => Parsed::Adjusted(self.max, self.expected()),
            Ok(value) => Parsed::Good(value),
            // Negative, fractional, too large for any machine, or no number at all.
            Err(_) => Parsed::Bad(self.expected()),
        }
    }

    /// The value that holds: of the first usable variable, else the default.
    pub(crate) fn in_env(&self, reader: &mut Reader<'_>, names: &[&str]) -> u64 {
        reader.choose(names, self.default, u64::to_string, |_, text| {
            self.parse(text)
        })
    }

    /// A value of code within the bounds.
    ///
    /// # Errors
    ///
    /// [`InitError::InvalidArgument`] otherwise: code is not clamped, it is corrected by its author.
    pub(crate) fn in_code(&self, argument: &'static str, value: u64) -> Result<u64, InitError> {
        if (self.min..=self.max).contains(&value) {
            return Ok(value);
        }
        Err(InitError::InvalidArgument {
            argument,
            value: value.to_string(),
            expected: self.expected(),
        })
    }

    /// Code over environment over default, for a count.
    pub(crate) fn count_of(
        &self,
        reader: &mut Reader<'_>,
        (argument, code): (&'static str, Option<u64>),
        names: &[&str],
    ) -> Result<u64, InitError> {
        match code {
            Some(value) => self.in_code(argument, value),
            None => Ok(self.in_env(reader, names)),
        }
    }

    /// Code over environment over default, for a time.
    pub(crate) fn time_of(
        &self,
        reader: &mut Reader<'_>,
        (argument, code): (&'static str, Option<Duration>),
        names: &[&str],
    ) -> Result<Duration, InitError> {
        let Some(time) = code else {
            return Ok(Duration::from_millis(self.in_env(reader, names)));
        };
        if time < Duration::from_millis(self.min) || time > Duration::from_millis(self.max) {
            return Err(InitError::InvalidArgument {
                argument,
                value: format!("{time:?}"),
                expected: "1 millisecond to 24 hours".to_owned(),
            });
        }
        Ok(time)
    }
}

/// A `usize` for a bound; saturates where a machine's word is shorter.
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A `u32` for a bound whose maximum is `u32::MAX` or less.
pub(crate) fn to_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
