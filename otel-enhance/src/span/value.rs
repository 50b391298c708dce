//! What can be recorded as an attribute, and as what.

use std::borrow::Cow;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;

use opentelemetry::{Array, KeyValue, StringValue, Value};

#[cfg(feature = "performance")]
use super::start::Start;

/// A value that an attribute can hold: what `fields(key = value)`, `capture(argument)` and `ret`
/// record without `%` (Display) or `?` (Debug) in front.
///
/// | type | recorded as |
/// |---|---|
/// | `i8` … `i64`, `u8` … `u32` | integer |
/// | `isize`, `u64`, `usize`, `i128`, `u128` | integer; a decimal string if it does not fit `i64` |
/// | `f32`, `f64` | double |
/// | `bool` | boolean |
/// | `&str`, `String`, `Cow<str>`, `char`, `StringValue` | string |
/// | arrays, slices and `Vec`s of those | array (a `char` is no element) |
/// | `Option` of those | the value; `None` is left out |
/// | references, `Box`, `Rc`, `Arc` of those | what they point to |
///
/// An array in which one integer does not fit `i64` is recorded as an array of decimal strings. A
/// `String` that is given by value is moved; behind a reference it is copied. Literals and arguments
/// of type `&'static str` are recorded without a copy.
///
/// Implement it for types of your own:
///
/// ```
/// use opentelemetry::Value;
/// use otel_enhance::AttributeValue;
///
/// struct OrderId(u32);
///
/// impl AttributeValue for OrderId {
///     fn to_value(&self) -> Option<Value> {
///         self.0.to_value()
///     }
/// }
/// # assert_eq!(OrderId(7).to_value(), Some(Value::I64(7)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no attribute value",
    label = "no integer, float, bool, string, or array, slice, `Vec` or `Option` of those",
    note = "write `%` before the value to record it with `Display`, `?` to record it with `Debug`; of what a function returns: `ret(Display)`, `ret(Debug)`",
    note = "or implement `otel_enhance::AttributeValue` for it"
)]
pub trait AttributeValue {
    /// The value to record; `None` leaves the attribute out.
    fn to_value(&self) -> Option<Value>;

    /// The same for a value that is not needed any more.
    fn into_value(self) -> Option<Value>
    where
        Self: Sized,
    {
        self.to_value()
    }

    /// Writes the value where it stays, which saves moving it through an `Option<Value>`.
    #[doc(hidden)]
    #[inline]
    fn write(&self, to: &mut AttributeSink<'_>) {
        if let Some(value) = self.to_value() {
            to.value(value);
        }
    }

    /// The same for a value that is not needed any more.
    #[doc(hidden)]
    #[inline]
    fn write_owned(self, to: &mut AttributeSink<'_>)
    where
        Self: Sized,
    {
        if let Some(value) = self.into_value() {
            to.value(value);
        }
    }
}

/// The attributes of a span about to start, and the key of the next one.
#[doc(hidden)]
#[derive(Debug)]
pub struct AttributeSink<'a> {
    key: &'static str,
    to: Attributes<'a>,
}

#[derive(Debug)]
enum Attributes<'a> {
    List(&'a mut Vec<KeyValue>),
    /// Where they stay, as long as there is room.
    #[cfg(feature = "performance")]
    Gathered(&'a mut Start),
}

impl<'a> AttributeSink<'a> {
    #[inline(always)]
    pub(crate) const fn new(key: &'static str, attributes: &'a mut Vec<KeyValue>) -> Self {
        Self {
            key,
            to: Attributes::List(attributes),
        }
    }

    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) const fn gathering(key: &'static str, start: &'a mut Start) -> Self {
        Self {
            key,
            to: Attributes::Gathered(start),
        }
    }

    /// Appends an attribute.
    #[inline(always)]
    pub(crate) fn value(&mut self, value: impl Into<Value>) {
        match &mut self.to {
            Attributes::List(list) => push_to(list, self.key, value),
            #[cfg(feature = "performance")]
            Attributes::Gathered(start) => start.push(self.key, value),
        }
    }

    /// Appends a number that is none which an attribute can hold.
    #[inline(always)]
    fn decimal(&mut self, number: &dyn Display) {
        match &mut self.to {
            Attributes::List(list) => push_decimal_to(list, self.key, number),
            #[cfg(feature = "performance")]
            Attributes::Gathered(start) => start.push_decimal(self.key, number),
        }
    }

    /// Appends a copy of a text: a short one stays in the record of the fast path.
    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        #[cfg(feature = "performance")]
        if let Attributes::Gathered(start) = &mut self.to
            && start.push_text(self.key, text)
        {
            return;
        }
        self.value(text.to_owned());
    }

    /// Appends a text that is not needed any more.
    #[inline(always)]
    pub(crate) fn owned_text(&mut self, text: String) {
        #[cfg(feature = "performance")]
        if let Attributes::Gathered(start) = &mut self.to
            && start.push_text(self.key, &text)
        {
            return;
        }
        self.value(text);
    }
}

/// Appends an attribute, built where it stays: `Vec::push` would build it on the stack and copy it from there in
/// other pieces than it was written in, which stalls the processor.
#[inline(always)]
pub(super) fn push_to(list: &mut Vec<KeyValue>, key: &'static str, value: impl Into<Value>) {
    list.extend(std::iter::once_with(|| KeyValue::new(key, value)));
}

/// The same with a number that is none which an attribute can hold.
#[cold]
#[inline(never)]
fn push_decimal_to(list: &mut Vec<KeyValue>, key: &'static str, number: &dyn Display) {
    push_to(list, key, number.to_string());
}

/// What the arrays that an attribute can hold consist of.
#[diagnostic::on_unimplemented(
    message = "an attribute cannot hold an array of `{Self}`",
    label = "the elements are no integers, floats, bools or strings",
    note = "write `?` before the value to record it with `Debug`"
)]
pub trait AttributeElement: Sized {
    /// All elements as one array.
    fn to_array(elements: &[Self]) -> Array;
}

macro_rules! exact {
    ($variant:ident as $to:ty: $($from:ty),+) => {$(
        impl AttributeValue for $from {
            #[inline]
            fn to_value(&self) -> Option<Value> {
                Some(Value::$variant(<$to>::from(*self)))
            }

            #[inline]
            fn write(&self, to: &mut AttributeSink<'_>) {
                to.value(<$to>::from(*self));
            }

            #[inline]
            fn write_owned(self, to: &mut AttributeSink<'_>) {
                self.write(to);
            }
        }

        impl AttributeElement for $from {
            fn to_array(elements: &[Self]) -> Array {
                Array::$variant(elements.iter().map(|element| <$to>::from(*element)).collect())
            }
        }
    )+};
}

exact!(I64 as i64: i8, i16, i32, i64, u8, u16, u32);
exact!(F64 as f64: f32, f64);
exact!(Bool as bool: bool);

macro_rules! wide {
    ($($from:ty),+) => {$(
        impl AttributeValue for $from {
            #[inline]
            fn to_value(&self) -> Option<Value> {
                Some(match i64::try_from(*self) {
                    Ok(fits) => Value::I64(fits),
                    Err(_) => Value::String(self.to_string().into()),
                })
            }

            #[inline]
            fn write(&self, to: &mut AttributeSink<'_>) {
                match i64::try_from(*self) {
                    Ok(fits) => to.value(fits),
                    Err(_) => to.decimal(self),
                }
            }

            #[inline]
            fn write_owned(self, to: &mut AttributeSink<'_>) {
                self.write(to);
            }
        }

        impl AttributeElement for $from {
            fn to_array(elements: &[Self]) -> Array {
                let fit: Result<Vec<i64>, _> =
                    elements.iter().map(|element| i64::try_from(*element)).collect();
                match fit {
                    Ok(fit) => Array::I64(fit),
                    Err(_) => Array::String(
                        elements.iter().map(|element| element.to_string().into()).collect(),
                    ),
                }
            }
        }
    )+};
}

wide!(isize, u64, usize, i128, u128);

macro_rules! text {
    ($($from:ty),+) => {$(
        impl AttributeElement for $from {
            fn to_array(elements: &[Self]) -> Array {
                Array::String(elements.iter().map(|element| copy(element.as_ref())).collect())
            }
        }
    )+};
}

text!(&str, String, &String, Cow<'_, str>, Box<str>, Rc<str>);

#[inline]
fn copy(text: &str) -> StringValue {
    StringValue::from(text.to_owned())
}

impl AttributeValue for str {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        Some(Value::String(copy(self)))
    }

    #[inline]
    fn write(&self, to: &mut AttributeSink<'_>) {
        to.text(self);
    }
}

impl AttributeValue for String {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        self.as_str().to_value()
    }

    #[inline]
    fn into_value(self) -> Option<Value> {
        Some(Value::String(self.into()))
    }

    #[inline]
    fn write(&self, to: &mut AttributeSink<'_>) {
        to.text(self);
    }

    #[inline]
    fn write_owned(self, to: &mut AttributeSink<'_>) {
        to.owned_text(self);
    }
}

impl AttributeValue for Cow<'_, str> {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        self.as_ref().to_value()
    }

    #[inline]
    fn into_value(self) -> Option<Value> {
        self.into_owned().into_value()
    }

    #[inline]
    fn write(&self, to: &mut AttributeSink<'_>) {
        to.text(self);
    }

    #[inline]
    fn write_owned(self, to: &mut AttributeSink<'_>) {
        match self {
            Cow::Borrowed(text) => to.text(text),
            Cow::Owned(text) => to.owned_text(text),
        }
    }
}

impl AttributeValue for char {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        self.encode_utf8(&mut [0; 4]).to_value()
    }

    #[inline]
    fn write(&self, to: &mut AttributeSink<'_>) {
        to.text(self.encode_utf8(&mut [0; 4]));
    }

    #[inline]
    fn write_owned(self, to: &mut AttributeSink<'_>) {
        self.write(to);
    }
}

impl AttributeValue for StringValue {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }

    #[inline]
    fn into_value(self) -> Option<Value> {
        Some(Value::String(self))
    }
}

impl AttributeElement for StringValue {
    fn to_array(elements: &[Self]) -> Array {
        Array::String(elements.to_vec())
    }
}

impl AttributeElement for Arc<str> {
    fn to_array(elements: &[Self]) -> Array {
        Array::String(
            elements
                .iter()
                .map(|element| Arc::clone(element).into())
                .collect(),
        )
    }
}

impl AttributeValue for Value {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        Some(self.clone())
    }

    #[inline]
    fn into_value(self) -> Option<Value> {
        Some(self)
    }
}

impl AttributeValue for Array {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        Some(Value::Array(self.clone()))
    }

    #[inline]
    fn into_value(self) -> Option<Value> {
        Some(Value::Array(self))
    }
}

impl<T: AttributeElement> AttributeValue for [T] {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        Some(Value::Array(T::to_array(self)))
    }
}

impl<T: AttributeElement, const N: usize> AttributeValue for [T; N] {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        self.as_slice().to_value()
    }
}

impl<T: AttributeElement> AttributeValue for Vec<T> {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        self.as_slice().to_value()
    }
}

impl<T: AttributeValue> AttributeValue for Option<T> {
    #[inline]
    fn to_value(&self) -> Option<Value> {
        self.as_ref()?.to_value()
    }

    #[inline]
    fn into_value(self) -> Option<Value> {
        self?.into_value()
    }

    #[inline]
    fn write(&self, to: &mut AttributeSink<'_>) {
        if let Some(value) = self {
            value.write(to);
        }
    }

    #[inline]
    fn write_owned(self, to: &mut AttributeSink<'_>) {
        if let Some(value) = self {
            value.write_owned(to);
        }
    }
}

macro_rules! pointer {
    ($($pointer:ty),+) => {$(
        impl<T: AttributeValue + ?Sized> AttributeValue for $pointer {
            #[inline]
            fn to_value(&self) -> Option<Value> {
                (**self).to_value()
            }

            #[inline]
            fn write(&self, to: &mut AttributeSink<'_>) {
                (**self).write(to);
            }

            #[inline]
            fn write_owned(self, to: &mut AttributeSink<'_>) {
                (*self).write(to);
            }
        }
    )+};
}

pointer!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(value: impl AttributeValue) -> Option<Value> {
        let by_reference = value.to_value();
        let by_value = value.into_value();
        assert_eq!(by_reference, by_value);
        by_value
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value::String(text.to_owned().into()))
    }

    #[test]
    fn integers_that_fit_stay_integers() {
        assert_eq!(recorded(i8::MIN), Some(Value::I64(-128)));
        assert_eq!(recorded(u32::MAX), Some(Value::I64(4_294_967_295)));
        assert_eq!(recorded(i64::MAX as u64), Some(Value::I64(i64::MAX)));
        assert_eq!(recorded(7_usize), Some(Value::I64(7)));
        assert_eq!(recorded(i128::from(i64::MIN)), Some(Value::I64(i64::MIN)));
    }

    #[test]
    fn integers_that_overflow_become_decimal_strings() {
        assert_eq!(recorded(u64::MAX), text("18446744073709551615"));
        assert_eq!(
            recorded(i128::from(i64::MIN) - 1),
            text("-9223372036854775809")
        );
        assert_eq!(
            recorded(u128::MAX),
            text("340282366920938463463374607431768211455")
        );
    }

    #[test]
    fn array_with_one_overflowing_integer_becomes_strings() {
        let array = |array| Some(Value::Array(array));
        assert_eq!(recorded([1_u64, 2]), array(Array::I64(vec![1, 2])));
        assert_eq!(
            recorded(vec![1, u64::MAX]),
            array(Array::String(vec![
                "1".into(),
                "18446744073709551615".into()
            ]))
        );
    }

    #[test]
    fn texts_of_every_type_become_strings() {
        let owned = String::from("a");
        assert_eq!(recorded("a"), text("a"));
        assert_eq!(recorded(&owned), text("a"));
        assert_eq!(recorded(owned), text("a"));
        assert_eq!(recorded(Cow::Borrowed("a")), text("a"));
        assert_eq!(recorded(Box::<str>::from("a")), text("a"));
        assert_eq!(recorded(Arc::<str>::from("a")), text("a"));
        assert_eq!(recorded('é'), text("é"));
        assert_eq!(
            recorded(["a", "b"].as_slice()),
            Some(Value::Array(Array::String(vec!["a".into(), "b".into()])))
        );
    }

    #[test]
    fn none_is_left_out_at_every_depth() {
        assert_eq!(recorded(None::<i32>), None);
        assert_eq!(recorded(Some(None::<i32>)), None);
        let some = Some(1);
        assert_eq!(recorded(Some(&some)), Some(Value::I64(1)));
        assert_eq!(recorded(Some("a")), text("a"));
    }

    #[test]
    fn floats_and_bools_stay_what_they_are() {
        assert_eq!(recorded(1.5_f32), Some(Value::F64(1.5)));
        assert_eq!(recorded(true), Some(Value::Bool(true)));
        assert_eq!(
            recorded([true, false]),
            Some(Value::Array(Array::Bool(vec![true, false])))
        );
    }
}
