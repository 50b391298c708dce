//! The first five minutes: a small shop of two services, traced, and its traces drawn in your terminal.
//!
//! ```sh
//! cargo run --release --example quickstart
//! cargo run --release --example quickstart -- --endpoint http://localhost:4318
//! cargo run --release --example quickstart -- --tracezip
//! ```
//!
//! The first form starts an OTLP receiver inside this process and prints what it received; the second
//! sends to a backend of yours; the third tells what the spans of a busy shop weigh on the wire. Either way the spans travel over real OTLP/HTTP, from two processes:
//! the storefront (this one) and the warehouse (this program, started a second time).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to a person"
)]

mod compression;
mod remote;
mod storefront;
mod warehouse;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use otel_enhance_examples::style::Style;
use otel_enhance_examples::waterfall;
use otel_enhance_receiver::{Receiver, Store};

const USAGE: &str = "usage: quickstart [--endpoint URL | --tracezip]

  --endpoint URL   send the traces to an OTLP/HTTP backend, e.g. http://localhost:4318;
                   without it a receiver inside this program takes them and they are printed
  --tracezip       let the shop be busy, and print what its spans weigh by OTLP + zstd and by tracezip";

/// What the command line asks for.
enum Role {
    /// Run the shop; export to the given backend, or to a receiver of our own.
    Storefront { endpoint: Option<String> },
    /// Run a busy shop, and weigh what it exports.
    Compression,
    /// Be the second service, started by the first.
    Warehouse { endpoint: String },
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let role = match arguments[..] {
        [] => Role::Storefront { endpoint: None },
        ["--endpoint", endpoint] => Role::Storefront {
            endpoint: Some(endpoint.to_owned()),
        },
        ["--tracezip"] => Role::Compression,
        ["--warehouse", endpoint] => Role::Warehouse {
            endpoint: endpoint.to_owned(),
        },
        ["--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let outcome = match role {
        Role::Storefront {
            endpoint: Some(endpoint),
        } => to_backend(&endpoint),
        Role::Storefront { endpoint: None } => to_own_receiver(),
        Role::Compression => compression::main(),
        Role::Warehouse { endpoint } => warehouse::main(&endpoint),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The embedded receiver collects, the shop runs, the traces are drawn.
fn to_own_receiver() -> Result<(), Box<dyn Error>> {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(store.clone())
        .start_blocking()?;
    let endpoint = receiver
        .http_endpoint()
        .ok_or("the receiver has no HTTP address")?;
    println!("receiver listens at {endpoint}\n");

    let exported = storefront::main(endpoint)?;
    receiver.shutdown(Duration::from_secs(2))?;

    let requests: Vec<_> = store
        .requests()
        .iter()
        .map(|request| request.message.clone())
        .collect();
    print!("{}", waterfall::draw(&requests, Style::of_stdout()));
    println!(
        "\n{exported} spans of the storefront delivered. Send them to your own backend with --endpoint URL."
    );
    Ok(())
}

fn to_backend(endpoint: &str) -> Result<(), Box<dyn Error>> {
    let exported = storefront::main(endpoint)?;
    println!(
        "{exported} spans of the storefront delivered to {endpoint}: look for the services storefront and warehouse."
    );
    Ok(())
}
