//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use lexopt::prelude::*;
use otel_enhance_receiver::{Durability, Faults};

pub(crate) const HELP: &str = "\
Receives OTLP traces over HTTP and gRPC.

Usage: otel-enhance-receiver [OPTIONS]

Without --http and --grpc both are served at 127.0.0.1, ports 4318 and 4317.
When it listens, it prints `http=ADDRESS` and `grpc=ADDRESS`, a line each.
SIGTERM and SIGINT stop it; requests in flight are finished first.

  --http ADDR           serve OTLP/HTTP at HOST:PORT; port 0 takes a free one
  --grpc ADDR           serve OTLP/gRPC at HOST:PORT
  --record FILE         append every request to FILE before answering it:
                        protobuf messages, each after its length as a varint
  --fsync               answer when the disk has the record, not just the kernel
  --tls-cert FILE       certificate chain, PEM; serves over TLS only
  --tls-key FILE        its private key, PEM
  --client-ca FILE      demand client certificates of these authorities, PEM
  --max-body BYTES      largest body, before and after decompression [16777216]
  --tracezip            take tracezip as well
  --drain SECONDS       time for requests in flight when stopping [5]

Faults on purpose, for testing senders:
  --latency-ms MS       wait before every answer
  --status CODE         refuse with this HTTP status or its gRPC counterpart
  --retry-after SECONDS tell refused senders to wait
  --redirect URL        answer 307 with this location
  --hang                never answer
  --garbage             answer 200 with bytes that mean nothing
  --fail-first N        only the first N requests meet the fault [503 if none given]

  --help                print this
  --version             print the version
";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Version,
    Serve(Box<Options>),
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) http: Option<String>,
    pub(crate) grpc: Option<String>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) max_body: Option<usize>,
    pub(crate) tracezip: bool,
    pub(crate) drain: Option<Duration>,
    pub(crate) faults: Option<Faults>,
}

/// Reads the command line.
pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        let faults = |options: &mut Options| options.faults.take().unwrap_or_default();
        match argument {
            Long("http") => options.http = Some(parser.value()?.string()?),
            Long("grpc") => options.grpc = Some(parser.value()?.string()?),
            Long("record") => options.record = Some(parser.value()?.into()),
            Long("fsync") => options.durability = Durability::Machine,
            Long("tls-cert") => options.tls_cert = Some(parser.value()?.into()),
            Long("tls-key") => options.tls_key = Some(parser.value()?.into()),
            Long("client-ca") => options.client_ca = Some(parser.value()?.into()),
            Long("max-body") => options.max_body = Some(parser.value()?.parse()?),
            Long("tracezip") => options.tracezip = true,
            Long("drain") => {
                options.drain = Some(Duration::from_secs(parser.value()?.parse()?));
            }
            Long("latency-ms") => {
                let latency = Duration::from_millis(parser.value()?.parse()?);
                options.faults = Some(faults(&mut options).with_latency(latency));
            }
            Long("status") => {
                let status = parser
                    .value()?
                    .parse_with(|text| text.parse::<StatusCode>().map_err(|e| e.to_string()))?;
                options.faults = Some(faults(&mut options).with_status(status));
            }
            Long("retry-after") => {
                let delay = Duration::from_secs(parser.value()?.parse()?);
                options.faults = Some(faults(&mut options).with_retry_after(delay));
            }
            Long("redirect") => {
                let location = parser
                    .value()?
                    .parse_with(|text| HeaderValue::from_str(text).map_err(|e| e.to_string()))?;
                options.faults = Some(faults(&mut options).with_redirect(location));
            }
            Long("hang") => options.faults = Some(faults(&mut options).with_hang()),
            Long("garbage") => options.faults = Some(faults(&mut options).with_garbage()),
            Long("fail-first") => {
                let requests = parser.value()?.parse()?;
                options.faults = Some(faults(&mut options).with_first_requests(requests));
            }
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") | Short('V') => return Ok(Command::Version),
            _ => return Err(argument.unexpected()),
        }
    }
    if options.tls_cert.is_some() != options.tls_key.is_some() {
        return Err("--tls-cert and --tls-key go together".into());
    }
    if options.client_ca.is_some() && options.tls_cert.is_none() {
        return Err("--client-ca needs --tls-cert and --tls-key".into());
    }
    if options.http.is_none() && options.grpc.is_none() {
        options.http = Some("127.0.0.1:4318".to_owned());
        options.grpc = Some("127.0.0.1:4317".to_owned());
    }
    Ok(Command::Serve(Box::new(options)))
}
