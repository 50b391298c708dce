//! The receiver: it reads each request to its end, and answers after the latency in its path's query.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use otel_enhance_receiver::{
    BoxFuture, Hook, Limits, RawReply, RawRequest, Receiver, RequestHead, Verdict,
};

use crate::process;

struct Swallow {
    latency_ms: Arc<AtomicU64>,
}

impl Hook for Swallow {
    fn inspect<'a>(&'a self, _: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async { Verdict::Take })
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        Box::pin(async move {
            drop(request.body);
            let latency = self.latency_ms.load(Ordering::Relaxed);
            if latency > 0 {
                tokio::time::sleep(Duration::from_millis(latency)).await;
            }
            RawReply::Message(Bytes::new())
        })
    }
}

/// Prints where it listens; each byte on stdin is a new latency in milliseconds; the end of stdin ends it.
pub(crate) fn run() {
    process::pin(true);
    let latency_ms = Arc::new(AtomicU64::new(0));
    let mut limits = Limits::default();
    limits.max_memory_bytes = 1 << 30;
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_grpc("127.0.0.1:0")
        .with_limits(limits)
        .with_hook(Swallow {
            latency_ms: Arc::clone(&latency_ms),
        })
        .start_blocking()
        .expect("a receiver");
    println!(
        "{} {}",
        receiver.http_endpoint().expect("HTTP"),
        receiver.grpc_endpoint().expect("gRPC")
    );
    let mut stdin = std::io::stdin().lock();
    let mut byte = [0];
    while stdin.read_exact(&mut byte).is_ok() {
        latency_ms.store(u64::from(byte[0]), Ordering::Relaxed);
        println!("{}", byte[0]);
    }
}
