//! Requests whose bodies are encoded already.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::super::connect::Connector;
#[cfg(feature = "tracezip")]
use super::super::frames::FrameSaid;
#[cfg(feature = "tracezip")]
use super::super::retry::Again;
use super::super::retry::Trouble;
use super::client::{Parcel, Transport};
use super::{content_type, endpoint, headers, response};
use crate::InitError;
use crate::config::OtlpSettings;
#[cfg(feature = "tracezip")]
use crate::extensions::tracezip::Refusal;

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

    /// One attempt with a frame of tracezip.
    #[cfg(feature = "tracezip")]
    pub(in crate::export) async fn attempt_frame(&self, frame: Bytes) -> FrameSaid {
        let mut headers = self.headers.clone();
        headers.insert(
            CONTENT_ENCODING,
            HeaderValue::from_static(tracezip::CONTENT_CODING),
        );
        let parcel = Parcel {
            uri: self.uri.clone(),
            headers,
            body: frame,
        };
        match self.transport.attempt_in_full(&parcel).await {
            Ok(response) => {
                let message = response.into_body();
                let answer = response::parse(&self.content_type, &message);
                FrameSaid::Taken {
                    message,
                    whole: answer,
                }
            }
            Err((trouble, message)) => match trouble.failure.http_status {
                Some(status) => FrameSaid::Refused {
                    refusal: refusal(status, &trouble),
                    message,
                    whole: trouble,
                },
                None => FrameSaid::Nothing {
                    may_have_arrived: trouble.may_have_arrived,
                    whole: trouble,
                },
            },
        }
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

/// What a status says about tracezip.
#[cfg(feature = "tracezip")]
fn refusal(status: u16, trouble: &Trouble) -> Refusal {
    match status {
        400 => Refusal::Malformed,
        409 => Refusal::StateLost,
        404 | 405 | 406 | 415 | 501 => Refusal::NotSpoken,
        429 => Refusal::Throttled,
        _ if matches!(trouble.again, Again::After(_)) => Refusal::Throttled,
        _ if trouble.again != Again::No => Refusal::Passing,
        500.. => Refusal::Broke,
        _ => Refusal::Other,
    }
}

impl fmt::Debug for RawHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers may hold secrets.
        f.debug_struct("RawHttp").finish_non_exhaustive()
    }
}
