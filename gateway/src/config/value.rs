//! The leaves of a configuration: texts, sizes, times, addresses, URLs, each with its own complaint.
//!
//! Every leaf is read as text, in which `${env:NAME}` stands for an environment variable; the text of
//! a variable is never read as YAML.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

/// Replaces `${env:NAME}` and `${env:NAME:-DEFAULT}` as the OpenTelemetry Collector does; `$$` is `$`.
fn substitute(text: &str, look_up: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    if text == "$" {
        // What YAML makes of `${env:NAME}` within braces: the second begins a mapping.
        return Err("within { }, put quotes around \"${env:NAME}\"".to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{env:") {
            let end = after
                .find('}')
                .ok_or("`${env:` is not closed: write ${env:NAME}")?;
            let (name, default) = match after[..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&after[..end], None),
            };
            let value = look_up(name).or_else(|| default.map(str::to_owned));
            out.push_str(&value.ok_or_else(|| {
                format!("the environment variable {name} is not set: set it, or write ${{env:{name}:-DEFAULT}}")
            })?);
            rest = &after[end + 1..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Reads a leaf as text and makes something of it.
fn leaf<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let raw = String::deserialize(deserializer)?;
    let text = substitute(&raw, |name| std::env::var(name).ok()).map_err(D::Error::custom)?;
    parse(&text).map_err(D::Error::custom)
}

macro_rules! leaves {
    ($($(#[$doc:meta])* $name:ident($inner:ty) by $parse:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                leaf(deserializer, $parse).map(Self)
            }
        }
    )*};
}

leaves! {
    /// Any text but the empty one.
    Text(String) by text;
    /// A path of a file.
    FilePath(PathBuf) by path;
    /// A token, a password: `Debug` does not show it.
    Secret(String) by text;
    /// Bytes: `16MiB`, `64KiB`, `1GB`, `4096`.
    Size(usize) by size;
    /// A time: `10s`, `500ms`, `5m`, `1h`.
    Time(Duration) by time;
    /// A time that something may take, which is more than 0.
    Timeout(Duration) by timeout;
    /// `HOST:PORT` to listen on.
    Listen(String) by listen;
    /// `HOST:PORT` of a broker.
    Broker(String) by broker;
    /// A number of at least 1.
    Count(usize) by count;
    /// A header's name.
    HeaderName(http::HeaderName) by header_name;
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

macro_rules! shown {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shown!(Text FilePath Size Time Timeout Listen Broker Count HeaderName);

fn text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("empty: give a text, or leave the field out".to_owned());
    }
    Ok(text.to_owned())
}

fn path(value: &str) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

/// A number and its unit.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    (number, unit.trim())
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let factor = match unit {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "kB" | "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        _ => None,
    };
    number
        .parse::<usize>()
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|size| *size > 0)
        .ok_or_else(|| {
            format!("`{text}` is no size: write a whole number and a unit, such as 16MiB or 64KiB")
        })
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    number
        .parse::<u64>()
        .ok()
        .zip(milliseconds)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .map(Duration::from_millis)
        // Beyond that, deadlines overflow on some systems.
        .filter(|time| *time <= Duration::from_secs(365 * 24 * 3600))
        .ok_or_else(|| {
            format!(
                "`{text}` is no time: write a whole number and a unit, such as 500ms, 10s or 5m"
            )
        })
}

fn timeout(text: &str) -> Result<Duration, String> {
    time(text).and_then(|time| match time.is_zero() {
        true => Err(format!(
            "`{text}`: a time of more than 0, or nothing would be in time"
        )),
        false => Ok(time),
    })
}

/// Reads `HOST:PORT`.
///
/// # Errors
///
/// What is wrong with it, and what would be right.
pub fn listen(text: &str) -> Result<String, String> {
    let valid = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !valid || text.contains("//") {
        return Err(format!(
            "`{text}` is no address to listen on: write HOST:PORT, such as 0.0.0.0:4318, or `off`"
        ));
    }
    Ok(text.to_owned())
}

fn broker(text: &str) -> Result<String, String> {
    listen(text)
        .ok()
        .ok_or_else(|| format!("`{text}` is no broker: write HOST:PORT, such as kafka:9092"))
}

fn count(text: &str) -> Result<usize, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("`{text}` is no number: write a whole number of at least 1"))
}

fn header_name(text: &str) -> Result<http::HeaderName, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no name of a header"))
}

/// An address to listen on, or `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener(pub Option<String>);

impl<'de> Deserialize<'de> for Listener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        leaf(deserializer, |text| match text {
            // What YAML 1.1 and some templates make of `off`.
            "off" | "false" => Ok(Self(None)),
            address => listen(address).map(|address| Self(Some(address))),
        })
    }
}

/// A value of a header, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderValue(pub http::HeaderValue);

impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        leaf(deserializer, |text| {
            let mut value = http::HeaderValue::from_str(text)
                .map_err(|_| "a header's value holds printable ASCII on one line".to_owned())?;
            value.set_sensitive(true);
            Ok(Self(value))
        })
    }
}

/// Where OTLP goes: `http://`, `https://` for HTTP, `grpc://`, `grpcs://` for gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// gRPC, not HTTP.
    pub grpc: bool,
    /// With the scheme `http` or `https`; over HTTP with the path that requests go to.
    pub uri: http::Uri,
}

impl Endpoint {
    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.uri.scheme() == Some(&http::uri::Scheme::HTTPS)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A password may be in it.
        let shown = match text.contains('@') {
            true => "this",
            false => &format!("`{text}`"),
        };
        let wrong = || {
            format!(
                "{shown} is no endpoint: write http://HOST:PORT or https://… for OTLP over HTTP, \
                 grpc://HOST:PORT or grpcs://… for gRPC"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (grpc, scheme) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (false, "http"),
            "https" => (false, "https"),
            "grpc" => (true, "http"),
            "grpcs" => (true, "https"),
            _ => return Err(wrong()),
        };
        let given: http::Uri = format!("{scheme}://{rest}").parse().map_err(|_| wrong())?;
        let authority = given.authority().ok_or_else(wrong)?;
        if given.query().is_some() || authority.as_str().contains('@') {
            return Err(
                "an endpoint has no query and no password; credentials go into `headers`"
                    .to_owned(),
            );
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if has_port && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(format!("{shown}: a port is a number from 1 to 65535"));
        }
        let base = given.path().trim_end_matches('/');
        let path = match (grpc, base) {
            (true, "") => "/".to_owned(),
            (true, _) => return Err(format!("{shown}: a gRPC endpoint has no path")),
            (false, base) if base.ends_with("/v1/traces") => base.to_owned(),
            (false, base) => format!("{base}/v1/traces"),
        };
        let uri = http::Uri::builder()
            .scheme(scheme)
            .authority(authority.as_str())
            .path_and_query(path)
            .build()
            .map_err(|_| wrong())?;
        Ok(Self { grpc, uri })
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        leaf(deserializer, |text| text.parse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(name: &str) -> Option<String> {
        (name == "NAME").then(|| "a: b\n# c".to_owned())
    }

    #[test]
    fn variables_are_replaced_by_their_text() {
        let replaced = |text| substitute(text, look_up);
        assert_eq!(replaced("<${env:NAME}>").unwrap(), "<a: b\n# c>");
        assert_eq!(replaced("${env:NONE:-x:-y}").unwrap(), "x:-y");
        assert_eq!(replaced("$${env:NAME} $5 $").unwrap(), "${env:NAME} $5 $");
        assert!(replaced("${env:NONE}").unwrap_err().contains("NONE"));
        assert!(replaced("${env:NAME").is_err());
    }

    #[test]
    fn sizes_and_times_need_known_units() {
        assert_eq!(size("16MiB"), Ok(16 << 20));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("1 GB"), Ok(1_000_000_000));
        for wrong in [
            "",
            "0",
            "16M",
            "-1",
            "1.5MiB",
            "99999999999999999999",
            "99999999999GiB",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "10", "s", "1d", "-1s", "18446744073709551615h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn endpoints_get_the_path_of_traces_unless_they_have_it() {
        let uri = |text: &str| {
            text.parse::<Endpoint>()
                .map(|endpoint| endpoint.uri.to_string())
        };
        assert_eq!(uri("http://a:1").unwrap(), "http://a:1/v1/traces");
        assert_eq!(uri("https://a/b/").unwrap(), "https://a/b/v1/traces");
        assert_eq!(uri("https://a/v1/traces").unwrap(), "https://a/v1/traces");
        assert_eq!(uri("grpcs://a:1").unwrap(), "https://a:1/");
        for wrong in [
            "a:1",
            "ftp://a",
            "http://",
            "grpc://a/b",
            "http://u:p@a",
            "http://a?b=c",
        ] {
            assert!(uri(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_to_listen_on_have_a_host_and_a_port() {
        assert!(listen("0.0.0.0:4318").is_ok());
        assert!(listen("[::1]:0").is_ok());
        for wrong in ["4318", ":4318", "a", "a:b", "a:70000", "http://a:1"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }
}
