//! Our receiver on loopback, as the tests of the whole way need it.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot have its receiver has failed"
)]

use std::time::Duration;

use otel_enhance_receiver::{
    BlockingReceiver, Hook, Receiver, ReceiverBuilder, ServerTls, Store, StoredSpan, Tracezip,
    TracezipStats,
};

use crate::certificates::Certificates;
use crate::collector_file::CollectedSpan;

/// Longer than anything on loopback takes, however busy the machine is.
const ARRIVAL: Duration = Duration::from_secs(30);

/// A receiver for HTTP and gRPC on free ports, and what it got.
#[derive(Debug)]
pub struct Loopback {
    store: Store,
    receiver: BlockingReceiver,
}

impl Loopback {
    /// One that takes everything.
    ///
    /// # Panics
    ///
    /// If it cannot be started, as all that start one.
    pub fn start() -> Self {
        Self::with(|builder| builder)
    }

    /// One that asks `hook` first.
    pub fn with_hook(hook: impl Hook) -> Self {
        Self::with(|builder| builder.with_hook(hook))
    }

    /// The same, on the port that another one had for HTTP.
    pub fn with_hook_at(http: &str, hook: impl Hook) -> Self {
        let address = http.trim_start_matches("http://").to_owned();
        Self::with(|builder| builder.with_http(address).with_hook(hook))
    }

    /// One that takes frames of tracezip as well.
    pub fn with_tracezip() -> Self {
        Self::with(|builder| builder.with_tracezip(Tracezip::default()))
    }

    /// The same, on the port that another one had for HTTP.
    pub fn with_tracezip_at(http: &str) -> Self {
        let address = http.trim_start_matches("http://").to_owned();
        Self::with(|builder| {
            builder
                .with_http(address)
                .with_tracezip(Tracezip::default())
        })
    }

    /// What it counted of tracezip.
    pub fn tracezip(&self) -> TracezipStats {
        self.receiver
            .tracezip_stats()
            .expect("started by `with_tracezip`")
    }

    /// One that speaks TLS, and with `mutual` demands a certificate of its clients.
    pub fn with_tls(certificates: &Certificates, mutual: bool) -> Self {
        let read = |path| std::fs::read(path).expect("the certificate is there");
        let mut tls = ServerTls::from_pem(
            &read(certificates.server()),
            &read(certificates.server_key()),
        )
        .expect("the server's certificate is valid");
        if mutual {
            tls = tls
                .with_client_ca(&read(certificates.authority()))
                .expect("the authority is valid");
        }
        Self::with(|builder| {
            builder
                .with_tls(tls)
                // What does not speak it does not notice.
                .with_tracezip(Tracezip::default())
        })
    }

    fn with(configure: impl FnOnce(ReceiverBuilder) -> ReceiverBuilder) -> Self {
        let store = Store::new();
        let builder = Receiver::builder()
            .with_http("127.0.0.1:0")
            .with_grpc("127.0.0.1:0")
            .with_handler(store.clone());
        let receiver = configure(builder)
            .start_blocking()
            .expect("a receiver on loopback");
        Self { store, receiver }
    }

    /// The base URL for HTTP.
    pub fn http(&self) -> &str {
        self.receiver.http_endpoint().unwrap()
    }

    /// The URL for gRPC.
    pub fn grpc(&self) -> &str {
        self.receiver.grpc_endpoint().unwrap()
    }

    /// What it keeps.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The names of all spans so far, sorted.
    pub fn names(&self) -> Vec<String> {
        let spans = self.store.spans();
        let mut names: Vec<_> = spans.into_iter().map(|stored| stored.span.name).collect();
        names.sort();
        names
    }

    /// Waits for `count` spans.
    ///
    /// # Panics
    ///
    /// If fewer arrive within half a minute.
    pub fn wait(&self, count: usize) -> Vec<StoredSpan> {
        self.store.wait_for_spans(count, ARRIVAL).unwrap()
    }
}

/// By their ids, and every list of attributes by key: their order means nothing.
pub fn sorted(mut spans: Vec<CollectedSpan>) -> Vec<CollectedSpan> {
    for collected in &mut spans {
        collected
            .resource
            .attributes
            .sort_by(|a, b| a.key.cmp(&b.key));
        collected.span.attributes.sort_by(|a, b| a.key.cmp(&b.key));
    }
    spans.sort_by(|a, b| a.span.span_id.cmp(&b.span.span_id));
    spans
}

/// The spans that a receiver kept, in the form that other tests compare.
pub fn collected(spans: &[StoredSpan]) -> Vec<CollectedSpan> {
    let collect = |stored: &StoredSpan| CollectedSpan {
        resource: (*stored.resource).clone(),
        scope: (*stored.scope).clone(),
        span: stored.span.clone(),
    };
    spans.iter().map(collect).collect()
}
