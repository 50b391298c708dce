//! A gateway for traces: takes OTLP and tracezip over HTTP and gRPC, and forwards OTLP, tracezip, or files.
//!
//! The program is `otel-enhance-gateway`; its configuration, its limits and how it is run are in the crate's
//! `README.md`. This library is the same for tests and for programs that have a gateway inside.
//!
//! A request is acknowledged when every output has taken it, and not before: the gateway has no queue
//! of its own, only requests that wait for their answers, bounded in number and in bytes. Bytes are
//! forwarded as they came and are never encoded anew, but for JSON where the output takes protobuf.
#![doc = include_str!("../README.md")]

mod admin;
mod batch;
mod config;
mod delivery;
mod gateway;
mod link;
mod log;
mod metrics;
mod output;
mod pipeline;
mod speaker;
mod tenancy;

pub use config::value::Endpoint;
pub use config::{
    Admin, Auth, Bounds, Certificates, Compression, Config, ConfigError, FileOutput, Format,
    KafkaOutput, Level, Log, OtlpOutput, OutputConfig, OutputTls, PrivateKey, Receivers, Sasl,
    SecretFile, ServerTlsConfig, Shutdown, Sync, Token, TracezipOutput, value,
};
pub use gateway::{DEFAULT_FILE, Gateway, GatewayError, check};
pub use link::TlsError;
pub use log::line as log_line;
pub use otel_enhance_receiver::{ShutdownError, StartError};
pub use output::OutputError;
