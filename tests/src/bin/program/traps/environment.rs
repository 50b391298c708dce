//! What the environment says about service and endpoint.

use opentelemetry::Key;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use otel_enhance::new_enhanced_pipeline;

use crate::common::{Outcome, Telling, diagnostics, fact};

/// `OTEL_RESOURCE_ATTRIBUTES` with percent-encoded values.
pub(crate) mod resource_percent_decoding {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        tell(&Resource::builder().build());
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline().with_no_exporter().install_batch()?;
        tell(guard.resource());
        Ok(())
    }

    fn tell(resource: &Resource) {
        let team = resource.get(&Key::new("team"));
        fact(
            "team",
            team.map(|team| team.to_string()).unwrap_or_default(),
        );
    }
}

/// An endpoint variable that is no URL.
pub(crate) mod invalid_endpoint {
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
        let guard = new_enhanced_pipeline().install_batch()?;
        fact("built", true);
        diagnostics(&guard);
        Ok(())
    }
}
