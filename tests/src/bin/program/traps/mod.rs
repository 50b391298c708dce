//! The rows of the trap table, each by its name and from both sides.

mod bounds;
mod endings;
mod environment;
mod exporters;
mod requests;
mod runtimes;

pub(crate) use endings::wait_for_a_signal;

use crate::common::Case;

macro_rules! table {
    ($side:ident: $($module:ident::$case:ident,)*) => {
        pub(crate) fn $side(name: &str) -> Option<Case> {
            Some(match name {
                $(stringify!($case) => $module::$case::$side as Case,)*
                _ => return None,
            })
        }
    };
}

macro_rules! both {
    ($($rows:tt)*) => {
        table! { plain: $($rows)* }
        table! { ours: $($rows)* }
    };
}

both! {
    bounds::bsp_queue_huge,
    bounds::bsp_delay_zero,
    bounds::invalid_limits,
    endings::fork,
    endings::process_exit,
    endings::sigterm,
    endings::after_shutdown,
    endings::global_restore_depth,
    environment::resource_percent_decoding,
    environment::invalid_endpoint,
    exporters::exporter_panics,
    requests::env_headers_override,
    requests::protocol_env_with_http,
    requests::endpoint_path,
    runtimes::grpc_outside_runtime,
    runtimes::grpc_runtime_dropped,
    runtimes::current_thread_shutdown,
}
