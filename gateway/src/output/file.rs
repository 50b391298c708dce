//! A file of length-delimited requests.

use std::time::Duration;

use otel_enhance_receiver::{Durability, FileStore, RecordError};

use crate::batch::Batch;
use crate::config::{FileOutput, Sync};
use crate::delivery::Delivery;

/// How long senders are asked to wait while the file is full or the disk is.
const WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Files {
    store: FileStore,
    max_size: u64,
}

impl Files {
    pub(super) fn open(config: &FileOutput) -> Result<Self, RecordError> {
        let durability = match config.sync {
            Sync::Process => Durability::Process,
            Sync::Machine => Durability::Machine,
        };
        Ok(Self {
            store: FileStore::open(&config.path.0, durability)?,
            max_size: config.max_size.0 as u64,
        })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> (Delivery, usize, bool) {
        let message = batch.protobuf();
        let away = |message| Delivery::Unavailable {
            retry_after: Some(WAIT),
            message,
            ambiguous: false,
        };
        if self.store.length() + message.len() as u64 > self.max_size {
            let message = format!("the file has reached its {} bytes", self.max_size);
            return (away(message), 0, false);
        }
        match self.store.append(message.clone()).await {
            Ok(()) => (Delivery::Accepted, message.len(), false),
            Err(error) => (
                away(format!("the file cannot be written: {error}")),
                0,
                false,
            ),
        }
    }
}
