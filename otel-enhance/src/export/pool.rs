//! OTLP to every address of every endpoint, over connections that are kept and reused.

mod budget;
mod exporter;
mod names;
mod target;
#[cfg(test)]
#[cfg(all(feature = "otlp-json", feature = "otlp-grpc"))]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

pub(crate) use self::budget::RetryBudget;
pub use self::exporter::{ConnectionPoolExporter, ConnectionPoolExporterBuilder};
use self::names::{Names, System, host_and_port};
use self::target::{Target, choose};
use super::answer;
use super::compress::compress;
use super::connect::Connector;
use super::encoded::{Carrier, EncodedSink};
use super::erased::Shared;
use super::log::lock;
use super::report::DropReason;
use super::retry::{Again, Backoff, Courier, Trouble};
use super::sink::{Failure, Outcome, Sink};
use super::wire::Wire;
use crate::InitError;
use crate::config::{Compression, OtlpSettings, Protocol};

/// Names are looked up anew after this time, and after a failure if the last look was this long ago.
const RESOLVED_FOR: Duration = Duration::from_secs(60);
const RESOLVED_AT_LEAST: Duration = Duration::from_secs(1);

/// A [`Carrier`] that spreads its requests over addresses.
#[derive(Debug)]
struct PoolCarrier {
    pool: Arc<Pool>,
    courier: Courier,
    settings: Option<OtlpSettings>,
    strange: AtomicBool,
    shared: Shared,
}

/// The addresses.
#[derive(Debug)]
pub(super) struct Pool {
    endpoints: Vec<Endpoint>,
    names: Box<dyn Names>,
    known: Mutex<Known>,
    /// Somebody looks names up.
    resolving: AtomicBool,
    turn: AtomicUsize,
}

/// One receiver's name, and all that is known of how to talk to it.
#[derive(Debug)]
pub(super) struct Endpoint {
    settings: OtlpSettings,
    host: String,
    port: u16,
    connector: Connector,
}

impl Endpoint {
    /// Must be called with our runtime entered.
    pub(super) fn new(settings: OtlpSettings, connector: Connector) -> Result<Self, InitError> {
        let url = &settings.endpoint;
        let (host, port) = host_and_port(url).ok_or_else(|| InitError::InvalidArgument {
            argument: "endpoint",
            value: url.clone(),
            expected: "a URL with scheme and host, such as http://localhost:4318".to_owned(),
        })?;
        let endpoint = Self {
            settings,
            host,
            port,
            connector,
        };
        // What is not usable must fail here and not at the first export.
        endpoint.wire(SocketAddr::from(([127, 0, 0, 1], port)))?;
        Ok(endpoint)
    }

    fn wire(&self, address: SocketAddr) -> Result<Wire, InitError> {
        Wire::new(&self.settings, self.connector.pinned_to(address))
    }
}

#[derive(Debug, Default)]
struct Known {
    targets: Arc<[Arc<Target>]>,
    at: Option<Instant>,
    failed_since: bool,
}

/// The exporter to `endpoints`, of which there is one at least. All but the address is the first one's.
pub(super) fn sink(endpoints: Vec<Endpoint>, shared: &Shared) -> Box<dyn Sink> {
    sink_by(Box::new(System), endpoints, shared)
}

fn sink_by(names: Box<dyn Names>, endpoints: Vec<Endpoint>, shared: &Shared) -> Box<dyn Sink> {
    let (pool, settings, courier) = parts(names, endpoints, shared);
    let protocol = settings
        .as_ref()
        .map_or(Protocol::HttpProtobuf, |one| one.protocol);
    let carrier = PoolCarrier {
        pool,
        courier,
        settings,
        strange: AtomicBool::new(false),
        shared: shared.clone(),
    };
    Box::new(EncodedSink::over(Box::new(carrier), protocol))
}

/// The pool, what its first endpoint is, and what sends again.
fn parts(
    names: Box<dyn Names>,
    endpoints: Vec<Endpoint>,
    shared: &Shared,
) -> (Arc<Pool>, Option<OtlpSettings>, Courier) {
    let settings = endpoints.first().map(|first| first.settings.clone());
    let timeout = settings.as_ref().map_or(Duration::ZERO, |one| one.timeout);
    let delivery = Arc::clone(&shared.delivery);
    let courier =
        Courier::new(timeout, Backoff::default(), delivery).with_budget(RetryBudget::process());
    let pool = Arc::new(Pool {
        endpoints,
        names,
        known: Mutex::default(),
        resolving: AtomicBool::new(false),
        turn: AtomicUsize::new(0),
    });
    (pool, settings, courier)
}

/// The same for frames of tracezip.
#[cfg(feature = "tracezip")]
pub(super) fn frame_sink(
    endpoints: Vec<Endpoint>,
    frames: &super::frames::Frames,
    shared: &Shared,
) -> Box<dyn Sink> {
    let (pool, settings, courier) = parts(Box::new(System), endpoints, shared);
    let Some(settings) = settings else {
        return sink(Vec::new(), shared);
    };
    let way = super::frames::Way::Pool(pool);
    let carrier = super::frames::FrameCarrier::new(way, &settings, courier, frames, shared);
    Box::new(EncodedSink::over(Box::new(carrier), settings.protocol))
}

#[cfg(feature = "tracezip")]
impl Pool {
    /// One attempt with a frame, at the address that is best off.
    pub(super) async fn attempt_frame(self: &Arc<Self>, frame: Bytes) -> super::frames::FrameSaid {
        use crate::extensions::tracezip::Said;
        let (targets, target) = match self.target().await {
            Ok(found) => found,
            Err(trouble) => {
                return Said::Nothing {
                    may_have_arrived: false,
                    whole: trouble,
                };
            }
        };
        let said = {
            let _busy = target.begin();
            target.wire.attempt_frame(frame).await
        };
        match said {
            Said::Taken { .. } => {
                target.worked();
                said
            }
            Said::Refused {
                refusal,
                message,
                whole,
            } => Said::Refused {
                refusal,
                message,
                whole: self.failed(&targets, &target, whole),
            },
            Said::Nothing {
                may_have_arrived,
                whole,
            } => Said::Nothing {
                may_have_arrived,
                whole: self.failed(&targets, &target, whole),
            },
        }
    }
}

impl Pool {
    /// One attempt with OTLP in this coding, at the address that is best off. `None` is a success with a body that is no
    /// OTLP answer.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        body: &Bytes,
        encoding: Option<&'static str>,
    ) -> Result<Option<ExportTraceServiceResponse>, Trouble> {
        let (targets, target) = self.target().await?;
        let attempted = {
            let _busy = target.begin();
            target.wire.attempt(body, encoding).await
        };
        match attempted {
            Ok(answer) => {
                target.worked();
                Ok(answer)
            }
            Err(trouble) => Err(self.failed(&targets, &target, trouble)),
        }
    }

    /// The address that is best off, among all.
    async fn target(self: &Arc<Self>) -> Result<(Arc<[Arc<Target>]>, Arc<Target>), Trouble> {
        let targets = self.targets().await?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        match choose(&targets, turn, Instant::now()) {
            Some(target) => {
                let target = Arc::clone(target);
                Ok((targets, target))
            }
            None => Err(Trouble::unreachable("no endpoint has an address", false)),
        }
    }

    /// Takes a failure to account; what it means where there are other addresses.
    fn failed(&self, targets: &[Arc<Target>], target: &Target, mut trouble: Trouble) -> Trouble {
        let now = Instant::now();
        target.failed(&trouble, now);
        lock(&self.known).failed_since = true;
        if trouble.again != Again::No && targets.iter().any(|other| other.away_until(now).is_none())
        {
            trouble.again = Again::Elsewhere;
        }
        if targets.len() > 1 {
            trouble.failure.detail = format!("{}: {}", target.address, trouble.failure.detail);
        }
        trouble
    }

    /// The addresses as they are known. The first time they are waited for, later they are looked up
    /// behind the back of the export that finds them old.
    async fn targets(self: &Arc<Self>) -> Result<Arc<[Arc<Target>]>, Trouble> {
        let (targets, is_old) = {
            let known = lock(&self.known);
            let age = known.at.map(|at| at.elapsed());
            let is_old = age.is_none_or(|age| {
                age > RESOLVED_FOR || (known.failed_since && age > RESOLVED_AT_LEAST)
            });
            (Arc::clone(&known.targets), is_old)
        };
        if targets.is_empty() {
            return self.resolve().await;
        }
        if is_old && !self.resolving.swap(true, Ordering::AcqRel) {
            let pool = Arc::clone(self);
            tokio::spawn(async move {
                // Those that are known hold if it fails.
                let _ = pool.resolve().await;
                pool.resolving.store(false, Ordering::Release);
            });
        }
        Ok(targets)
    }

    async fn resolve(&self) -> Result<Arc<[Arc<Target>]>, Trouble> {
        let mut found = Vec::new();
        let mut lost = Vec::new();
        let mut failure = None;
        for endpoint in &self.endpoints {
            let host = endpoint.host.as_str();
            match self.names.look_up(host, endpoint.port).await {
                Ok(addresses) => {
                    found.extend(addresses.into_iter().map(|address| (endpoint, address)));
                }
                Err(error) => {
                    lost.push(endpoint.settings.endpoint.as_str());
                    failure = Some(format!("{host} has no address: {error}"));
                }
            }
        }
        let mut known = lock(&self.known);
        known.at = Some(Instant::now());
        // A name that cannot be looked up now is tried again soon.
        known.failed_since = failure.is_some();
        let mut targets: Vec<Arc<Target>> = Vec::with_capacity(found.len());
        for (endpoint, address) in found {
            let url = &endpoint.settings.endpoint;
            let same = |old: &&Arc<Target>| old.address == address && old.url == *url;
            if targets.iter().any(|known| same(&known)) {
                continue;
            }
            // Connections and what is known of an address outlive a look at its name.
            if let Some(old) = known.targets.iter().find(same) {
                targets.push(Arc::clone(old));
                continue;
            }
            // It worked when the pool was made.
            let wire = endpoint
                .wire(address)
                .map_err(|error| Trouble::rejected(error.to_string()))?;
            targets.push(Arc::new(Target::new(url.clone(), address, wire)));
        }
        // What a lost name stood for last is better than nothing.
        let kept = known.targets.iter();
        targets.extend(kept.filter(|old| lost.contains(&old.url.as_str())).cloned());
        if targets.is_empty() {
            let why = failure.unwrap_or_else(|| "no endpoint has an address".to_owned());
            return Err(Trouble::unreachable(why, false));
        }
        known.targets = targets.into();
        Ok(Arc::clone(&known.targets))
    }
}

impl PoolCarrier {
    async fn send(&self, body: Bytes, spans: u64) -> Outcome {
        let asked = self.settings.as_ref();
        let asked = asked.map_or(Compression::None, |settings| settings.compression);
        let (body, encoding) = match compress(body, asked) {
            Ok(compressed) => compressed,
            Err(error) => {
                return Outcome::Dropped(Failure::new(
                    DropReason::ExporterFailed,
                    format!("the request cannot be compressed: {error}"),
                ));
            }
        };
        let delivered = self
            .courier
            .deliver(spans, || self.pool.attempt(&body, encoding))
            .await;
        match delivered {
            Ok(Some(response)) => answer::outcome(response, &self.shared.log),
            Ok(None) => {
                if !self.strange.swap(true, Ordering::Relaxed) {
                    self.shared.log.report(
                        super::log::ReportKind::Notice,
                        "the receiver answers 2xx with a body that is no OTLP response: \
                         is the endpoint an OTLP receiver? Spans count as exported",
                    );
                }
                Outcome::Delivered
            }
            Err(failure) => Outcome::Dropped(failure),
        }
    }
}

impl Carrier for PoolCarrier {
    fn deliver(&self, request: Bytes, spans: u64) -> BoxFuture<'_, Outcome> {
        Box::pin(self.send(request, spans))
    }
}
