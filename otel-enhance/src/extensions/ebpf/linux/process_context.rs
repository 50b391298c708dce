//! Which service this is, for readers in other processes: OTEP 4719, version 2.
//!
//! A page named `OTEL_CTX` holds a header that points to a protobuf message: the resource, and how threads publish
//! their span. It is not inherited by a forked child, and goes with the session.
#![expect(
    unsafe_code,
    reason = "a mapping that other processes read is made by system calls"
)]

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::Resource;

use crate::lifecycle::generation;

const SIGNATURE: u64 = u64::from_le_bytes(*b"OTEL_CTX");
const VERSION: u32 = 2;
const NAME: &std::ffi::CStr = c"OTEL_CTX";

/// What stands at the begin of the mapping.
#[repr(C)]
struct Header {
    signature: u64,
    version: u32,
    payload_size: u32,
    /// `CLOCK_BOOTTIME`, in nanoseconds; 0 while it is being changed.
    published_at: u64,
    payload: u64,
}

const _: () = assert!(size_of::<Header>() == 32);

struct Published {
    header: NonNull<Header>,
    size: usize,
    generation: u32,
    /// Of the session.
    epoch: u32,
    /// Readers may still look at the one before.
    _payloads: Vec<Box<[u8]>>,
}

// SAFETY: the mapping is this process's, and written under the lock alone.
unsafe impl Send for Published {}

static PUBLISHED: Mutex<Option<Published>> = Mutex::new(None);

/// The lock on it.
pub(super) struct PublishedGuard {
    _lock: MutexGuard<'static, Option<Published>>,
}

impl PublishedGuard {
    pub(super) fn lock() -> Self {
        Self {
            _lock: PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Publishes what describes this process, or publishes it anew; says nothing where the kernel does not let it.
pub(super) fn publish(resource: &Resource, epoch: u32) {
    let payload = payload(resource).into_boxed_slice();
    let mut published = PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *published {
        Some(published) if published.generation == generation() => {
            published.update(payload, epoch);
        }
        // A forked child has not inherited it.
        _ => std::mem::forget(std::mem::replace(
            &mut *published,
            Published::new(payload, epoch),
        )),
    }
}

/// Takes it back, unless another session has published since.
pub(super) fn withdraw(epoch: u32) {
    let mut published = PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(ours) = published.take_if(|published| published.epoch == epoch)
        && ours.generation == generation()
    {
        // SAFETY: the mapping is ours, and nobody of this process keeps a reference.
        unsafe { libc::munmap(ours.header.as_ptr().cast(), ours.size) };
    }
}

impl Published {
    fn new(payload: Box<[u8]>, epoch: u32) -> Option<Self> {
        // SAFETY: system calls on a mapping of our own, of one page; the header lies at its begin.
        unsafe {
            let size = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).ok()?;
            let place = mapping(size)?;
            // A child would show what is its parent's.
            if libc::madvise(place, size, libc::MADV_DONTFORK) != 0 {
                libc::munmap(place, size);
                return None;
            }
            let header = place.cast::<Header>();
            (&raw mut (*header).version).write(VERSION);
            (&raw mut (*header).payload_size).write(u32::try_from(payload.len()).ok()?);
            (&raw mut (*header).payload).write(payload.as_ptr() as u64);
            (&raw mut (*header).published_at).write(boot_time());
            fence(Ordering::SeqCst);
            // Last: whoever sees it sees the rest.
            AtomicU64::from_ptr(&raw mut (*header).signature)
                .store(SIGNATURE.to_le(), Ordering::Release);
            name(place, size);
            Some(Self {
                header: NonNull::new(header)?,
                size,
                generation: generation(),
                epoch,
                _payloads: vec![payload],
            })
        }
    }

    fn update(&mut self, payload: Box<[u8]>, epoch: u32) {
        let Ok(length) = u32::try_from(payload.len()) else {
            return;
        };
        let header = self.header.as_ptr();
        // SAFETY: the header is valid and ours; readers of other processes go by the time.
        unsafe {
            let time = AtomicU64::from_ptr(&raw mut (*header).published_at);
            let before = time.swap(0, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            (&raw mut (*header).payload).write_volatile(payload.as_ptr() as u64);
            (&raw mut (*header).payload_size).write_volatile(length);
            fence(Ordering::SeqCst);
            time.store(boot_time().max(before + 1), Ordering::SeqCst);
            name(header.cast(), self.size);
        }
        self.epoch = epoch;
        // The one before stays for readers that have begun; older ones go.
        if self._payloads.len() > 1 {
            self._payloads.remove(0);
        }
        self._payloads.push(payload);
    }
}

/// A private mapping of a file in memory, or of nothing where there are no such files.
unsafe fn mapping(size: usize) -> Option<*mut libc::c_void> {
    const NOEXEC_SEAL: libc::c_uint = 8;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string; what is mapped is new.
    let place = unsafe {
        let mut file = libc::memfd_create(NAME.as_ptr(), flags | NOEXEC_SEAL);
        if file < 0 {
            file = libc::memfd_create(NAME.as_ptr(), flags);
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let length = libc::off_t::try_from(size).ok()?;
        let has_file = file >= 0 && libc::ftruncate(file, length) == 0;
        let (kind, from) = if has_file {
            (libc::MAP_PRIVATE, file)
        } else {
            (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
        };
        let place = libc::mmap(ptr::null_mut(), size, access, kind, from, 0);
        if file >= 0 {
            libc::close(file);
        }
        place
    };
    (place != libc::MAP_FAILED).then_some(place)
}

/// Kernels without names refuse it, which does not matter: the file has one.
unsafe fn name(place: *mut libc::c_void, size: usize) {
    const PR_SET_VMA: libc::c_int = 0x5356_4d41;
    const PR_SET_VMA_ANON_NAME: libc::c_ulong = 0;
    // SAFETY: the kernel copies the name.
    unsafe { libc::prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, place, size, NAME.as_ptr()) };
}

fn boot_time() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the structure is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    // Never 0, which means something.
    (seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)).max(1)
}

/// `ProcessContext { resource = 1, attributes = 2 }`.
fn payload(resource: &Resource) -> Vec<u8> {
    let mut attributes = Vec::new();
    for (key, value) in resource {
        field(&mut attributes, 1, |out| {
            key_value(out, key.as_str(), value)
        });
    }
    let mut all = Vec::new();
    field(&mut all, 1, |out| out.extend(attributes));
    let of_threads = [
        KeyValue::new("threadlocal.schema_version", "tlsdesc_v1_dev"),
        KeyValue::new(
            "threadlocal.attribute_key_map",
            Value::Array(Array::String(Vec::new())),
        ),
    ];
    for attribute in of_threads {
        field(&mut all, 2, |out| {
            key_value(out, attribute.key.as_str(), &attribute.value);
        });
    }
    all
}

fn key_value(out: &mut Vec<u8>, key: &str, value: &Value) {
    field(out, 1, |out| out.extend(key.as_bytes()));
    field(out, 2, |out| any_value(out, value));
}

fn any_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(value) => {
            tag(out, 2, 0);
            out.push((*value).into());
        }
        Value::I64(value) => {
            tag(out, 3, 0);
            varint(out, value.cast_unsigned());
        }
        Value::F64(value) => {
            tag(out, 4, 1);
            out.extend(value.to_le_bytes());
        }
        Value::Array(values) => field(out, 5, |out| {
            let mut one = |value: Value| field(out, 1, |out| any_value(out, &value));
            match values {
                Array::Bool(values) => values.iter().for_each(|value| one((*value).into())),
                Array::I64(values) => values.iter().for_each(|value| one((*value).into())),
                Array::F64(values) => values.iter().for_each(|value| one((*value).into())),
                Array::String(values) => values.iter().for_each(|value| one(value.clone().into())),
                _ => {}
            }
        }),
        // What comes to this enum later has a text as well.
        value => field(out, 1, |out| out.extend(value.as_str().as_bytes())),
    }
}

fn field(out: &mut Vec<u8>, number: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    write(&mut inner);
    tag(out, number, 2);
    varint(out, inner.len() as u64);
    out.extend(inner);
}

fn tag(out: &mut Vec<u8>, number: u8, kind: u8) {
    out.push(number << 3 | kind);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
