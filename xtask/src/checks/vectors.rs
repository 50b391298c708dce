//! The frozen vectors of tracezip, by the decoder that was written from its description alone.

use crate::error::{Error, Result};
use crate::peers::Peers;
use crate::process::{program, show};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tracezip/tests/python/decode.py"
);
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tracezip/tests/golden/v1");

pub(crate) fn second_decoder(peers: &Peers) -> Result<()> {
    let locations = peers.locations()?;
    let python = locations
        .iter()
        .find(|(variable, _)| *variable == "OTEL_ENHANCE_PEER_PYTHON")
        .ok_or_else(|| Error::Check("no peer is Python".to_owned()))?;
    let mut command = program(&python.1);
    // The sources are not to fill with what is compiled.
    show(
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args([SCRIPT, VECTORS]),
    )
}
