//! Requests whose bodies are encoded already.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::super::connect::Connector;
use super::super::retry::Trouble;
use super::client::{Parcel, Transport};
use super::{content_type, endpoint, headers, response};
use crate::InitError;
use crate::config::OtlpSettings;

/// Sends written requests to one address.
pub(in crate::export) struct RawHttp {
    transport: Transport,
    uri: Uri,
    content_type: HeaderValue,
    headers: HeaderMap,
}

impl RawHttp {
    pub(in crate::export) fn new(
        settings: &OtlpSettings,
        connector: Connector,
    ) -> Result<Self, InitError> {
        let uri = endpoint(&settings.endpoint)?;
        let mut headers = headers(&settings.headers)?;
        let content_type = content_type(settings.protocol);
        headers.insert(CONTENT_TYPE, content_type.clone());
        Ok(Self {
            transport: Transport::new(connector),
            uri,
            content_type,
            headers,
        })
    }

    /// One attempt. `None` is a success with a body that is no OTLP answer.
    pub(in crate::export) async fn attempt(
        &self,
        body: &Bytes,
        encoding: Option<&'static str>,
    ) -> Result<Option<ExportTraceServiceResponse>, Trouble> {
        let mut headers = self.headers.clone();
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let parcel = Parcel {
            uri: self.uri.clone(),
            headers,
            body: body.clone(),
        };
        let answered = self.transport.attempt(&parcel).await?;
        Ok(response::parse(&self.content_type, answered.body()))
    }
}

impl fmt::Debug for RawHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers may hold secrets.
        f.debug_struct("RawHttp").finish_non_exhaustive()
    }
}
