//! Requests that are written already, over HTTP.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::super::carrier::Carrier;
use super::super::connect::Connector;
use super::super::erased::Shared;
use super::super::report::DropReason;
use super::super::retry::Backoff;
use super::super::sink::{Failure, Outcome};
use super::{OtlpClient, body, content_type};
use crate::InitError;
use crate::config::OtlpSettings;

/// The carrier for `settings`, which name HTTP.
pub(in crate::export) fn carrier(
    settings: &OtlpSettings,
    connector: Connector,
    backoff: Backoff,
    shared: &Shared,
) -> Result<Box<dyn Carrier>, InitError> {
    Ok(Box::new(HttpCarrier {
        client: OtlpClient::new(settings, connector, backoff, shared)?,
        content_type: content_type(settings.protocol),
    }))
}

#[derive(Debug)]
struct HttpCarrier {
    client: OtlpClient,
    content_type: http::HeaderValue,
}

impl Carrier for HttpCarrier {
    fn deliver(&self, request: Bytes, spans: u64) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let (body, encoding) = match body::compress(request, self.client.compression) {
                Ok(compressed) => compressed,
                Err(error) => {
                    return Outcome::Dropped(Failure::new(
                        DropReason::ExporterFailed,
                        format!("the request cannot be compressed: {error}"),
                    ));
                }
            };
            let content_type = self.content_type.clone();
            let sent = self.client.deliver(content_type, encoding, body, spans);
            match sent.await {
                Ok((_, outcome)) => outcome,
                Err(failure) => Outcome::Dropped(failure),
            }
        })
    }
}
