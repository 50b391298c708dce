//! Requests as frames of tracezip where the receiver takes them, and as OTLP where not.
//!
//! What is to be sent next is decided by the [`Session`]; this brings it there, again and again until it is delivered
//! or given up.

mod way;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::answer;
use super::compress::compress;
use super::encoded::Carrier;
use super::erased::Shared;
use super::log::{ReportKind, lock};
use super::report::DropReason;
use super::retry::{Backoff, Courier, Trouble};
use super::sink::{Failure, Outcome};
use crate::InitError;
use crate::config::{OtlpSettings, Protocol};
use crate::extensions::tracezip::{
    Batch, Counts, Said, Session, Told, TracezipIdGenerator, TracezipWatch, is_probe,
};
pub(super) use way::Way;

/// How long the answer to a probe is waited for at most, and no longer than a quarter of what an export may take.
/// Nothing lies behind it that takes time.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// What came of sending a frame. `None` is a success whose message is no OTLP answer.
pub(super) type FrameSaid = Said<Option<ExportTraceServiceResponse>, Trouble>;

/// What tracezip is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    pub(crate) counts: Arc<Counts>,
    pub(crate) enabled: Arc<AtomicBool>,
    pub(crate) ids: Option<TracezipIdGenerator>,
    /// `None`: the codec's.
    pub(crate) level: Option<u8>,
}

impl Frames {
    pub(crate) fn new(ids: Option<TracezipIdGenerator>, level: Option<u8>) -> Self {
        Self {
            counts: Arc::default(),
            enabled: Arc::new(AtomicBool::new(true)),
            ids,
            level,
        }
    }

    pub(crate) fn watch(&self) -> TracezipWatch {
        TracezipWatch::new(Arc::clone(&self.counts))
    }
}

/// Whether the keys of ids may travel there: over TLS, or within this machine.
pub(crate) fn keeps_secrets(settings: &OtlpSettings) -> bool {
    settings
        .endpoint
        .parse::<http::Uri>()
        .is_ok_and(|uri| keeps_secrets_at(&uri))
}

/// The same of a URL.
pub(crate) fn keeps_secrets_at(uri: &http::Uri) -> bool {
    if uri.scheme_str() == Some("https") {
        return true;
    }
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A [`Carrier`] that tries frames first.
#[derive(Debug)]
pub(super) struct FrameCarrier {
    way: Way,
    session: Session,
    courier: Courier,
    settings: OtlpSettings,
    strange: AtomicBool,
    shared: Shared,
}

impl FrameCarrier {
    pub(super) fn new(
        way: Way,
        settings: &OtlpSettings,
        courier: Courier,
        frames: &Frames,
        shared: &Shared,
    ) -> Self {
        let ids = frames.ids.clone().filter(|_| keeps_secrets(settings));
        let session = Session::new(
            Arc::clone(&frames.counts),
            ids,
            Arc::clone(&frames.enabled),
            Some(shared.log.clone()),
        );
        if let Some(level) = frames.level {
            session.set_level(level);
        }
        Self {
            way,
            session,
            courier,
            settings: settings.clone(),
            strange: AtomicBool::new(false),
            shared: shared.clone(),
        }
    }

    /// Sends what the session wants to say. A receiver that swallows the probe must leave time for OTLP.
    async fn say(&self, frame: Bytes) -> FrameSaid {
        if !is_probe(&frame) {
            return self.way.frame(frame).await;
        }
        let patience = (self.settings.timeout / 4).min(PROBE_PATIENCE);
        match tokio::time::timeout(patience, self.way.frame(frame)).await {
            Ok(said) => said,
            Err(_) => Said::Nothing {
                may_have_arrived: true,
                whole: Trouble::unreachable(format!("no answer within {patience:?}"), false),
            },
        }
    }

    async fn send(&self, request: Bytes, spans: u64) -> Outcome {
        let parcel = Parcel {
            carrier: self,
            spans,
            state: Mutex::new(Some(Sending {
                batch: Batch::new(request),
                otlp: None,
                may_have_arrived: false,
            })),
        };
        match self.courier.deliver(spans, || parcel.attempt()).await {
            Ok(Some(response)) => answer::outcome(response, &self.shared.log),
            Ok(None) => {
                if !self.strange.swap(true, Ordering::Relaxed) {
                    self.shared.log.report(
                        ReportKind::Notice,
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

impl Carrier for FrameCarrier {
    fn deliver(&self, request: Bytes, spans: u64) -> BoxFuture<'_, Outcome> {
        Box::pin(self.send(request, spans))
    }
}

/// One request, through all its attempts.
struct Parcel<'a> {
    carrier: &'a FrameCarrier,
    spans: u64,
    /// Taken out while an attempt is under way.
    state: Mutex<Option<Sending>>,
}

struct Sending {
    batch: Batch,
    /// The request as OTLP, compressed, once that was needed.
    otlp: Option<(Bytes, Option<&'static str>)>,
    /// The attempt before may have delivered it.
    may_have_arrived: bool,
}

/// Puts the state back, and takes leave of it if the attempt was cut off.
struct Held<'a, 'b> {
    parcel: &'a Parcel<'b>,
    sending: Option<Sending>,
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        *lock(&self.parcel.state) = self.sending.take();
    }
}

impl Drop for Parcel<'_> {
    fn drop(&mut self) {
        if let Some(sending) = &*lock(&self.state) {
            self.carrier.session.give_up(&sending.batch);
        }
    }
}

impl Parcel<'_> {
    async fn attempt(&self) -> Result<Option<ExportTraceServiceResponse>, Trouble> {
        let mut held = Held {
            parcel: self,
            sending: lock(&self.state).take(),
        };
        let Some(sending) = &mut held.sending else {
            // One attempt begins when the one before has ended.
            return Err(Trouble::rejected("two attempts at once"));
        };
        let carrier = self.carrier;
        if std::mem::take(&mut sending.may_have_arrived) {
            carrier.session.counts().ambiguous_retry();
        }
        let told = carrier
            .session
            .send(&mut sending.batch, |frame| carrier.say(frame))
            .await;
        match told {
            Told::Taken(response) => return Ok(response),
            Told::Failed {
                whole,
                is_certain: true,
            } => {
                return Err(Trouble {
                    may_have_arrived: false,
                    ..whole
                });
            }
            Told::Failed { whole, .. } => {
                sending.may_have_arrived |= whole.may_have_arrived;
                return Err(whole);
            }
            Told::AsOtlp { may_have_arrived } => {
                if may_have_arrived {
                    carrier.shared.delivery.ambiguous_retry(self.spans);
                }
            }
        }
        self.as_otlp(sending).await
    }

    async fn as_otlp(
        &self,
        sending: &mut Sending,
    ) -> Result<Option<ExportTraceServiceResponse>, Trouble> {
        let carrier = self.carrier;
        if sending.otlp.is_none() {
            let request = sending.batch.request().clone();
            let compressed = compress(request, carrier.settings.compression);
            sending.otlp = Some(compressed.map_err(|error| Trouble {
                failure: Failure::new(
                    DropReason::ExporterFailed,
                    format!("the request cannot be compressed: {error}"),
                ),
                ..Trouble::rejected("")
            })?);
        }
        let Some((body, encoding)) = &sending.otlp else {
            return Err(Trouble::rejected("nothing to send"));
        };
        match carrier.way.otlp(body, *encoding).await {
            Ok(response) => {
                carrier.session.counts().otlp_delivered();
                Ok(response)
            }
            Err(trouble) => {
                if trouble.failure.reason == DropReason::Unreachable
                    && trouble.failure.http_status.is_none()
                {
                    carrier.session.connection_lost();
                }
                sending.may_have_arrived |= trouble.may_have_arrived;
                Err(trouble)
            }
        }
    }
}

/// The carrier for `settings`, which name one destination. Must be called with our runtime entered.
pub(super) fn carrier(
    settings: &OtlpSettings,
    way: Way,
    backoff: Backoff,
    frames: &Frames,
    shared: &Shared,
) -> Result<Box<dyn Carrier>, InitError> {
    debug_assert_ne!(
        settings.protocol,
        Protocol::HttpJson,
        "frames hold protobuf"
    );
    let courier = Courier::new(settings.timeout, backoff, Arc::clone(&shared.delivery));
    Ok(Box::new(FrameCarrier::new(
        way, settings, courier, frames, shared,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_kept_over_tls_and_within_this_machine() {
        for (url, kept) in [
            ("https://gateway.example:4318/v1/traces", true),
            ("HTTPS://10.0.0.1", true),
            ("http://localhost:4318", true),
            ("http://LOCALHOST", true),
            ("http://127.8.8.8:4317", true),
            ("http://[::1]:4318/v1/traces", true),
            ("http://gateway:4318", false),
            ("http://localhost.example:4318", false),
            ("http://127.0.0.1.example:4318", false),
            ("http://10.0.0.1:4318", false),
            ("http://[2001:db8::1]:4318", false),
        ] {
            assert_eq!(keeps_secrets_at(&url.parse().unwrap()), kept, "{url}");
        }
    }
}
