//! What a reader in another process sees of us: written from OTEP 4719 and OTEP 4947 alone.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unsafe_code,
    reason = "a test that reads another process's memory"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use otel_enhance::enhanced_trace;
use otel_enhance::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use otel_enhance::{Context, init};
use prost::Message as _;

const ROLE: &str = "OTEL_ENHANCE_READERS_ROLE";
const TEST: &str = "reader_in_another_process_finds_the_service_and_the_span_of_each_thread";

/// The process that is read: says on each line what it does, and waits for one.
fn publisher() {
    let guard = init!(
        service = "read-me",
        version = "1.2.3",
        exporter = none,
        ebpf
    )
    .unwrap();
    let say = |what: String| {
        let mut out = std::io::stdout();
        writeln!(out, "SAYS {what}").unwrap();
        out.flush().unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
    };
    #[enhanced_trace]
    fn active(say: &dyn Fn(String)) {
        active_now(say);
    }
    fn active_now(say: &dyn Fn(String)) {
        let context = Context::current();
        let span = context.span();
        let ids = span.span_context();
        let thread = unsafe_gettid();
        let flags = ids.trace_flags().to_u8();
        say(format!(
            "{thread} {} {} {flags}",
            ids.trace_id(),
            ids.span_id()
        ));
    }
    active(&say);
    std::thread::scope(|scope| {
        scope.spawn(|| active(&say));
    });
    // Not sampled, and active all the same.
    let unsampled = SpanContext::new(
        TraceId::from_bytes([7; 16]),
        SpanId::from_bytes([8; 8]),
        TraceFlags::default(),
        false,
        TraceState::default(),
    );
    let attached = Context::new().with_remote_span_context(unsampled).attach();
    active_now(&say);
    drop(attached);
    say(format!("{} none none 0", unsafe_gettid()));
    guard.shutdown().unwrap();
    say("over".to_owned());
}

fn unsafe_gettid() -> libc::pid_t {
    // SAFETY: no condition.
    unsafe { libc::gettid() }
}

struct Publisher(Child);

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Memory of another process.
fn read(pid: i32, from: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; length];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: length,
    };
    let remote = libc::iovec {
        iov_base: from as *mut _,
        iov_len: length,
    };
    // SAFETY: both describe what they say; the kernel checks the other's.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    assert_eq!(read, isize::try_from(length).unwrap(), "{from:#x}");
    bytes
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut whole = [0; 8];
    whole[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(whole)
}

/// OTEP 4719: the mapping, its header, its payload.
fn process_context(pid: i32) -> Option<(Resource, Vec<KeyValue>)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let names = [
        "[anon_shmem:OTEL_CTX]",
        "[anon:OTEL_CTX]",
        "/memfd:OTEL_CTX",
    ];
    let line = maps.lines().find(|line| {
        let name = line.split_whitespace().nth(5).unwrap_or_default();
        names.iter().any(|known| name.starts_with(known))
    })?;
    let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    let header = read(pid, start, 32);
    assert_eq!(&header[..8], b"OTEL_CTX");
    assert_eq!(number::<4>(&header, 8), 2, "version");
    let length = usize::try_from(number::<4>(&header, 12)).unwrap();
    assert_ne!(number::<8>(&header, 16), 0, "it is being written");
    let mut payload = &read(pid, number::<8>(&header, 24), length)[..];
    assert_eq!(read(pid, start, 32), header, "it changed meanwhile");
    let (mut resource, mut attributes) = (None, Vec::new());
    while !payload.is_empty() {
        let tag = prost::encoding::decode_varint(&mut payload).unwrap();
        let length = prost::encoding::decode_varint(&mut payload).unwrap();
        let (field, rest) = payload.split_at(usize::try_from(length).unwrap());
        match tag {
            0x0a => resource = Some(Resource::decode(field).unwrap()),
            0x12 => attributes.push(KeyValue::decode(field).unwrap()),
            other => panic!("field {other:#x}"),
        }
        payload = rest;
    }
    Some((resource.unwrap(), attributes))
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match &found.expect(key).value.as_ref().unwrap().value {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

/// Where `otel_thread_ctx_v1` is in the executable's thread-local block, and how large that is, aligned.
fn symbol(pid: i32) -> (u64, u64) {
    let elf = fs::read(format!("/proc/{pid}/exe")).unwrap();
    let (sections, size, count) = (
        usize::try_from(number::<8>(&elf, 0x28)).unwrap(),
        usize::try_from(number::<2>(&elf, 0x3a)).unwrap(),
        usize::try_from(number::<2>(&elf, 0x3c)).unwrap(),
    );
    let section = |index: usize| &elf[sections + index * size..][..size];
    let contents = |section: &[u8]| {
        let from = usize::try_from(number::<8>(section, 0x18)).unwrap();
        &elf[from..][..usize::try_from(number::<8>(section, 0x20)).unwrap()]
    };
    const SHT_DYNSYM: u64 = 11;
    let dynamic = (0..count)
        .map(section)
        .find(|section| number::<4>(section, 4) == SHT_DYNSYM)
        .expect("there are dynamic symbols");
    let names = contents(section(
        usize::try_from(number::<4>(dynamic, 0x28)).unwrap(),
    ));
    let symbol = contents(dynamic)
        .chunks_exact(24)
        .find(|symbol| {
            let name = &names[usize::try_from(number::<4>(symbol, 0)).unwrap()..];
            name.starts_with(b"otel_thread_ctx_v1\0")
        })
        .expect("the symbol is exported");
    const STT_TLS: u8 = 6;
    assert_eq!(symbol[4] & 0xf, STT_TLS);
    let (headers, size, count) = (
        usize::try_from(number::<8>(&elf, 0x20)).unwrap(),
        usize::try_from(number::<2>(&elf, 0x36)).unwrap(),
        usize::try_from(number::<2>(&elf, 0x38)).unwrap(),
    );
    const PT_TLS: u64 = 7;
    let block = (0..count)
        .map(|index| &elf[headers + index * size..][..size])
        .find(|header| number::<4>(header, 0) == PT_TLS)
        .unwrap();
    let (length, alignment) = (number::<8>(block, 0x28), number::<8>(block, 0x30));
    (number::<8>(symbol, 8), length.next_multiple_of(alignment))
}

/// The thread pointer of another thread, which is stopped for it.
fn thread_pointer(thread: i32) -> u64 {
    // SAFETY: the thread is of our child, and let go of again; the structure is the kernel's.
    unsafe {
        assert_eq!(libc::ptrace(libc::PTRACE_ATTACH, thread, 0, 0), 0);
        let mut status = 0;
        assert_eq!(libc::waitpid(thread, &raw mut status, libc::__WALL), thread);
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        assert_eq!(
            libc::ptrace(libc::PTRACE_GETREGS, thread, 0, &raw mut registers),
            0
        );
        assert_eq!(libc::ptrace(libc::PTRACE_DETACH, thread, 0, 0), 0);
        registers.fs_base
    }
}

/// OTEP 4947: trace, span and trace flags of a thread, if its record is valid.
fn thread_context(pid: i32, thread: i32) -> Option<(String, String, u8)> {
    let (offset, block) = symbol(pid);
    let at = thread_pointer(thread) - block + offset;
    let record = number::<8>(&read(pid, at, 8), 0);
    if record == 0 {
        return None;
    }
    assert_eq!(record % 2, 0);
    let record = read(pid, record, 28);
    assert_eq!(number::<2>(&record, 26), 0, "no attributes");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (record[24] == 1).then(|| (hex(&record[..16]), hex(&record[16..24]), record[25]))
}

#[test]
fn reader_in_another_process_finds_the_service_and_the_span_of_each_thread() {
    if std::env::var_os(ROLE).is_some() {
        return publisher();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(ROLE, "publisher")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Publisher(child.unwrap());
    let pid = i32::try_from(child.0.id()).unwrap();
    let mut input = child.0.stdin.take().unwrap();
    let mut lines = BufReader::new(child.0.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("SAYS ").map(|(_, said)| said.to_owned()));
    for sampled in [1, 1, 0] {
        let said = lines.next().unwrap();
        let [thread, trace, span, flags] = said.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{said}");
        };
        let found = thread_context(pid, thread.parse().unwrap());
        let flags: u8 = flags.parse().unwrap();
        assert_eq!(flags & 1, sampled, "{said}");
        assert_eq!(found, Some((trace.to_owned(), span.to_owned(), flags)));
        let (resource, attributes) = process_context(pid).expect("it is published");
        assert_eq!(text(&resource.attributes, "service.name"), "read-me");
        assert_eq!(text(&resource.attributes, "service.version"), "1.2.3");
        assert!(!text(&resource.attributes, "service.instance.id").is_empty());
        assert_eq!(
            text(&attributes, "threadlocal.schema_version"),
            "tlsdesc_v1_dev"
        );
        input.write_all(b"\n").unwrap();
    }
    let said = lines.next().unwrap();
    let thread = said.split(' ').next().unwrap();
    assert_eq!(thread_context(pid, thread.parse().unwrap()), None);
    input.write_all(b"\n").unwrap();
    assert_eq!(lines.next().unwrap(), "over");
    assert!(process_context(pid).is_none(), "it is taken back");
    input.write_all(b"\n").unwrap();
    assert!(child.0.wait().unwrap().success());
}
