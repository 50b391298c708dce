//! Protobuf, as much of it as profiles take.

/// A message that is written field by field; what is zero or empty is left out where protobuf means the same by it.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
}

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    /// An integer of any type that is not signed.
    pub(crate) fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.explicit(field, value);
        }
    }

    /// As [`number`](Self::number), for a field of a choice: there a zero counts.
    pub(crate) fn explicit(&mut self, field: u64, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    pub(crate) fn fixed64(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.explicit_fixed64(field, value);
        }
    }

    pub(crate) fn explicit_fixed64(&mut self, field: u64, value: u64) {
        self.key(field, FIXED64);
        self.bytes.extend(value.to_le_bytes());
    }

    /// Integers in one field.
    pub(crate) fn numbers(&mut self, field: u64, values: impl IntoIterator<Item = u64>) {
        let mut packed = Self::default();
        for value in values {
            packed.varint(value);
        }
        self.bytes(field, &packed.bytes);
    }

    pub(crate) fn bytes(&mut self, field: u64, value: &[u8]) {
        if !value.is_empty() {
            self.element(field, value);
        }
    }

    /// As [`bytes`](Self::bytes), for a repeated field: there an empty one counts.
    pub(crate) fn element(&mut self, field: u64, value: &[u8]) {
        self.key(field, LENGTH);
        self.varint(value.len() as u64);
        self.bytes.extend(value);
    }

    /// A message, which is there even if nothing is in it.
    pub(crate) fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.element(field, &inner.bytes);
    }
}
