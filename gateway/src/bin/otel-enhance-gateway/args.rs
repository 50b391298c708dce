//! The command line.

use std::path::PathBuf;

use otel_enhance_gateway::{
    Config, ConfigError, Endpoint, FileOutput, OtlpOutput, OutputConfig, TracezipOutput,
};

pub(crate) const HELP: &str = "\
otel-enhance-gateway: takes OTLP and tracezip, forwards OTLP, tracezip, or files

  otel-enhance-gateway [OPTIONS]

  --config FILE           a configuration in YAML; the options below go over it
  --http HOST:PORT|off    take OTLP over HTTP there [127.0.0.1:4318]
  --grpc HOST:PORT|off    take OTLP over gRPC there [127.0.0.1:4317]
  --admin HOST:PORT|off   serve /healthz, /readyz and /metrics there [127.0.0.1:13133]
  --forward-to URL        forward OTLP to http://, https://, grpc:// or grpcs://HOST:PORT
  --compress-to URL       forward tracezip to such a URL; OTLP where that is not spoken
  --file FILE             append requests to a file
  --check                 check the configuration, say what is wrong with it, and end
  --help, --version

Outputs may be given several times, and each request goes to all of them; given here, they take the place
of those in FILE. Without any, requests go to the file spans.pbld in the working directory, up to 1 GiB.
SIGTERM, SIGINT and SIGHUP stop it; requests in flight are finished first.
";

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Check(Box<Config>),
    Run(Box<Config>),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("{0}; --help lists the options")]
    Usage(#[from] lexopt::Error),
    #[error("cannot read the configuration `{path}`: {source}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration `{path}` is not right: {source}", path = path.display())]
    Config {
        path: PathBuf,
        source: Box<ConfigError>,
    },
    #[error("{option}: {message}")]
    Value {
        option: &'static str,
        message: String,
    },
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Command, ArgsError> {
    use lexopt::prelude::*;
    let mut file = None;
    let (mut http, mut grpc, mut admin) = (None, None, None);
    let mut outputs = Vec::new();
    let mut check = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") | Short('c') => file = Some(PathBuf::from(parser.value()?)),
            Long("http") => http = Some(listener("--http", parser.value()?.string()?)?),
            Long("grpc") => grpc = Some(listener("--grpc", parser.value()?.string()?)?),
            Long("admin") => admin = Some(listener("--admin", parser.value()?.string()?)?),
            Long("forward-to") => {
                let endpoint = endpoint("--forward-to", &parser.value()?.string()?)?;
                outputs.push(OutputConfig::Otlp(OtlpOutput::to(endpoint)));
            }
            Long("compress-to") => {
                let endpoint = endpoint("--compress-to", &parser.value()?.string()?)?;
                outputs.push(OutputConfig::Tracezip(TracezipOutput::to(endpoint)));
            }
            Long("file") => {
                let path = PathBuf::from(parser.value()?);
                outputs.push(OutputConfig::File(FileOutput::to(path)));
            }
            Long("check") => check = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") | Short('V') => return Ok(Command::Version),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut config = match file {
        Some(path) => read(path)?,
        None => Config::default(),
    };
    if let Some(http) = http {
        config.receivers.http = http;
    }
    if let Some(grpc) = grpc {
        config.receivers.grpc = grpc;
    }
    if let Some(admin) = admin {
        config.admin.address.0 = admin;
    }
    if !outputs.is_empty() {
        config.outputs = outputs;
    }
    let config = Box::new(config);
    Ok(if check {
        Command::Check(config)
    } else {
        Command::Run(config)
    })
}

fn read(path: PathBuf) -> Result<Config, ArgsError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Config::from_yaml(&text).map_err(|source| ArgsError::Config {
            path,
            source: Box::new(source),
        }),
        Err(source) => Err(ArgsError::Read { path, source }),
    }
}

fn listener(option: &'static str, value: String) -> Result<Option<String>, ArgsError> {
    if value == "off" {
        return Ok(None);
    }
    match otel_enhance_gateway::value::listen(&value) {
        Ok(address) => Ok(Some(address)),
        Err(message) => Err(ArgsError::Value { option, message }),
    }
}

fn endpoint(option: &'static str, value: &str) -> Result<Endpoint, ArgsError> {
    value
        .parse()
        .map_err(|message| ArgsError::Value { option, message })
}
