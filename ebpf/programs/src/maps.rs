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

/// Entries of [`NEAR`], a power of two.
const NEAR_LENGTH: usize = 4096;

/// By the lower bits of a thread's number, the last thread with those that was registered: its number in the upper half, its
/// slot's in the lower. 0 if there never was one, and never 0 again. Numbers are given out one after the other, so the
/// threads of a process are mostly all here, and found without a call into the kernel.
#[unsafe(no_mangle)]
static mut NEAR: [u64; NEAR_LENGTH] = [0; NEAR_LENGTH];

/// The number of the process that is watched; what its slot says too, where the programs find it without a look-up.
#[unsafe(no_mangle)]
static mut PROCESS: u32 = 0;

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

/// The number of the process that is watched; 0 before there is one.
#[inline(always)]
pub(crate) fn watched() -> u32 {
    // SAFETY: written once, by one thread, as a whole.
    unsafe { (&raw const PROCESS).read_volatile() }
}

/// Says which process is watched.
#[inline(always)]
pub(crate) fn watch(tgid: u32) {
    // SAFETY: as above.
    unsafe { (&raw mut PROCESS).write_volatile(tgid) };
}

/// Where in [`NEAR`] a thread is.
#[inline(always)]
fn near(tid: u32) -> *mut u64 {
    // SAFETY: within the array.
    unsafe {
        (&raw mut NEAR)
            .cast::<u64>()
            .add(tid as usize & (NEAR_LENGTH - 1))
    }
}

/// The number of a thread's slot, by the table that has all of them.
#[inline(always)]
pub(crate) fn number(tid: u32) -> Option<u32> {
    // SAFETY: elements are words, and are read whole.
    THREADS.get_ptr(&tid).map(|number| unsafe { *number })
}

/// The same for those that are not in [`NEAR`]; 0 if it has none.
#[inline(never)]
fn far(tid: u32) -> u32 {
    number(tid).unwrap_or(0)
}

/// The line that the kernel keeps about a thread.
#[inline(always)]
pub(crate) fn line(tid: u32) -> Option<*mut KernelLine> {
    slot_of(tid).map(|(_, slot)| kernel_line(slot))
}

/// The slot of one of our threads, with its number.
#[inline(always)]
pub(crate) fn slot_of(tid: u32) -> Option<(u32, *mut Slot)> {
    slot_of_any(tid, || true)
}

/// The slot of any thread, with its number; whether it is one of ours is asked where it may be.
#[inline(always)]
pub(crate) fn slot_of_any(tid: u32, ours: impl FnOnce() -> bool) -> Option<(u32, *mut Slot)> {
    // SAFETY: within the array; entries are written whole.
    let entry = unsafe { near(tid).read_volatile() };
    if entry == 0 || !ours() {
        return None;
    }
    let number = if (entry >> 32) as u32 == tid {
        entry as u32
    } else {
        far(tid)
    };
    if number == 0 {
        return None;
    }
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
    let done = THREADS.insert(&tid, &number, 0).is_ok();
    if done {
        // SAFETY: as above.
        unsafe { near(tid).write_volatile(u64::from(tid) << 32 | u64::from(number)) };
    }
    done
}

/// Forgets a thread.
#[inline(always)]
pub(crate) fn forget(tid: u32) {
    // SAFETY: as above. If another takes the place meanwhile, that one is found by the table.
    unsafe {
        let entry = near(tid);
        if (entry.read_volatile() >> 32) as u32 == tid {
            entry.write_volatile(u64::from(u32::MAX) << 32);
        }
    }
    // It may never have been known.
    let _ = THREADS.remove(&tid);
}

/// Room for one sample. Only timers of one kind use it, which do not interrupt each other.
#[inline(always)]
pub(crate) fn scratch() -> Option<*mut Record> {
    SCRATCH.get_ptr_mut(0)
}
