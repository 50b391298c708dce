//! A value in pages of its own. Linux 3.4 and later leave them out of core dumps, 4.14 and later wipe them in children.
#![expect(
    unsafe_code,
    reason = "mapping memory and advising the kernel about it have no safe form"
)]

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use super::InChild;

/// What the pages hold. A wiped one is all zeros, `filled` with the rest.
struct Slot<T> {
    filled: AtomicU64,
    secret: T,
}

/// Pages that nothing is in yet.
pub(super) struct Empty<T>(NonNull<Slot<T>>);

/// Pages with a value.
pub(super) struct Pages<T>(ManuallyDrop<Empty<T>>);

impl<T> Empty<T> {
    /// Maps the pages. `None` if the kernel has none.
    pub(super) fn map(in_child: InChild) -> Option<Self> {
        // Mappings begin with a page, and the smallest pages that there are have this size.
        const { assert!(align_of::<Slot<T>>() <= 4096) };
        // SAFETY: a new private mapping of no file, where the kernel likes: it overlaps nothing.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Slot<T>>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        let empty = Self(NonNull::new(start)?.cast());
        empty.advise(libc::MADV_DONTDUMP);
        if in_child == InChild::Wiped {
            empty.advise(libc::MADV_WIPEONFORK);
        }
        Some(empty)
    }

    /// A kernel that does not know the advice leaves things as they are, which is no reason to do without a key.
    fn advise(&self, advice: libc::c_int) {
        let start = self.0.as_ptr().cast();
        // SAFETY: the pages are a whole mapping of ours; neither advice changes what this process reads there.
        unsafe { libc::madvise(start, size_of::<Slot<T>>(), advice) };
    }

    /// Moves the value in.
    pub(super) fn fill(self, secret: T) -> Pages<T> {
        let slot = Slot {
            filled: AtomicU64::new(1),
            secret,
        };
        // SAFETY: the mapping has the size of a slot and at least its alignment, and is ours alone.
        unsafe { self.0.write(slot) };
        Pages(ManuallyDrop::new(self))
    }
}

impl<T> Drop for Empty<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made, by its address and size; nobody has a reference into it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Slot<T>>()) };
    }
}

impl<T> Pages<T> {
    fn is_filled(&self) -> bool {
        // SAFETY: written by `fill`; in a forked child it may be zero, which an atomic number may be. Nothing but
        // this field is referred to.
        let filled = unsafe { &*ptr::addr_of!((*self.0.0.as_ptr()).filled) };
        filled.load(Ordering::Relaxed) != 0
    }

    /// The value, unless the pages were wiped because this process is a forked child.
    pub(super) fn get(&self) -> Option<&T> {
        // SAFETY: `fill` wrote the value, and it is dropped with `self` only. Pages are wiped as a whole and in the
        // instant of a fork, in the child alone: while `filled` is set there, so is the value; and whoever holds the
        // reference runs ciphers on it, which do not fork.
        self.is_filled()
            .then(|| unsafe { &*ptr::addr_of!((*self.0.0.as_ptr()).secret) })
    }
}

impl<T> Drop for Pages<T> {
    fn drop(&mut self) {
        if self.is_filled() {
            // SAFETY: the value is there, nobody refers to it any more, and it is dropped once. What was wiped is
            // zeros, of which nothing is known but that it holds no secret: it is not dropped.
            unsafe { ptr::drop_in_place(ptr::addr_of_mut!((*self.0.0.as_ptr()).secret)) };
        }
        // SAFETY: once, and `self` is not used again.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

// SAFETY: it owns its value as a `Box` does, and hands out references only as `&self` allows.
unsafe impl<T: Send> Send for Pages<T> {}
// SAFETY: as above; `filled` is atomic.
unsafe impl<T: Sync> Sync for Pages<T> {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::extensions::tracezip::ids::vault::Vault;

    /// The flags of the mapping that an address is in, as `/proc/self/smaps` has them.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_it = false;
        for line in maps.lines() {
            if let Some((start, rest)) = line.split_once('-')
                && let Ok(start) = usize::from_str_radix(start, 16)
            {
                let end = rest.split(' ').next().unwrap();
                is_it = (start..usize::from_str_radix(end, 16).unwrap()).contains(&address);
            }
            if is_it && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("{address:x} is nowhere in\n{maps}");
    }

    fn address<T>(vault: &Vault<T>) -> usize {
        ptr::from_ref(vault.get().unwrap()).addr()
    }

    #[test]
    fn secrets_are_left_out_of_dumps_and_wiped_in_children_as_asked() {
        let wiped = Vault::new(|| [7_u8; 32], InChild::Wiped);
        let kept = Vault::new(|| [7_u8; 32], InChild::Kept);
        let (wiped, kept) = (flags(address(&wiped)), flags(address(&kept)));
        let has = |flags: &[String], flag: &str| flags.iter().any(|found| found == flag);
        assert!(has(&wiped, "dd") && has(&wiped, "wf"), "{wiped:?}");
        assert!(has(&kept, "dd") && !has(&kept, "wf"), "{kept:?}");
    }

    #[test]
    fn secret_is_dropped_once_with_its_vault() {
        let dropped = Arc::new(());
        let vault = Vault::new(|| Arc::clone(&dropped), InChild::Wiped);
        assert!(matches!(vault.0, super::super::Place::Pages(_)));
        assert_eq!(Arc::strong_count(&dropped), 2);
        drop(vault);
        assert_eq!(Arc::strong_count(&dropped), 1);
    }

    #[test]
    fn child_has_what_is_kept_and_not_what_is_wiped() {
        let wiped = Vault::new(|| String::from("key"), InChild::Wiped);
        let kept = Vault::new(|| String::from("key"), InChild::Kept);
        // SAFETY: the child looks at two values, drops them, and is gone.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let as_it_should = wiped.get().is_none() && kept.get().is_some();
            drop(wiped);
            // SAFETY: it does not return, and needs nothing.
            unsafe { libc::_exit(i32::from(!as_it_should)) };
        }
        let mut status = -1;
        // SAFETY: waits for the one child, and writes to what is ours.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        assert_eq!(wiped.get(), Some(&String::from("key")));
    }
}
