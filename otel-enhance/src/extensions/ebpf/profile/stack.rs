//! Marks: what stands in a stack beside addresses. No code is where they point.

/// The stack goes on, but could not be followed.
pub(crate) const CUT_OFF: u64 = 1;
/// The thread was in a system call or a fault.
pub(crate) const IN_KERNEL: u64 = 2;
/// Stacks beyond the bound, which are counted together.
pub(crate) const OTHERS: u64 = 3;

/// What a mark is called where functions have names.
pub(crate) fn mark(address: u64) -> Option<&'static str> {
    match address {
        CUT_OFF => Some("[stack cut off]"),
        IN_KERNEL => Some("[kernel]"),
        OTHERS => Some("[other stacks]"),
        _ => None,
    }
}
