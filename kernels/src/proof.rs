//! Proof that the processor has an instruction set.
//!
//! A value of [`Avx2`] or [`Neon`] exists only where the instructions do. Functions that ask for one are
//! therefore safe to call, and `unsafe` stays inside the modules of the instruction sets.

/// What a kernel may use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

impl Proof {
    /// The best of this processor.
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        return Avx2::detect().map_or(Self::Scalar, Self::Avx2);
        #[cfg(target_arch = "aarch64")]
        return Neon::detect().map_or(Self::Scalar, Self::Neon);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        return Self::Scalar;
    }
}

/// AVX2, BMI1, BMI2, LZCNT and POPCNT are there.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt"))
        .then_some(Self(()))
    }
}

/// Advanced SIMD is there.
#[cfg(target_arch = "aarch64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon(());

#[cfg(target_arch = "aarch64")]
impl Neon {
    fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}
