//! Files of requests, each preceded by its length.

use std::fs;
use std::path::Path;

use crate::arguments::Error;

/// Reads `.pbld` and `.pbld.zst`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::File {
        path: path.to_path_buf(),
        source: error,
    };
    let bytes = fs::read(path).map_err(failed)?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        return zstd::stream::decode_all(&bytes[..]).map_err(failed);
    }
    Ok(bytes)
}

/// The requests of a file.
pub(crate) fn requests(bytes: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut requests = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (len, after) = varint(rest).ok_or(Error::Cut)?;
        let (request, after) = after.split_at_checked(len).ok_or(Error::Cut)?;
        requests.push(request);
        rest = after;
    }
    Ok(requests)
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
