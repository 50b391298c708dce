//! OTLP, as it came.

use otel_enhance_receiver::ContentType;

use crate::batch::Batch;
use crate::config::OtlpOutput;
use crate::delivery::Delivery;
use crate::link::{Kind, Link, TlsError};

#[derive(Debug)]
pub(super) struct Otlp {
    link: Link,
}

impl Otlp {
    pub(super) fn new(config: &OtlpOutput) -> Result<Self, TlsError> {
        Ok(Self {
            link: Link::new(config)?,
        })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> (Delivery, usize, bool) {
        let answer = match batch.content_type {
            ContentType::Json if self.link.takes_json() => {
                self.link.send(Kind::Json, &batch.body, &batch.tenant).await
            }
            _ => {
                let message = batch.protobuf();
                self.link.send(Kind::Protobuf, message, &batch.tenant).await
            }
        };
        (answer.delivery, answer.wire_bytes, false)
    }
}
