//! Where requests go.

use std::collections::BTreeMap;

use std::time::Duration;

use serde::Deserialize;

use super::files::{Certificates, PrivateKey};
use super::value::{
    Broker, Count, Endpoint, FilePath, HeaderName, HeaderValue, Secret, Size, Text, Time, Timeout,
};

/// One output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputConfig {
    /// OTLP over HTTP or gRPC.
    Otlp(OtlpOutput),
    /// Tracezip over HTTP or gRPC, and OTLP where that is not spoken.
    Tracezip(TracezipOutput),
    /// A file of length-delimited requests.
    File(FileOutput),
    /// A topic of Kafka; with the feature `kafka`.
    Kafka(KafkaOutput),
}

/// OTLP to a server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawOtlp")]
pub struct OtlpOutput {
    /// Where.
    pub endpoint: Endpoint,
    /// Default: gzip, which every OTLP server must understand.
    pub compression: Compression,
    /// Sent with each request.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// A header that tells the server the tenant.
    pub tenant_header: Option<http::HeaderName>,
    /// Of `https` and `grpcs`.
    pub tls: OutputTls,
    /// For a request, connecting included. Default: 10 s.
    pub timeout: Duration,
    /// Requests that are under way at once; others wait. Default: 64.
    pub concurrency: usize,
}

impl OtlpOutput {
    /// The defaults.
    pub fn to(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            compression: Compression::default(),
            headers: Vec::new(),
            tenant_header: None,
            tls: OutputTls::default(),
            timeout: Duration::from_secs(10),
            concurrency: 64,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOtlp {
    endpoint: Endpoint,
    compression: Option<Compression>,
    headers: Option<BTreeMap<String, HeaderValue>>,
    tenant_header: Option<HeaderName>,
    tls: Option<OutputTls>,
    timeout: Option<Timeout>,
    concurrency: Option<Count>,
}

impl TryFrom<RawOtlp> for OtlpOutput {
    type Error = String;

    fn try_from(raw: RawOtlp) -> Result<Self, String> {
        if raw.tls.is_some() && !raw.endpoint.is_encrypted() {
            return Err(
                "`tls` is given, but the endpoint is not encrypted: write https:// or grpcs://"
                    .to_owned(),
            );
        }
        let mut headers = Vec::new();
        for (name, value) in raw.headers.unwrap_or_default() {
            let parsed = name.parse::<http::HeaderName>();
            let Ok(name) = parsed else {
                return Err(format!("`{}` in `headers` is no name of a header", name));
            };
            if RESERVED.contains(&name.as_str()) {
                return Err(format!(
                    "`{name}` in `headers` is set by the gateway itself"
                ));
            }
            headers.push((name, value.0));
        }
        let tenant_header = raw.tenant_header.map(|name| name.0);
        if let Some(name) = &tenant_header
            && RESERVED.contains(&name.as_str())
        {
            return Err(format!(
                "`{name}` as `tenant_header` is set by the gateway itself"
            ));
        }
        let default = Self::to(raw.endpoint);
        Ok(Self {
            compression: raw.compression.unwrap_or_default(),
            headers,
            tenant_header,
            tls: raw.tls.unwrap_or_default(),
            timeout: raw.timeout.map_or(default.timeout, |time| time.0),
            concurrency: raw.concurrency.map_or(default.concurrency, |count| count.0),
            endpoint: default.endpoint,
        })
    }
}

/// What messages are, and what is of a connection rather than of a request: HTTP/2 has no place for the latter.
const RESERVED: [&str; 15] = [
    "content-type",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "te",
    "host",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-timeout",
    "connection",
    "keep-alive",
    "proxy-connection",
    "upgrade",
    "trailer",
    "expect",
];

/// Tracezip to a server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawTracezip")]
pub struct TracezipOutput {
    /// Where and how; `compression` is for servers that do not speak tracezip. Default: zstd.
    pub otlp: OtlpOutput,
    /// How long a server that does not speak tracezip gets OTLP before it is asked again.
    /// Default: 5 min.
    pub ask_again: Duration,
    /// Streams at once: one a tenant. Each takes up to 2 MiB. Default: 256.
    pub max_streams: usize,
}

impl TracezipOutput {
    /// The defaults.
    pub fn to(endpoint: Endpoint) -> Self {
        Self {
            otlp: OtlpOutput {
                compression: Compression::Zstd,
                ..OtlpOutput::to(endpoint)
            },
            ask_again: Duration::from_secs(300),
            max_streams: 256,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTracezip {
    endpoint: Endpoint,
    compression: Option<Compression>,
    headers: Option<BTreeMap<String, HeaderValue>>,
    tenant_header: Option<HeaderName>,
    tls: Option<OutputTls>,
    timeout: Option<Timeout>,
    concurrency: Option<Count>,
    ask_again: Option<Time>,
    max_streams: Option<Count>,
}

impl TryFrom<RawTracezip> for TracezipOutput {
    type Error = String;

    fn try_from(raw: RawTracezip) -> Result<Self, String> {
        let otlp: OtlpOutput = RawOtlp {
            endpoint: raw.endpoint,
            compression: Some(raw.compression.unwrap_or(Compression::Zstd)),
            headers: raw.headers,
            tenant_header: raw.tenant_header,
            tls: raw.tls,
            timeout: raw.timeout,
            concurrency: raw.concurrency,
        }
        .try_into()?;
        let default = Self::to(otlp.endpoint.clone());
        Ok(Self {
            otlp,
            ask_again: raw.ask_again.map_or(default.ask_again, |time| time.0),
            max_streams: raw.max_streams.map_or(default.max_streams, |count| count.0),
        })
    }
}

/// How requests are compressed on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, level 6.
    #[default]
    Gzip,
    /// zstd, level 3.
    Zstd,
}

/// The client's side of TLS.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, try_from = "RawTls")]
pub struct OutputTls {
    /// Whom to trust. Default: the system's certificates.
    pub ca: Option<Certificates>,
    /// The certificate chain to show, and its key. Default: none.
    pub identity: Option<(Certificates, PrivateKey)>,
    /// The name that the server's certificate must have. Default: the endpoint's host.
    pub server_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    ca_file: Option<Certificates>,
    cert_file: Option<Certificates>,
    key_file: Option<PrivateKey>,
    server_name: Option<Text>,
}

impl TryFrom<RawTls> for OutputTls {
    type Error = &'static str;

    fn try_from(raw: RawTls) -> Result<Self, Self::Error> {
        let identity = match (raw.cert_file, raw.key_file) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            (Some(_), None) => return Err("`cert_file` needs `key_file`"),
            (None, Some(_)) => return Err("`key_file` needs `cert_file`"),
        };
        Ok(Self {
            ca: raw.ca_file,
            identity,
            server_name: raw.server_name.map(|name| name.0),
        })
    }
}

/// A file of length-delimited requests.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOutput {
    /// Appended to; made if it is not there.
    pub path: FilePath,
    /// Beyond it senders are told to come again. Default: 1 GiB.
    #[serde(default = "file_size")]
    pub max_size: Size,
    /// When a request counts as written. Default: when the kernel has it.
    #[serde(default)]
    pub sync: Sync,
}

impl FileOutput {
    /// The defaults.
    pub fn to(path: impl Into<std::path::PathBuf>) -> Self {
        Self {
            path: FilePath(path.into()),
            max_size: file_size(),
            sync: Sync::default(),
        }
    }
}

fn file_size() -> Size {
    Size(1 << 30)
}

/// When a request counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sync {
    /// When the kernel has it: outlives the process.
    #[default]
    Process,
    /// When the disk has it: outlives the machine's power.
    Machine,
}

/// A topic of Kafka, a record a request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaOutput {
    /// Some of the cluster's brokers; the others are learnt from them.
    pub brokers: Vec<Broker>,
    /// Default: `otlp_spans`, as the Collector's Kafka receiver has it.
    #[serde(default = "topic")]
    pub topic: Text,
    /// Of the records. Default: zstd, which brokers and their clients know since Kafka 2.1.
    #[serde(default = "zstd")]
    pub compression: Compression,
    /// Default: plain text.
    pub tls: Option<OutputTls>,
    /// SASL/PLAIN. Default: nobody logs in.
    pub sasl: Option<Sasl>,
    /// For a request, connecting included. Default: 10 s.
    #[serde(default = "ten_seconds")]
    pub timeout: Timeout,
    /// Requests that are under way at once; others wait. Default: 64.
    #[serde(default = "sixty_four")]
    pub concurrency: Count,
}

fn topic() -> Text {
    Text("otlp_spans".to_owned())
}

const fn zstd() -> Compression {
    Compression::Zstd
}

fn ten_seconds() -> Timeout {
    Timeout(Duration::from_secs(10))
}

fn sixty_four() -> Count {
    Count(64)
}

/// Who logs in, by SASL/PLAIN.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// The name.
    pub username: Text,
    /// The password.
    pub password: Secret,
}
