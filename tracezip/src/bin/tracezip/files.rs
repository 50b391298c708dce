//! `compress` and `decompress`: a file of requests to a file of frames and back.

use std::fs;
use std::path::{Path, PathBuf};

use tracezip::{Decoder, Encoder, Limits};

use crate::arguments::Error;
use crate::corpus;
use crate::progress::Progress;
use crate::stat::Options;

/// Requests to frames, each preceded by its length. Frames build on those before them, unless each is to stand
/// for itself.
pub(crate) fn compress(options: &Options) -> Result<(), Error> {
    for path in &options.files {
        let bytes = corpus::read(path)?;
        let requests = corpus::requests(path, &bytes)?;
        corpus::come_back(path, &bytes, &requests)?;
        let mut progress = Progress::new("compressing", path, requests.len());
        // Within a file, one stream is told from another by its place.
        let mut encoder = Encoder::new([0; 16]).with_self_contained(options.self_contained);
        let mut decoder = Decoder::new(1, corpus::limits(&requests));
        let (mut out, mut frame, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
        for (index, request) in requests.iter().enumerate() {
            frame.clear();
            decoded.clear();
            encoder.encode(request, &mut frame);
            let lost = |why: String| Error::Lost {
                path: path.clone(),
                request: index,
                why,
            };
            let answer = decoder
                .decode(0, &frame, &mut decoded)
                .map_err(|error| lost(error.to_string()))?
                .answer;
            if decoded != *request {
                return Err(lost("other bytes".into()));
            }
            if let Some(answer) = answer {
                encoder.acknowledge(&answer);
            }
            corpus::put(&frame, &mut out);
            progress.step();
        }
        write(options, path, &renamed(path, "pbld", "tzip"), &out)?;
    }
    Ok(())
}

/// Frames to requests.
pub(crate) fn decompress(options: &Options) -> Result<(), Error> {
    for path in &options.files {
        let bytes = corpus::read(path)?;
        let frames = corpus::requests(path, &bytes)?;
        let mut progress = Progress::new("decompressing", path, frames.len());
        // A file may be from anybody.
        let limits = Limits::default().with_decoded_bytes(options.max_request);
        let mut decoder = Decoder::new(1, limits);
        let (mut out, mut request) = (Vec::new(), Vec::new());
        for (index, frame) in frames.iter().enumerate() {
            request.clear();
            decoder
                .decode(0, frame, &mut request)
                .map_err(|error| Error::Lost {
                    path: path.clone(),
                    request: index,
                    why: error.to_string(),
                })?;
            corpus::put(&request, &mut out);
            progress.step();
        }
        write(options, path, &renamed(path, "tzip", "pbld"), &out)?;
    }
    Ok(())
}

/// The path with another extension, instead of both where `.zst` follows the one that it should have.
fn renamed(path: &Path, from: &str, to: &str) -> PathBuf {
    let stem = path.file_stem().map(Path::new).unwrap_or(path);
    if stem.extension().is_some_and(|extension| extension == from) {
        stem.with_extension(to)
    } else {
        path.with_extension(to)
    }
}

/// To the folder that is asked for, or beside the source; never over a file that is there.
fn write(options: &Options, source: &Path, name: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = options.out.as_deref().or(source.parent());
    let target: PathBuf = folder
        .unwrap_or(Path::new(""))
        .join(name.file_name().unwrap_or_default());
    let failed = |source| Error::File {
        path: target.clone(),
        source,
    };
    let mut file = fs::File::create_new(&target).map_err(failed)?;
    std::io::Write::write_all(&mut file, bytes).map_err(|error| {
        // Half a file looks like a whole one, and stands in the way of the next try.
        fs::remove_file(&target).ok();
        failed(error)
    })
}
