//! The program: command line, signals, and how it ends.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a program, and what it says goes there"
)]

mod args;

use std::fmt::Display;
use std::process::ExitCode;

use args::Command;
use otel_enhance_gateway::{Config, Gateway, GatewayError, Level, check, log_line};

/// The configuration or the command line is wrong, as of `sysexits.h`.
const EX_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let config = match args::parse(lexopt::Parser::from_env()) {
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            println!("otel-enhance-gateway {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Command::Check(config)) => {
            return match check(&config) {
                Ok(()) => {
                    println!("the configuration is right");
                    ExitCode::SUCCESS
                }
                Err(error) => wrong(&error),
            };
        }
        Ok(Command::Run(config)) => config,
        Err(error) => return wrong(&error),
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = &config.threads {
        runtime.worker_threads(threads.0);
    }
    match runtime.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(&config));
            // What was not finished in time is not waited for.
            runtime.shutdown_background();
            code
        }
        Err(error) => wrong(&error),
    }
}

fn wrong(error: &dyn Display) -> ExitCode {
    eprintln!("otel-enhance-gateway: {error}");
    ExitCode::from(EX_CONFIG)
}

async fn run(config: &Config) -> ExitCode {
    let signals = signals();
    let gateway = match Gateway::start(config).await {
        Ok(gateway) => gateway,
        Err(error @ GatewayError::Config(_)) => return wrong(&error),
        Err(error) => {
            log_line(Level::Error, "cannot start", &[("error", &error)]);
            return ExitCode::FAILURE;
        }
    };
    for (transport, address) in [
        ("http", gateway.http_addr()),
        ("grpc", gateway.grpc_addr()),
        ("admin", gateway.admin_addr()),
    ] {
        if let Some(address) = address {
            let fields: [(&str, &dyn Display); 2] =
                [("transport", &transport), ("address", &address)];
            log_line(Level::Info, "listening", &fields);
        }
    }
    let signal = signals.await;
    log_line(Level::Info, "stopping", &[("signal", &signal)]);
    gateway.drain();
    tokio::time::sleep(config.shutdown.delay.0).await;
    match gateway.shutdown(config.shutdown.deadline.0).await {
        Ok(()) => {
            log_line(Level::Info, "stopped: every request was answered", &[]);
            ExitCode::SUCCESS
        }
        Err(error) => {
            log_line(Level::Warn, "stopped early", &[("error", &error)]);
            ExitCode::FAILURE
        }
    }
}

/// Ready with the name of the first signal that asks the program to end. Signals count from this
/// call on, not from the first poll.
#[cfg(unix)]
fn signals() -> impl Future<Output = &'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    // A terminal that is closed, or somebody who hopes for a new configuration, which takes a new process.
    let hang_up = signal(SignalKind::hangup());
    async move {
        let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hang_up)) =
            (terminate, interrupt, hang_up)
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hang_up.recv() => "SIGHUP",
        }
    }
}

#[cfg(not(unix))]
fn signals() -> impl Future<Output = &'static str> {
    async {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "interrupt",
            Err(_) => std::future::pending().await,
        }
    }
}
