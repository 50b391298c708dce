//! The system calls, each a safe function over as little `unsafe` as it takes.
#![expect(
    unsafe_code,
    reason = "bpf(2), perf_event_open(2) and mmap(2) have no safe form"
)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::NonNull;
use std::vec::Vec;

const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_CPU_CLOCK: u64 = 0;
const PERF_COUNT_SW_PAGE_FAULTS: u64 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;
/// `perf_event_attr::flags`: born disabled.
const DISABLED: u64 = 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HV: u64 = 1 << 6;

/// The head of `bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    answer: u32,
    data_sizes: [u32; 2],
    data: [u64; 2],
    repeat: u32,
    duration: u32,
    context_size: u32,
    context_out_size: u32,
    context: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    padding: u32,
}

#[repr(C)]
#[derive(Default)]
struct RawTracepointOpen {
    name: u64,
    program: u32,
    padding: u32,
}

/// `perf_event_attr`, as it was in its second version; what came later is zero.
#[repr(C)]
#[derive(Default)]
struct EventAttributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    config1: u64,
    config2: u64,
}

/// What an event is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// The CPU's clock, so often a second.
    Clock { hz: u32 },
    /// Every page fault.
    PageFault,
}

/// Runs the program `control` on this thread.
///
/// Neither allocates nor locks; about a microsecond.
pub(crate) fn control(program: RawFd, arguments: [u64; 3]) -> io::Result<u32> {
    let mut run = TestRun {
        program: program.cast_unsigned(),
        context_size: size_of_val(&arguments) as u32,
        context: arguments.as_ptr() as u64,
        ..TestRun::default()
    };
    // SAFETY: the structure is that of the kernel, and what it points to lives until the call returns.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_TEST_RUN,
            &raw mut run,
            size_of::<TestRun>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(run.answer)
}

/// The head of `bpf_attr` for the elements of a map.
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The head of `bpf_attr` for what is pinned.
#[repr(C)]
#[derive(Default)]
struct Pinned {
    path: u64,
    fd: u32,
    flags: u32,
}

/// Opens what is pinned there.
pub(crate) fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = Pinned {
        path: path.as_ptr() as u64,
        ..Pinned::default()
    };
    // SAFETY: as above.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET,
            &raw const attributes,
            size_of::<Pinned>(),
        )
    };
    owned(fd)
}

/// Writes an element; what the kernel refuses is left.
pub(crate) fn update(map: RawFd, key: &u64, value: &[u8; 24]) {
    element(BPF_MAP_UPDATE_ELEM, map, key, value.as_ptr() as u64);
}

/// Removes an element, if it is there.
pub(crate) fn delete(map: RawFd, key: &u64) {
    element(BPF_MAP_DELETE_ELEM, map, key, 0);
}

fn element(what: libc::c_long, map: RawFd, key: &u64, value: u64) {
    let attributes = Element {
        map: map.cast_unsigned(),
        padding: 0,
        key: std::ptr::from_ref(key) as u64,
        value,
        flags: 0,
    };
    // SAFETY: as above; the sizes are those that the map was opened for.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            what,
            &raw const attributes,
            size_of::<Element>(),
        )
    };
}

/// Attaches a program to the tracepoint that it was loaded for.
pub(crate) fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attributes = RawTracepointOpen {
        program: program.as_raw_fd().cast_unsigned(),
        ..RawTracepointOpen::default()
    };
    // SAFETY: as above.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_RAW_TRACEPOINT_OPEN,
            &raw const attributes,
            size_of::<RawTracepointOpen>(),
        )
    };
    owned(fd)
}

/// Opens an event on one CPU and has it run a program.
pub(crate) fn attach_event(event: Event, cpu: i32, program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attributes = EventAttributes {
        flags: DISABLED,
        ..EventAttributes::default()
    };
    match event {
        Event::Clock { hz } => {
            attributes.config = PERF_COUNT_SW_CPU_CLOCK;
            // The kernel makes a period of a frequency as well, but refuses one above a limit that it lowers by itself.
            attributes.period = 1_000_000_000 / u64::from(hz.max(1));
        }
        Event::PageFault => {
            attributes.config = PERF_COUNT_SW_PAGE_FAULTS;
            attributes.period = 1;
        }
    }
    let fd = open_event(attributes, -1, cpu)?;
    // SAFETY: both descriptors are open; these requests take a number.
    unsafe {
        if libc::ioctl(
            fd.as_raw_fd(),
            PERF_EVENT_IOC_SET_BPF as _,
            program.as_raw_fd(),
        ) < 0
            || libc::ioctl(fd.as_raw_fd(), PERF_EVENT_IOC_ENABLE as _, 0) < 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(fd)
}

/// Opens an event of the calling thread, to see whether that is allowed.
pub(crate) fn open_own_event() -> io::Result<OwnedFd> {
    let attributes = EventAttributes {
        config: PERF_COUNT_SW_CPU_CLOCK,
        flags: DISABLED | EXCLUDE_KERNEL | EXCLUDE_HV,
        ..EventAttributes::default()
    };
    open_event(attributes, 0, -1)
}

fn open_event(mut attributes: EventAttributes, thread: i32, cpu: i32) -> io::Result<OwnedFd> {
    attributes.kind = PERF_TYPE_SOFTWARE;
    attributes.size = size_of::<EventAttributes>() as u32;
    // SAFETY: the structure is that of the kernel and lives until the call returns.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            thread,
            cpu,
            -1,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    owned(fd)
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(fd) {
        // SAFETY: the kernel just gave it to us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The CPUs that are there, by number.
pub(crate) fn online_cpus() -> io::Result<Vec<i32>> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    ranges(text.trim()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn ranges(text: &str) -> Option<Vec<i32>> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        numbers.extend(first.parse::<i32>().ok()?..=last.parse().ok()?);
    }
    Some(numbers)
}

/// Maps a map's values, `length` bytes of them.
pub(crate) fn map(fd: BorrowedFd<'_>, length: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping disturbs nobody.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(address.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}

/// Puts zeroed private memory in the place of a mapping; those who still write there harm nobody.
///
/// Async-signal-safe.
///
/// # Safety
///
/// `length` bytes from `address` must be a mapping of ours.
pub(crate) unsafe fn cover(address: NonNull<u8>, length: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        libc::mmap(
            address.as_ptr().cast(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        );
    }
}

/// Gives a mapping back.
///
/// # Safety
///
/// As for [`cover`], and nobody may use it any more.
pub(crate) unsafe fn unmap(address: NonNull<u8>, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(address.as_ptr().cast(), length) };
}

/// Makes `target` another name of `source`, closing what it was. Async-signal-safe.
pub(crate) fn replace(target: RawFd, source: RawFd) {
    // SAFETY: descriptors are numbers; a wrong one is an error.
    unsafe { libc::dup3(source, target, libc::O_CLOEXEC) };
}

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline]
pub(crate) fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// The CPU time of the calling thread in nanoseconds: a system call.
#[cold]
pub(crate) fn cpu_time() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[inline]
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is valid; these clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

/// The calling thread's number in its own PID namespace.
pub(crate) fn own_thread() -> u32 {
    // SAFETY: no condition.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// Whether a thread of this process has that number, in its own PID namespace.
pub(crate) fn is_alive(thread: u32) -> bool {
    // SAFETY: signal 0 is none.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) == 0 }
}

/// An address at which the calling thread's stack has ended; 0 if unknown. Neither allocates nor locks.
pub(crate) fn stack_end() -> u64 {
    let here = 0_u8;
    let here = &raw const here as u64;
    // SAFETY: no condition.
    let end = unsafe {
        if libc::gettid() == libc::getpid() {
            // What the kernel put on the first stack right above the vectors that the program gets. What is further up,
            // texts that those point to, is apart by up to 8 KiB at random, where a page may never have been touched.
            libc::getauxval(libc::AT_RANDOM)
        } else {
            // A thread's own data lie at the upper end of its stack, in glibc and musl.
            libc::pthread_self() as u64
        }
    } & !7;
    if end > here && end - here < 1 << 30 {
        end
    } else {
        0
    }
}

/// Waits until a descriptor can be read, or the time is over; whether one can.
pub(crate) fn wait(fd: RawFd, other: Option<RawFd>, milliseconds: i32) -> bool {
    // A negative one is passed over.
    let mut polls = [fd, other.unwrap_or(-1)].map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: two structures, and they are valid.
    unsafe { libc::poll(polls.as_mut_ptr(), 2, milliseconds) > 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_listed_from_every_form_of_the_text() {
        assert_eq!(ranges("0").unwrap(), [0]);
        assert_eq!(ranges("0-2,5,7-8").unwrap(), [0, 1, 2, 5, 7, 8]);
        assert!(ranges("none").is_none());
    }

    #[test]
    fn stack_end_is_above_the_frame_on_every_thread() {
        let here = 0_u8;
        assert!(stack_end() > &raw const here as u64);
        std::thread::spawn(|| {
            let here = 0_u8;
            assert!(stack_end() > &raw const here as u64);
        })
        .join()
        .unwrap();
    }
}
