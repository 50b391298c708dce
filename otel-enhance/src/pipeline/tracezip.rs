//! The extension `tracezip` in a pipeline.

use std::fmt;

use super::builder::EnhancedPipeline;
use super::slots::Coding;
use crate::InitError;
#[cfg(feature = "tracezip")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
use crate::config::{Diagnostics, Env, Reader, Settings};
use crate::config::{ExporterKind, Protocol};
#[cfg(feature = "tracezip")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
use crate::export::frames::{Frames, keeps_secrets};
#[cfg(feature = "tracezip")]
use crate::extensions::tracezip::TracezipIdGenerator;

/// What code asks of the extension.
#[derive(Default)]
pub(super) struct TracezipRequest {
    fleet_key: Option<FleetKey>,
    level: Option<u8>,
    /// The generator given in code, if it is ours.
    #[cfg(feature = "tracezip")]
    pub(super) ids: Option<TracezipIdGenerator>,
}

enum FleetKey {
    Given(String),
    Variable(String),
}

/// A key that code gave goes with the builder, at the latest when the pipeline is installed.
#[cfg(feature = "tracezip")]
impl Drop for FleetKey {
    fn drop(&mut self) {
        if let Self::Given(key) = self {
            zeroize::Zeroize::zeroize(key);
        }
    }
}

impl fmt::Debug for TracezipRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracezipRequest")
            .field("fleet_key", &self.fleet_key.as_ref().map(|_| "…"))
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// The extension `tracezip`. Without the feature of that name, an install of a pipeline that asks for it is an
/// [`InitError::FeatureMissing`](crate::InitError::FeatureMissing).
impl EnhancedPipeline {
    /// Sends requests as frames of tracezip, which take three to five times fewer bytes than OTLP with zstd, to a
    /// receiver that understands them: `otel-enhance-receiver` and the gateway do. Any other is found out before
    /// the first spans go, gets OTLP in the [compression](Self::with_compression) of the settings, and is asked
    /// again about once a minute.
    ///
    /// Over TLS and within this machine, trace and span ids are made in a way that costs next to nothing on the
    /// wire, unless [`with_id_generator`](Self::with_id_generator) says otherwise. Default: off.
    ///
    /// It is for OTLP with protobuf, over HTTP and gRPC; beside anything else in code it is an
    /// [`InitError::InvalidArgument`](crate::InitError::InvalidArgument).
    ///
    /// ```
    /// use otel_enhance::pipeline::new_enhanced_pipeline;
    ///
    /// # fn main() -> Result<(), otel_enhance::InitError> {
    /// # #[cfg(feature = "otlp-http")]
    /// let _guard = new_enhanced_pipeline()
    ///     .with_service_name("shop")
    ///     .with_otlp_http()
    ///     .with_tracezip_compression(cfg!(feature = "tracezip"))
    ///     .install_batch()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_tracezip_compression(mut self, enabled: bool) -> Self {
        self.slots.coding = if enabled {
            Coding::Tracezip
        } else {
            Coding::Official
        };
        self
    }

    /// How hard the text of frames is compressed: a level of zstd's, 1 to 22. It implies
    /// [`with_tracezip_compression`](Self::with_tracezip_compression). Default: 1.
    pub fn with_tracezip_level(mut self, level: u8) -> Self {
        self.tracezip.level = Some(level);
        self.with_tracezip_compression(true)
    }

    /// A key that services share, 64 hexadecimal digits: ids that come from callers cost as little as one's own
    /// then. It implies [`with_tracezip_compression`](Self::with_tracezip_compression). Whoever holds it can tell
    /// from an id of the fleet how many its process had made. Default: each process has keys of its own.
    pub fn with_tracezip_fleet_key(mut self, key: impl Into<String>) -> Self {
        self.tracezip.fleet_key = Some(FleetKey::Given(key.into()));
        self.with_tracezip_compression(true)
    }

    /// The same with a key in this environment variable. If it holds none, that is reported, and the process has
    /// keys of its own.
    pub fn with_tracezip_fleet_key_variable(mut self, variable: impl Into<String>) -> Self {
        self.tracezip.fleet_key = Some(FleetKey::Variable(variable.into()));
        self.with_tracezip_compression(true)
    }

    /// Whether what the code asks for can be had.
    pub(super) fn check_tracezip(&self) -> Result<(), InitError> {
        if matches!(self.slots.coding, Coding::Official) {
            return Ok(());
        }
        if !cfg!(feature = "tracezip") {
            return Err(InitError::FeatureMissing {
                argument: "tracezip",
                feature: "tracezip",
            });
        }
        let invalid = |value: &str, expected: &str| {
            Err(InitError::InvalidArgument {
                argument: "tracezip",
                value: value.to_owned(),
                expected: expected.to_owned(),
            })
        };
        match self.overrides.exporter {
            Some(ExporterKind::Custom | ExporterKind::Stdout) => {
                return invalid(
                    "beside an exporter that is not OTLP",
                    "an OTLP exporter, whose destination is known; an exporter made by hand can be wrapped \
                     in `extensions::tracezip::TracezipSpanExporter`",
                );
            }
            Some(ExporterKind::None) => {
                return invalid("beside `exporter = none`", "an OTLP exporter");
            }
            _ => {}
        }
        if self.overrides.protocol == Some(Protocol::HttpJson) {
            return invalid(
                "beside OTLP with JSON",
                "`exporter = otlp_http` or `otlp_grpc`: frames hold protobuf",
            );
        }
        self.tracezip.check()
    }
}

impl TracezipRequest {
    fn check(&self) -> Result<(), InitError> {
        if let Some(level) = self.level.filter(|level| !(1..=22).contains(level)) {
            return Err(InitError::InvalidArgument {
                argument: "tracezip(level)",
                value: level.to_string(),
                expected: "a level of zstd's, 1 to 22".to_owned(),
            });
        }
        let is_right = match &self.fleet_key {
            None => true,
            Some(FleetKey::Given(key)) => {
                let key = key.trim();
                key.len() == 64 && key.bytes().all(|digit| digit.is_ascii_hexdigit())
            }
            Some(FleetKey::Variable(name)) => !name.is_empty(),
        };
        if is_right {
            return Ok(());
        }
        Err(InitError::InvalidArgument {
            argument: "tracezip(fleet_key)",
            // The text may be nearly the key.
            value: "another text".to_owned(),
            expected:
                "64 hexadecimal digits, as `openssl rand -hex 32` makes them, or the name of a \
                       variable that holds them"
                    .to_owned(),
        })
    }

    /// What the exporter gets, and the generator of ids; nothing where tracezip was not asked for, or the environment
    /// asks for what it cannot do.
    #[cfg(feature = "tracezip")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(super) fn frames(
        &self,
        coding: Coding,
        has_ids: bool,
        settings: &Settings,
        env: &Env,
        diagnostics: &mut Diagnostics,
    ) -> Option<Frames> {
        let is_exported = !settings.disabled && settings.exporters.contains(&ExporterKind::Otlp);
        if matches!(coding, Coding::Official) || !is_exported {
            return None;
        }
        if settings.otlp.protocol == Protocol::HttpJson {
            diagnostics.report(
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "http/json".to_owned(),
                "tracezip is about OTLP with protobuf: spans go as JSON, without it",
            );
            return None;
        }
        let mut all = std::iter::once(&settings.otlp).chain(&settings.equal_otlp);
        let ids = match &self.ids {
            Some(ids) => Some(ids.clone()),
            None if has_ids || !all.all(keeps_secrets) => {
                if self.fleet_key.is_some() {
                    diagnostics.report(
                        "tracezip",
                        "fleet_key".to_owned(),
                        "keys travel over TLS or within a machine only, and not beside another id generator: \
                         ids are random",
                    );
                }
                None
            }
            None => Some(self.generator(env, diagnostics)),
        };
        Some(Frames::new(ids, self.level))
    }

    #[cfg(feature = "tracezip")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    fn generator(&self, env: &Env, diagnostics: &mut Diagnostics) -> TracezipIdGenerator {
        let fleet = match &self.fleet_key {
            None => return TracezipIdGenerator::new(),
            // It was checked when the install began.
            Some(FleetKey::Given(key)) => TracezipIdGenerator::with_fleet_key(key),
            Some(FleetKey::Variable(variable)) => {
                let mut reader = Reader::new(env);
                let key = zeroize::Zeroizing::new(reader.secret(variable).unwrap_or_default());
                diagnostics.extend(reader.diagnostics);
                let made = TracezipIdGenerator::with_fleet_key(&key);
                if let Err(error) = made {
                    // What it holds is not shown.
                    let found = if key.is_empty() {
                        "nothing"
                    } else {
                        "something else"
                    };
                    diagnostics.report(
                        variable.clone(),
                        found.to_owned(),
                        format!("{error}; the process has keys of its own"),
                    );
                }
                made
            }
        };
        fleet.unwrap_or_default()
    }
}
