//! An embeddable OTLP receiver.
mod body;
mod budget;
mod builder;
mod channel;
mod coding;
mod connection;
mod decode;
mod error;
mod estimate;
mod faults;
mod grpc_front;
mod handle;
mod handler;
mod hook;
mod http_front;
mod io;
mod limits;
mod listener;
mod outcome;
mod record;
mod reply;
mod request;
mod service;
mod store;
#[cfg(feature = "tls")]
mod tls;

pub use builder::ReceiverBuilder;
pub use channel::{ChannelHandler, channel};
pub use coding::Encoding;
pub use error::{ShutdownError, StartError};
pub use faults::Faults;
pub use handle::{BlockingReceiver, Receiver};
pub use handler::{BoxFuture, DynHandler, Handler};
pub use hook::{Hook, RawReply, RawRequest, Verdict};
pub use limits::Limits;
pub use outcome::{GrpcCode, Outcome, Refusal};
pub use record::{Durability, FileStore, RecordError, read_records};
pub use request::{ContentType, Request, RequestHead, Transport};
pub use service::Stats;
pub use store::{Store, StoredSpan, WaitError};
#[cfg(feature = "tls")]
pub use tls::{ServerTls, TlsError};

/// The OTLP messages that requests hold.
pub use opentelemetry_proto::tonic as proto;
