//! The calls of the C library behind the hooks.
#![expect(
    unsafe_code,
    reason = "atexit, pthread_atfork and signal dispositions have no safe counterpart in std"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;

/// Runs `hook` when the process exits in an orderly way.
pub(super) fn at_exit(hook: extern "C" fn()) -> io::Result<()> {
    // SAFETY: `hook` is a function of this program, and valid for as long as it is loaded.
    match unsafe { libc::atexit(hook) } {
        0 => Ok(()),
        _ => Err(io::Error::other("atexit: no room for another exit handler")),
    }
}

/// Runs the three hooks around every `fork` of the C library.
pub(super) fn at_fork(
    prepare: extern "C" fn(),
    parent: extern "C" fn(),
    child: extern "C" fn(),
) -> io::Result<()> {
    // SAFETY: the hooks are functions of this program, and valid for as long as it is loaded.
    match unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// What a signal does before we touch it.
pub(super) enum Disposition {
    Default,
    Ignored,
    Handler,
}

/// Asks for the disposition of `signal`.
pub(super) fn disposition(signal: i32) -> io::Result<Disposition> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null new action only asks, and `action` has room for the answer.
    if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above succeeded and has filled it.
    let action = unsafe { action.assume_init() };
    Ok(match action.sa_sigaction {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handler,
    })
}

/// Runs `action` for every `signal`, after the handler that was there.
///
/// `action` runs as a signal handler: it may only call what is async-signal-safe.
pub(super) fn register(signal: i32, action: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    // SAFETY: the only caller, `signals::arm`, passes an action of atomics, `write`, `sigaction`,
    // `pthread_sigmask` and `raise`, all of which POSIX allows in a handler.
    unsafe { signal_hook_registry::register(signal, action) }.map(|_| ())
}

/// Writes one byte; what does not fit is left out. Async-signal-safe.
pub(super) fn write_byte(descriptor: RawFd, byte: u8) {
    // SAFETY: one readable byte is passed, with its length. A stale descriptor is an error, not a fault.
    unsafe { libc::write(descriptor, ptr::from_ref(&byte).cast(), 1) };
}

/// Does to this process what `signal` does where nobody handles it. Async-signal-safe.
pub(super) fn default_action(signal: i32) {
    // SAFETY: an all-zero `sigaction` is valid: no flags, an empty mask, SIG_DFL.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = libc::SIG_DFL;
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: every pointer is to a live local or null where POSIX allows it; `sigemptyset` initialises
    // `set` before it is used.
    unsafe {
        libc::sigaction(signal, &action, ptr::null_mut());
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
        libc::raise(signal);
    }
}
