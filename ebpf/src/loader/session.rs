//! Loading, attaching, and letting go.
#![expect(
    unsafe_code,
    reason = "the process's slot is memory shared with the kernel"
)]

use std::boxed::Box;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::vec;
use std::vec::Vec;

use aya::maps::{MapData, RingBuf};
use aya::programs::{BtfTracePoint, PerfEvent, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};

use super::btf::{Layout, SwitchShape};
use super::error::{LoadError, Refusal, Step};
use super::samples::Samples;
use super::shared::Shared;
use super::sys::{self, Event};
use super::thread::ThreadSlot;
use super::tier::Tier;
use crate::OBJECT;
use crate::abi::{ABI_VERSION, control};

/// Bytes of `pt_regs` (x86-64) or `user_pt_regs` (AArch64), and where in it, in words, IP and SP are.
#[cfg(target_arch = "x86_64")]
const REGISTERS: [u32; 3] = [168, 16, 19];
#[cfg(target_arch = "aarch64")]
const REGISTERS: [u32; 3] = [272, 32, 31];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the loader knows the registers of x86-64 and AArch64 alone");

/// What to load, and how much room to give it.
///
/// # Minimum kernel version
///
/// None; what is asked for takes what [`Session`] says.
#[derive(Debug, Clone)]
pub struct Options {
    slots: u32,
    ring_bytes: u32,
    sample_hz: Option<u32>,
    sleeps: Option<(u32, u32)>,
    page_faults: bool,
    btf: PathBuf,
    early_switch: bool,
    watch_wakings: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slots: 1024,
            ring_bytes: 1 << 20,
            sample_hz: None,
            sleeps: None,
            page_faults: true,
            btf: PathBuf::from("/sys/kernel/btf/vmlinux"),
            early_switch: false,
            watch_wakings: false,
        }
    }
}

impl Options {
    /// Accounting with page faults, no samples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Threads that can be registered at a time; further ones go without. Default: 1023, in 128 KiB.
    #[must_use]
    pub fn with_max_threads(mut self, threads: u32) -> Self {
        self.slots = threads.clamp(1, 1 << 20) + 1;
        self
    }

    /// Room for samples, rounded up to a power of two. Default: 1 MiB. What does not fit is counted as lost.
    #[must_use]
    pub fn with_ring_bytes(mut self, bytes: u32) -> Self {
        self.ring_bytes = bytes.clamp(1 << 16, 1 << 28).next_power_of_two();
        self
    }

    /// Samples, so often a second on every CPU that runs one of our threads. Default: none.
    #[must_use]
    pub fn with_sample_hz(mut self, hz: u32) -> Self {
        self.sample_hz = Some(hz.clamp(1, 10_000));
        self
    }

    /// A sample of each sleep within a span of at least `min_us` microseconds, with the stack it began with, of at
    /// most `threads` threads at a time. Default: none. Needs accounting, hence BTF.
    ///
    /// Each thread takes 17 KiB in the kernel, and each sleep within a span, however short, a copy of its stack: 0.7 µs
    /// on two busy cores, and 1.5 to 2.5 µs where it becomes a sample. Sleeps of further threads are counted ([`Session::sleeps_unwatched`]).
    #[must_use]
    pub fn with_sleep_samples(mut self, min_us: u32, threads: u32) -> Self {
        self.sleeps = Some((min_us.max(1), threads.clamp(1, 1 << 14)));
        self
    }

    /// Whether page faults are counted, which costs every fault on the machine a little. Default: yes.
    #[must_use]
    pub fn with_page_faults(mut self, counted: bool) -> Self {
        self.page_faults = counted;
        self
    }

    /// Where the kernel's BTF is. Default: `/sys/kernel/btf/vmlinux`.
    #[must_use]
    pub fn with_btf(mut self, path: impl Into<PathBuf>) -> Self {
        self.btf = path.into();
        self
    }

    /// Takes the program for kernels before 5.18, which newer ones can run too. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_early_switch(mut self) -> Self {
        self.early_switch = true;
        self
    }

    /// Has the program for wakings attached, as where the scheduler does not tell how long threads wait for a CPU.
    /// For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_wakings(mut self) -> Self {
        self.watch_wakings = true;
        self
    }
}

/// The programs, loaded and attached, for this process.
///
/// Dropping it detaches and frees everything in the kernel, also where threads still have slots: those go on
/// writing into memory of their own, and read nothing any more. A forked child keeps nothing attached either; the
/// ring of samples, which it has mapped, is freed when it ends.
///
/// # Minimum kernel version
///
/// 5.15 with BTF for [`Tier::Full`], 5.15 for [`Tier::Samples`]. Loading takes `CAP_BPF` and `CAP_PERFMON`, one
/// alone is not enough; once loaded, none is needed any more, except that kernels before 5.19 with
/// `kernel.unprivileged_bpf_disabled` set let threads register only while the process has `CAP_BPF`.
///
/// ```no_run
/// use otel_enhance_ebpf::loader::{Options, Session};
///
/// let session = Session::load(&Options::new())?;
/// let thread = session.register().ok_or("no slot is left")?;
/// let before = thread.counters_now().ok_or("the session has ended")?;
/// std::thread::sleep(std::time::Duration::from_millis(10));
/// let spent = thread.counters_now().ok_or("the session has ended")?.since(before);
/// assert!(spent.blocked_ns >= 9_000_000);
/// assert_eq!(spent.on_cpu_ns + spent.blocked_ns + spent.run_queue_ns, spent.since_ns);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    // Closed first: what is attached goes before what it writes into.
    attached: Vec<OwnedFd>,
    samples: Option<Samples>,
    shared: Arc<Shared>,
    tier: Tier,
    refusals: Vec<Refusal>,
}

impl Session {
    /// Loads and attaches as much as this kernel and these privileges allow.
    ///
    /// # Errors
    ///
    /// [`LoadError`] where that is nothing, with the tier that is left without programs, and every refusal.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let mut refusals = Vec::new();
        let mut layout = match Layout::read(&options.btf) {
            Ok(layout) => Some(layout),
            Err(error) => {
                refusals.extend(error.refusals);
                None
            }
        };
        if let Some(layout) = &mut layout
            && options.watch_wakings
        {
            layout.delay = None;
        }
        let mut attempt = Self::attempt(options, layout);
        if let (Err(_), Some(known)) = (&attempt, &mut layout)
            && known.delay.take().is_some()
        {
            // The way to the scheduler's account leads through more than its BTF may let us see; the same figures can
            // be had without.
            attempt = Self::attempt(options, layout);
        }
        if let (Err(refusal), Some(_)) = (&attempt, layout) {
            // Perhaps it is the accounting that this kernel refuses.
            refusals.push(refusal.clone());
            attempt = Self::attempt(options, None);
        }
        match attempt {
            Ok(mut session) => {
                session.refusals = refusals;
                Ok(session)
            }
            Err(refusal) => {
                if !refusals.contains(&refusal) {
                    refusals.push(refusal);
                }
                let (tier, more) = Tier::without_programs();
                refusals.extend(more);
                Err(LoadError { tier, refusals })
            }
        }
    }

    /// One rung of the ladder: with a layout everything, without it samples alone.
    fn attempt(options: &Options, layout: Option<Layout>) -> Result<Self, Refusal> {
        let mut programs = create(options, layout)?;
        let control = load_control(&mut programs)?;
        let slots = map_data(&programs, "SLOTS")?;
        let shared = Shared::map(slots.fd().as_fd(), options.slots, control)?;
        match shared.ask([control::ADOPT, 0, 0]) {
            Ok(ABI_VERSION) => {}
            Ok(other) => {
                let reason = std::format!("the object speaks version {other} of the ABI");
                return Err(Refusal::other(Step::Adopt, reason));
            }
            Err(error) => return Err(Refusal::io(Step::Adopt, &error)),
        }
        let mut session = Self {
            attached: Vec::new(),
            samples: None,
            shared,
            tier: Tier::Samples,
            refusals: Vec::new(),
        };
        // Before anything is attached: where samples cannot be read, none is taken.
        if options.sample_hz.is_some() || options.sleeps.is_some() {
            let ring = programs
                .take_map("SAMPLES")
                .and_then(|map| RingBuf::<MapData>::try_from(map).ok())
                .ok_or_else(|| Refusal::other(Step::Load, "the object has no ring"))?;
            session.samples = Some(Samples::new(ring, session.shared.clone()));
            session.set_sampling(true);
        }
        if let Some(layout) = layout {
            session.account(&mut programs, options, layout)?;
            session.tier = Tier::Full;
        }
        if let Some(hz) = options.sample_hz {
            let name = if layout.is_some() {
                "sample"
            } else {
                "sample_plain"
            };
            session.on_every_cpu(&mut programs, name, Event::Clock { hz })?;
        }
        let ring = session.samples.iter().map(Samples::descriptor);
        let inherited: Box<[RawFd]> = session
            .attached
            .iter()
            .map(OwnedFd::as_raw_fd)
            .chain(ring)
            .collect();
        session.shared.inherits(inherited);
        Ok(session)
    }

    fn account(
        &mut self,
        programs: &mut Ebpf,
        options: &Options,
        layout: Layout,
    ) -> Result<(), Refusal> {
        let btf = Btf::parse_file(&options.btf, aya::Endianness::default())
            .map_err(|error| Refusal::chained(Step::ReadBtf, &error))?;
        let switch = match layout.switch {
            SwitchShape::WithState if !options.early_switch => "sched_switch",
            _ => "sched_switch_early",
        };
        let mut hooks = vec![(switch, "sched_switch")];
        if layout.delay.is_none() {
            hooks.push(("sched_wakeup", "sched_wakeup"));
        }
        for (name, tracepoint) in hooks {
            let program: &mut BtfTracePoint = program(programs, name)?;
            program
                .load(tracepoint, &btf)
                .map_err(|error| Refusal::chained(Step::Load, &error))?;
            let fd = program
                .fd()
                .map_err(|error| Refusal::chained(Step::Load, &error))?;
            let link = sys::attach(fd.as_fd()).map_err(|e| Refusal::io(Step::Attach, &e))?;
            self.attached.push(link);
        }
        if options.page_faults {
            self.on_every_cpu(programs, "page_fault", Event::PageFault)?;
        }
        Ok(())
    }

    fn on_every_cpu(
        &mut self,
        programs: &mut Ebpf,
        name: &str,
        event: Event,
    ) -> Result<(), Refusal> {
        let refuse = |error| Refusal::io(Step::OpenEvent, &error);
        let program: &mut PerfEvent = program(programs, name)?;
        program
            .load()
            .map_err(|error| Refusal::chained(Step::Load, &error))?;
        let fd = program
            .fd()
            .map_err(|error| Refusal::chained(Step::Load, &error))?;
        for cpu in sys::online_cpus().map_err(refuse)? {
            match sys::attach_event(event, cpu, fd.as_fd()) {
                Ok(event) => self.attached.push(event),
                // It went offline since we asked.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(refuse(error)),
            }
        }
        Ok(())
    }

    /// What this kernel and these privileges allowed.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// What stood in the way of more.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Gives the calling thread a slot: a system call of about a microsecond, without allocation or lock.
    ///
    /// `None` where every slot is taken, in a forked child, and where the kernel no longer lets us ask (see
    /// [`ThreadSlot`]). A thread has one slot at a time: with two, the later one counts.
    #[must_use]
    pub fn register(&self) -> Option<ThreadSlot> {
        ThreadSlot::register(&self.shared)
    }

    /// What gives slots to threads, where the session itself is elsewhere.
    #[must_use]
    pub fn registrar(&self) -> Registrar {
        Registrar {
            shared: self.shared.clone(),
        }
    }

    /// The samples' reader; `None` if none were asked for, and once it was taken.
    pub fn samples(&mut self) -> Option<&mut Samples> {
        self.samples.as_mut()
    }

    /// The same for whoever reads elsewhere. The ring in the kernel lives as long as what this gives, also when the
    /// session has ended; a forked child keeps it mapped until it drops that.
    pub fn take_samples(&mut self) -> Option<Samples> {
        self.samples.take()
    }

    /// Switches samples on or off, at once and without a system call. On after loading.
    pub fn set_sampling(&self, on: bool) {
        // SAFETY: the process's slot is valid; user space writes this word, and only atomically.
        let word =
            unsafe { AtomicU32::from_ptr(&raw mut (*self.shared.process().as_ptr()).sampling) };
        word.store(on.into(), Ordering::Relaxed);
    }

    /// Samples that were written into the ring so far.
    #[must_use]
    pub fn samples_taken(&self) -> u64 {
        // SAFETY: as above, for a counter of the kernel's.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.shared.process().as_ptr()).samples) }
            .load(Ordering::Relaxed)
    }

    /// Sleeps within a span that were not looked at, because more threads slept than there was room for.
    #[must_use]
    pub fn sleeps_unwatched(&self) -> u64 {
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.shared.process().as_ptr()).unwatched) }
            .load(Ordering::Relaxed)
    }

    /// Samples that found the ring full and are lost.
    #[must_use]
    pub fn samples_lost(&self) -> u64 {
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.shared.process().as_ptr()).lost) }
            .load(Ordering::Relaxed)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A child that is forked from here on finds no session; then the links, then what they write into.
        self.shared.retire();
        self.attached.clear();
    }
}

/// Gives slots to threads; holds nothing in the kernel.
#[derive(Debug, Clone)]
pub struct Registrar {
    shared: Arc<Shared>,
}

impl Registrar {
    /// As [`Session::register`]; `None` also once the session has ended.
    #[must_use]
    pub fn register(&self) -> Option<ThreadSlot> {
        ThreadSlot::register(&self.shared)
    }
}

/// Creates the maps and relocates the programs; none is loaded yet.
fn create(options: &Options, layout: Option<Layout>) -> Result<Ebpf, Refusal> {
    let [pid, tgid, state, cpu_time] =
        layout.map_or([0; 4], |l| [l.pid, l.tgid, l.state, l.cpu_time]);
    let [run_delay, last_queued, queue, cpus, clock] =
        layout.and_then(|layout| layout.delay).map_or([0; 5], |d| {
            [d.run_delay, d.last_queued, d.queue, d.cpus, d.clock]
        });
    let [size, ip, sp] = REGISTERS;
    let (sleep_min_us, sleepers) = match options.sleeps {
        // The first slot is no thread's.
        Some((min_us, threads)) if layout.is_some() => (min_us, (threads + 1).min(options.slots)),
        _ => (0, 1),
    };
    EbpfLoader::new()
        // There are no relocations against the kernel's types.
        .btf(None)
        .override_global("TASK_PID", &pid, true)
        .override_global("TASK_TGID", &tgid, true)
        .override_global("TASK_STATE", &state, true)
        .override_global("TASK_CPU_TIME", &cpu_time, true)
        .override_global("TASK_RUN_DELAY", &run_delay, true)
        .override_global("TASK_LAST_QUEUED", &last_queued, true)
        .override_global("TASK_QUEUE", &queue, true)
        .override_global("QUEUE_CPUS", &cpus, true)
        .override_global("QUEUE_CLOCK", &clock, true)
        .override_global("SLEEP_MIN_US", &sleep_min_us, true)
        .override_global("REGISTERS_SIZE", &size, true)
        .override_global("REGISTER_IP", &ip, true)
        .override_global("REGISTER_SP", &sp, true)
        .map_max_entries("SLOTS", options.slots)
        .map_max_entries("THREADS", options.slots)
        .map_max_entries("SLEEPS", sleepers)
        .map_max_entries("SAMPLES", options.ring_bytes)
        .load(OBJECT)
        .map_err(|error| Refusal::chained(Step::Load, &error))
}

fn load_control(programs: &mut Ebpf) -> Result<OwnedFd, Refusal> {
    let refuse = |error: &(dyn std::error::Error + 'static)| Refusal::chained(Step::Load, error);
    let program: &mut RawTracePoint = program(programs, "control")?;
    program.load().map_err(|error| refuse(&error))?;
    let fd = program.fd().map_err(|error| refuse(&error))?;
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|error| refuse(&error))
}

fn program<'p, P>(programs: &'p mut Ebpf, name: &str) -> Result<&'p mut P, Refusal>
where
    &'p mut P: TryFrom<&'p mut aya::programs::Program>,
{
    programs
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| Refusal::other(Step::Load, std::format!("the object has no {name}")))
}

fn map_data<'p>(programs: &'p Ebpf, name: &str) -> Result<&'p MapData, Refusal> {
    match programs.map(name) {
        Some(aya::maps::Map::Array(data)) => Ok(data),
        _ => Err(Refusal::other(
            Step::Load,
            std::format!("the object has no {name}"),
        )),
    }
}
