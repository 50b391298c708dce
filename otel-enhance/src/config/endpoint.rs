//! Endpoints: what a URL given for OTLP means.
//!
//! | given as | HTTP | gRPC |
//! |---|---|---|
//! | code (`endpoint`) | a base; `/v1/traces` is appended unless the path ends with it | scheme and authority |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | a base; `/v1/traces` is always appended | scheme and authority |
//! | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | as it is; an empty path is `/` | scheme and authority |
//!
//! A gRPC endpoint may lack the scheme; `OTEL_EXPORTER_OTLP_(TRACES_)INSECURE` decides then.

use std::net::Ipv6Addr;

/// What OTLP/HTTP appends to a base.
pub(crate) const TRACES_PATH: &str = "/v1/traces";

/// A parsed endpoint. Credentials are not kept: they belong in headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    scheme: &'static str,
    authority: String,
    path: String,
    /// With its `?`, or empty.
    query: String,
    /// `user:password@` stood in the URL and was left out.
    pub(crate) had_credentials: bool,
}

impl Endpoint {
    /// Parses `text`; `default_scheme` stands in where the protocol allows to leave it out.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(crate) fn parse(
        text: &str,
        default_scheme: Option<&'static str>,
    ) -> Result<Self, &'static str> {
        let (scheme, rest) = match (text.split_once("://"), default_scheme) {
            (Some((scheme, rest)), _) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            (Some((scheme, rest)), _) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            (None, Some(scheme)) => (scheme, text),
            (_, None) => return Err("a URL that starts with `http://` or `https://`"),
            (_, Some(_)) => {
                return Err("`host:port`, or a URL that starts with `http://` or `https://`");
            }
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((_, authority)) => (true, authority),
            None => (false, authority),
        };
        check_authority(authority)?;
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        if !rest.bytes().all(is_path_byte) || super::percent::decode(path).is_err() {
            return Err(
                "a path of ASCII letters, digits and URL punctuation, the rest percent-encoded, without a fragment",
            );
        }
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            had_credentials: credentials,
        })
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether the path, or a query, says more than `/`.
    pub(crate) fn has_path(&self) -> bool {
        !matches!(self.path.as_str(), "" | "/") || !self.query.is_empty()
    }

    /// Whether `/v1/traces` is there already.
    pub(crate) fn ends_with_traces_path(&self) -> bool {
        self.path.trim_end_matches('/').ends_with(TRACES_PATH)
    }

    /// The URL of the signal below this base: `/v1/traces` appended, the base's path kept.
    pub(crate) fn with_traces_path(mut self) -> Self {
        self.path = format!("{}{TRACES_PATH}", self.path.trim_end_matches('/'));
        self
    }

    /// The URL itself, an empty path as `/`.
    pub(crate) fn to_url(&self) -> String {
        let path = match self.path.as_str() {
            "" => "/",
            path => path,
        };
        format!("{}://{}{path}{}", self.scheme, self.authority, self.query)
    }

    /// Scheme and authority.
    pub(crate) fn to_origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest
                .split_once(']')
                .ok_or("an IPv6 address in closed brackets")?;
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("an IPv6 address between the brackets");
            }
            match port.strip_prefix(':') {
                None if !port.is_empty() => return Err("`[address]:port`"),
                port => (address, port),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err("a host name or address");
    }
    if !authority.starts_with('[') && !host.bytes().all(is_host_byte) {
        return Err(
            "a host name of ASCII letters, digits, `-`, `_` and `.`, or an address (IPv6 in brackets)",
        );
    }
    match port.map(|port| {
        (
            port.bytes().all(|b| b.is_ascii_digit()),
            port.parse::<u16>(),
        )
    }) {
        None | Some((true, Ok(1..))) => Ok(()),
        Some(_) => Err("a port from 1 to 65535"),
    }
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// What RFC 3986 allows in paths and queries.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'%'
                | b'/'
                | b'?'
        )
}

/// A URL for messages: credentials and query, where tokens may stand, are masked.
pub(crate) fn masked(text: &str) -> String {
    let Some(after_scheme) = text.find("://").map(|at| at + 3) else {
        return match text.rsplit_once('@') {
            Some((_, rest)) => format!("***@{rest}"),
            None => text.to_owned(),
        };
    };
    let (scheme, rest) = text.split_at(after_scheme);
    let rest = match rest.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}"),
        None => rest.to_owned(),
    };
    match rest.split_once('?') {
        Some((rest, _)) => format!("{scheme}{rest}?***"),
        None => format!("{scheme}{rest}"),
    }
}
