//! Reads from the kernel's BTF what the programs have to be told.
//!
//! aya reads BTF for relocations, which the programs do not have, and shows no members; hence this.

use std::path::Path;
use std::vec::Vec;
use std::{format, string::String};

use super::error::{LoadError, Refusal, Step};

const POINTER: u32 = 2;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const TYPEDEF: u32 = 8;
const FUNCTION_PROTOTYPE: u32 = 13;

/// How the kernel calls the hooks of `sched_switch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SwitchShape {
    /// `(preempt, prev, next)`.
    Early,
    /// `(preempt, prev, next, prev_state)`.
    WithState,
}

/// What the programs need to know of this kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) pid: u32,
    pub(crate) tgid: u32,
    pub(crate) state: u32,
    pub(crate) cpu_time: u32,
    /// `None` where the scheduler does not tell.
    pub(crate) delay: Option<Delay>,
    pub(crate) switch: SwitchShape,
}

/// Where the scheduler has how long a task waits for a CPU: kernels with `CONFIG_SCHED_INFO` and
/// `CONFIG_FAIR_GROUP_SCHED`, as those of distributions. From 5.14 on that is kept up to date unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delay {
    /// `sched_info::run_delay` and `sched_info::last_queued`, in `task_struct`.
    pub(crate) run_delay: u32,
    pub(crate) last_queued: u32,
    /// `sched_entity::cfs_rq` in `task_struct`, from there `cfs_rq::rq`, and there `rq::clock`.
    pub(crate) queue: u32,
    pub(crate) cpus: u32,
    pub(crate) clock: u32,
}

impl Layout {
    /// Reads the file of the kernel's BTF.
    pub(crate) fn read(path: &Path) -> Result<Self, LoadError> {
        let data = std::fs::read(path).map_err(|error| Refusal::io(Step::ReadBtf, &error))?;
        Self::parse(&data).map_err(|what| Refusal::other(Step::KernelLayout, what).into())
    }

    fn parse(data: &[u8]) -> Result<Self, String> {
        let btf = Btf::parse(data).ok_or("the file is no BTF")?;
        let task = btf
            .named(STRUCT, "task_struct")
            .ok_or("there is no task_struct")?;
        let member = |name: &str| {
            btf.member(task, name, 0)
                .ok_or_else(|| format!("task_struct has no member {name}"))
        };
        let within = |owner: &str, name: &str| btf.member(btf.named(STRUCT, owner)?, name, 0);
        let entity = member("se")?;
        let delay = || {
            let info = member("sched_info").ok()?;
            Some(Delay {
                run_delay: info + within("sched_info", "run_delay")?,
                last_queued: info + within("sched_info", "last_queued")?,
                queue: entity + within("sched_entity", "cfs_rq")?,
                cpus: within("cfs_rq", "rq")?,
                clock: within("rq", "clock")?,
            })
        };
        Ok(Self {
            pid: member("pid")?,
            tgid: member("tgid")?,
            state: member("__state").or_else(|_| member("state"))?,
            cpu_time: entity
                + within("sched_entity", "sum_exec_runtime")
                    .ok_or("sched_entity has no member sum_exec_runtime")?,
            delay: delay(),
            switch: btf
                .switch_shape()
                .ok_or("sched_switch has arguments that are not known")?,
        })
    }
}

/// The types of a kernel, where they begin.
struct Btf<'d> {
    types: &'d [u8],
    strings: &'d [u8],
    /// Where each type begins; the first is `void` and nowhere.
    starts: Vec<usize>,
}

impl<'d> Btf<'d> {
    fn parse(data: &'d [u8]) -> Option<Self> {
        if half(data, 0)? != 0xeb9f {
            return None;
        }
        let body = data.get(word(data, 4)? as usize..)?;
        let section = |at| {
            let start = word(data, at)? as usize;
            body.get(start..start.checked_add(word(data, at + 4)? as usize)?)
        };
        let (types, strings) = (section(8)?, section(16)?);
        let mut starts = std::vec![0];
        let mut at = 0;
        while at < types.len() {
            starts.push(at);
            let info = word(types, at + 4)?;
            let members = (info & 0xffff) as usize;
            at += 12
                + match kind(info) {
                    // Integers, variables, tags of declarations.
                    1 | 14 | 17 => 4,
                    // Arrays.
                    3 => 12,
                    STRUCT | UNION | 15 | 19 => members * 12,
                    6 | FUNCTION_PROTOTYPE => members * 8,
                    POINTER | 7 | TYPEDEF | 9..=12 | 16 | 18 => 0,
                    // A kind that is newer than this code: its size is not known.
                    _ => return None,
                };
        }
        Some(Self {
            types,
            strings,
            starts,
        })
    }

    fn info(&self, start: usize) -> Option<u32> {
        word(self.types, start + 4)
    }

    fn is_called(&self, at: usize, name: &str) -> bool {
        let text = word(self.types, at).and_then(|offset| self.strings.get(offset as usize..));
        text.and_then(|text| text.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    fn named(&self, wanted: u32, name: &str) -> Option<usize> {
        self.starts.iter().skip(1).copied().find(|start| {
            self.info(*start).is_some_and(|info| kind(info) == wanted)
                && self.is_called(*start, name)
        })
    }

    /// A member's offset in bytes, also where it is in a struct without a name (randomised layouts).
    fn member(&self, owner: usize, name: &str, depth: u32) -> Option<u32> {
        let info = self.info(owner)?;
        let has_bitfields = info >> 31 == 1;
        for index in 0..(info & 0xffff) as usize {
            let at = owner + 12 + index * 12;
            let bits = word(self.types, at + 8)?;
            let offset = if has_bitfields {
                bits & 0xff_ffff
            } else {
                bits
            } / 8;
            if self.is_called(at, name) {
                return Some(offset);
            }
            if depth < 4 && self.is_called(at, "") {
                let inner = *self.starts.get(word(self.types, at + 4)? as usize)?;
                if matches!(kind(self.info(inner)?), STRUCT | UNION)
                    && let Some(found) = self.member(inner, name, depth + 1)
                {
                    return Some(offset + found);
                }
            }
        }
        None
    }

    fn switch_shape(&self) -> Option<SwitchShape> {
        let follow = |start: usize| {
            let target = word(self.types, start + 8)? as usize;
            self.starts.get(target).copied()
        };
        let prototype = follow(follow(self.named(TYPEDEF, "btf_trace_sched_switch")?)?)?;
        let info = self.info(prototype)?;
        if kind(info) != FUNCTION_PROTOTYPE {
            return None;
        }
        let is_pointer = |index: usize| {
            let target = word(self.types, prototype + 12 + index * 8 + 4)? as usize;
            Some(kind(self.info(*self.starts.get(target)?)?) == POINTER)
        };
        // The first is the hook's own data. In 5.18.0 the state stood before the tasks.
        let tasks_where_expected = is_pointer(2)? && is_pointer(3)?;
        match info & 0xffff {
            4 if tasks_where_expected => Some(SwitchShape::Early),
            5 if tasks_where_expected && !is_pointer(4)? => Some(SwitchShape::WithState),
            _ => None,
        }
    }
}

fn kind(info: u32) -> u32 {
    info >> 24 & 0x1f
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    // The object, too, is for little-endian machines alone.
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn half(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_refused_without_panic() {
        for length in 0..64 {
            let mut data = std::vec![0xff_u8; length];
            assert!(Layout::parse(&data).is_err());
            if length > 2 {
                data[..2].copy_from_slice(&0xeb9f_u16.to_le_bytes());
                assert!(Layout::parse(&data).is_err());
            }
        }
    }

    #[test]
    fn this_kernel_tells_where_things_are() {
        let path = Path::new("/sys/kernel/btf/vmlinux");
        if !path.exists() {
            return;
        }
        let layout = Layout::read(path).unwrap();
        assert_eq!(layout.tgid, layout.pid + 4);
        assert!(layout.state < layout.pid);
        assert!(layout.cpu_time.is_multiple_of(8) && layout.cpu_time != 0);
        if let Some(delay) = layout.delay {
            assert!(delay.run_delay < delay.last_queued);
            assert!(delay.queue.abs_diff(layout.cpu_time) < 1_024);
        }
    }
}
