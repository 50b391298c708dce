//! Memory for keys: left out of core dumps, and gone in a forked child.
//!
//! On Linux a secret has pages of its own, with `MADV_DONTDUMP` and `MADV_WIPEONFORK`: a debugger that is attached
//! still sees it, a core dump does not, and a child has zeros in its place. Elsewhere, and where the kernel has no
//! memory to map or does not know the advice, it is in the heap. Wherever it is, it is zeroised when it is dropped.

#[cfg(target_os = "linux")]
mod pages;

use std::fmt;

/// What a forked child sees of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InChild {
    /// Nothing, where the system can do that.
    Wiped,
    /// The same as its parent.
    Kept,
}

/// A secret in memory of its own. `T` zeroises itself when it is dropped.
pub(super) struct Vault<T>(Place<T>);

enum Place<T> {
    Heap(Box<T>),
    #[cfg(target_os = "linux")]
    Pages(pages::Pages<T>),
}

impl<T> Vault<T> {
    /// Moves `secret` in. What the stack has of it is overwritten, as far as it can be reached.
    pub(super) fn new(secret: impl FnOnce() -> T, in_child: InChild) -> Self {
        let vault = Self(Self::place(secret, in_child));
        scrub_stack();
        vault
    }

    #[inline(never)]
    fn place(secret: impl FnOnce() -> T, in_child: InChild) -> Place<T> {
        #[cfg(target_os = "linux")]
        if let Some(empty) = pages::Empty::map(in_child) {
            return Place::Pages(empty.fill(secret()));
        }
        let _ = in_child;
        Place::Heap(Box::new(secret()))
    }

    /// The secret, unless this process is a child that does not have it.
    pub(super) fn get(&self) -> Option<&T> {
        match &self.0 {
            Place::Heap(secret) => Some(secret),
            #[cfg(target_os = "linux")]
            Place::Pages(pages) => pages.get(),
        }
    }
}

impl<T> fmt::Debug for Vault<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

/// Overwrites what calls that have returned left on the stack.
#[inline(never)]
pub(super) fn scrub_stack() {
    let mut below = [0_u8; 32 << 10];
    zeroize::Zeroize::zeroize(&mut below[..]);
    std::hint::black_box(&below);
}
