//! Which span a thread works for, for readers in other processes: OTEP 4947.
//!
//! `otel_thread_ctx_v1` is a thread-local of the process that points to the thread's record. Readers find it in the
//! dynamic symbols of the executable, where the linker puts it if told so: a library cannot say that for an
//! executable, its build script can. It is assembled because thread-locals with a name are not to be had otherwise.
#![expect(
    unsafe_code,
    reason = "a thread-local with a name for others takes assembly"
)]

use otel_enhance_ebpf::abi::UserLine;

std::arch::global_asm!(
    ".pushsection .tbss.otel_thread_ctx_v1,\"awT\",@nobits",
    ".globl otel_thread_ctx_v1",
    ".type otel_thread_ctx_v1, @object",
    ".size otel_thread_ctx_v1, 8",
    ".p2align 3",
    "otel_thread_ctx_v1:",
    ".zero 8",
    ".popsection",
);

/// Where this thread's own is.
fn place() -> *mut *const UserLine {
    let place: *mut *const UserLine;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a TLS descriptor: it takes and gives RAX, and keeps every other register.
    unsafe {
        std::arch::asm!(
            "leaq otel_thread_ctx_v1@tlsdesc(%rip), %rax",
            "call *otel_thread_ctx_v1@tlscall(%rax)",
            "addq %fs:0, %rax",
            out("rax") place,
            options(att_syntax),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above, with X0, X1 and the link register.
    unsafe {
        std::arch::asm!(
            "adrp x0, :tlsdesc:otel_thread_ctx_v1",
            "ldr x1, [x0, #:tlsdesc_lo12:otel_thread_ctx_v1]",
            "add x0, x0, :tlsdesc_lo12:otel_thread_ctx_v1",
            ".tlsdesccall otel_thread_ctx_v1",
            "blr x1",
            "mrs x1, tpidr_el0",
            "add x0, x0, x1",
            out("x0") place,
            out("x1") _,
            out("lr") _,
        );
    }
    place
}

/// Publishes the record of this thread, or none. It must stay valid until this is called again.
pub(super) fn publish(record: *const UserLine) {
    // SAFETY: the thread's own, and aligned; whoever reads it stops the thread first.
    unsafe { place().write_volatile(record) };
}
