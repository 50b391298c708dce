//! Requests appended to a file before they are acknowledged.
//!
//! A record is a varint length and an `ExportTraceServiceRequest` in protobuf, which is what
//! protobuf libraries call a delimited stream.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::handler::Handler;
use crate::outcome::Outcome;
use crate::outline;
use crate::request::{ContentType, Request};

/// How long a sender is asked to wait when the file cannot be written, the disk being full perhaps.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Longer than any request that a receiver lets in by default: a length beyond it is damage.
const MAX_RECORD_BYTES: u64 = 1024 * 1024 * 1024;

/// Why a record file could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The operating system refused.
    #[error("cannot use the record file `{path}`: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A whole record is no export request: this is no record file, or it is damaged.
    #[error("`{path}` holds no export request at byte {offset}: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the kernel has it, which outlives the process (SIGKILL too) and not the machine.
    #[default]
    Process,
    /// When the disk has it (`fdatasync` for each request), which outlives a power cut.
    Machine,
}

/// A handler that appends each request to a file and acknowledges it afterwards. A clone writes to
/// the same file. A second store on it, of this process or another one, is refused where the system has locks (Unix).
///
/// ```
/// use otel_enhance_receiver::{Durability, FileStore, Receiver, read_records};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("spans.otlp");
/// let receiver = Receiver::builder()
///     .with_http("127.0.0.1:0")
///     .with_handler(FileStore::open(&path, Durability::Process)?)
///     .start_blocking()?;
/// // ... export, stop ...
/// # drop(receiver);
/// assert!(read_records(&path)?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FileStore {
    inner: Arc<Mutex<Appender>>,
}

#[derive(Debug)]
struct Appender {
    file: File,
    /// The end of the last whole record.
    length: u64,
    durability: Durability,
    /// A torn record that could not be cut off: nothing may follow it.
    torn: bool,
}

impl FileStore {
    /// Opens `path` for appending, or makes it. A record that a killed process left incomplete at
    /// the end is cut off: it was never acknowledged.
    ///
    /// # Errors
    ///
    /// [`RecordError::Io`] if the file cannot be read and written, is no regular file, or another store has it, and
    /// [`RecordError::Malformed`]
    /// if it is no record file; it is left alone then.
    pub fn open(path: impl AsRef<Path>, durability: Durability) -> Result<Self, RecordError> {
        let path = path.as_ref();
        let io_error = |source| RecordError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io_error)?;
        // Devices do not end, and pipes cannot be read again.
        if !file.metadata().map_err(io_error)?.is_file() {
            return Err(io_error(io::Error::other("it is no regular file")));
        }
        // Before anything is cut off, which may be what another one is writing.
        lock(&file).map_err(io_error)?;
        // Not more than what a receiver that leaves requests undecoded looks at before it acknowledges them: what it
        // let in must not keep its successor from starting.
        let length = scan(path, &file, |record| {
            outline::spans(&record)
                .map(|_| ())
                .map_err(|refusal| refusal.message)
        })?;
        file.set_len(length).map_err(io_error)?;
        file.seek(SeekFrom::Start(length)).map_err(io_error)?;
        Ok(Self {
            inner: Arc::new(Mutex::new(Appender {
                file,
                length,
                durability,
                torn: false,
            })),
        })
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.lock().length
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Appender> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the file for this store, until it is closed, be it by the process's end.
#[cfg(unix)]
fn lock(file: &File) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(io::Error::other("another process writes it")),
        // There are file systems without locks.
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(not(unix))]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
}

impl Appender {
    fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if self.torn {
            self.repair()?;
        }
        let written = self
            .file
            .write_all(record)
            .and_then(|()| match self.durability {
                Durability::Process => Ok(()),
                Durability::Machine => self.file.sync_data(),
            });
        match written {
            Ok(()) => {
                self.length += record.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = true;
                // If it does not work now, it is tried again before the next record.
                self.repair().ok();
                Err(error)
            }
        }
    }

    fn repair(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.torn = false;
        Ok(())
    }
}

impl FileStore {
    /// Appends an `ExportTraceServiceRequest` in protobuf, as the handler does with what it gets.
    ///
    /// # Errors
    ///
    /// What the system said. Nothing of the record is in the file then.
    pub async fn append(&self, message: Bytes) -> io::Result<()> {
        self.append_made(move || delimited(&message)).await
    }

    async fn append_made(
        &self,
        record: impl FnOnce() -> Vec<u8> + Send + 'static,
    ) -> io::Result<()> {
        let store = self.clone();
        // A disk may take its time, and the runtime's threads have other connections to serve. The
        // closure runs to its end even if the sender goes away: no record is left half written.
        tokio::task::spawn_blocking(move || store.lock().append(&record()))
            .await
            .map_err(|_| io::Error::other("recording ended early"))?
    }
}

impl Handler for FileStore {
    async fn export(&self, request: Request) -> Outcome {
        match self.append_made(move || record(&request)).await {
            Ok(()) => Outcome::Accepted,
            Err(error) => Outcome::Unavailable {
                retry_after: Some(RETRY_AFTER),
                message: format!("the request could not be recorded: {error}"),
            },
        }
    }
}

/// The record of a request: its own bytes where they are protobuf already.
fn record(request: &Request) -> Vec<u8> {
    match request.content_type {
        ContentType::Protobuf => delimited(&request.body),
        ContentType::Json => delimited(&request.message.encode_to_vec()),
    }
}

fn delimited(message: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(message.len() + 10);
    prost::encoding::encode_varint(message.len() as u64, &mut record);
    record.extend_from_slice(message);
    record
}

/// Reads all whole records of a file. An incomplete one at the end, as a killed writer leaves it, is
/// passed over.
///
/// # Errors
///
/// [`RecordError::Io`] if the file cannot be read, [`RecordError::Malformed`] if it is no record
/// file.
pub fn read_records(path: impl AsRef<Path>) -> Result<Vec<ExportTraceServiceRequest>, RecordError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| RecordError::Io {
        path: path.to_owned(),
        source,
    })?;
    let mut requests = Vec::new();
    scan(path, &file, |record| {
        let request =
            ExportTraceServiceRequest::decode(record).map_err(|error| error.to_string())?;
        requests.push(request);
        Ok(())
    })?;
    Ok(requests)
}

/// Calls `each` for every whole record, which tells what is wrong with it, and returns where the last one ends.
fn scan(
    path: &Path,
    file: &File,
    mut each: impl FnMut(Bytes) -> Result<(), String>,
) -> Result<u64, RecordError> {
    let mut reader = BufReader::new(file);
    let mut offset = 0;
    loop {
        let malformed = |reason: String| RecordError::Malformed {
            path: path.to_owned(),
            offset,
            reason,
        };
        match read_record(&mut reader) {
            Ok(Next::Whole(record, size)) => {
                each(record).map_err(malformed)?;
                offset += size;
            }
            // Behind no whole record it may be anything, somebody's short letter for one, and must not be cut off.
            Ok(Next::Torn(Some(first))) if offset == 0 && first != FIRST_TAG => {
                return Err(malformed(
                    "what there is, is no beginning of one".to_owned(),
                ));
            }
            Ok(Next::Torn(_) | Next::End) => return Ok(offset),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(malformed(error.to_string()));
            }
            Err(source) => {
                return Err(RecordError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
}

/// What comes next in a file.
enum Next {
    /// A record, and its size with its length prefix.
    Whole(Bytes, u64),
    /// The beginning of one, with its first byte if it got so far.
    Torn(Option<u8>),
    End,
}

/// The tag of `resource_spans`, which requests begin with.
const FIRST_TAG: u8 = 0x0a;

fn read_record(reader: &mut impl Read) -> io::Result<Next> {
    let mut length = 0_u64;
    let mut prefix = 0_u64;
    loop {
        let mut byte = [0];
        match reader.read(&mut byte) {
            Ok(0) if prefix == 0 => return Ok(Next::End),
            Ok(0) => return Ok(Next::Torn(None)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        length |= u64::from(byte[0] & 0x7f) << (7 * prefix);
        prefix += 1;
        if byte[0] < 0x80 {
            break;
        }
        if prefix == 5 {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "a length takes at most 5 bytes",
            ));
        }
    }
    if length > MAX_RECORD_BYTES {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("a length of {length} bytes is not credible"),
        ));
    }
    let mut record = Vec::new();
    reader.take(length).read_to_end(&mut record)?;
    if (record.len() as u64) < length {
        return Ok(Next::Torn(record.first().copied()));
    }
    Ok(Next::Whole(record.into(), prefix + length))
}
