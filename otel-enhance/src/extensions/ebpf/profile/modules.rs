//! The code that is loaded into this process, and how to unwind it.
//!
//! Unwind tables are read where the dynamic linker put them, not from files: those may have been replaced since.
#![expect(
    unsafe_code,
    reason = "dl_iterate_phdr(3) hands out addresses of program headers"
)]

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

/// More than that is no table, but a mistake in reading one.
const MAX_TABLE: usize = 256 << 20;
/// `DW_EH_PE_pcrel | DW_EH_PE_sdata4`, which is what linkers write.
const RELATIVE: u8 = 0x1b;
const NT_GNU_BUILD_ID: u32 = 3;

/// One executable or library.
#[derive(Debug, Clone, Default)]
pub(crate) struct Module {
    /// Its path; `[vdso]` for the kernel's.
    pub(crate) path: String,
    /// What is added to its own addresses.
    pub(crate) bias: u64,
    /// Where all of it is.
    pub(crate) range: Range<u64>,
    /// Where the first executable segment is in the file.
    pub(crate) file_offset: u64,
    /// Where the executable segments are.
    pub(crate) code: Range<u64>,
    pub(crate) build_id: Vec<u8>,
    pub(crate) tables: Option<Tables>,
}

/// Copies of the unwind tables, with the addresses that they had before the module was moved.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) header_at: Range<u64>,
    pub(crate) header: Vec<u8>,
    pub(crate) frames_at: Range<u64>,
    pub(crate) frames: Vec<u8>,
}

/// How often modules came and went: the same numbers, the same modules.
pub(crate) type Generation = (u64, u64);

/// The generation of what is loaded now.
pub(crate) fn generation() -> Generation {
    let mut generation: Generation = (0, 0);
    // SAFETY: the callback takes the pointer for what it is, and the call ends before it does.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut generation).cast()) };
    generation
}

/// All modules, with copies of their tables.
pub(crate) fn loaded() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    // SAFETY: as above.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut modules).cast()) };
    if let (Some(first), Ok(path)) = (modules.first_mut(), std::env::current_exe()) {
        // The program itself has no name there.
        if first.path.is_empty() {
            first.path = path.to_string_lossy().into_owned();
        }
    }
    modules
}

unsafe extern "C" fn first(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    generation: *mut c_void,
) -> c_int {
    // SAFETY: the linker's structure, and the pointer that was handed in.
    unsafe { *generation.cast::<Generation>() = ((*info).dlpi_adds, (*info).dlpi_subs) };
    1
}

unsafe extern "C" fn each(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    modules: *mut c_void,
) -> c_int {
    // SAFETY: the linker's structure, whose headers stay while it holds its lock, which it does during this call;
    // and the vector that was handed in.
    unsafe {
        let info = &*info;
        let headers = if info.dlpi_phdr.is_null() {
            &[]
        } else {
            std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into())
        };
        let path = if info.dlpi_name.is_null() {
            String::new()
        } else {
            CStr::from_ptr(info.dlpi_name)
                .to_string_lossy()
                .into_owned()
        };
        (*modules.cast::<Vec<Module>>()).push(describe(path, info.dlpi_addr, headers));
    }
    0
}

/// Reads what the headers point to.
///
/// # Safety
///
/// The headers must be those of a loaded module, moved by `bias`, which is not unloaded meanwhile.
unsafe fn describe(path: String, bias: u64, headers: &[libc::Elf64_Phdr]) -> Module {
    let loaded = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD);
    let code = loaded
        .clone()
        .filter(|header| header.p_flags & libc::PF_X != 0);
    let at = |header: &libc::Elf64_Phdr| {
        let start = bias.wrapping_add(header.p_vaddr);
        start..start.saturating_add(header.p_memsz)
    };
    let span = |ranges: &mut dyn Iterator<Item = Range<u64>>| {
        ranges
            .reduce(|all, next| all.start.min(next.start)..all.end.max(next.end))
            .unwrap_or_default()
    };
    let mut module = Module {
        path: if path.starts_with("linux-vdso") {
            "[vdso]".to_owned()
        } else {
            path
        },
        bias,
        range: span(&mut loaded.clone().map(at)),
        file_offset: code
            .clone()
            .map(|header| header.p_offset)
            .next()
            .unwrap_or(0),
        code: span(&mut code.map(at)),
        ..Module::default()
    };
    for header in headers {
        // SAFETY: segments of a loaded module are readable where its headers say.
        unsafe {
            match header.p_type {
                libc::PT_GNU_EH_FRAME => {
                    let segment = loaded
                        .clone()
                        .map(|segment| segment.p_vaddr..segment.p_vaddr + segment.p_memsz)
                        .find(|segment| segment.contains(&header.p_vaddr));
                    module.tables = segment.and_then(|s| tables(bias, header, &s));
                }
                libc::PT_NOTE => {
                    let note = bytes(bias.wrapping_add(header.p_vaddr), header.p_memsz);
                    if let Some(id) = build_id(note) {
                        module.build_id = id.to_vec();
                    }
                }
                _ => {}
            }
        }
    }
    module
}

/// # Safety
///
/// So many bytes must be readable there for as long as the result lives.
unsafe fn bytes<'a>(address: u64, length: u64) -> &'a [u8] {
    let length = length as usize;
    if address == 0 || length > MAX_TABLE {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(address as *const u8, length) }
}

/// # Safety
///
/// As for [`describe`]; `segment` must be the loaded segment that holds the header.
unsafe fn tables(bias: u64, header: &libc::Elf64_Phdr, segment: &Range<u64>) -> Option<Tables> {
    let header_at = header.p_vaddr..header.p_vaddr.checked_add(header.p_memsz)?;
    if header_at.end > segment.end {
        return None;
    }
    // SAFETY: the caller's promise.
    let table = unsafe { bytes(bias.wrapping_add(header_at.start), header.p_memsz) };
    let [1, RELATIVE, _, _, offset @ ..] = table.get(..8)? else {
        return None;
    };
    let offset = i32::from_le_bytes(offset.try_into().ok()?);
    let start = (header_at.start + 4).checked_add_signed(offset.into())?;
    // The linker puts both tables into one segment; were they in two, the end would be wrong.
    if !segment.contains(&start) {
        return None;
    }
    // SAFETY: as above.
    let frames = unsafe { bytes(bias.wrapping_add(start), segment.end - start) };
    let frames = &frames[..ended(frames)];
    Some(Tables {
        header_at,
        header: table.to_vec(),
        frames_at: start..start + frames.len() as u64,
        frames: frames.to_vec(),
    })
}

/// How long a table of frames is: up to the entry of no length that ends it.
fn ended(frames: &[u8]) -> usize {
    let mut at = 0_usize;
    while let Some(length) = frames.get(at..at + 4) {
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        at += 4;
        // 64-bit lengths do not occur in tables that are loaded.
        if length == 0 || length == u32::MAX {
            return at;
        }
        at = at.saturating_add(length as usize).min(frames.len());
    }
    at.min(frames.len())
}

fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    let aligned = |length: u32| (length as usize).next_multiple_of(4);
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (name, rest) = rest.split_at_checked(aligned(word(0)))?;
        let content = rest.get(..word(4) as usize)?;
        if word(8) == NT_GNU_BUILD_ID && name.starts_with(b"GNU\0") {
            return Some(content);
        }
        notes = rest.get(aligned(word(4))..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_code_is_in_a_module_with_tables_and_a_path() {
        let here = own_code_is_in_a_module_with_tables_and_a_path as fn() as usize as u64;
        let modules = loaded();
        let own = modules
            .iter()
            .find(|module| module.code.contains(&here))
            .unwrap();
        assert_eq!(own.path, std::env::current_exe().unwrap().to_str().unwrap());
        let tables = own.tables.as_ref().unwrap();
        assert!(tables.header.len() > 1_000 && tables.frames.len() > 10_000);
        assert!(own.range.contains(&own.code.start));
        assert_eq!(generation(), generation());
    }

    #[test]
    fn a_table_ends_at_its_entry_of_no_length() {
        assert_eq!(ended(&[4, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0, 7, 7]), 12);
        assert_eq!(ended(&[200, 0, 0, 0, 9]), 5);
        assert_eq!(ended(&[]), 0);
    }

    #[test]
    fn notes_that_are_cut_off_have_no_build_id() {
        let mut note = vec![4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0];
        note.extend(b"GNU\0\x01\x02\x03");
        assert_eq!(build_id(&note), Some(&[1, 2, 3][..]));
        for length in 0..note.len() {
            assert_eq!(build_id(&note[..length]), None);
        }
    }
}
