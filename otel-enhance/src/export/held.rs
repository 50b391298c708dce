//! What stands in for an exporter that must not send.

use futures_util::future::BoxFuture;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;

use super::report::DropReason;
use super::sink::{Failure, Outcome, Sink};

/// Drops every batch for [`DropReason::Credentials`]: the environment asks for an encrypted connection
/// and this build has no TLS. It is no error of the install, because the environment never stops a
/// service; and nothing is sent in the clear instead.
#[derive(Debug)]
pub(super) struct WithoutTls;

impl Sink for WithoutTls {
    fn export(&self, _: Vec<SpanData>) -> BoxFuture<'_, Outcome> {
        Box::pin(std::future::ready(Outcome::Dropped(Failure::new(
            DropReason::Credentials,
            "the endpoint is `https`, which needs the cargo feature `tls` of otel-enhance",
        ))))
    }

    fn shutdown(&self) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, _: &Resource) {}
}
