//! The maps, and the way from a thread to its slot.

use crate::abi::{KernelLine, PROCESS_SLOT, Process, Record, Slot};
use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::{Array, HashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;

/// How many slots there are unless the loader says otherwise.
const SLOTS_DEFAULT: usize = 1024;

/// Bytes of the ring of samples, unless the loader says otherwise.
const RING_DEFAULT: usize = 1 << 20;

/// The slots, mapped into the process.
#[btf_map]
pub(crate) static SLOTS: Array<Slot, SLOTS_DEFAULT, { BPF_F_MMAPABLE as usize }> = Array::new();

/// From a thread's number to its slot's.
#[btf_map]
static THREADS: HashMap<u32, u32, SLOTS_DEFAULT> = HashMap::new();

/// The samples on their way to user space.
#[btf_map]
pub(crate) static SAMPLES: RingBuf<Record, RING_DEFAULT> = RingBuf::new();

/// The stacks of threads that sleep, by slot; room for none unless the loader says otherwise.
#[btf_map]
static SLEEPS: Array<Record, 1> = Array::new();

/// Where a sample is put together: its length is known only at the end.
#[btf_map]
static SCRATCH: PerCpuArray<Record, 1> = PerCpuArray::new();

/// The slot that is the process's.
#[inline(always)]
pub(crate) fn process() -> Option<*mut Process> {
    SLOTS.get_ptr_mut(PROCESS_SLOT).map(|slot| slot.cast())
}

/// The slot of this number.
#[inline(always)]
pub(crate) fn slot(number: u32) -> Option<*mut Slot> {
    SLOTS.get_ptr_mut(number)
}

/// The number of a thread's slot.
#[inline(always)]
pub(crate) fn number(tid: u32) -> Option<u32> {
    // SAFETY: elements are words, and are read whole.
    THREADS.get_ptr(&tid).map(|number| unsafe { *number })
}

/// The line that the kernel keeps about a thread.
#[inline(always)]
pub(crate) fn line(tid: u32) -> Option<*mut KernelLine> {
    slot_of(tid).map(|(_, slot)| kernel_line(slot))
}

/// A thread's slot, with its number.
#[inline(always)]
pub(crate) fn slot_of(tid: u32) -> Option<(u32, *mut Slot)> {
    let number = number(tid)?;
    Some((number, slot(number)?))
}

/// The line that the kernel writes.
#[inline(always)]
pub(crate) fn kernel_line(slot: *mut Slot) -> *mut KernelLine {
    // SAFETY: a slot that was found is valid.
    unsafe { &raw mut (*slot).kernel }
}

/// Where the stack of a thread that sleeps is kept; `None` beyond the room for them.
#[inline(always)]
pub(crate) fn sleep(number: u32) -> Option<*mut Record> {
    SLEEPS.get_ptr_mut(number)
}

/// Remembers a thread's slot; whether there was room.
#[inline(always)]
pub(crate) fn remember(tid: u32, number: u32) -> bool {
    THREADS.insert(&tid, &number, 0).is_ok()
}

/// Forgets a thread.
#[inline(always)]
pub(crate) fn forget(tid: u32) {
    // It may never have been known.
    let _ = THREADS.remove(&tid);
}

/// Room for one sample. Only timers of one kind use it, which do not interrupt each other.
#[inline(always)]
pub(crate) fn scratch() -> Option<*mut Record> {
    SCRATCH.get_ptr_mut(0)
}
