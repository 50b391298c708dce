//! `SIGTERM` and `SIGINT`, for applications that asked for it: flush, then end as the signal would have.
//!
//! The handler itself only writes the signal's number to a socket; a thread of ours does the work. A
//! handler that was there earlier is called as before, and then keeps the decision when to end.

use std::io::{self, Read};
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::sys::{self, Disposition};

/// The generation, plus one, whose thread listens; the thread itself does not survive a fork.
static LISTENER: AtomicU32 = AtomicU32::new(0);
static SOCKET: AtomicI32 = AtomicI32::new(-1);
static ARMED: Mutex<bool> = Mutex::new(false);

struct Watched {
    signal: i32,
    /// The application left the signal to its default, which is to end the process.
    ends_process: AtomicBool,
}

static WATCHED: [Watched; 2] = [
    Watched {
        signal: libc::SIGTERM,
        ends_process: AtomicBool::new(false),
    },
    Watched {
        signal: libc::SIGINT,
        ends_process: AtomicBool::new(false),
    },
];

pub(super) fn arm() -> io::Result<()> {
    let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    listen()?;
    if *armed {
        return Ok(());
    }
    for watched in &WATCHED {
        match sys::disposition(watched.signal)? {
            // As `nohup` and background jobs of shells want it.
            Disposition::Ignored => continue,
            Disposition::Default => watched.ends_process.store(true, Ordering::Relaxed),
            Disposition::Handler => {}
        }
        let signal = watched.signal;
        sys::register(signal, move || handle(signal))?;
    }
    *armed = true;
    Ok(())
}

/// Starts the thread of this process, unless it runs.
fn listen() -> io::Result<()> {
    let mine = super::generation() + 1;
    if LISTENER.load(Ordering::Acquire) == mine {
        return Ok(());
    }
    let (reader, writer) = UnixStream::pair()?;
    // The handler must never wait: a full socket has signals enough in it.
    writer.set_nonblocking(true)?;
    thread::Builder::new()
        .name("otel-enhance-signals".into())
        .spawn(move || watch(reader))?;
    // Never closed: a handler may be about to write to it.
    let socket: RawFd = writer.into_raw_fd();
    SOCKET.store(socket, Ordering::Release);
    LISTENER.store(mine, Ordering::Release);
    Ok(())
}

/// The handler: async-signal-safe calls only.
fn handle(signal: i32) {
    if LISTENER.load(Ordering::Acquire) == super::generation() + 1 {
        sys::write_byte(SOCKET.load(Ordering::Acquire), signal as u8);
    } else if ends_process(signal) {
        // A forked child: the listening thread is its parent's, and so is the socket.
        sys::default_action(signal);
    }
}

fn watch(mut reader: UnixStream) {
    let mut byte = [0];
    while reader.read_exact(&mut byte).is_ok() {
        let signal = i32::from(byte[0]);
        crate::pipeline::finish_at_exit(super::EXIT_DEADLINE);
        if ends_process(signal) {
            sys::default_action(signal);
        }
    }
}

fn ends_process(signal: i32) -> bool {
    WATCHED
        .iter()
        .any(|watched| watched.signal == signal && watched.ends_process.load(Ordering::Relaxed))
}
