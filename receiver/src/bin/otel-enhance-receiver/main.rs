//! An OTLP receiver as a program: it records what comes, or misbehaves as told.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program's output is its interface"
)]

mod args;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use args::{Command, Options};
use otel_enhance_receiver::{FileStore, Limits, Receiver, ReceiverBuilder};

const DEFAULT_DRAIN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let result = match args::parse(lexopt::Parser::from_env()) {
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            Ok(())
        }
        Ok(Command::Version) => {
            println!("otel-enhance-receiver {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Ok(Command::Serve(options)) => run(*options),
        Err(error) => {
            eprintln!("otel-enhance-receiver: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("otel-enhance-receiver: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(serve(options));
    // A handler may still be writing; what it has not acknowledged by now is sent again.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    // First of all, so that a signal during the start is not missed.
    let stop = stop_signal()?;
    let drain = options.drain.unwrap_or(DEFAULT_DRAIN);
    let receiver = start(options).await?;
    {
        let mut stdout = std::io::stdout().lock();
        if let Some(address) = receiver.http_addr() {
            writeln!(stdout, "http={address}")?;
        }
        if let Some(address) = receiver.grpc_addr() {
            writeln!(stdout, "grpc={address}")?;
        }
        stdout.flush()?;
    }
    stop.await;
    receiver.shutdown(drain).await?;
    Ok(())
}

async fn start(options: Options) -> Result<Receiver, Box<dyn Error>> {
    let mut builder = Receiver::builder();
    if let Some(bytes) = options.max_body {
        builder = builder.with_limits(
            Limits::default()
                .with_max_body_bytes(bytes)
                .with_max_decompressed_bytes(bytes),
        );
    }
    if let Some(address) = options.http {
        builder = builder.with_http(address);
    }
    if let Some(address) = options.grpc {
        builder = builder.with_grpc(address);
    }
    if let Some(path) = options.record {
        builder = builder.with_handler(FileStore::open(path, options.durability)?);
    }
    if let Some(faults) = options.faults {
        builder = builder.with_hook(faults);
    }
    if options.tracezip {
        builder = with_tracezip(builder)?;
    }
    if let (Some(certificate), Some(key)) = (options.tls_cert, options.tls_key) {
        builder = with_tls(builder, certificate, key, options.client_ca)?;
    }
    Ok(builder.start().await?)
}

#[cfg(feature = "tracezip")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn with_tracezip(builder: ReceiverBuilder) -> Result<ReceiverBuilder, Box<dyn Error>> {
    Ok(builder.with_tracezip(otel_enhance_receiver::Tracezip::default()))
}

#[cfg(not(feature = "tracezip"))]
fn with_tracezip(_: ReceiverBuilder) -> Result<ReceiverBuilder, Box<dyn Error>> {
    Err("built without tracezip: build with the feature `tracezip`".into())
}

#[cfg(feature = "tls")]
fn with_tls(
    builder: ReceiverBuilder,
    certificate: std::path::PathBuf,
    key: std::path::PathBuf,
    client_ca: Option<std::path::PathBuf>,
) -> Result<ReceiverBuilder, Box<dyn Error>> {
    let mut tls = otel_enhance_receiver::ServerTls::from_pem(&read(&certificate)?, &read(&key)?)?;
    if let Some(path) = client_ca {
        tls = tls.with_client_ca(&read(&path)?)?;
    }
    Ok(builder.with_tls(tls))
}

#[cfg(feature = "tls")]
fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

#[cfg(not(feature = "tls"))]
fn with_tls(
    _: ReceiverBuilder,
    _: std::path::PathBuf,
    _: std::path::PathBuf,
    _: Option<std::path::PathBuf>,
) -> Result<ReceiverBuilder, Box<dyn Error>> {
    Err("built without TLS: build with the feature `tls`".into())
}

#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler for the signal there is nothing to wait for but the end.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
