//! Files of requests, each preceded by its length.

use std::fs;
use std::path::Path;

use tracezip::Limits;

use crate::arguments::Error;

/// Reads `.pbld` and `.pbld.zst`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::File {
        path: path.to_path_buf(),
        source: error,
    };
    if is_device(path) {
        return Err(failed(std::io::Error::other(
            "a device, which does not end",
        )));
    }
    let bytes = fs::read(path).map_err(failed)?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        return zstd::stream::decode_all(&bytes[..]).map_err(failed);
    }
    Ok(bytes)
}

/// Terminals and null devices end.
#[cfg(unix)]
fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let ends = |file: &fs::File| std::io::IsTerminal::is_terminal(file);
    let is_null = path == Path::new("/dev/null");
    fs::metadata(path).is_ok_and(|data| {
        let kind = data.file_type();
        kind.is_block_device()
            || kind.is_char_device()
                && !is_null
                && !fs::File::open(path).is_ok_and(|file| ends(&file))
    })
}

#[cfg(not(unix))]
fn is_device(_: &Path) -> bool {
    false
}

/// The requests, or frames, of a file.
pub(crate) fn requests<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, Error> {
    let mut requests = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let cut = || Error::Cut {
            path: path.to_path_buf(),
            number: requests.len(),
            at: bytes.len() - rest.len(),
        };
        let (len, after) = varint(rest).ok_or_else(cut)?;
        let (request, after) = after.split_at_checked(len).ok_or_else(cut)?;
        requests.push(request);
        rest = after;
    }
    Ok(requests)
}

/// Refuses a file whose lengths are written as [`put`] would not write them: what is put together again would be another.
pub(crate) fn come_back(path: &Path, bytes: &[u8], requests: &[&[u8]]) -> Result<(), Error> {
    let mut at = 0;
    for (number, request) in requests.iter().enumerate() {
        let length = varint(&bytes[at..]).map_or(0, |(_, after)| bytes.len() - at - after.len());
        if length > 1 && bytes[at + length - 1] == 0 {
            return Err(Error::Long {
                path: path.to_path_buf(),
                number,
                at,
            });
        }
        at += length + request.len();
    }
    Ok(())
}

/// Limits within which these requests come back: only those that a receiver gets from others are bounded.
pub(crate) fn limits(requests: &[&[u8]]) -> Limits {
    let largest = requests.iter().map(|request| request.len()).max();
    let limits = Limits::default();
    limits.with_decoded_bytes(limits.decoded_bytes.max(largest.unwrap_or(0)))
}

/// Appends a request, or a frame, after its length.
pub(crate) fn put(request: &[u8], out: &mut Vec<u8>) {
    let mut len = request.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(request);
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((usize::try_from(value).ok()?, &bytes[at + 1..]));
        }
    }
    None
}
