//! A few values in place, their number before them: who looks at an empty one touches one line.
#![expect(unsafe_code, reason = "slots beyond the length are not initialised")]

use std::mem::MaybeUninit;

/// Up to `N` values.
#[repr(C)]
pub(super) struct Inline<T, const N: usize> {
    /// Never more than `N`; so many slots, from the first, are initialised.
    len: u32,
    /// What has nothing to do with the values, in four bytes that nobody else would have.
    #[cfg(feature = "ebpf")]
    pub(super) beside: u32,
    slots: [MaybeUninit<T>; N],
}

impl<T, const N: usize> Inline<T, N> {
    pub(super) const fn new() -> Self {
        Self {
            len: 0,
            #[cfg(feature = "ebpf")]
            beside: 0,
            slots: [const { MaybeUninit::uninit() }; N],
        }
    }

    /// Writes a value behind the first `len`, which `write` builds where it stays. It does not count yet.
    ///
    /// # Safety
    ///
    /// `len` is less than `N`.
    #[inline(always)]
    pub(super) unsafe fn write_at(&mut self, len: u32, write: impl FnOnce(*mut T)) {
        debug_assert!(self.len == 0 && (len as usize) < N, "the number is known");
        // SAFETY: the caller says that the slot is there.
        write(unsafe { self.slots.get_unchecked_mut(len as usize) }.as_mut_ptr());
    }

    /// The first `len` values, of which none counted, count now.
    ///
    /// # Safety
    ///
    /// They have been written, and there are no more than `N`.
    #[inline(always)]
    pub(super) unsafe fn set_len(&mut self, len: u32) {
        debug_assert!(self.len == 0 && (len as usize) <= N, "the number is known");
        self.len = len;
    }

    #[inline(always)]
    pub(super) const fn is_full(&self) -> bool {
        self.len as usize == N
    }

    /// Adds a value, or gives it back if there is no room.
    #[inline(always)]
    pub(super) fn push(&mut self, value: T) -> Result<(), T> {
        match self.slots.get_mut(self.len as usize) {
            Some(slot) => {
                slot.write(value);
                self.len += 1;
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Moves all values of `list` here, if they fit; says whether they did.
    #[inline(always)]
    pub(super) fn take_all<U>(&mut self, list: &mut Vec<U>, make: impl Fn(U) -> T) -> bool {
        if list.len() > N - self.len as usize {
            return false;
        }
        for value in list.drain(..) {
            let _fits = self.push(make(value));
        }
        true
    }

    #[inline(always)]
    pub(super) fn as_slice(&self) -> &[T] {
        let initialised = &self.slots[..self.len as usize];
        // SAFETY: these slots are initialised, and `MaybeUninit<T>` is laid out as `T`.
        unsafe { &*(std::ptr::from_ref(initialised) as *const [T]) }
    }

    /// Moves the values to the end of `list`, each by `write`.
    ///
    /// # Safety
    ///
    /// `write` moves what its first argument points to, and initialises what the second does.
    #[inline(always)]
    pub(super) unsafe fn move_to<U>(&mut self, list: &mut Vec<U>, write: unsafe fn(&T, *mut U)) {
        let len = std::mem::take(&mut self.len) as usize;
        list.reserve(len);
        let places = list.spare_capacity_mut().iter_mut();
        for (slot, place) in self.slots[..len].iter().zip(places) {
            // SAFETY: the slot was initialised, and with a length of 0 nobody reads it again. (If this should unwind,
            // the values are leaked.)
            unsafe { write(slot.assume_init_ref(), place.as_mut_ptr()) };
        }
        // SAFETY: there was room for so many, which have been initialised.
        unsafe { list.set_len(list.len() + len) };
    }

    /// Drops the values.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        let len = std::mem::take(&mut self.len) as usize;
        for slot in &mut self.slots[..len] {
            // SAFETY: the slot was initialised, and with a length of 0 nobody reads it again.
            unsafe { slot.assume_init_drop() };
        }
    }
}

impl<T, const N: usize> Drop for Inline<T, N> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn values_pushed_are_kept_moved_or_dropped_once() {
        let counted = Rc::new(());
        let mut inline = Inline::<_, 2>::new();
        assert!(inline.as_slice().is_empty());
        assert!(inline.push((1, Rc::clone(&counted))).is_ok());
        assert!(inline.push((2, Rc::clone(&counted))).is_ok());
        let refused = inline.push((3, Rc::clone(&counted))).unwrap_err();
        assert_eq!(refused.0, 3);
        drop(refused);
        assert_eq!(inline.as_slice()[1].0, 2);
        assert_eq!(Rc::strong_count(&counted), 3);

        let mut list: Vec<(i32, Rc<()>)> = Vec::new();
        // SAFETY: it is moved.
        unsafe { inline.move_to(&mut list, |from, to| std::ptr::copy(from, to, 1)) };
        assert!(inline.as_slice().is_empty());
        assert_eq!(list.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2]);
        drop(list);
        assert_eq!(Rc::strong_count(&counted), 1);

        assert!(inline.push((4, Rc::clone(&counted))).is_ok());
        inline.clear();
        assert_eq!(Rc::strong_count(&counted), 1);

        let mut list = vec![(6, Rc::clone(&counted)), (7, Rc::clone(&counted))];
        assert!(inline.push((5, Rc::clone(&counted))).is_ok());
        assert!(!inline.take_all(&mut list, std::convert::identity));
        assert_eq!((list.len(), inline.as_slice().len()), (2, 1));
        inline.clear();
        assert!(inline.take_all(&mut list, std::convert::identity));
        assert_eq!((list.len(), inline.as_slice()[1].0), (0, 7));
        drop(list);
        assert_eq!(Rc::strong_count(&counted), 3);
        inline.clear();
        assert_eq!(Rc::strong_count(&counted), 1);
        assert!(inline.push((5, Rc::clone(&counted))).is_ok());
        drop(inline);
        assert_eq!(Rc::strong_count(&counted), 1);
    }
}
