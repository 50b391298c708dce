//! The receiver of the soak test, in a process of its own so that its memory is not the sender's.
//!
//! It prints its two addresses, then takes a command a line and answers each with a line: `up`,
//! `slow MILLISECONDS`, `hang`, `down`, `garbage`, `report`. Spans carry their number as the attribute `n`:
//! it knows which it has seen, and which of them twice.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "its other end is a test, which fails if it ends"
)]

use std::io::{BufRead, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use otel_enhance_receiver::proto::common::v1::any_value::Value;
use otel_enhance_receiver::{
    BlockingReceiver, BoxFuture, Hook, Outcome, Receiver, Request, RequestHead, Verdict,
};

/// Which numbers have come.
#[derive(Default)]
struct Seen {
    bits: Vec<u64>,
    unique: u64,
    duplicates: u64,
}

impl Seen {
    fn take(&mut self, request: &Request) {
        let scopes = request.message.resource_spans.iter();
        for span in scopes.flat_map(|of| of.scope_spans.iter().flat_map(|of| &of.spans)) {
            let number = span.attributes.iter().find(|one| one.key == "n");
            let value = number.and_then(|one| one.value.as_ref()?.value.as_ref());
            let Some(Value::IntValue(number)) = value else {
                continue;
            };
            let (word, bit) = (*number as usize / 64, 1 << (number % 64));
            if self.bits.len() <= word {
                self.bits.resize(word + 1, 0);
            }
            if self.bits[word] & bit == 0 {
                self.bits[word] |= bit;
                self.unique += 1;
            } else {
                self.duplicates += 1;
            }
        }
    }
}

/// How requests are treated.
#[derive(Clone, Default)]
struct Mood {
    latency_ms: Arc<AtomicU64>,
    hang: Arc<AtomicBool>,
}

impl Hook for Mood {
    fn inspect<'a>(&'a self, _: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            if self.hang.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            let latency = self.latency_ms.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(latency)).await;
            Verdict::Continue
        })
    }
}

/// What listens.
enum Listening {
    Nothing,
    Receiver(Box<BlockingReceiver>),
    Garbage(Arc<AtomicBool>, Vec<thread::JoinHandle<()>>),
}

impl Listening {
    fn stop(self) {
        match self {
            Self::Nothing => {}
            // What hangs is cut.
            Self::Receiver(receiver) => drop(receiver.shutdown(Duration::from_millis(200))),
            Self::Garbage(stop, threads) => {
                stop.store(true, Ordering::Relaxed);
                for thread in threads {
                    thread.join().unwrap();
                }
            }
        }
    }
}

fn receiver(addresses: [&str; 2], mood: &Mood, seen: &Arc<Mutex<Seen>>) -> BlockingReceiver {
    let seen = Arc::clone(seen);
    Receiver::builder()
        .with_http(addresses[0])
        .with_grpc(addresses[1])
        .with_hook(mood.clone())
        .with_handler(move |request: Request| {
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(&request);
            std::future::ready(Outcome::Accepted)
        })
        .start_blocking()
        .unwrap()
}

/// Answers whatever comes with bytes that belong to no protocol.
fn garbage(address: SocketAddr, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    // It may be gone already.
                    stream.write_all(b"\xff\xfe\x00 no protocol \x00\xff").ok();
                }
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    })
}

fn main() {
    let mood = Mood::default();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let first = receiver(["127.0.0.1:0", "127.0.0.1:0"], &mood, &seen);
    let http = first.http_addr().unwrap();
    let grpc = first.grpc_addr().unwrap();
    println!("{http} {grpc}");
    let mut listening = Listening::Receiver(Box::new(first));
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        if command == "report" {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            println!("{} {}", seen.unique, seen.duplicates);
            continue;
        }
        mood.hang.store(command == "hang", Ordering::Relaxed);
        mood.latency_ms
            .store(argument.parse().unwrap_or(0), Ordering::Relaxed);
        let serves = matches!(listening, Listening::Receiver(_));
        listening = match command {
            "up" | "slow" | "hang" if serves => listening,
            "up" | "slow" | "hang" => {
                listening.stop();
                let addresses = [http.to_string(), grpc.to_string()];
                let addresses = [addresses[0].as_str(), addresses[1].as_str()];
                Listening::Receiver(Box::new(receiver(addresses, &mood, &seen)))
            }
            "garbage" => {
                listening.stop();
                let stop = Arc::new(AtomicBool::new(false));
                let threads = [http, grpc].map(|address| garbage(address, &stop)).into();
                Listening::Garbage(stop, threads)
            }
            _ => {
                listening.stop();
                Listening::Nothing
            }
        };
        println!("done");
    }
    listening.stop();
}
