//! Which instruction set the kernels use: found out once, overridable by a variable.

use std::ffi::OsStr;
use std::fmt;
use std::sync::OnceLock;

use crate::proof::Proof;

/// The variable that forces a level.
pub const LEVEL_VARIABLE: &str = "OTEL_ENHANCE_SIMD";

/// A set of vector instructions.
///
/// Each kernel gives the same answer on every level. A level that this processor lacks is answered by
/// the scalar code, never by an illegal instruction.
///
/// ```
/// use otel_enhance_kernels::{Level, hex};
///
/// for level in Level::supported() {
///     let mut text = Vec::new();
///     hex::append_with(level, &[0xb7; 20], &mut text);
///     assert_eq!(text, [*b"b7"; 20].as_flattened());
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Plain Rust, on every machine.
    Scalar,
    /// x86-64 with AVX2, BMI1, BMI2, LZCNT and POPCNT: Intel since 2013, AMD since 2015.
    Avx2,
    /// AArch64, where Advanced SIMD is part of the architecture.
    Neon,
}

impl Level {
    /// The level that kernels use: the one forced by `OTEL_ENHANCE_SIMD` if this processor has it, else
    /// [`best`](Self::best). Decided at the first call and kept for the life of the process.
    #[inline]
    pub fn active() -> Self {
        decided().active
    }

    /// The best level of this processor, whatever the environment says.
    pub fn best() -> Self {
        match Proof::best() {
            Proof::Scalar => Self::Scalar,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) => Self::Avx2,
            #[cfg(target_arch = "aarch64")]
            Proof::Neon(_) => Self::Neon,
        }
    }

    /// The level that `OTEL_ENHANCE_SIMD` asks for: `scalar`, `avx2` or `neon`, in any case; `None` if it
    /// is unset or empty. As it was when [`active`](Self::active) was decided.
    ///
    /// # Errors
    ///
    /// [`BadLevel`] if the value is none of these, or this processor lacks it. The kernels then use
    /// [`best`](Self::best).
    pub fn forced() -> Result<Option<Self>, BadLevel> {
        decided().forced.clone()
    }

    /// Whether this processor has it.
    pub fn is_supported(self) -> bool {
        self == Self::Scalar || self == Self::best()
    }

    /// The levels that this processor has, the scalar one first.
    pub fn supported() -> impl Iterator<Item = Self> {
        [Self::Scalar, Self::Avx2, Self::Neon]
            .into_iter()
            .filter(|level| level.is_supported())
    }

    /// What the dispatch stands on: the scalar proof where this processor lacks the level.
    #[inline]
    pub(crate) fn proof(self) -> Proof {
        let best = decided().proof;
        match (self, best) {
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, Proof::Avx2(_)) => best,
            #[cfg(target_arch = "aarch64")]
            (Self::Neon, Proof::Neon(_)) => best,
            _ => Proof::Scalar,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
        })
    }
}

/// Why the value of `OTEL_ENHANCE_SIMD` is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadLevel {
    /// It names no level.
    Unknown {
        /// The value, with what is no UTF-8 replaced.
        value: String,
    },
    /// It names a level that this processor lacks.
    Unsupported {
        /// The level.
        level: Level,
    },
    /// It names AVX-512, for which there are no kernels; see the crate's documentation.
    NotBuilt,
}

impl fmt::Display for BadLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = Level::best();
        match self {
            Self::Unknown { value } => write!(
                f,
                "{LEVEL_VARIABLE}={value:?} names no instruction set: use scalar, avx2 or neon; \
                 {used} is used"
            ),
            Self::Unsupported { level } => write!(
                f,
                "{LEVEL_VARIABLE}={level}, but this processor lacks it; {used} is used"
            ),
            Self::NotBuilt => write!(
                f,
                "{LEVEL_VARIABLE}=avx512, but there are no kernels for it; {used} is used"
            ),
        }
    }
}

impl std::error::Error for BadLevel {}

struct Decided {
    proof: Proof,
    active: Level,
    forced: Result<Option<Level>, BadLevel>,
}

#[inline]
fn decided() -> &'static Decided {
    static DECIDED: OnceLock<Decided> = OnceLock::new();
    DECIDED.get_or_init(|| {
        let forced = parse(std::env::var_os(LEVEL_VARIABLE).as_deref());
        Decided {
            proof: Proof::best(),
            active: forced.clone().ok().flatten().unwrap_or(Level::best()),
            forced,
        }
    })
}

fn parse(value: Option<&OsStr>) -> Result<Option<Level>, BadLevel> {
    let text = value.unwrap_or_default().to_string_lossy();
    let level = match text.trim().to_ascii_lowercase().as_str() {
        "" => return Ok(None),
        "scalar" => Level::Scalar,
        "avx2" => Level::Avx2,
        "neon" => Level::Neon,
        "avx512" => return Err(BadLevel::NotBuilt),
        _ => {
            return Err(BadLevel::Unknown {
                value: text.into_owned(),
            });
        }
    };
    if level.is_supported() {
        Ok(Some(level))
    } else {
        Err(BadLevel::Unsupported { level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Result<Option<Level>, BadLevel> {
        parse(Some(value.as_ref()))
    }

    #[test]
    fn variable_unset_or_empty_forces_nothing() {
        assert_eq!(parse(None), Ok(None));
        assert_eq!(parsed(" "), Ok(None));
    }

    #[test]
    fn variable_naming_a_level_forces_it_where_the_processor_has_it() {
        assert_eq!(parsed("Scalar"), Ok(Some(Level::Scalar)));
        for level in [Level::Avx2, Level::Neon] {
            let expected = if level.is_supported() {
                Ok(Some(level))
            } else {
                Err(BadLevel::Unsupported { level })
            };
            assert_eq!(parsed(&level.to_string()), expected);
        }
    }

    #[test]
    fn variable_misspelt_or_not_built_says_what_is_used_instead() {
        assert_eq!(parsed("avx512"), Err(BadLevel::NotBuilt));
        let unknown = parsed("avx3").unwrap_err().to_string();
        assert!(unknown.contains("OTEL_ENHANCE_SIMD=\"avx3\""), "{unknown}");
        assert!(
            unknown.contains(&format!("{} is used", Level::best())),
            "{unknown}"
        );
    }

    /// What a process says that has the variable: the same test binary, running the test below alone.
    fn said_by_a_process_with(value: &str) -> String {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "level::tests::process_says_its_level",
                "--nocapture",
            ])
            .env(LEVEL_VARIABLE, value)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find_map(|line| line.split_once("level: "));
        line.expect("the process says its level").1.to_owned()
    }

    #[test]
    fn process_says_its_level() {
        println!("level: {} {:?}", Level::active(), Level::forced());
    }

    #[test]
    fn process_with_the_variable_uses_that_level_or_the_best_and_says_why() {
        let best = Level::best();
        let said = said_by_a_process_with("scalar");
        assert_eq!(said, "scalar Ok(Some(Scalar))");
        assert_eq!(said_by_a_process_with(""), format!("{best} Ok(None)"));
        let said = said_by_a_process_with("avx512");
        assert_eq!(said, format!("{best} Err(NotBuilt)"));
        let lacking = if best == Level::Neon {
            Level::Avx2
        } else {
            Level::Neon
        };
        let said = said_by_a_process_with(&lacking.to_string());
        assert_eq!(
            said,
            format!("{best} Err(Unsupported {{ level: {lacking:?} }})")
        );
    }

    #[test]
    fn level_that_the_processor_lacks_is_answered_by_scalar() {
        for level in [Level::Avx2, Level::Neon] {
            assert_eq!(
                matches!(level.proof(), Proof::Scalar),
                !level.is_supported(),
                "{level}"
            );
        }
    }
}
