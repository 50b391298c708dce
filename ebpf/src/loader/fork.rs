//! Forked children.
//!
//! A child inherits the mapping, so that its spans would become the parent's, and the descriptors, which would
//! keep the programs attached when the parent lets go of them. A handler in the child cuts both.
#![expect(unsafe_code, reason = "pthread_atfork(3) has no safe form")]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Once};

use super::shared::Shared;

/// More sessions than a process has; one more is not watched, and its children are the application's concern.
const SESSIONS: usize = 16;

static WATCHED: [AtomicPtr<Shared>; SESSIONS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SESSIONS];

/// Has children let go of this session, until [`forget`] is called.
pub(crate) fn watch(shared: &Arc<Shared>) {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: the handler does nothing but stores and system calls that are safe in a child.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    let session = Arc::as_ptr(shared).cast_mut();
    for place in &WATCHED {
        if place
            .compare_exchange(
                ptr::null_mut(),
                session,
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
        {
            return;
        }
    }
}

/// Leaves children alone: there is nothing of this session left for them.
pub(crate) fn forget(shared: &Shared) {
    let session = ptr::from_ref(shared).cast_mut();
    for place in &WATCHED {
        // Whether it stood there does not matter.
        let _ = place.compare_exchange(
            session,
            ptr::null_mut(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }
}

extern "C" fn in_child() {
    for place in &WATCHED {
        let session = place.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: a session is forgotten before it is dropped, and the child has one thread.
        if let Some(session) = unsafe { session.as_ref() } {
            session.abandon();
        }
    }
}
