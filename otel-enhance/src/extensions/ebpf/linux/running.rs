//! The session: opened once for all who want it, closed with the last of them.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, Weak};

use opentelemetry_sdk::Resource;
use otel_enhance_ebpf::loader::{self, Options, PinnedContexts, Registrar, Session, ThreadSlot};

use super::{observer, parked, process_context};
use crate::clock::clock;
use crate::config::{EbpfSettings, EbpfSpans};
use crate::extensions::ebpf::profile::{self, Profiler};
use crate::extensions::ebpf::{EbpfHandle, EbpfStatus, Tier};
use crate::lifecycle::{arm_fork, generation};

/// The number of the session that is open, 0 for none. Threads compare it with that of the one they know.
pub(super) static EPOCH: AtomicU32 = AtomicU32::new(0);

static CURRENT: RwLock<Current> = RwLock::new(Current {
    lease: Weak::new(),
    joined: None,
});

struct Current {
    lease: Weak<Lease>,
    /// For threads that meet it. It keeps nothing open.
    joined: Option<Joined>,
}

/// What is in the kernel, and what was said about it.
pub(crate) struct Running {
    epoch: u32,
    generation: u32,
    session: Mutex<Option<Session>>,
    registrar: Option<Registrar>,
    profiler: Option<Profiler>,
    status: EbpfStatus,
    settings: EbpfSettings,
    pinned: Option<Arc<PinnedContexts>>,
    /// What must be gone before the session is.
    on_close: Mutex<Vec<OnClose>>,
}

type OnClose = Box<dyn FnOnce() + Send>;

impl Running {
    fn open(settings: &EbpfSettings) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let mut options = Options::new()
            .with_max_threads(settings.max_threads)
            .with_page_faults(settings.page_faults);
        options = profile::options(options, settings);
        if let Some(btf) = &settings.btf {
            options = options.with_btf(btf);
        }
        let is_observing = observer::install();
        let (mut session, tier, refusals) = match Session::load(&options) {
            // Nobody would say which span is active, and samples alone are what others are for.
            _ if !is_observing => (None, Tier::ObserverTaken, Vec::new()),
            Ok(session) => {
                let tier = match session.tier() {
                    loader::Tier::Full => Tier::Full,
                    _ => Tier::Samples,
                };
                let refusals = session.refusals().to_vec();
                (Some(session), tier, refusals)
            }
            Err(error) => (None, Tier::OwnThreads, error.refusals),
        };
        // Of what a tier takes, the kernel says no more than that it is not permitted.
        let is_forbidden = refusals
            .iter()
            .any(|refusal| matches!(refusal.errno, Some(libc::EPERM | libc::EACCES)));
        let mut refusals: Vec<_> = refusals.iter().map(ToString::to_string).collect();
        if is_forbidden {
            refusals.push("it takes CAP_BPF and CAP_PERFMON at the start".to_owned());
        }
        let profiler = session.as_mut().and_then(|session| {
            profile::start(session, settings).unwrap_or_else(|error| {
                refusals.push(error);
                None
            })
        });
        let pinned = settings.pinned_map.as_ref().and_then(|path| {
            let opened = if tier == Tier::Full {
                PinnedContexts::open(path).map_err(|error| error.to_string())
            } else {
                Err(
                    "it goes by what the kernel calls threads, which is known at the full tier"
                        .to_owned(),
                )
            };
            if let Err(reason) = &opened {
                refusals.push(format!(
                    "the pinned map {} is left out: {reason}",
                    path.display()
                ));
            }
            opened.ok().map(Arc::new)
        });
        Self {
            // Of 2^32 sessions.
            epoch: LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            generation: generation(),
            registrar: session.as_ref().map(Session::registrar),
            session: Mutex::new(session),
            profiler,
            status: EbpfStatus { tier, refusals },
            settings: settings.clone(),
            pinned,
            on_close: Mutex::default(),
        }
    }

    pub(crate) fn status(&self) -> &EbpfStatus {
        &self.status
    }

    #[expect(clippy::unused_self, reason = "it is the process's, as the session is")]
    pub(crate) fn spans_lost(&self) -> u64 {
        parked::prepare().lost()
    }

    pub(crate) fn settings(&self) -> &EbpfSettings {
        &self.settings
    }

    /// What reads samples; `None` where none are taken.
    pub(crate) fn profiler(&self) -> Option<&Profiler> {
        self.profiler.as_ref()
    }

    /// Has `end` called just before the session is closed.
    #[expect(dead_code, reason = "nothing is published yet")]
    pub(crate) fn on_close(&self, end: impl FnOnce() + Send + 'static) {
        lock(&self.on_close).push(Box::new(end));
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        lock(&self.session)
    }

    /// Detaches and frees everything in the kernel.
    fn close(&self) {
        let ends = mem::take(&mut *lock(&self.on_close));
        let session = self.session().take();
        if self.generation != generation() {
            // The parent's: this process has let go of it in the instant of the fork, and lacks the threads.
            mem::forget((ends, session));
            return;
        }
        let mut current = CURRENT.write().unwrap_or_else(PoisonError::into_inner);
        if current
            .joined
            .as_ref()
            .is_some_and(|joined| joined.epoch == self.epoch)
        {
            current.joined = None;
            EPOCH.store(0, Ordering::Relaxed);
        }
        drop(current);
        ends.into_iter().for_each(|end| end());
        // It has the ring, which must be gone before the session is.
        if let Some(profiler) = &self.profiler {
            profiler.stop();
        }
        process_context::withdraw(self.epoch);
        drop(session);
    }
}

/// Reads both clocks until they were read close together.
fn ahead() -> u64 {
    let reading = || {
        let before = clock().now().monotonic;
        let kernel = loader::monotonic_ns();
        let after = clock().now().monotonic;
        let spans = before + (after - before) / 2;
        (after - before, kernel.wrapping_sub(spans))
    };
    (0..20)
        .map(|_| reading())
        .min()
        .map_or(0, |(_, ahead)| ahead)
}

/// The locks on what is open and published, which a fork holds so that the child finds them free.
pub(crate) struct SessionGuard {
    _current: RwLockWriteGuard<'static, Current>,
    _published: process_context::PublishedGuard,
}

impl SessionGuard {
    pub(crate) fn lock() -> Self {
        Self {
            _current: CURRENT.write().unwrap_or_else(PoisonError::into_inner),
            _published: process_context::PublishedGuard::lock(),
        }
    }
}

/// What a thread needs of the session.
#[derive(Clone)]
pub(super) struct Joined {
    epoch: u32,
    generation: u32,
    registrar: Option<Registrar>,
    /// Where it gets no slot.
    pub(super) uses_own_accounts: bool,
    pub(super) ahead: u64,
    pub(super) marked_only: bool,
    /// The map of others that is kept up to date, too.
    pub(super) pinned: Option<Arc<PinnedContexts>>,
    /// Whether other processes are to see which span is active.
    pub(super) publishes: bool,
}

impl Joined {
    fn to(running: &Running) -> Self {
        let tier = running.status.tier;
        Self {
            epoch: running.epoch,
            generation: running.generation,
            registrar: running.registrar.clone().filter(|_| tier == Tier::Full),
            uses_own_accounts: tier >= Tier::OwnThreads,
            ahead: ahead(),
            marked_only: running.settings.spans == EbpfSpans::Marked,
            pinned: running.pinned.clone(),
            publishes: running.settings.publish && tier != Tier::ObserverTaken,
        }
    }

    pub(super) fn register(&self) -> Option<ThreadSlot> {
        self.registrar.as_ref()?.register()
    }
}

/// The session of this epoch, for a thread that meets it; `None` where somebody just opens or closes one: nobody
/// waits here. In a forked child there is none until it opens its own.
pub(super) fn join(epoch: u32) -> Option<Option<Joined>> {
    if epoch == 0 {
        return Some(None);
    }
    let current = CURRENT.try_read().ok()?;
    match &current.joined {
        Some(joined) if joined.epoch != epoch => None,
        Some(joined) if joined.generation == generation() => Some(Some(joined.clone())),
        _ => Some(None),
    }
}

static MARKED_ONLY: AtomicBool = AtomicBool::new(false);

/// Whether spans have figures only if their function says so.
pub(super) fn is_marked_only() -> bool {
    MARKED_ONLY.load(Ordering::Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("status", &self.status)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Lease(Arc<Running>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Keeps the session open.
#[derive(Clone, Debug)]
pub(crate) struct EbpfLease(Arc<Lease>);

impl EbpfLease {
    /// Other processes can read what describes this one from now on.
    pub(crate) fn publish(&self, resource: &Resource) {
        let running = &self.0.0;
        if running.settings.publish && running.generation == generation() {
            process_context::publish(resource, running.epoch);
        }
    }

    pub(crate) fn handle(&self) -> EbpfHandle {
        EbpfHandle {
            running: Arc::clone(&self.0.0),
        }
    }
}

/// Opens the session, or joins the one that is open, whose settings hold then.
pub(crate) fn open(settings: &EbpfSettings) -> EbpfLease {
    // A pipeline has done so; whoever builds a provider by hand has not. Where it fails, forks go unnoticed.
    let _ = arm_fork();
    let mut current = CURRENT.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(lease) = current.lease.upgrade() {
        if lease.0.generation == generation() {
            return EbpfLease(lease);
        }
        // The parent's: see `close`.
        mem::forget(lease);
    }
    let lease = Arc::new(Lease(Arc::new(Running::open(settings))));
    parked::prepare().clear();
    MARKED_ONLY.store(settings.spans == EbpfSpans::Marked, Ordering::Relaxed);
    current.lease = Arc::downgrade(&lease);
    // A registrar of the parent's goes with what it replaces, which frees memory of this process alone.
    current.joined = Some(Joined::to(&lease.0));
    EPOCH.store(lease.0.epoch, Ordering::Release);
    EbpfLease(lease)
}
