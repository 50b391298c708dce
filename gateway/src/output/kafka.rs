//! A topic of Kafka: a record a request, in protobuf, as the Collector's Kafka receiver reads `otlp_proto`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use rskafka::BackoffConfig;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression as Codec, PartitionClient, UnknownTopicHandling};
use rskafka::client::{ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use rustls::ClientConfig;
use tokio::sync::Mutex;

use crate::batch::Batch;
use crate::config::{Compression, KafkaOutput};
use crate::delivery::Delivery;
use crate::link::{TlsError, tls_client};

pub(super) struct Kafka {
    config: KafkaOutput,
    tls: Option<Arc<ClientConfig>>,
    /// Made when they are needed first, and anew after an error.
    partitions: Mutex<Option<Arc<Partitions>>>,
}

struct Partitions {
    clients: Vec<PartitionClient>,
    next: AtomicUsize,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kafka").field(&self.config).finish()
    }
}

impl Kafka {
    pub(super) fn new(config: &KafkaOutput) -> Result<Self, TlsError> {
        Ok(Self {
            config: config.clone(),
            tls: config
                .tls
                .as_ref()
                .map(|tls| tls_client(tls).map(Arc::new))
                .transpose()?,
            partitions: Mutex::const_new(None),
        })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> (Delivery, usize, bool) {
        let message = batch.protobuf();
        let record = Record {
            // Without a key: whoever reads the topic may read any partition of it.
            key: None,
            value: Some(message.to_vec()),
            headers: BTreeMap::new(),
            timestamp: now(),
        };
        let timeout = self.config.timeout.0;
        let away = |message: String, ambiguous| Delivery::Unavailable {
            retry_after: None,
            message,
            ambiguous,
        };
        let delivery = match tokio::time::timeout(timeout, self.produce(record)).await {
            Ok(Ok(())) => Delivery::Accepted,
            Ok(Err(Failure::Unsent(message))) => away(message, false),
            Ok(Err(Failure::Produce(error))) if is_too_large(&error) => Delivery::Rejected {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                message: "the request is larger than what the topic takes".to_owned(),
            },
            Ok(Err(Failure::Produce(error))) => {
                self.partitions.lock().await.take();
                away(format!("the topic takes no records: {error}"), true)
            }
            Err(_) => {
                self.partitions.lock().await.take();
                away(format!("no answer within {timeout:?}"), true)
            }
        };
        (delivery, message.len(), false)
    }

    async fn produce(&self, record: Record) -> Result<(), Failure> {
        let partitions = self.partitions().await?;
        let at = partitions.next.fetch_add(1, Ordering::Relaxed) % partitions.clients.len();
        let codec = match self.config.compression {
            Compression::None => Codec::NoCompression,
            Compression::Gzip => Codec::Gzip,
            Compression::Zstd => Codec::Zstd,
        };
        // It asks for the acknowledgement of all replicas that are in sync.
        partitions.clients[at]
            .produce(vec![record], codec)
            .await
            .map(|_| ())
            .map_err(Failure::Produce)
    }

    /// The partitions of the topic. One request connects, the others wait for it.
    async fn partitions(&self) -> Result<Arc<Partitions>, Failure> {
        let mut kept = self.partitions.lock().await;
        if let Some(partitions) = &*kept {
            return Ok(Arc::clone(partitions));
        }
        let partitions =
            Arc::new(self.connect().await.map_err(|error| {
                Failure::Unsent(format!("the brokers cannot be reached: {error}"))
            })?);
        if partitions.clients.is_empty() {
            let topic = &self.config.topic.0;
            return Err(Failure::Unsent(format!(
                "there is no topic `{topic}`: create it"
            )));
        }
        *kept = Some(Arc::clone(&partitions));
        Ok(partitions)
    }

    async fn connect(&self) -> Result<Partitions, Error> {
        let brokers = self.config.brokers.iter().map(|broker| broker.0.clone());
        let mut builder = ClientBuilder::new(brokers.collect())
            .client_id("otel-enhance-gateway")
            .backoff_config(BackoffConfig {
                max_backoff: Duration::from_secs(2),
                deadline: Some(self.config.timeout.0),
                ..BackoffConfig::default()
            });
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        if let Some(sasl) = &self.config.sasl {
            let (name, password) = (sasl.username.0.clone(), sasl.password.0.clone());
            builder = builder.sasl_config(SaslConfig::Plain(Credentials::new(name, password)));
        }
        let client = builder.build().await?;
        let topic = &self.config.topic.0;
        let mut clients = Vec::new();
        for found in client.list_topics().await? {
            if found.name != *topic {
                continue;
            }
            for partition in found.partitions {
                let unknown = UnknownTopicHandling::Error;
                clients.push(client.partition_client(topic, partition, unknown).await?);
            }
        }
        Ok(Partitions {
            clients,
            next: AtomicUsize::new(0),
        })
    }
}

fn now() -> DateTime<Utc> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis())
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default()
}

enum Failure {
    /// Nothing was sent.
    Unsent(String),
    Produce(Error),
}

fn is_too_large(error: &Error) -> bool {
    matches!(
        error,
        Error::ServerError {
            protocol_error: ProtocolError::MessageTooLarge | ProtocolError::RecordListTooLarge,
            ..
        }
    )
}
