//! An attribute in a record: one cache line, with a short text in it.
//!
//! The heap would be the largest part of what a text costs: the thread that collects spans frees it, so that
//! it is not in the cache of the thread that allocates the next one.
#![expect(
    unsafe_code,
    reason = "a text or a value is built where it stays, and which of them it is has no room of its own"
)]

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

use opentelemetry::{Key, KeyValue, Value};

/// Bytes of a text that have room in an attribute.
pub(crate) const TEXT: usize = 39;

/// See [`Held::len`].
const VALUE: u8 = u8::MAX;

/// A key, and its value or a copy of a text.
#[repr(C)]
pub(super) struct Attribute {
    key: Key,
    held: Held,
}

/// A text begins where a value does, and ends before `len`.
#[repr(C)]
struct Held {
    value: MaybeUninit<Value>,
    more: [MaybeUninit<u8>; TEXT - size_of::<Value>()],
    /// Bytes of the text; [`VALUE`]: there is a value.
    len: u8,
}

const _: () = assert!(size_of::<Attribute>() == 64);
const _: () = assert!(std::mem::offset_of!(Held, len) == TEXT);
const _: () = assert!(TEXT < VALUE as usize);

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seen<'a> {
    Text(&'a str),
    Value(&'a Value),
}

impl Attribute {
    /// Writes an attribute where it stays.
    ///
    /// # Safety
    ///
    /// `slot` is valid for writes; what was there is not dropped.
    #[inline(always)]
    pub(super) unsafe fn write_value(slot: *mut Self, key: Key, value: Value) {
        // SAFETY: the caller says that the slot may be written; all that is read of a value is.
        unsafe {
            (&raw mut (*slot).key).write(key);
            (&raw mut (*slot).held.value).cast::<Value>().write(value);
            (&raw mut (*slot).held.len).write(VALUE);
        }
    }

    /// The same with a copy of `text`, which is no longer than [`TEXT`].
    ///
    /// # Safety
    ///
    /// As above.
    #[inline(always)]
    pub(super) unsafe fn write_text(slot: *mut Self, key: Key, text: &str) {
        assert!(
            text.len() <= TEXT,
            "who copies a text has looked at its length"
        );
        // SAFETY: the caller says that the slot may be written. As many bytes as the text has are copied, from
        // another place, to where `Held` begins, and the assertion says that they end before `len`.
        unsafe {
            (&raw mut (*slot).key).write(key);
            let place = (&raw mut (*slot).held).cast::<u8>();
            copy_short(text.as_ptr(), place, text.len());
            (&raw mut (*slot).held.len).write(text.len() as u8);
        }
    }

    #[inline(always)]
    pub(super) fn key(&self) -> &str {
        self.key.as_str()
    }

    #[inline(always)]
    pub(super) fn seen(&self) -> Seen<'_> {
        if self.held.len == VALUE {
            // SAFETY: the length says that there is a value.
            Seen::Value(unsafe { self.held.value.assume_init_ref() })
        } else {
            // SAFETY: the length says that a text of so many bytes was copied here.
            Seen::Text(unsafe {
                let start = std::ptr::from_ref(&self.held).cast::<u8>();
                std::str::from_utf8_unchecked(std::slice::from_raw_parts(
                    start,
                    usize::from(self.held.len),
                ))
            })
        }
    }
}

/// Copies at most [`TEXT`] bytes, in pieces of known size, the last of which overlap: a call of `memcpy` is as
/// much as a quarter of the attribute.
///
/// # Safety
///
/// As `ptr::copy_nonoverlapping`.
#[inline(always)]
unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    /// # Safety
    ///
    /// `N <= len`, and as below.
    #[inline(always)]
    unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: both pieces are within the first `len` bytes.
        unsafe {
            ptr::copy_nonoverlapping(from, to, N);
            ptr::copy_nonoverlapping(from.add(len - N), to.add(len - N), N);
        }
    }
    // SAFETY: each piece is no longer than what there is.
    unsafe {
        if len >= 8 {
            match len {
                0..16 => ends::<8>(from, to, len),
                16..=32 => ends::<16>(from, to, len),
                _ => ptr::copy_nonoverlapping(from, to, len),
            }
        } else if len >= 2 {
            if len >= 4 {
                ends::<4>(from, to, len);
            } else {
                ends::<2>(from, to, len);
            }
        } else if len == 1 {
            to.write(from.read());
        }
    }
}

impl Attribute {
    /// With a copy of a short text, where texts are to be copied.
    #[inline(always)]
    pub(super) fn new(KeyValue { key, value, .. }: KeyValue, copies_texts: bool) -> Self {
        if copies_texts
            && let Value::String(text) = &value
            && text.as_str().len() <= TEXT
        {
            let mut slot = MaybeUninit::uninit();
            // SAFETY: the slot may be written, and is initialised then.
            return unsafe {
                Self::write_text(slot.as_mut_ptr(), key, text.as_str());
                slot.assume_init()
            };
        }
        Self {
            key,
            held: Held {
                value: MaybeUninit::new(value),
                more: [const { MaybeUninit::uninit() }; TEXT - size_of::<Value>()],
                len: VALUE,
            },
        }
    }
}

impl Attribute {
    /// Moves the attribute to where it stays: to move it to the stack first would be to read it in other pieces than it
    /// is written in.
    ///
    /// # Safety
    ///
    /// `slot` is valid for writes; the attribute is not used or dropped again.
    #[inline(always)]
    pub(super) unsafe fn move_to(&self, slot: *mut KeyValue) {
        // SAFETY: the caller says that the slot may be written, and that nobody reads key and value again. There is
        // nothing else in the slot, says the assertion below.
        unsafe {
            ptr::copy_nonoverlapping(&raw const self.key, &raw mut (*slot).key, 1);
            let place = &raw mut (*slot).value;
            match self.seen() {
                Seen::Text(text) => place.write(Value::String(text.to_owned().into())),
                Seen::Value(value) => ptr::copy_nonoverlapping(value, place, 1),
            }
        }
    }
}

const _: () = assert!(size_of::<KeyValue>() == size_of::<Key>() + size_of::<Value>());

impl Drop for Held {
    #[inline(always)]
    fn drop(&mut self) {
        if self.len == VALUE {
            // SAFETY: the length says that there is a value.
            unsafe { self.value.assume_init_drop() };
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attribute")
            .field(&self.key)
            .field(&self.seen())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::ManuallyDrop;
    use std::sync::Arc;

    use super::*;

    fn text(text: &str) -> Attribute {
        let mut slot = MaybeUninit::uninit();
        // SAFETY: the slot may be written, and is initialised then.
        unsafe {
            Attribute::write_text(slot.as_mut_ptr(), Key::from_static_str("key"), text);
            slot.assume_init()
        }
    }

    fn value(value: impl Into<Value>) -> Attribute {
        let mut slot = MaybeUninit::uninit();
        // SAFETY: as above.
        unsafe {
            let key = Key::from_static_str("key");
            Attribute::write_value(slot.as_mut_ptr(), key, value.into());
            slot.assume_init()
        }
    }

    fn moved(attribute: Attribute) -> KeyValue {
        let attribute = ManuallyDrop::new(attribute);
        let mut slot = MaybeUninit::uninit();
        // SAFETY: the slot may be written, and is initialised then; the attribute is forgotten.
        unsafe {
            attribute.move_to(slot.as_mut_ptr());
            slot.assume_init()
        }
    }

    #[test]
    fn text_of_every_length_that_has_room_is_what_was_copied() {
        let long: String = ('a'..='z').chain('ä'..='ü').collect();
        for at in 0..8 {
            for len in (0..=TEXT).filter(|len| long.is_char_boundary(at + len)) {
                let copied = &long[at..at + len];
                let attribute = text(copied);
                assert_eq!(attribute.key(), "key");
                assert_eq!(attribute.seen(), Seen::Text(copied));
                let expected = KeyValue::new("key", copied.to_owned());
                assert_eq!(moved(attribute), expected);
            }
        }
    }

    #[test]
    #[should_panic(expected = "looked at its length")]
    fn text_that_has_no_room_is_refused() {
        let _ = text(&"x".repeat(TEXT + 1));
    }

    #[test]
    fn value_is_dropped_once_or_comes_back() {
        let shared: Arc<str> = Arc::from("shared");
        drop(value(Arc::clone(&shared)));
        assert_eq!(Arc::strong_count(&shared), 1);
        drop(Attribute::new(
            KeyValue::new("key", Arc::clone(&shared)),
            false,
        ));
        assert_eq!(Arc::strong_count(&shared), 1);
        let copied = Attribute::new(KeyValue::new("key", Arc::clone(&shared)), true);
        assert_eq!(copied.seen(), Seen::Text("shared"));
        assert_eq!(Arc::strong_count(&shared), 1);

        let attribute = value(Arc::clone(&shared));
        assert!(matches!(attribute.seen(), Seen::Value(Value::String(_))));
        let back = moved(attribute);
        assert_eq!(back, KeyValue::new("key", Arc::clone(&shared)));
        assert_eq!(Arc::strong_count(&shared), 2);
        drop(back);
        assert_eq!(Arc::strong_count(&shared), 1);
        assert_eq!(value(7).seen(), Seen::Value(&Value::I64(7)));
    }
}
