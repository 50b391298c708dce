//! Programs that do nothing, or next to it, where ours are attached: what hooks cost at least.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const RAW_TRACEPOINT: u32 = 17;

/// What such a program does before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nothing.
    Nothing,
    /// Reads the clock, as whoever wants to know how long something took has to.
    ReadsTheClock,
}

/// The head of `bpf_attr` for programs.
#[repr(C)]
struct Load {
    kind: u32,
    length: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    version: u32,
    flags: u32,
}

#[repr(C)]
struct Open {
    name: u64,
    program: u32,
    padding: u32,
}

/// Attaches such a program to a tracepoint, in the way in which ours are called, until what this gives is dropped.
///
/// # Errors
///
/// What the kernel answers; it takes root.
pub fn hook(tracepoint: &str, does: Does) -> io::Result<OwnedFd> {
    let clock = [0x0000_0005_0000_0085_u64];
    let end = [0x0000_0000_0000_00b7, 0x0000_0000_0000_0095];
    let instructions = match does {
        Does::Nothing => end.to_vec(),
        Does::ReadsTheClock => [&clock[..], &end].concat(),
    };
    let load = Load {
        kind: RAW_TRACEPOINT,
        length: u32::try_from(instructions.len()).unwrap(),
        instructions: instructions.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log: [0; 2],
        version: 0,
        flags: 0,
    };
    let program = bpf(BPF_PROG_LOAD, &load)?;
    let name = CString::new(tracepoint)?;
    let open = Open {
        name: name.as_ptr() as u64,
        program: program.as_raw_fd().cast_unsigned(),
        padding: 0,
    };
    bpf(BPF_RAW_TRACEPOINT_OPEN, &open)
}

fn bpf<T>(what: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the structures are heads of the kernel's, and what they point to lives until the call returns.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, what, &raw const *attributes, size_of::<T>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap()) })
}
