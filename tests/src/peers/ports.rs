//! Ports for peers that cannot be asked which one they got.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which systems take the ports of outgoing connections: a port from there
/// can be taken by any client while the peer that owns it is restarted, by a client that keeps
/// trying to reach that very peer even.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on now.
///
/// Somebody else may take it before the peer does, so the peers try again with another one.
pub(super) fn free() -> u16 {
    // Test processes that run side by side start at different places.
    let process = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or_default();
    let start = process.wrapping_mul(97);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!(
        "none of the ports from {FIRST} to {} is free",
        FIRST + COUNT - 1
    );
}
