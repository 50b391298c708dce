//! Where OTLP goes and how: `OTEL_EXPORTER_OTLP_*`, the variable of the signal over the general one.

use std::path::PathBuf;

use super::endpoint::{Endpoint, masked};
use super::env::{Parsed, Reader};
use super::headers;
use super::number::Bound;
use super::settings::{Compression, OtlpSettings, Overrides, Protocol, TlsSettings};
use crate::InitError;

const TIMEOUT: Bound = Bound::timeout_ms(10_000);
const HAS_TLS: bool = cfg!(feature = "tls-no-provider");

/// The two names of a setting, the more specific first.
macro_rules! both {
    ($suffix:literal) => {
        &[
            concat!("OTEL_EXPORTER_OTLP_TRACES_", $suffix),
            concat!("OTEL_EXPORTER_OTLP_", $suffix),
        ]
    };
}

/// The destinations of an exporter outside of any pipeline, one at least.
#[cfg(all(
    feature = "performance",
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
pub(crate) fn otlp_alone(
    code: &Overrides,
    env: &super::Env,
) -> Result<(Vec<OtlpSettings>, super::Diagnostics), InitError> {
    let mut reader = Reader::new(env);
    let (first, others) = resolve(code, &mut reader)?;
    let settings = std::iter::once(first).chain(others).collect();
    Ok((settings, reader.diagnostics))
}

/// Resolves everything about OTLP: the destination, and others that differ in their address alone.
pub(crate) fn resolve(
    code: &Overrides,
    reader: &mut Reader<'_>,
) -> Result<(OtlpSettings, Vec<OtlpSettings>), InitError> {
    let protocol = protocol(code, reader)?;
    let ((endpoint, mut https), others) = endpoints(code, protocol, reader)?;
    https |= others.iter().any(|(_, https)| *https);
    let first = OtlpSettings {
        protocol,
        endpoint,
        headers: headers::resolve(&code.headers, reader, both!("HEADERS"))?,
        compression: compression(code, reader)?,
        timeout: TIMEOUT.time_of(reader, ("timeout", code.timeout), both!("TIMEOUT"))?,
        tls: tls(code, https, reader)?,
    };
    let others = others.into_iter().map(|(endpoint, _)| OtlpSettings {
        endpoint,
        ..first.clone()
    });
    let others = others.collect();
    Ok((first, others))
}

impl Protocol {
    /// The name that `OTEL_EXPORTER_OTLP_PROTOCOL` knows it by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
            Self::Grpc => "grpc",
        }
    }

    /// The cargo feature that this build lacks for it.
    const fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::HttpProtobuf if !cfg!(feature = "otlp-http") => Some("otlp-http"),
            Self::HttpJson if !cfg!(feature = "otlp-json") => Some("otlp-json"),
            Self::Grpc if !cfg!(feature = "otlp-grpc") => Some("otlp-grpc"),
            _ => None,
        }
    }

    /// `http/protobuf`, or what is compiled in.
    const fn default_of_build() -> Self {
        if cfg!(feature = "otlp-grpc") && !cfg!(feature = "otlp-http") {
            Self::Grpc
        } else {
            Self::HttpProtobuf
        }
    }
}

/// Whether this build can send OTLP at all.
pub(crate) const fn is_compiled_in() -> bool {
    cfg!(feature = "otlp-http") || cfg!(feature = "otlp-grpc")
}

fn protocol(code: &Overrides, reader: &mut Reader<'_>) -> Result<Protocol, InitError> {
    if let Some(protocol) = code.protocol {
        return match protocol.missing_feature() {
            Some(feature) if code.may_send_otlp() => Err(InitError::FeatureMissing {
                argument: "exporter",
                feature,
            }),
            _ => Ok(protocol),
        };
    }
    let default = Protocol::default_of_build();
    let show = |protocol: &Protocol| protocol.as_str().to_owned();
    Ok(reader.choose(both!("PROTOCOL"), default, show, |_, text| {
        let known = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];
        match known
            .into_iter()
            .find(|known| text.eq_ignore_ascii_case(known.as_str()))
        {
            None => Parsed::Bad("`http/protobuf`, `http/json` or `grpc`".to_owned()),
            Some(protocol) => match protocol.missing_feature() {
                None => Parsed::Good(protocol),
                // Not `Bad`: the general variable is no second try for the same wish.
                Some(feature) => Parsed::Adjusted(default, needs(feature)),
            },
        }
    }))
}

fn needs(feature: &str) -> String {
    format!("a build with the cargo feature `{feature}` of otel-enhance")
}

impl Compression {
    /// The name that `OTEL_EXPORTER_OTLP_COMPRESSION` knows it by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    const fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::Gzip if !cfg!(feature = "gzip") => Some("gzip"),
            Self::Zstd if !cfg!(feature = "zstd") => Some("zstd"),
            _ => None,
        }
    }
}

fn compression(code: &Overrides, reader: &mut Reader<'_>) -> Result<Compression, InitError> {
    if let Some(compression) = code.compression {
        return match compression.missing_feature() {
            Some(feature) => Err(InitError::FeatureMissing {
                argument: "compression",
                feature,
            }),
            None => Ok(compression),
        };
    }
    let show = |compression: &Compression| compression.as_str().to_owned();
    Ok(
        reader.choose(both!("COMPRESSION"), Compression::None, show, |_, text| {
            let known = [Compression::None, Compression::Gzip, Compression::Zstd];
            match known
                .into_iter()
                .find(|known| text.eq_ignore_ascii_case(known.as_str()))
            {
                None => Parsed::Bad("`gzip`, `zstd` or `none`".to_owned()),
                Some(compression) => match compression.missing_feature() {
                    None => Parsed::Good(compression),
                    Some(feature) => Parsed::Adjusted(Compression::None, needs(feature)),
                },
            }
        }),
    )
}

/// A URL to send to, and whether the connection is encrypted.
type Url = (String, bool);

/// Where to send to: one URL, and those that are as good.
fn endpoints(
    code: &Overrides,
    protocol: Protocol,
    reader: &mut Reader<'_>,
) -> Result<(Url, Vec<Url>), InitError> {
    let grpc = protocol == Protocol::Grpc;
    let default_scheme = grpc.then(|| default_scheme(reader));
    let Some(texts) = &code.endpoints else {
        return Ok((from_env(default_scheme, grpc, reader), Vec::new()));
    };
    let mut urls = Vec::with_capacity(texts.len());
    for text in texts {
        let endpoint = from_code(text, default_scheme, grpc, reader)?;
        if endpoint.is_https() && !HAS_TLS {
            return Err(InitError::FeatureMissing {
                argument: "endpoint",
                feature: "tls",
            });
        }
        let https = endpoint.is_https();
        let url = if grpc {
            endpoint.to_origin()
        } else if endpoint.ends_with_traces_path() {
            endpoint.to_url()
        } else {
            endpoint.with_traces_path().to_url()
        };
        urls.push((url, https));
    }
    if urls.is_empty() {
        return Err(InitError::InvalidArgument {
            argument: "endpoints",
            value: "[]".to_owned(),
            expected: "one URL or more".to_owned(),
        });
    }
    let first = urls.remove(0);
    Ok((first, urls))
}

/// Only a gRPC endpoint without a scheme asks for it.
fn default_scheme(reader: &mut Reader<'_>) -> &'static str {
    if reader.text("OTEL_EXPORTER_OTLP_SPAN_INSECURE").is_some() {
        reader.report(
            "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
            "set".to_owned(),
            "the specification has withdrawn this name and it is ignored: use `OTEL_EXPORTER_OTLP_TRACES_INSECURE`",
        );
    }
    if reader.boolean(both!("INSECURE")) {
        "http"
    } else {
        "https"
    }
}

fn from_code(
    text: &str,
    default_scheme: Option<&'static str>,
    grpc: bool,
    reader: &mut Reader<'_>,
) -> Result<Endpoint, InitError> {
    let invalid = |expected: &str| InitError::InvalidArgument {
        argument: "endpoint",
        value: masked(text),
        expected: expected.to_owned(),
    };
    let endpoint = Endpoint::parse(text.trim(), default_scheme).map_err(invalid)?;
    if endpoint.had_credentials {
        return Err(invalid(
            "a URL without `user:password@`: give an `authorization` header instead",
        ));
    }
    if grpc && endpoint.has_path() {
        // No error: whether gRPC is spoken may be the environment's choice.
        reader.report(
            "endpoint",
            masked(text),
            format!(
                "expected scheme, host and port alone, for gRPC has no path; `{}` holds",
                endpoint.to_origin()
            ),
        );
    }
    Ok(endpoint)
}

fn from_env(default_scheme: Option<&'static str>, grpc: bool, reader: &mut Reader<'_>) -> Url {
    let default = if grpc {
        "http://localhost:4317".to_owned()
    } else {
        "http://localhost:4318/v1/traces".to_owned()
    };
    let names: &[&str] = both!("ENDPOINT");
    let mut without_tls = None;
    let (url, https) = reader.choose(
        names,
        (default, false),
        |(url, _)| masked(url),
        |name, text| {
            let endpoint = match Endpoint::parse(text, default_scheme) {
                Ok(endpoint) => endpoint,
                Err(expected) => return Parsed::Bad(expected.to_owned()),
            };
            let base = name == names[1];
            let mut complaints = Vec::new();
            if endpoint.had_credentials {
                complaints.push(
                    "no `user:password@`, which is left out (put `authorization` into OTEL_EXPORTER_OTLP_HEADERS)",
                );
            }
            if grpc && endpoint.has_path() {
                complaints.push("scheme, host and port alone, for gRPC has no path");
            }
            if !grpc && base && endpoint.ends_with_traces_path() {
                complaints.push(
                    "a base URL without `/v1/traces`, which is appended to it (or this URL in OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)",
                );
            }
            let https = endpoint.is_https();
            if https && !HAS_TLS {
                without_tls = Some((name.to_owned(), text.to_owned()));
            }
            let url = if grpc {
                endpoint.to_origin()
            } else if base {
                endpoint.with_traces_path().to_url()
            } else {
                endpoint.to_url()
            };
            if complaints.is_empty() {
                Parsed::Good((url, https))
            } else {
                Parsed::Adjusted((url, https), complaints.join("; "))
            }
        },
    );
    if let Some((name, text)) = without_tls {
        // Never sent elsewhere or in the clear instead.
        reader.report(
            &name,
            masked(&text),
            format!("expected {}; nothing can be delivered", needs("tls")),
        );
    }
    (url, https)
}

fn tls(code: &Overrides, https: bool, reader: &mut Reader<'_>) -> Result<TlsSettings, InitError> {
    let in_code = code.tls != TlsSettings::default();
    if in_code && !HAS_TLS {
        return Err(InitError::FeatureMissing {
            argument: "tls",
            feature: "tls",
        });
    }
    let mut seen = Vec::new();
    let mut file = |code: &Option<PathBuf>, names: &[&'static str]| {
        code.clone().or_else(|| {
            names.iter().find_map(|name| {
                let path = reader.path(name)?;
                seen.push((*name, path.display().to_string()));
                Some(path)
            })
        })
    };
    let tls = TlsSettings {
        ca_file: file(&code.tls.ca_file, both!("CERTIFICATE")),
        client_certificate_file: file(
            &code.tls.client_certificate_file,
            both!("CLIENT_CERTIFICATE"),
        ),
        client_key_file: file(&code.tls.client_key_file, both!("CLIENT_KEY")),
    };
    let half = tls.client_certificate_file.is_some() != tls.client_key_file.is_some();
    let half_advice =
        "expected a client certificate and its key, both; with one alone nothing can be delivered";
    if half && (code.tls.client_certificate_file.is_some() || code.tls.client_key_file.is_some()) {
        return Err(InitError::InvalidArgument {
            argument: "tls",
            value: format!("{:?}", code.tls),
            expected: "a client certificate and its key, both".to_owned(),
        });
    }
    for (name, path) in seen {
        if !HAS_TLS {
            reader.report(name, path, format!("expected {}", needs("tls")));
        } else if !https {
            reader.report(
                name,
                path,
                "expected an endpoint that starts with `https://`; the connection is not encrypted",
            );
        } else if half && name.contains("CLIENT") {
            reader.report(name, path, half_advice);
        }
    }
    Ok(tls)
}
