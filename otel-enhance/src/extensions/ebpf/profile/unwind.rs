//! From registers and a copy of a stack to the addresses that called each other.

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, MayAllocateDuringUnwind, UnwindRegsNative,
    Unwinder as _, UnwinderNative,
};
use otel_enhance_ebpf::abi::{Sample, flag};

use super::modules::{self, Generation, Module};
use super::stack::{CUT_OFF, IN_KERNEL};

/// Deeper stacks are cut off at the root.
const MAX_FRAMES: usize = 512;

/// Unwinds stacks of this process by the tables of what is loaded.
pub(crate) struct Unwinder {
    inner: UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>,
    cache: Box<CacheNative<MayAllocateDuringUnwind>>,
    generation: Option<Generation>,
}

impl Unwinder {
    pub(crate) fn new() -> Self {
        Self {
            inner: UnwinderNative::new(),
            cache: Box::new(CacheNative::new()),
            generation: None,
        }
    }

    /// Reads the tables of what was loaded since; what is loaded now, if that is not what it was.
    pub(crate) fn refresh(&mut self) -> Option<Vec<Module>> {
        let now = modules::generation();
        if self.generation == Some(now) {
            return None;
        }
        self.generation = Some(now);
        let mut all = modules::loaded();
        self.inner = UnwinderNative::new();
        for module in &mut all {
            let Some(tables) = module.tables.take() else {
                continue;
            };
            let sections = ExplicitModuleSectionInfo {
                eh_frame_hdr_svma: Some(tables.header_at),
                eh_frame_hdr: Some(tables.header),
                eh_frame_svma: Some(tables.frames_at),
                eh_frame: Some(tables.frames),
                ..ExplicitModuleSectionInfo::default()
            };
            let range = module.range.clone();
            self.inner.add_module(framehop::Module::new(
                module.path.clone(),
                range,
                module.bias,
                sections,
            ));
        }
        Some(all)
    }

    /// Writes the addresses of the calls into `frames`, from the leaf to the root; whether the root was reached.
    ///
    /// Addresses of callers are those of the call, not of what comes after it. Marks say what no address can.
    pub(crate) fn unwind(&mut self, sample: &Sample, stack: &[u8], frames: &mut Vec<u64>) -> bool {
        frames.clear();
        if sample.flags & flag::KERNEL != 0 && sample.flags & flag::OFF_CPU == 0 {
            frames.push(IN_KERNEL);
        }
        if sample.flags & flag::NO_REGISTERS != 0 {
            frames.push(CUT_OFF);
            return false;
        }
        let (ip, sp, registers) = registers(sample);
        let mut read = |address: u64| {
            let at = usize::try_from(address.wrapping_sub(sp)).map_err(drop)?;
            let word = at
                .checked_add(8)
                .and_then(|end| stack.get(at..end))
                .ok_or(())?;
            Ok(u64::from_le_bytes(word.try_into().map_err(drop)?))
        };
        let mut calls = self
            .inner
            .iter_frames(ip, registers, &mut self.cache, &mut read);
        let complete = loop {
            match calls.next() {
                Ok(Some(_)) if frames.len() >= MAX_FRAMES => break false,
                Ok(Some(address)) => frames.push(address.address_for_lookup()),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        if !complete {
            frames.push(CUT_OFF);
        }
        complete
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(sample: &Sample) -> (u64, u64, UnwindRegsNative) {
    let [ip, sp, bp] = [16, 19, 4].map(|at: usize| sample.registers[at]);
    (ip, sp, UnwindRegsNative::new(ip, sp, bp))
}

#[cfg(target_arch = "aarch64")]
fn registers(sample: &Sample) -> (u64, u64, UnwindRegsNative) {
    let [ip, sp, fp, lr] = [32, 31, 29, 30].map(|at: usize| sample.registers[at]);
    let mask = framehop::aarch64::PtrAuthMask::new_24_40();
    (
        ip,
        sp,
        UnwindRegsNative::new_with_ptr_auth_mask(mask, lr, sp, fp),
    )
}
