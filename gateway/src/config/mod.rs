//! What a gateway is told to do: YAML, or nothing at all.

mod files;
mod outputs;
mod place;
mod text;
mod together;
pub mod value;

use std::time::Duration;

use serde::Deserialize;

pub use files::{Certificates, PrivateKey, SecretFile};
pub use outputs::{
    Compression, FileOutput, KafkaOutput, OtlpOutput, OutputConfig, OutputTls, Sasl, Sync,
    TracezipOutput,
};
pub use text::ConfigError;
use value::{Count, HeaderName, Listener, Secret, Size, Text, Time, Timeout};

/// The whole configuration. Every field has a default.
///
/// ```
/// use otel_enhance_gateway::Config;
///
/// let config = Config::from_yaml("outputs:\n- otlp: { endpoint: http://collector:4318 }\n")?;
/// assert_eq!(config.outputs.len(), 1);
///
/// let error = Config::from_yaml("limits:\n  memory: lots\n").unwrap_err();
/// assert_eq!((error.line, error.field.as_str()), (Some(2), "limits.memory"));
/// # Ok::<(), otel_enhance_gateway::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where OTLP is taken.
    pub receivers: Receivers,
    /// Who may send. Default: everybody.
    pub auth: Option<Auth>,
    /// A header that names the tenant, for gateways behind something that authenticates.
    pub tenant_header: Option<HeaderName>,
    /// Bounds of what is in flight.
    pub limits: Bounds,
    /// Where requests go; each request to all of them. Default: a file `spans.pbld`.
    pub outputs: Vec<OutputConfig>,
    /// Health, readiness and metrics.
    pub admin: Admin,
    /// The log.
    pub log: Log,
    /// The end.
    pub shutdown: Shutdown,
    /// Threads that do the work. Default: one for each core.
    pub threads: Option<Count>,
}

/// Where OTLP is taken.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, try_from = "RawReceivers")]
pub struct Receivers {
    /// OTLP over HTTP. Default: `127.0.0.1:4318`.
    pub http: Option<String>,
    /// OTLP over gRPC. Default: `127.0.0.1:4317`.
    pub grpc: Option<String>,
    /// TLS on both. Default: none.
    pub tls: Option<ServerTlsConfig>,
    /// The largest body on the wire. Default: 16 MiB.
    pub max_body: usize,
    /// The largest body after decompression. Default: 16 MiB.
    pub max_decompressed: usize,
    /// Connections at once, for each of HTTP and gRPC. Default: 1024.
    pub max_connections: usize,
    /// Time for the TLS handshake and the head of a request. Default: 10 s.
    pub header_timeout: Duration,
    /// Time for the whole body of a request. Default: 30 s.
    pub read_timeout: Duration,
    /// How long a connection without a request is kept. Default: 5 min.
    pub idle_timeout: Duration,
}

impl Default for Receivers {
    fn default() -> Self {
        Self {
            http: Some("127.0.0.1:4318".to_owned()),
            grpc: Some("127.0.0.1:4317".to_owned()),
            tls: None,
            max_body: 16 << 20,
            max_decompressed: 16 << 20,
            max_connections: 1024,
            header_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReceivers {
    http: Option<Listener>,
    grpc: Option<Listener>,
    tls: Option<ServerTlsConfig>,
    max_body: Option<Size>,
    max_decompressed: Option<Size>,
    max_connections: Option<Count>,
    header_timeout: Option<Timeout>,
    read_timeout: Option<Timeout>,
    idle_timeout: Option<Timeout>,
}

impl TryFrom<RawReceivers> for Receivers {
    type Error = &'static str;

    fn try_from(raw: RawReceivers) -> Result<Self, Self::Error> {
        let default = Self::default();
        let receivers = Self {
            http: raw.http.map_or(default.http, |listener| listener.0),
            grpc: raw.grpc.map_or(default.grpc, |listener| listener.0),
            tls: raw.tls,
            max_body: raw.max_body.map_or(default.max_body, |size| size.0),
            max_decompressed: raw
                .max_decompressed
                .map_or(default.max_decompressed, |size| size.0),
            max_connections: raw
                .max_connections
                .map_or(default.max_connections, |count| count.0),
            header_timeout: raw
                .header_timeout
                .map_or(default.header_timeout, |time| time.0),
            read_timeout: raw.read_timeout.map_or(default.read_timeout, |time| time.0),
            idle_timeout: raw.idle_timeout.map_or(default.idle_timeout, |time| time.0),
        };
        if receivers.http.is_none() && receivers.grpc.is_none() {
            return Err("`http` and `grpc` are both off: leave one of them on");
        }
        Ok(receivers)
    }
}

/// The server's side of TLS.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsConfig {
    /// The certificate chain, the server's own first.
    pub cert_file: Certificates,
    /// Its key.
    pub key_file: PrivateKey,
    /// Who signs the certificates that clients must show. Default: none is asked for.
    pub client_ca_file: Option<Certificates>,
}

/// Who may send.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Bearer tokens and whose they are.
    pub tokens: Vec<Token>,
}

/// A bearer token and its tenant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawToken")]
pub struct Token {
    /// What follows `Authorization: Bearer`.
    pub token: Secret,
    /// Whose it is.
    pub tenant: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    token: Option<Secret>,
    token_file: Option<SecretFile>,
    tenant: Text,
}

impl TryFrom<RawToken> for Token {
    type Error = &'static str;

    fn try_from(raw: RawToken) -> Result<Self, Self::Error> {
        let token = match (raw.token, raw.token_file) {
            (Some(token), None) => token,
            (None, Some(file)) => file.0,
            _ => return Err("a token is given by one of `token` and `token_file`"),
        };
        Ok(Self {
            token,
            tenant: raw.tenant.0,
        })
    }
}

/// Bounds of what is in flight.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Bytes of requests in flight; beyond it senders are told to come again. Default: 256 MiB.
    pub memory: Size,
    /// Requests in flight, likewise. Default: 1024.
    pub requests: Count,
    /// How long senders are asked to wait. Default: 1 s.
    pub retry_after: Time,
    /// State of tracezip streams that are received. Default: 64 MiB.
    pub tracezip_state: Size,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            memory: Size(256 << 20),
            requests: Count(1024),
            retry_after: Time(Duration::from_secs(1)),
            tracezip_state: Size(64 << 20),
        }
    }
}

/// Health, readiness and metrics.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where they are served. Default: `127.0.0.1:13133`.
    pub address: Listener,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: Listener(Some("127.0.0.1:13133".to_owned())),
        }
    }
}

/// The log, which goes to stderr.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// What is logged at least. Default: `info`.
    pub level: Level,
    /// How. Default: `logfmt`.
    pub format: Format,
}

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is lost or cannot work.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What happens in the life of a gateway.
    #[default]
    Info,
    /// What happens to requests.
    Debug,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `key=value …`
    #[default]
    Logfmt,
    /// An object a line.
    Json,
}

/// The end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// How long `/readyz` says no before the ports are closed, so that load balancers notice.
    /// Default: 0 s.
    pub delay: Time,
    /// How long requests in flight may take to finish. Default: 10 s.
    pub deadline: Time,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            delay: Time(Duration::ZERO),
            deadline: Time(Duration::from_secs(10)),
        }
    }
}
