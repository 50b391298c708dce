//! Endpoints that are no OTLP receivers at all: dead, or answering in another language.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot have its socket has failed"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// A URL at which nothing listens.
///
/// # Panics
///
/// If loopback has no free port.
pub fn dead() -> String {
    // Bound and let go.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!(
        "http://{}",
        listener.local_addr().expect("a bound socket has one")
    )
}

/// A URL at which each connection gets `answer` as soon as it has said something, and no more.
///
/// # Panics
///
/// If loopback has no free port.
pub fn babbling(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has one");
    // It goes on until the process ends.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_one(stream, answer));
        }
    });
    format!("http://{address}")
}

fn answer_one(mut stream: TcpStream, answer: &[u8]) {
    let mut heard = [0; 65536];
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .ok();
    if stream.read(&mut heard).is_ok_and(|read| read > 0) {
        stream.write_all(answer).ok();
        // The rest is read so that closing does not reset the connection under the answer.
        while stream.read(&mut heard).is_ok_and(|read| read > 0) {}
    }
}
