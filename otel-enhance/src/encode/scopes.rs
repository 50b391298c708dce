//! Which spans belong together: those whose instrumentation scopes are equal, as the official transform
//! groups them.

use std::hash::{DefaultHasher, Hash, Hasher};

use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};

use super::batch::Frame;

/// Scopes that are remembered from batch to batch; an application has a few dozen.
const REMEMBERED: usize = 256;

/// Scopes of the batch that are looked at one by one, before digests are made.
const NEAR: usize = 8;

/// Scopes, with what was written of them.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    known: Vec<Known>,
    /// One for each of `known`, apart so that looking for one is quick.
    digests: Vec<u64>,
    /// The scopes of this batch, in the order in which they came.
    order: Vec<u32>,
    /// Of the span before; at the beginning of a batch, of the last span of the batch before.
    last: Option<u32>,
}

#[derive(Debug)]
struct Known {
    scope: InstrumentationScope,
    frame: Frame,
    in_batch: bool,
    /// The bytes of its spans in this batch.
    len: usize,
}

/// A scope of the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct InBatch<'a> {
    pub(super) id: u32,
    pub(super) frame: &'a Frame,
    pub(super) len: usize,
}

impl Scopes {
    /// The scope's number; one that is not known is written by `write`.
    #[inline]
    pub(super) fn find(
        &mut self,
        scope: &InstrumentationScope,
        write: impl FnOnce(&InstrumentationScope) -> Frame,
    ) -> u32 {
        if let Some(last) = self.last
            && identical(&self.known[last as usize].scope, scope)
        {
            if self.order.is_empty() {
                self.join(last);
            }
            return last;
        }
        let id = self.search(scope).unwrap_or_else(|| {
            self.known.push(Known {
                scope: scope.clone(),
                frame: write(scope),
                in_batch: false,
                len: 0,
            });
            self.digests.push(digest(scope));
            self.known.len() as u32 - 1
        });
        self.join(id);
        self.last = Some(id);
        id
    }

    /// It is in the batch from now on.
    fn join(&mut self, id: u32) {
        let known = &mut self.known[id as usize];
        if !known.in_batch {
            known.in_batch = true;
            self.order.push(id);
        }
    }

    fn search(&self, scope: &InstrumentationScope) -> Option<u32> {
        let near = || self.order.iter().take(NEAR).copied();
        let known = |id: u32| &self.known[id as usize].scope;
        if let Some(id) = near().find(|id| at_the_same_place(known(*id), scope)) {
            return Some(id);
        }
        if let Some(id) = near().find(|id| identical(known(*id), scope)) {
            return Some(id);
        }
        let digest = digest(scope);
        let candidates = || {
            let digests = self.digests.iter().zip(&self.known).enumerate();
            digests
                .filter(move |(_, (known, _))| **known == digest)
                .map(|(index, (_, known))| (index as u32, known))
        };
        // Within a batch, scopes are equal whatever the order of their attributes, and the first one's
        // is written. From an earlier batch, only what would be written alike is of use.
        candidates()
            .find(|(_, known)| known.in_batch && known.scope == *scope)
            .or_else(|| {
                candidates().find(|(_, known)| !known.in_batch && identical(&known.scope, scope))
            })
            .map(|(id, _)| id)
    }

    pub(super) fn frame(&self, id: u32) -> &Frame {
        &self.known[id as usize].frame
    }

    /// Its spans have so many bytes more.
    pub(super) fn add_len(&mut self, id: u32, len: usize) {
        self.known[id as usize].len += len;
    }

    /// The scopes of the batch, in the order in which they came.
    pub(super) fn in_order(&self) -> impl Iterator<Item = InBatch<'_>> {
        self.order.iter().map(|&id| {
            let known = &self.known[id as usize];
            InBatch {
                id,
                frame: &known.frame,
                len: known.len,
            }
        })
    }

    pub(super) fn end_batch(&mut self) {
        if self.known.len() > REMEMBERED {
            self.last = None;
            self.known.clear();
            self.digests.clear();
        } else {
            for id in &self.order {
                let known = &mut self.known[*id as usize];
                known.in_batch = false;
                known.len = 0;
            }
        }
        self.order.clear();
    }
}

/// Equal, with attributes in the same order: what the two would be written as is the same.
#[inline(always)]
fn identical(a: &InstrumentationScope, b: &InstrumentationScope) -> bool {
    at_the_same_place(a, b) || same_contents(a, b)
}

/// Whether the texts, which are literals as a rule, are the same ones, and there is nothing else.
#[inline(always)]
fn at_the_same_place(a: &InstrumentationScope, b: &InstrumentationScope) -> bool {
    let same = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (None, None) => true,
        _ => false,
    };
    std::ptr::eq(a.name(), b.name())
        && same(a.version(), b.version())
        && same(a.schema_url(), b.schema_url())
        && a.attributes().next().is_none()
        && b.attributes().next().is_none()
}

#[inline(never)]
fn same_contents(a: &InstrumentationScope, b: &InstrumentationScope) -> bool {
    a.name() == b.name()
        && a.version() == b.version()
        && a.schema_url() == b.schema_url()
        && same_attributes(a, b)
}

fn same_attributes(a: &InstrumentationScope, b: &InstrumentationScope) -> bool {
    let mut others = b.attributes();
    for attribute in a.attributes() {
        if !others.next().is_some_and(|other| same(attribute, other)) {
            return false;
        }
    }
    others.next().is_none()
}

/// Equal to the bit. A number that is none is equal to nothing, as in the official transform.
fn same(a: &KeyValue, b: &KeyValue) -> bool {
    let bits = |a: &f64, b: &f64| a.to_bits() == b.to_bits();
    a == b
        && match (&a.value, &b.value) {
            (Value::F64(a), Value::F64(b)) => bits(a, b),
            (Value::Array(Array::F64(a)), Value::Array(Array::F64(b))) => {
                a.iter().zip(b).all(|(a, b)| bits(a, b))
            }
            _ => true,
        }
}

/// Equal scopes have equal ones, whatever the order of their attributes; 0.0 and -0.0, which are equal
/// numbers, have different ones, as in the official hash map.
fn digest(scope: &InstrumentationScope) -> u64 {
    let mut hasher = DefaultHasher::new();
    scope.name().hash(&mut hasher);
    scope.version().hash(&mut hasher);
    scope.schema_url().hash(&mut hasher);
    let mut digest = hasher.finish();
    for attribute in scope.attributes() {
        let mut hasher = DefaultHasher::new();
        attribute.hash(&mut hasher);
        digest = digest.wrapping_add(hasher.finish());
    }
    digest
}
