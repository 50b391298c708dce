//! The project's own receiver, with answers that are laid down beforehand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use otel_enhance_receiver::{BlockingReceiver, Outcome, Receiver, Request, ServerTls};

use super::super::log::lock;
use crate::config::Protocol;

/// A receiver on loopback, for both transports.
pub(crate) struct Scripted {
    running: BlockingReceiver,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Gives `outcomes` one after the other, then accepts.
    pub(crate) fn start(
        outcomes: impl IntoIterator<Item = Outcome>,
        tls: Option<ServerTls>,
    ) -> Self {
        let outcomes = Arc::new(Mutex::new(VecDeque::from_iter(outcomes)));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let mut builder = Receiver::builder()
            .with_http("127.0.0.1:0")
            .with_grpc("127.0.0.1:0")
            .with_handler(move |request: Request| {
                lock(&kept).push(request);
                let outcome = lock(&outcomes).pop_front();
                async move { outcome.unwrap_or(Outcome::Accepted) }
            });
        if let Some(tls) = tls {
            builder = builder.with_tls(tls);
        }
        Self {
            running: builder.start_blocking().unwrap(),
            requests,
        }
    }

    /// Where an exporter of this protocol sends to.
    pub(crate) fn endpoint(&self, protocol: Protocol) -> String {
        match protocol {
            Protocol::Grpc => self.running.grpc_endpoint().unwrap().to_owned(),
            _ => format!("{}/v1/traces", self.running.http_endpoint().unwrap()),
        }
    }

    /// What `look` finds in each request so far.
    pub(crate) fn seen<T>(&self, look: impl Fn(&Request) -> T) -> Vec<T> {
        lock(&self.requests).iter().map(look).collect()
    }
}
