//! Texts, numbers, ids and bytes, in every form that protobuf's JSON allows.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_core::de::{Deserialize, Deserializer, Error, Visitor};

use super::Unwrap;

/// What is read as it is; `null` is the default.
pub(super) struct Plain<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Plain<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| Self(value.unwrap_or_default()))
    }
}

impl<T> Unwrap<T> for Plain<T> {
    fn unwrap_json(self) -> T {
        self.0
    }
}

/// Reads a number or a text, by what the type makes of them.
struct Scalar<F>(PhantomData<F>);

/// A type that is written as a number, as a text, or as either.
trait FromScalar: Sized {
    const EXPECTED: &'static str;

    fn from_null() -> Self;
    fn from_text(text: &str) -> Option<Self>;

    fn from_integer(_: i128) -> Option<Self> {
        None
    }

    fn from_float(_: f64) -> Option<Self> {
        None
    }
}

impl<F: FromScalar> Visitor<'_> for Scalar<F> {
    type Value = F;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(F::EXPECTED)
    }

    fn visit_unit<E>(self) -> Result<F, E> {
        Ok(F::from_null())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<F, E> {
        F::from_text(text)
            .ok_or_else(|| E::invalid_value(serde_core::de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<F, E> {
        F::from_integer(value.into())
            .ok_or_else(|| E::invalid_value(serde_core::de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<F, E> {
        F::from_integer(value.into())
            .ok_or_else(|| E::invalid_value(serde_core::de::Unexpected::Signed(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<F, E> {
        F::from_float(value)
            .ok_or_else(|| E::invalid_value(serde_core::de::Unexpected::Float(value), &self))
    }
}

macro_rules! deserialize_scalar {
    ($type:ty $(, $($generics:tt)*)?) => {
        impl<'de $(, $($generics)*)?> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Scalar::<Self>(PhantomData))
            }
        }
    };
}

/// An integer, as a number or a text.
pub(super) struct Integer<T>(pub(super) T);

deserialize_scalar!(Integer<T>, T: TryFrom<i128> + Default);

impl<T: TryFrom<i128> + Default> FromScalar for Integer<T> {
    const EXPECTED: &'static str = "an integer, or one in quotes, within the range of its field";

    fn from_null() -> Self {
        Self(T::default())
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::from_integer(text.parse().ok()?)
    }

    fn from_integer(value: i128) -> Option<Self> {
        T::try_from(value).ok().map(Self)
    }

    /// `1e3` and `5.0` are integers too.
    fn from_float(value: f64) -> Option<Self> {
        // Every f64 without a fraction up to 2^64 is exact as an i128.
        (value.fract() == 0.0 && value.abs() <= 18_446_744_073_709_551_616.0)
            .then(|| Self::from_integer(value as i128))?
    }
}

/// A floating-point number, or the name of one that JSON cannot write.
pub(super) struct Double(pub(super) f64);

deserialize_scalar!(Double);

impl FromScalar for Double {
    const EXPECTED: &'static str = "a number, \"NaN\", \"Infinity\" or \"-Infinity\"";

    fn from_null() -> Self {
        Self(0.0)
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn from_integer(value: i128) -> Option<Self> {
        Some(Self(value as f64))
    }

    fn from_float(value: f64) -> Option<Self> {
        Some(Self(value))
    }
}

/// The names of an enumeration.
pub(super) trait Names {
    fn number(name: &str) -> Option<i32>;
}

/// A value of an enumeration: its number, or its name, which OTLP's writers must not use and which
/// some do.
pub(super) struct Enumeration<N>(pub(super) i32, PhantomData<N>);

deserialize_scalar!(Enumeration<N>, N: Names);

impl<N: Names> FromScalar for Enumeration<N> {
    const EXPECTED: &'static str = "the number of an enumeration's value";

    fn from_null() -> Self {
        Self(0, PhantomData)
    }

    fn from_text(text: &str) -> Option<Self> {
        N::number(text)
            .or_else(|| text.parse().ok())
            .map(|number| Self(number, PhantomData))
    }

    fn from_integer(value: i128) -> Option<Self> {
        i32::try_from(value)
            .ok()
            .map(|number| Self(number, PhantomData))
    }
}

/// An id in hexadecimal, of either case.
pub(super) struct Hex(pub(super) Vec<u8>);

deserialize_scalar!(Hex);

impl FromScalar for Hex {
    const EXPECTED: &'static str = "an even number of hexadecimal digits";

    fn from_null() -> Self {
        Self(Vec::new())
    }

    fn from_text(text: &str) -> Option<Self> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        text.as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
                _ => None,
            })
            .collect::<Option<_>>()
            .map(Self)
    }
}

/// Bytes in base64: either alphabet, with padding or without.
pub(super) struct Base64(pub(super) Vec<u8>);

deserialize_scalar!(Base64);

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

impl FromScalar for Base64 {
    const EXPECTED: &'static str = "bytes in base64";

    fn from_null() -> Self {
        Self(Vec::new())
    }

    fn from_text(text: &str) -> Option<Self> {
        let alphabet = if text.contains(['-', '_']) {
            &URL_SAFE
        } else {
            &STANDARD
        };
        GeneralPurpose::new(alphabet, LENIENT)
            .decode(text)
            .ok()
            .map(Self)
    }
}
