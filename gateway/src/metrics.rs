//! What is counted, and how Prometheus reads it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use otel_enhance_receiver::{Encoding, Receiver, Transport};

use crate::delivery::Delivery;
use crate::output::Output;

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What came in.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    http: Received,
    grpc: Received,
    /// Requests in flight at the moment.
    pub(crate) in_flight: AtomicUsize,
    /// Requests that were told to come again because too many were in flight.
    pub(crate) busy: Counter,
    /// Requests without a token that is known.
    pub(crate) unauthorized: Counter,
    /// Spans that the sender was told not to send again, by reason.
    pub(crate) dropped_rejected: Counter,
    pub(crate) dropped_partial: Counter,
}

#[derive(Debug, Default)]
struct Received {
    requests: Counter,
    tracezip_requests: Counter,
    spans: Counter,
    wire_bytes: Counter,
    bytes: Counter,
}

impl Metrics {
    /// A request came in.
    pub(crate) fn received(
        &self,
        transport: Transport,
        encoding: Encoding,
        spans: usize,
        wire_bytes: usize,
        bytes: usize,
    ) {
        let received = match transport {
            Transport::Http => &self.http,
            Transport::Grpc => &self.grpc,
        };
        if encoding == Encoding::Tracezip {
            received.tracezip_requests.add(1);
        } else {
            received.requests.add(1);
        }
        received.spans.add(spans as u64);
        received.wire_bytes.add(wire_bytes as u64);
        received.bytes.add(bytes as u64);
    }

    /// Spans of a request that nobody will see.
    pub(crate) fn dropped(&self, delivery: &Delivery, spans: usize) {
        match delivery {
            Delivery::Rejected { .. } => self.dropped_rejected.add(spans as u64),
            Delivery::Partial { rejected, .. } => self.dropped_partial.add(*rejected),
            _ => {}
        }
    }
}

/// What went to an output.
#[derive(Debug, Default)]
pub(crate) struct OutputMetrics {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    accepted: Counter,
    partial: Counter,
    busy: Counter,
    unavailable: Counter,
    rejected: Counter,
    pub(crate) spans: Counter,
    pub(crate) rejected_spans: Counter,
    /// Requests that may have arrived though they count as failed: what may come twice.
    pub(crate) ambiguous: Counter,
    /// Bytes of requests, and what went over the wire for them.
    pub(crate) bytes: Counter,
    pub(crate) wire_bytes: Counter,
    pub(crate) under_way: AtomicUsize,
    /// Whether the latest request was taken.
    pub(crate) down: AtomicBool,
    pub(crate) tracezip: Option<Arc<TracezipMetrics>>,
}

/// What a tracezip output does beyond that.
#[derive(Debug, Default)]
pub(crate) struct TracezipMetrics {
    pub(crate) streams: AtomicUsize,
    pub(crate) evicted_streams: Counter,
    pub(crate) epochs: Counter,
    pub(crate) probes: Counter,
    pub(crate) frames: Counter,
    pub(crate) self_contained: Counter,
    pub(crate) frame_bytes: Counter,
    /// What was in the frames.
    pub(crate) framed_bytes: Counter,
    pub(crate) resent: Counter,
    pub(crate) state_losses: Counter,
    pub(crate) fallback_not_spoken: Counter,
    pub(crate) fallback_refused: Counter,
    pub(crate) speaks: AtomicBool,
    pub(crate) state_bytes: AtomicUsize,
}

impl OutputMetrics {
    pub(crate) fn delivered(&self, delivery: &Delivery, spans: usize) {
        let counter = match delivery {
            Delivery::Accepted => &self.accepted,
            Delivery::Partial { .. } => &self.partial,
            Delivery::Busy { .. } => &self.busy,
            Delivery::Unavailable { .. } => &self.unavailable,
            Delivery::Rejected { .. } => &self.rejected,
        };
        counter.add(1);
        let spans = spans as u64;
        match delivery {
            Delivery::Accepted => self.spans.add(spans),
            Delivery::Partial { rejected, .. } => {
                self.spans.add(spans.saturating_sub(*rejected));
                self.rejected_spans.add(*rejected);
            }
            Delivery::Rejected { .. } => self.rejected_spans.add(spans),
            Delivery::Busy { .. } | Delivery::Unavailable { .. } => {}
        }
    }
}

/// Prometheus's text format, version 0.0.4.
struct Page(String);

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string does not fail.
        writeln!(
            self.0,
            "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}"
        )
        .ok();
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0 += PREFIX;
        self.0 += name;
        for (at, (key, label)) in labels.iter().enumerate() {
            let escaped = label
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let open = if at == 0 { '{' } else { ',' };
            write!(self.0, "{open}{key}=\"{escaped}\"").ok();
        }
        let close = if labels.is_empty() { "" } else { "}" };
        writeln!(self.0, "{close} {value}").ok();
    }
}

const PREFIX: &str = "otel_enhance_gateway_";

/// All metrics as text.
pub(crate) fn page(metrics: &Metrics, receiver: Option<&Receiver>, outputs: &[Output]) -> String {
    let outputs: Vec<&OutputMetrics> = outputs.iter().map(|output| &*output.metrics).collect();
    let mut page = Page(String::with_capacity(8192));
    incoming(&mut page, metrics);
    if let Some(receiver) = receiver {
        received(&mut page, receiver);
    }
    outgoing(&mut page, &outputs);
    tracezip(&mut page, &outputs);
    page.0
}

fn incoming(page: &mut Page, metrics: &Metrics) {
    let both = [("http", &metrics.http), ("grpc", &metrics.grpc)];
    let name = "received_requests_total";
    page.metric(name, "counter", "Requests that were read whole.");
    for (transport, received) in both {
        let transport = ("transport", transport);
        let otlp = received.requests.get();
        page.value(name, &[transport, ("format", "otlp")], otlp);
        let frames = received.tracezip_requests.get();
        page.value(name, &[transport, ("format", "tracezip")], frames);
    }
    let mut sum = |name: &str, help: &str, read: fn(&Received) -> u64| {
        page.metric(name, "counter", help);
        for (transport, received) in both {
            page.value(name, &[("transport", transport)], read(received));
        }
    };
    sum("received_spans_total", "Spans in them.", |received| {
        received.spans.get()
    });
    sum(
        "received_wire_bytes_total",
        "Bytes of their bodies on the wire.",
        |received| received.wire_bytes.get(),
    );
    sum(
        "received_bytes_total",
        "Bytes of their bodies after decompression.",
        |received| received.bytes.get(),
    );
    let name = "in_flight_requests";
    page.metric(name, "gauge", "Requests that wait for an output.");
    page.value(name, &[], metrics.in_flight.load(Ordering::Relaxed));
    let name = "refused_requests_total";
    page.metric(name, "counter", "Requests that the gateway itself refused.");
    page.value(name, &[("reason", "busy")], metrics.busy.get());
    let unauthorized = metrics.unauthorized.get();
    page.value(name, &[("reason", "unauthorized")], unauthorized);
    let name = "dropped_spans_total";
    page.metric(
        name,
        "counter",
        "Spans that senders were told not to send again.",
    );
    let rejected = metrics.dropped_rejected.get();
    page.value(name, &[("reason", "destination_rejected")], rejected);
    let partial = metrics.dropped_partial.get();
    page.value(name, &[("reason", "partial_success")], partial);
}

fn received(page: &mut Page, receiver: &Receiver) {
    let stats = receiver.stats();
    let name = "in_flight_bytes";
    page.metric(name, "gauge", "Bytes that requests in flight take.");
    page.value(name, &[], stats.memory_bytes);
    for (name, help, value) in [
        (
            "connections_total",
            "Connections accepted.",
            stats.connections,
        ),
        (
            "failed_connections_total",
            "Connections that ended by an error.",
            stats.failed_connections,
        ),
        (
            "answered_requests_total",
            "Requests answered with success.",
            stats.succeeded,
        ),
        (
            "refused_answers_total",
            "Requests answered with an error, malformed ones included.",
            stats.refused,
        ),
    ] {
        page.metric(name, "counter", help);
        page.value(name, &[], value);
    }
    let Some(tracezip) = receiver.tracezip_stats() else {
        return;
    };
    let name = "tracezip_received_streams";
    page.metric(name, "gauge", "Tracezip streams that are received.");
    page.value(name, &[], tracezip.streams);
    let name = "tracezip_received_state_bytes";
    page.metric(name, "gauge", "Bytes of their state.");
    page.value(name, &[], tracezip.state_bytes);
    for (name, help, value) in [
        (
            "tracezip_received_frames_total",
            "Frames decoded.",
            tracezip.frames,
        ),
        (
            "tracezip_received_repeated_frames_total",
            "Frames that came again.",
            tracezip.repeated_frames,
        ),
        (
            "tracezip_received_state_losses_total",
            "Frames that built on state that is not held.",
            tracezip.state_losses,
        ),
        (
            "tracezip_received_refused_frames_total",
            "Frames that could not be decoded.",
            tracezip.refused_frames,
        ),
        (
            "tracezip_received_frame_bytes_total",
            "Bytes of frames decoded.",
            tracezip.frame_bytes,
        ),
        (
            "tracezip_received_bytes_total",
            "Bytes that they decoded to.",
            tracezip.decoded_bytes,
        ),
    ] {
        page.metric(name, "counter", help);
        page.value(name, &[], value);
    }
}

fn outgoing(page: &mut Page, outputs: &[&OutputMetrics]) {
    let name = "output_requests_total";
    page.metric(name, "counter", "Requests given to an output, by result.");
    for output in outputs {
        for (result, counter) in [
            ("accepted", &output.accepted),
            ("partial", &output.partial),
            ("busy", &output.busy),
            ("unavailable", &output.unavailable),
            ("rejected", &output.rejected),
        ] {
            let labels = [("output", output.name.as_str()), ("result", result)];
            page.value(name, &labels, counter.get());
        }
    }
    let mut each = |name: &str, kind: &str, help: &str, read: fn(&OutputMetrics) -> u64| {
        page.metric(name, kind, help);
        for output in outputs {
            let labels = [("output", output.name.as_str()), ("kind", output.kind)];
            page.value(name, &labels, read(output));
        }
    };
    each(
        "output_spans_total",
        "counter",
        "Spans that the output took.",
        |output| output.spans.get(),
    );
    each(
        "output_rejected_spans_total",
        "counter",
        "Spans that the output will never take.",
        |output| output.rejected_spans.get(),
    );
    each(
        "output_ambiguous_requests_total",
        "counter",
        "Requests that may have arrived although they count as failed.",
        |output| output.ambiguous.get(),
    );
    each(
        "output_bytes_total",
        "counter",
        "Bytes of requests before compression.",
        |output| output.bytes.get(),
    );
    each(
        "output_wire_bytes_total",
        "counter",
        "Bytes of bodies on the wire.",
        |output| output.wire_bytes.get(),
    );
    each(
        "output_requests_under_way",
        "gauge",
        "Requests on their way to the output.",
        |output| output.under_way.load(Ordering::Relaxed) as u64,
    );
    each(
        "output_up",
        "gauge",
        "Whether the latest request was taken.",
        |output| u64::from(!output.down.load(Ordering::Relaxed)),
    );
}

fn tracezip(page: &mut Page, outputs: &[&OutputMetrics]) {
    let all: Vec<(&str, &TracezipMetrics)> = outputs
        .iter()
        .filter_map(|output| Some((output.name.as_str(), output.tracezip.as_deref()?)))
        .collect();
    if all.is_empty() {
        return;
    }
    let mut each = |name: &str, kind: &str, help: &str, read: fn(&TracezipMetrics) -> u64| {
        page.metric(name, kind, help);
        for (output, metrics) in &all {
            page.value(name, &[("output", output)], read(metrics));
        }
    };
    each(
        "tracezip_spoken",
        "gauge",
        "Whether the destination speaks tracezip, as far as known.",
        |metrics| u64::from(metrics.speaks.load(Ordering::Relaxed)),
    );
    each(
        "tracezip_streams",
        "gauge",
        "Streams that are sent, one a tenant.",
        |metrics| metrics.streams.load(Ordering::Relaxed) as u64,
    );
    each(
        "tracezip_state_bytes",
        "gauge",
        "Bytes of their state.",
        |metrics| metrics.state_bytes.load(Ordering::Relaxed) as u64,
    );
    each(
        "tracezip_evicted_streams_total",
        "counter",
        "Streams ended because there were too many.",
        |metrics| metrics.evicted_streams.get(),
    );
    each(
        "tracezip_epochs_total",
        "counter",
        "Epochs begun.",
        |metrics| metrics.epochs.get(),
    );
    each(
        "tracezip_state_losses_total",
        "counter",
        "Frames answered with lost state.",
        |metrics| metrics.state_losses.get(),
    );
    each(
        "tracezip_probes_total",
        "counter",
        "Times the destination was asked.",
        |metrics| metrics.probes.get(),
    );
    each(
        "tracezip_frames_total",
        "counter",
        "Frames sent.",
        |metrics| metrics.frames.get(),
    );
    each(
        "tracezip_self_contained_frames_total",
        "counter",
        "Frames that stand for themselves, because state was lost too often.",
        |metrics| metrics.self_contained.get(),
    );
    each(
        "tracezip_resent_frames_total",
        "counter",
        "Frames sent again because no answer came.",
        |metrics| metrics.resent.get(),
    );
    each(
        "tracezip_frame_bytes_total",
        "counter",
        "Bytes of frames.",
        |metrics| metrics.frame_bytes.get(),
    );
    each(
        "tracezip_framed_bytes_total",
        "counter",
        "Bytes of the requests in them: the ratio is to these.",
        |metrics| metrics.framed_bytes.get(),
    );
    let name = "tracezip_fallbacks_total";
    page.metric(name, "counter", "Requests sent as OTLP instead, by reason.");
    for (output, metrics) in &all {
        let labels = [("output", *output), ("reason", "not_spoken")];
        page.value(name, &labels, metrics.fallback_not_spoken.get());
        let labels = [("output", *output), ("reason", "frame_refused")];
        page.value(name, &labels, metrics.fallback_refused.get());
    }
}
