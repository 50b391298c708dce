//! What does not go together, which no field shows by itself.

use std::net::IpAddr;

use super::{Config, ConfigError, OtlpOutput, OutputConfig};

/// More threads than any machine has use for.
const MAX_THREADS: usize = 1024;

impl Config {
    /// Checks what fields say together. [`Config::from_yaml`] has done it; whoever changes a configuration afterwards
    /// has it done by [`check`](crate::check) and [`Gateway::start`](crate::Gateway::start).
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with the first contradiction.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.listeners()?;
        self.bounds()?;
        self.tokens()?;
        self.outputs()
    }

    fn listeners(&self) -> Result<(), ConfigError> {
        let listeners = [
            ("receivers.http", &self.receivers.http),
            ("receivers.grpc", &self.receivers.grpc),
            ("admin.address", &self.admin.address.0),
        ];
        if self.receivers.http.is_none() && self.receivers.grpc.is_none() {
            return wrong(
                "receivers",
                "`http` and `grpc` are both off: leave one of them on",
            );
        }
        for (number, (field, address)) in listeners.iter().enumerate() {
            let earlier = listeners[..number].iter();
            for (other, _) in earlier.filter(|(_, other)| *other == *address) {
                if let Some(address) = address
                    && !address.ends_with(":0")
                {
                    return wrong(
                        *field,
                        format!("{other} is {address} too: use another port"),
                    );
                }
            }
        }
        Ok(())
    }

    fn bounds(&self) -> Result<(), ConfigError> {
        let memory = self.limits.memory.0;
        let bodies = [
            ("max_body", self.receivers.max_body),
            ("max_decompressed", self.receivers.max_decompressed),
        ];
        for (name, bytes) in bodies {
            if memory < bytes {
                return wrong(
                    "limits.memory",
                    format!(
                        "{memory} bytes are less than the {bytes} of receivers.{name}: a request of that size would be \
                         told to come again for ever. Raise this, or lower that"
                    ),
                );
            }
        }
        if self
            .threads
            .as_ref()
            .is_some_and(|threads| threads.0 > MAX_THREADS)
        {
            return wrong(
                "threads",
                format!("at most {MAX_THREADS}; the default is one for each core"),
            );
        }
        Ok(())
    }

    fn tokens(&self) -> Result<(), ConfigError> {
        let Some(auth) = &self.auth else {
            return Ok(());
        };
        if auth.tokens.is_empty() {
            return wrong(
                "auth.tokens",
                "empty: nobody could send. Name a token, or leave `auth` out for everybody to",
            );
        }
        for (number, token) in auth.tokens.iter().enumerate() {
            let mut earlier = auth.tokens[..number].iter();
            if earlier.any(|other| other.token == token.token) {
                return wrong(
                    format!("auth.tokens[{number}]"),
                    "this token was given before: whose is it?",
                );
            }
        }
        Ok(())
    }

    fn outputs(&self) -> Result<(), ConfigError> {
        for (number, output) in self.outputs.iter().enumerate() {
            let mut earlier = self.outputs[..number].iter();
            match output {
                OutputConfig::File(file) => {
                    let same = |other: &OutputConfig| matches!(other, OutputConfig::File(other) if other.path == file.path);
                    if earlier.any(same) {
                        return wrong(
                            format!("outputs[{number}].file.path"),
                            "another output writes this file already",
                        );
                    }
                }
                OutputConfig::Kafka(kafka) if kafka.brokers.is_empty() => {
                    return wrong(
                        format!("outputs[{number}].kafka.brokers"),
                        "empty: name some of the brokers, such as [\"kafka:9092\"]",
                    );
                }
                OutputConfig::Kafka(_) => {}
                OutputConfig::Otlp(otlp) => self.leads_away(number, "otlp", otlp)?,
                OutputConfig::Tracezip(tracezip) => {
                    self.leads_away(number, "tracezip", &tracezip.otlp)?;
                }
            }
        }
        Ok(())
    }

    /// A gateway that forwards to itself answers nobody any more.
    fn leads_away(
        &self,
        number: usize,
        kind: &str,
        output: &OtlpOutput,
    ) -> Result<(), ConfigError> {
        let (Some(host), Some(port)) = (output.endpoint.uri.host(), output.endpoint.uri.port_u16())
        else {
            return Ok(());
        };
        let receivers = &self.receivers;
        let listeners = [&receivers.http, &receivers.grpc];
        for listener in listeners.into_iter().flatten() {
            let Some((at, listening)) = listener.rsplit_once(':') else {
                continue;
            };
            let is_here = at == host || (is_this_machine(at) && is_this_machine(host));
            if is_here && listening.parse() == Ok(port) {
                return wrong(
                    format!("outputs[{number}].{kind}.endpoint"),
                    format!(
                        "{host}:{port} is this gateway itself, which listens at {listener}: another port?"
                    ),
                );
            }
        }
        Ok(())
    }
}

/// Whether this machine is reached by the name, or listens everywhere by it.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

fn wrong(field: impl Into<String>, message: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::of(field.into(), message.into()))
}
