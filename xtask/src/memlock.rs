//! The limit of locked memory, which programs for older kernels raise before they load eBPF programs.
//!
//! Kernels since 5.11 charge that memory elsewhere, and the limit plays no part. But a program that cannot raise it
//! may give up, and raising it takes `CAP_SYS_RESOURCE`, which root in a container or a sandbox often lacks.

use std::process::Command;

/// Has the command, and what it becomes, find that the limit can be raised: raises it beforehand, or else has the
/// kernel answer each wish to do so with a success that changes nothing.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "both are to be had in the child alone, before it becomes the program"
)]
pub(crate) fn let_it_be_raised(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;

    // SAFETY: what is called is safe in a forked child: system calls, with what is on the stack.
    unsafe { command.pre_exec(|| raise().or_else(|_| pretend())) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn let_it_be_raised(_: &mut Command) {}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "setrlimit(2)")]
fn raise() -> std::io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the structure is valid.
    match unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// A filter of system calls: `prlimit64` about locked memory does nothing, and all others are what they are.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "prctl(2)")]
fn pretend() -> std::io::Result<()> {
    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

    // In `seccomp_data`: the call, and the low half of its second argument, which is the limit's number.
    const CALL: u32 = 0;
    const LIMIT: u32 = if cfg!(target_endian = "little") {
        24
    } else {
        28
    };
    let step = |code: u32, k: u32, otherwise: u8| sock_filter {
        code: code as u16,
        jt: 0,
        jf: otherwise,
        k,
    };
    let mut filter = [
        step(BPF_LD | BPF_W | BPF_ABS, CALL, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, libc::SYS_prlimit64 as u32, 3),
        step(BPF_LD | BPF_W | BPF_ABS, LIMIT, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, libc::RLIMIT_MEMLOCK, 1),
        // An error of the number 0, which is none.
        step(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO, 0),
        step(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program is valid, and the kernel copies it.
    let answer = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
