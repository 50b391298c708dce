//! Starting and stopping.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otel_enhance_receiver::{
    Limits, Receiver, ReceiverBuilder, RecordError, ServerTls, ShutdownError, StartError, Tracezip,
};
use tokio::sync::Semaphore;

use crate::admin::Pages;
use crate::config::{Config, ConfigError, FileOutput, Level, OutputConfig, ServerTlsConfig};
use crate::log;
use crate::metrics::Metrics;
use crate::output::{Output, OutputError};
use crate::pipeline::Pipeline;
use crate::tenancy::{Doorkeeper, Tenancy};

/// Where spans go if nobody says where: into the working directory.
pub const DEFAULT_FILE: &str = "spans.pbld";

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A listener cannot be had.
    #[error(transparent)]
    Receiver(#[from] StartError),
    /// Health and metrics cannot be served.
    #[error("admin.address: {0}")]
    Admin(#[source] StartError),
    /// An output cannot be had.
    #[error("outputs[{}]: {source}", number - 1)]
    Output {
        /// Which one, from 1.
        number: usize,
        /// Why.
        source: OutputError,
    },
}

/// A running gateway, on the tokio runtime of the caller.
///
/// ```
/// use std::time::Duration;
/// use otel_enhance_gateway::{Config, Gateway};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("spans.pbld");
/// # let path = path.display();
/// let config = Config::from_yaml(&format!(
///     "receivers: {{ http: 127.0.0.1:0, grpc: off }}
/// outputs: [{{ file: {{ path: '{path}' }} }}]
/// admin: {{ address: off }}"
/// ))?;
/// let gateway = Gateway::start(&config).await?;
/// println!("OTLP/HTTP at {:?}", gateway.http_addr());
/// gateway.shutdown(Duration::from_secs(1)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Gateway {
    receiver: Arc<Mutex<Option<Receiver>>>,
    admin: Option<Receiver>,
    draining: Arc<AtomicBool>,
    http: Option<SocketAddr>,
    grpc: Option<SocketAddr>,
}

impl Gateway {
    /// Listens and forwards.
    ///
    /// # Errors
    ///
    /// [`GatewayError`] if a listener or an output cannot be had.
    pub async fn start(config: &Config) -> Result<Self, GatewayError> {
        log::set(&config.log);
        config.validate()?;
        let outputs = outputs(config)?;
        let metrics = Arc::new(Metrics::default());
        let tenancy = Arc::new(Tenancy::new(config));
        let draining = Arc::new(AtomicBool::new(false));
        let receiver = Arc::new(Mutex::new(None));

        // First, so that a gateway whose ports are taken by another one never answers as healthy.
        let serving = serving(config)?
            .with_handler(Pipeline {
                outputs: Arc::clone(&outputs),
                tenancy: Arc::clone(&tenancy),
                metrics: Arc::clone(&metrics),
                in_flight: Semaphore::new(config.limits.requests.0.min(Semaphore::MAX_PERMITS)),
                retry_after: config.limits.retry_after.0,
            })
            .with_hook(Doorkeeper {
                tenancy,
                metrics: Arc::clone(&metrics),
            })
            .start()
            .await?;
        let (http, grpc) = (serving.http_addr(), serving.grpc_addr());
        *receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
        let admin = match &config.admin.address.0 {
            None => None,
            Some(address) => Some(
                Receiver::builder()
                    .with_http(address)
                    .with_limits(Limits::default().with_max_connections(64))
                    .with_hook(Pages {
                        metrics,
                        receiver: Arc::clone(&receiver),
                        outputs: Arc::clone(&outputs),
                        draining: Arc::clone(&draining),
                    })
                    .start()
                    .await
                    .map_err(GatewayError::Admin)?,
            ),
        };
        for output in outputs.iter() {
            let fields: [(&str, &dyn std::fmt::Display); 2] = [
                ("kind", &output.metrics.kind),
                ("output", &output.metrics.name),
            ];
            log::line(Level::Info, "forwarding", &fields);
        }
        Ok(Self {
            receiver,
            admin,
            draining,
            http,
            grpc,
        })
    }

    /// Where OTLP over HTTP is taken.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where OTLP over gRPC is taken.
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc
    }

    /// Where health, readiness and metrics are served.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(Receiver::http_addr)
    }

    /// From now on `/readyz` says no, and everything else goes on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Takes no connections any more, and returns when the requests in flight have been answered.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::DeadlineExceeded`] if `deadline` passed first; what was in flight was not
    /// acknowledged then.
    pub async fn shutdown(self, deadline: Duration) -> Result<(), ShutdownError> {
        self.drain();
        let taken = self
            .receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match taken {
            Some(receiver) => receiver.shutdown(deadline).await,
            None => Ok(()),
        }
    }
}

/// Everything that can be checked without listening and connecting.
///
/// # Errors
///
/// [`GatewayError`], as [`Gateway::start`] would find it.
pub fn check(config: &Config) -> Result<(), GatewayError> {
    config.validate()?;
    for (number, output) in (1..).zip(&config.outputs) {
        match output {
            // It is made by opening it, which a check must not do.
            OutputConfig::File(file) => file_can_be(number, &file.path.0)?,
            _ => drop(open(number, output)?),
        }
    }
    serving(config).map(|_| ())
}

/// Whether there is a folder for a file, and no folder in its place.
fn file_can_be(number: usize, path: &Path) -> Result<(), GatewayError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let source = match folder.unwrap_or(Path::new(".")).metadata() {
        Ok(_) if path.is_dir() => std::io::ErrorKind::IsADirectory.into(),
        Ok(data) if data.is_dir() => return Ok(()),
        Ok(_) => std::io::ErrorKind::NotADirectory.into(),
        Err(error) => error,
    };
    let path = path.to_owned();
    let source = RecordError::Io { path, source }.into();
    Err(GatewayError::Output { number, source })
}

fn outputs(config: &Config) -> Result<Arc<[Output]>, GatewayError> {
    if config.outputs.is_empty() {
        return build(&[OutputConfig::File(FileOutput::to(DEFAULT_FILE))]);
    }
    build(&config.outputs)
}

fn build(configs: &[OutputConfig]) -> Result<Arc<[Output]>, GatewayError> {
    (1..)
        .zip(configs)
        .map(|(number, config)| open(number, config))
        .collect()
}

fn open(number: usize, config: &OutputConfig) -> Result<Output, GatewayError> {
    Output::new(config, number).map_err(|source| GatewayError::Output { number, source })
}

fn serving(config: &Config) -> Result<ReceiverBuilder, GatewayError> {
    let receivers = &config.receivers;
    let limits = Limits::default()
        .with_max_body_bytes(receivers.max_body)
        .with_max_decompressed_bytes(receivers.max_decompressed)
        .with_max_memory_bytes(config.limits.memory.0)
        .with_max_connections(receivers.max_connections)
        .with_header_timeout(receivers.header_timeout)
        .with_read_timeout(receivers.read_timeout)
        .with_idle_timeout(receivers.idle_timeout);
    let state = config.limits.tracezip_state.0;
    let mut builder = Receiver::builder()
        .with_limits(limits)
        .with_undecoded_messages()
        .with_tracezip(Tracezip::default().with_max_state_bytes(state));
    if let Some(address) = &receivers.http {
        builder = builder.with_http(address);
    }
    if let Some(address) = &receivers.grpc {
        builder = builder.with_grpc(address);
    }
    if let Some(tls) = &receivers.tls {
        let tls = server_tls(tls)
            .map_err(|error| ConfigError::of("receivers.tls".to_owned(), error.to_string()))?;
        builder = builder.with_tls(tls);
    }
    Ok(builder)
}

fn server_tls(config: &ServerTlsConfig) -> Result<ServerTls, otel_enhance_receiver::TlsError> {
    let mut tls = ServerTls::from_pem(&config.cert_file.0, &config.key_file.0)?;
    if let Some(authorities) = &config.client_ca_file {
        tls = tls.with_client_ca(&authorities.0)?;
    }
    tls.check()?;
    Ok(tls)
}
