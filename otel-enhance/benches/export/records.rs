//! The whole fast path: spans that are made where the other kinds hand over ready ones.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Tracer as _};
use otel_enhance::TelemetryGuard;
use otel_enhance::new_enhanced_pipeline;
use otel_enhance::wrappers::EnhancedTracer;

/// A pipeline of `init!(performance)`, and what makes its spans.
pub(crate) struct Records {
    guard: TelemetryGuard,
    tracer: EnhancedTracer,
}

impl Records {
    pub(crate) fn new(kind: &str, http: &str, grpc: &str) -> Self {
        let builder = new_enhanced_pipeline()
            .with_service_name("bench")
            .with_exit_handler(false)
            .with_performance();
        let builder = if kind.ends_with("http") {
            builder.with_otlp_http().with_endpoint(http)
        } else {
            builder.with_otlp_grpc().with_endpoint(grpc)
        };
        let guard = builder.install_batch().expect("installed once");
        let tracer = guard.tracer("bench");
        Self { guard, tracer }
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.guard.delivery().exported
    }

    pub(crate) fn flush(&self) -> bool {
        self.guard.force_flush().is_ok()
    }

    /// The same span as that of the other kinds.
    pub(crate) fn span(&self, number: u64) {
        let attributes = vec![
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("url.scheme", "https"),
            KeyValue::new("url.path", format!("/api/items/{number}")),
            KeyValue::new("http.route", "/api/items/{id}"),
            KeyValue::new("http.response.status_code", 200),
            KeyValue::new("server.address", "shop.example.com"),
            KeyValue::new("server.port", 443),
            KeyValue::new("enduser.id", format!("user-{}", number % 1000)),
        ];
        let builder = self
            .tracer
            .span_builder("GET /api/items/{id}")
            .with_kind(SpanKind::Server)
            .with_attributes(attributes);
        builder.start(&self.tracer).end();
    }
}
