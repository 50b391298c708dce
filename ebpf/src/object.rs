//! The prebuilt object.

/// Bytes at an address that a reader of ELF files can work with.
#[repr(C, align(64))]
struct Aligned<const N: usize>([u8; N]);

static ALIGNED: Aligned<{ include_bytes!("../object/programs.o").len() }> =
    Aligned(*include_bytes!("../object/programs.o"));

/// The programs, compiled: an ELF object with BTF and without DWARF, for little-endian machines.
///
/// `object/MANIFEST` holds its hash, that of the sources it was built from, and the versions of the compilers.
///
/// # Minimum kernel version
///
/// 5.15.
///
/// ```
/// assert!(otel_enhance_ebpf::OBJECT.starts_with(b"\x7fELF"));
/// ```
pub static OBJECT: &[u8] = &ALIGNED.0;
