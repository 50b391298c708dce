//! Content codings of what goes out. What a compressor needs is kept for the next message.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::write::GzEncoder;

use crate::config::Compression;

const ZSTD_LEVEL: i32 = 3;
/// Compressors kept; as many as threads are of use.
const KEPT: usize = 16;

pub(super) struct Compressors {
    coding: Coding,
    zstd: Mutex<Vec<zstd::bulk::Compressor<'static>>>,
}

/// The coding that the server was found to know, as the number of a [`Compression`].
#[derive(Debug)]
struct Coding(AtomicU8);

impl std::fmt::Debug for Compressors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Compressors").field(&self.coding()).finish()
    }
}

impl Compressors {
    pub(super) fn new(coding: Compression) -> Self {
        Self {
            coding: Coding(AtomicU8::new(coding as u8)),
            zstd: Mutex::default(),
        }
    }

    /// The coding to begin with.
    pub(super) fn coding(&self) -> Compression {
        let number = self.coding.0.load(Ordering::Relaxed);
        [Compression::None, Compression::Gzip, Compression::Zstd]
            .into_iter()
            .find(|coding| *coding as u8 == number)
            .unwrap_or_default()
    }

    /// The server took a message in this coding.
    pub(super) fn settle(&self, coding: Compression) {
        self.coding.0.store(coding as u8, Ordering::Relaxed);
    }

    /// The message in a coding, or as it is where that fails.
    pub(super) fn compress(&self, message: &Bytes, coding: Compression) -> (Bytes, Compression) {
        let compressed = match coding {
            Compression::None => None,
            Compression::Gzip => gzip(message),
            Compression::Zstd => self.zstd(message),
        };
        match compressed {
            Some(compressed) => (compressed.into(), coding),
            None => (message.clone(), Compression::None),
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

fn gzip(message: &[u8]) -> Option<Vec<u8>> {
    let out = Vec::with_capacity(message.len() / 4 + 64);
    let mut encoder = GzEncoder::new(out, flate2::Compression::new(6));
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}
