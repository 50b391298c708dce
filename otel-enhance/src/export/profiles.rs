//! OTLP Profiles to the receiver of spans, or to one of their own.

use std::sync::Arc;

use super::carrier::Carrier;
use super::erased::Shared;
use super::log::Log;
use super::report::Delivery;
use super::retry::Backoff;
use super::runtime::{ExportRuntime, block_on};
use super::sink::Outcome;
use super::{connector, require_features};
use crate::InitError;
use crate::config::{OtlpSettings, Protocol};

const OF_TRACES: &str = "/v1/traces";
const OF_PROFILES: &str = "/v1development/profiles";

/// Sends requests of OTLP Profiles, one now and then.
#[derive(Debug)]
pub(crate) struct ProfileSender {
    settings: OtlpSettings,
    log: Log,
}

impl ProfileSender {
    /// To where spans go, or to `endpoint`: over HTTP the URL to post to, over gRPC scheme, host and port.
    ///
    /// # Errors
    ///
    /// [`InitError::InvalidArgument`] where spans go to a URL that does not tell where profiles would go;
    /// [`InitError::FeatureMissing`] if this build lacks the transport.
    pub(crate) fn new(
        mut settings: OtlpSettings,
        endpoint: Option<&str>,
        log: Log,
    ) -> Result<Self, InitError> {
        if settings.protocol == Protocol::HttpJson {
            // Whoever takes one takes the other.
            settings.protocol = Protocol::HttpProtobuf;
        }
        settings.endpoint = match (endpoint, settings.protocol) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, Protocol::Grpc) => settings.endpoint,
            (None, _) => beside_traces(&settings.endpoint)?,
        };
        require_features(&settings)?;
        #[cfg(not(feature = "tls-no-provider"))]
        if super::is_https(&settings) {
            return Err(InitError::FeatureMissing {
                argument: "profiles_endpoint",
                feature: "tls",
            });
        }
        let sender = Self { settings, log };
        // Whether the settings can be used is said now, not a minute later.
        let carrier = sender.carrier(&sender.shared()?);
        carrier.map_err(|error| named(error, endpoint.is_some()))?;
        Ok(sender)
    }

    /// Where it sends to.
    pub(crate) fn endpoint(&self) -> &str {
        &self.settings.endpoint
    }

    /// Sends one, with retries, within the settings' timeout; on a plain thread.
    ///
    /// Nothing is kept open until the next: that may be an hour from now.
    ///
    /// # Errors
    ///
    /// Why it did not arrive, in words.
    pub(crate) fn send(&self, request: Vec<u8>) -> Result<(), String> {
        let shared = self.shared().map_err(|error| error.to_string())?;
        let carrier = self.carrier(&shared).map_err(|error| error.to_string())?;
        let delivered = carrier.deliver(request.into(), 0);
        match block_on(shared.runtime.enter_each_poll(delivered)) {
            Outcome::Delivered => Ok(()),
            Outcome::Partial { rejected: 0, .. } => Ok(()),
            Outcome::Partial { message, .. } => {
                Err(format!("the receiver refused some: {message}"))
            }
            Outcome::Dropped(failure) => Err(failure.detail),
        }
    }

    fn shared(&self) -> Result<Shared, InitError> {
        Ok(Shared {
            // No spans: they are not in the account of any pipeline.
            delivery: Arc::new(Delivery::default()),
            log: self.log.clone(),
            runtime: ExportRuntime::new()?,
        })
    }

    fn carrier(&self, shared: &Shared) -> Result<Box<dyn Carrier>, InitError> {
        let settings = &self.settings;
        let backoff = Backoff::default();
        match settings.protocol {
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => {
                let connector = connector(settings, b"h2");
                shared.runtime.build_guarded(|| {
                    super::grpc::profiles_carrier(settings, connector, backoff, shared)
                })?
            }
            #[cfg(feature = "otlp-http")]
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                let connector = connector(settings, b"http/1.1");
                shared
                    .runtime
                    .build_guarded(|| super::http::carrier(settings, connector, backoff, shared))?
            }
            // `require_features` has answered already.
            #[cfg(not(all(feature = "otlp-http", feature = "otlp-grpc")))]
            _ => super::no_transport(shared),
        }
    }
}

/// The same fault, of the argument that it is in: a carrier knows one endpoint, which is that of spans.
fn named(mut error: InitError, has_own_endpoint: bool) -> InitError {
    if let InitError::InvalidArgument { argument, .. } = &mut error
        && has_own_endpoint
        && *argument == "endpoint"
    {
        *argument = "profiles_endpoint";
    }
    error
}

/// The URL of profiles at the receiver whose URL of traces this is.
fn beside_traces(endpoint: &str) -> Result<String, InitError> {
    match endpoint.strip_suffix(OF_TRACES) {
        Some(base) => Ok(format!("{base}{OF_PROFILES}")),
        None => Err(InitError::InvalidArgument {
            argument: "otlp_profiles",
            value: format!("beside the endpoint {endpoint}"),
            expected: format!(
                "spans that go to a URL which ends with {OF_TRACES}, so that profiles go to {OF_PROFILES} beside \
                 it; or `profiles_endpoint = \"…\"` with the whole URL"
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Compression, TlsSettings};

    fn settings(protocol: Protocol, endpoint: String) -> OtlpSettings {
        OtlpSettings {
            protocol,
            endpoint,
            headers: Vec::new(),
            compression: Compression::None,
            timeout: Duration::from_secs(10),
            tls: TlsSettings::default(),
        }
    }

    /// Run by the test stage `profiles`, which starts a Collector.
    #[test]
    #[ignore = "needs a Collector: cargo xtask test --only profiles"]
    fn the_collector_takes_profiles_over_grpc_and_answers() {
        let endpoint = std::env::var("OTEL_ENHANCE_PROFILES_GRPC").unwrap();
        let settings = settings(Protocol::Grpc, endpoint);
        let sender = ProfileSender::new(settings, None, Log::with_handler(None)).unwrap();
        // An empty group, in whose name no dictionary is needed.
        sender.send(vec![0x0a, 0x00]).unwrap();
        // The server reads it as a message: this is none.
        sender.send(vec![0x0a, 0x7f]).unwrap_err();
    }

    #[test]
    fn profiles_go_beside_traces_and_nowhere_by_guess() {
        assert_eq!(
            beside_traces("http://collector:4318/v1/traces").unwrap(),
            "http://collector:4318/v1development/profiles"
        );
        let error = beside_traces("http://collector/ingest").unwrap_err();
        assert!(error.to_string().contains("profiles_endpoint"), "{error}");
    }

    #[cfg(feature = "otlp-http")]
    #[test]
    fn endpoint_that_is_none_is_refused_by_the_name_of_its_argument() {
        let spans = "http://localhost:4318/v1/traces".to_owned();
        let settings = settings(Protocol::HttpProtobuf, spans);
        let log = Log::with_handler(None);
        let error = ProfileSender::new(settings, Some("bogus"), log).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`profiles_endpoint` is `bogus`"),
            "{error}"
        );
    }
}
