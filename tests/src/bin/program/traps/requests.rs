//! What an OTLP/HTTP request looks like, and whether there is one.

use std::collections::HashMap;

use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::new_enhanced_pipeline;

use crate::common::{Outcome, Telling, end_spans, fact, report};

fn send(exporter: SpanExporter) -> Outcome {
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter)
        .build();
    end_spans(&provider, 1);
    provider.shutdown()?;
    Ok(())
}

/// Headers in code and in `OTEL_EXPORTER_OTLP_HEADERS`.
pub(crate) mod env_headers_override {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let in_code = HashMap::from([("x-team".to_owned(), "code".to_owned())]);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Telling)
            .with_headers(in_code)
            .build()?;
        send(exporter)
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_header("x-team", "code")
            .install_batch()?;
        end_spans(guard.tracer_provider(), 1);
        guard.shutdown()?;
        report(&guard);
        Ok(())
    }
}

/// `OTEL_EXPORTER_OTLP_PROTOCOL=grpc` where code asks for HTTP.
pub(crate) mod protocol_env_with_http {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let built = SpanExporter::builder()
            .with_http()
            .with_http_client(Telling)
            .build();
        fact("built", built.is_ok());
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline().with_otlp_http().install_batch()?;
        fact("built", true);
        end_spans(guard.tracer_provider(), 1);
        guard.shutdown()?;
        report(&guard);
        Ok(())
    }
}

/// An endpoint given in code, without a path.
pub(crate) mod endpoint_path {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Telling)
            .with_endpoint("http://127.0.0.1:4318")
            .build()?;
        send(exporter)
    }

    pub(crate) fn ours() -> Outcome {
        let endpoint = std::env::var("PROGRAM_ENDPOINT")?;
        let guard = new_enhanced_pipeline()
            .with_endpoint(endpoint)
            .install_batch()?;
        end_spans(guard.tracer_provider(), 1);
        guard.shutdown()?;
        report(&guard);
        Ok(())
    }
}
