//! The vector kernels on a processor that this machine has not.

use crate::error::Result;
use crate::process::{program, show};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernels/test-aarch64.sh");

pub(crate) fn neon() -> Result<()> {
    show(program("sh").arg(SCRIPT))
}
