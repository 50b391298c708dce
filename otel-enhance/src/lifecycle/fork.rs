//! `fork`: the child has the parent's memory but none of its threads.
//!
//! Everything that belongs to threads of the parent (queue, runtime, random numbers) notes the
//! generation that it was made in, and compares: a load, instead of a system call, for each span.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The generation of the running process. It changes in the child, in the instant of the fork.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

#[cfg(unix)]
pub(super) fn arm() -> std::io::Result<()> {
    use std::sync::Mutex;

    static ARMED: Mutex<bool> = Mutex::new(false);
    let mut armed = ARMED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !*armed {
        super::sys::at_fork(hooks::prepare, hooks::parent, hooks::child)?;
        *armed = true;
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn arm() -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
mod hooks {
    use std::cell::RefCell;
    use std::sync::atomic::Ordering;

    use super::GENERATION;
    use crate::pipeline::SlotGuard;
    use crate::span::{RegistryGuard, ScopesGuard};

    thread_local! {
        // Held across the fork, by the thread that forks, so that the child does not inherit a lock
        // whose owner exists in the parent only.
        static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
    }

    /// The locks that the child's only thread may want.
    struct Held {
        _slot: SlotGuard,
        _registry: RegistryGuard,
        _scopes: ScopesGuard,
        #[cfg(feature = "performance")]
        _hubs: crate::extensions::performance::HubsGuard,
        #[cfg(feature = "performance")]
        _pool: crate::extensions::performance::PoolGuard,
        #[cfg(feature = "tracezip")]
        _ids: crate::extensions::tracezip::RingGuard,
        #[cfg(feature = "ebpf")]
        _ebpf: crate::extensions::ebpf::SessionGuard,
    }

    pub(super) extern "C" fn prepare() {
        let _ = HELD.try_with(|held| {
            if let Ok(mut held) = held.try_borrow_mut() {
                *held = Some(Held {
                    _slot: SlotGuard::lock(),
                    _registry: RegistryGuard::lock(),
                    _scopes: ScopesGuard::lock(),
                    #[cfg(feature = "performance")]
                    _hubs: crate::extensions::performance::HubsGuard::lock(),
                    #[cfg(feature = "performance")]
                    _pool: crate::extensions::performance::PoolGuard::lock(),
                    #[cfg(feature = "tracezip")]
                    _ids: crate::extensions::tracezip::RingGuard::lock(),
                    #[cfg(feature = "ebpf")]
                    _ebpf: crate::extensions::ebpf::SessionGuard::lock(),
                });
            }
        });
    }

    pub(super) extern "C" fn parent() {
        release();
    }

    pub(super) extern "C" fn child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        release();
    }

    fn release() {
        let _ = HELD.try_with(|held| {
            if let Ok(mut held) = held.try_borrow_mut() {
                held.take();
            }
        });
    }
}
