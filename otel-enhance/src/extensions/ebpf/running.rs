//! The session: opened once for all who want it, closed with the last of them.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use otel_enhance_ebpf::loader::{self, Options, Registrar, Samples, Session};

use super::handle::EbpfHandle;
use super::status::{EbpfStatus, Tier};
use crate::config::EbpfSettings;
use crate::lifecycle::generation;

/// The number of the session that is open, 0 for none. Threads compare it with that of the one they know.
static EPOCH: AtomicU32 = AtomicU32::new(0);

static CURRENT: RwLock<Weak<Lease>> = RwLock::new(Weak::new());

/// What is in the kernel, and what was said about it.
pub(crate) struct Running {
    epoch: u32,
    generation: u32,
    session: Mutex<Option<Session>>,
    registrar: Option<Registrar>,
    status: EbpfStatus,
    settings: EbpfSettings,
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
        if let Some(hz) = settings.sample_hz {
            options = options.with_sample_hz(hz);
        }
        let (session, tier, refusals) = match Session::load(&options) {
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
        Self {
            // Of 2^32 sessions.
            epoch: LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            generation: generation(),
            registrar: session.as_ref().map(Session::registrar),
            session: Mutex::new(session),
            status: EbpfStatus {
                tier,
                refusals: refusals.iter().map(ToString::to_string).collect(),
            },
            settings: settings.clone(),
            on_close: Mutex::default(),
        }
    }

    pub(super) fn status(&self) -> &EbpfStatus {
        &self.status
    }

    pub(super) fn settings(&self) -> &EbpfSettings {
        &self.settings
    }

    /// The reader of samples, to be taken once; `None` where none are taken. It must be dropped in a function
    /// that is given to [`on_close`](Self::on_close): while it lives, so does the ring in the kernel.
    #[expect(dead_code, reason = "samples are not read yet")]
    pub(super) fn take_samples(&self) -> Option<Samples> {
        self.session().as_mut()?.take_samples()
    }

    /// Has `end` called just before the session is closed.
    #[expect(dead_code, reason = "samples are not read yet")]
    pub(super) fn on_close(&self, end: impl FnOnce() + Send + 'static) {
        lock(&self.on_close).push(Box::new(end));
    }

    /// What gives slots to threads; `None` where no programs are loaded.
    #[expect(dead_code, reason = "threads are not registered yet")]
    pub(super) fn registrar(&self) -> Option<&Registrar> {
        self.registrar.as_ref()
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
        let _ = EPOCH.compare_exchange(self.epoch, 0, Ordering::Relaxed, Ordering::Relaxed);
        ends.into_iter().for_each(|end| end());
        drop(session);
    }
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
    pub(crate) fn handle(&self) -> EbpfHandle {
        EbpfHandle {
            running: Arc::clone(&self.0.0),
        }
    }
}

/// Opens the session, or joins the one that is open, whose settings hold then.
pub(crate) fn open(settings: &EbpfSettings) -> EbpfLease {
    let mut current = CURRENT.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(lease) = current.upgrade() {
        if lease.0.generation == generation() {
            return EbpfLease(lease);
        }
        // The parent's: see `close`.
        mem::forget(lease);
    }
    let lease = Arc::new(Lease(Arc::new(Running::open(settings))));
    *current = Arc::downgrade(&lease);
    EPOCH.store(lease.0.epoch, Ordering::Release);
    EbpfLease(lease)
}
