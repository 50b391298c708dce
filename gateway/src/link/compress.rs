//! Content codings of what goes out. What a compressor needs is kept for the next message.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::write::GzEncoder;

use crate::config::Compression;

const ZSTD_LEVEL: i32 = 3;
/// Compressors kept; as many as threads are of use.
const KEPT: usize = 16;

pub(super) struct Compressors {
    coding: Compression,
    /// The server was found not to know zstd.
    no_zstd: AtomicBool,
    zstd: Mutex<Vec<zstd::bulk::Compressor<'static>>>,
}

impl std::fmt::Debug for Compressors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Compressors").field(&self.coding).finish()
    }
}

impl Compressors {
    pub(super) fn new(coding: Compression) -> Self {
        Self {
            coding,
            no_zstd: AtomicBool::new(false),
            zstd: Mutex::default(),
        }
    }

    /// From now on gzip takes zstd's place.
    pub(super) fn no_zstd(&self) {
        self.no_zstd.store(true, Ordering::Relaxed);
    }

    /// The message in the coding, or as it is where that fails.
    pub(super) fn compress(&self, message: &Bytes) -> (Bytes, Compression) {
        match self.coding {
            Compression::None => (message.clone(), Compression::None),
            Compression::Zstd if !self.no_zstd.load(Ordering::Relaxed) => {
                match self.zstd(message) {
                    Some(compressed) => (compressed.into(), Compression::Zstd),
                    None => (message.clone(), Compression::None),
                }
            }
            Compression::Zstd | Compression::Gzip => gzip_or_plain(message),
        }
    }

    fn zstd(&self, message: &[u8]) -> Option<Vec<u8>> {
        let pool = || self.zstd.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = pool().pop();
        let mut compressor = match kept {
            Some(compressor) => compressor,
            None => zstd::bulk::Compressor::new(ZSTD_LEVEL).ok()?,
        };
        let compressed = compressor.compress(message).ok();
        let mut pool = pool();
        if pool.len() < KEPT {
            pool.push(compressor);
        }
        compressed
    }
}

/// The message in gzip, or as it is where that fails.
pub(super) fn gzip_or_plain(message: &Bytes) -> (Bytes, Compression) {
    match gzip(message) {
        Some(compressed) => (compressed.into(), Compression::Gzip),
        None => (message.clone(), Compression::None),
    }
}

fn gzip(message: &[u8]) -> Option<Vec<u8>> {
    let out = Vec::with_capacity(message.len() / 4 + 64);
    let mut encoder = GzEncoder::new(out, flate2::Compression::new(6));
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}
