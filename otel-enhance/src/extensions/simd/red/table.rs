//! The series: found by name, kind and status, bounded, with one for whatever is beyond the bound.

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Key, KeyValue};

use super::histogram::Exponential;

/// How a span has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedStatus {
    /// Nothing was said.
    Unset,
    /// Expressly well.
    Ok,
    /// With an error.
    Error,
}

impl From<&Status> for RedStatus {
    fn from(status: &Status) -> Self {
        match status {
            Status::Unset => Self::Unset,
            Status::Ok => Self::Ok,
            Status::Error { .. } => Self::Error,
        }
    }
}

const KINDS: [(SpanKind, &str); 5] = [
    (SpanKind::Internal, "SPAN_KIND_INTERNAL"),
    (SpanKind::Server, "SPAN_KIND_SERVER"),
    (SpanKind::Client, "SPAN_KIND_CLIENT"),
    (SpanKind::Producer, "SPAN_KIND_PRODUCER"),
    (SpanKind::Consumer, "SPAN_KIND_CONSUMER"),
];
const STATUSES: [(RedStatus, &str); 3] = [
    (RedStatus::Unset, "STATUS_CODE_UNSET"),
    (RedStatus::Ok, "STATUS_CODE_OK"),
    (RedStatus::Error, "STATUS_CODE_ERROR"),
];
const SERIES_PER_NAME: usize = KINDS.len() * STATUSES.len();

/// Kind and status in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner(u8);

impl Manner {
    #[inline]
    pub(super) const fn new(kind: &SpanKind, status: RedStatus) -> Self {
        let kind = match kind {
            SpanKind::Internal => 0,
            SpanKind::Server => 1,
            SpanKind::Client => 2,
            SpanKind::Producer => 3,
            SpanKind::Consumer => 4,
        };
        let status = match status {
            RedStatus::Unset => 0,
            RedStatus::Ok => 1,
            RedStatus::Error => 2,
        };
        Self(kind * STATUSES.len() as u8 + status)
    }

    const fn kind(self) -> &'static (SpanKind, &'static str) {
        &KINDS[self.0 as usize / STATUSES.len()]
    }

    const fn status(self) -> &'static (RedStatus, &'static str) {
        &STATUSES[self.0 as usize % STATUSES.len()]
    }

    pub(super) fn is_error(self) -> bool {
        self.status().0 == RedStatus::Error
    }
}

/// What is counted together.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// `None`: whatever found no place of its own.
    pub(super) of: Option<(SpanKind, RedStatus)>,
    /// In the order of their keys, in which the SDK looks them up fastest.
    pub(super) attributes: Vec<KeyValue>,
    pub(super) errors: u64,
    pub(super) durations: Exponential,
}

/// No series yet.
const NONE: u32 = u32::MAX;
/// The series of whatever is beyond the bound.
const OVERFLOW: u32 = 0;
/// Names whose place is remembered by where they stand in memory.
const NEAR: usize = 128;

/// Where a name that lives for ever stands, and what it is there.
#[derive(Clone, Copy, Debug)]
struct Near {
    at: usize,
    length: usize,
    name: u32,
}

/// All series.
#[derive(Debug)]
pub(super) struct Table {
    service: String,
    max_series: usize,
    names: HashMap<Box<str>, u32>,
    /// The series of a name, by manner.
    of_names: Vec<[u32; SERIES_PER_NAME]>,
    near: [Near; NEAR],
    /// The first one is that of whatever is beyond the bound.
    series: Vec<Series>,
}

impl Table {
    /// With at most `max_series`, the one beyond the bound included.
    pub(super) fn new(service: String, max_series: usize) -> Self {
        let overflow = Series {
            of: None,
            attributes: vec![KeyValue::new("otel.metric.overflow", true)],
            errors: 0,
            durations: Exponential::new(),
        };
        Self {
            service,
            max_series,
            names: HashMap::new(),
            of_names: Vec::new(),
            near: [Near {
                at: 0,
                length: 0,
                name: NONE,
            }; NEAR],
            series: vec![overflow],
        }
    }

    /// The series that have counted something, in the order in which they began.
    pub(super) fn used(&self) -> impl Iterator<Item = &Series> {
        self.series
            .iter()
            .filter(|series| series.durations.count > 0)
    }

    pub(super) fn at(&mut self, index: u32) -> &mut Series {
        &mut self.series[index as usize]
    }

    /// Which series a span belongs to.
    #[expect(
        clippy::ptr_arg,
        reason = "whether it is borrowed for ever is what matters"
    )]
    #[inline]
    pub(super) fn find(&mut self, name: &Cow<'static, str>, manner: Manner) -> u32 {
        let found = match name {
            // What never goes away is known by where it is.
            Cow::Borrowed(name) => {
                let (at, length) = (name.as_ptr().addr(), name.len());
                let place = ((at >> 3) ^ (at >> 11) ^ length) % NEAR;
                let near = self.near[place];
                if near.at == at && near.length == length && near.name != NONE {
                    near.name
                } else {
                    let name = self.name(name);
                    self.near[place] = Near { at, length, name };
                    name
                }
            }
            Cow::Owned(name) => self.name(name),
        };
        if found == NONE {
            return self.begin(name, manner);
        }
        match self.of_names[found as usize][usize::from(manner.0)] {
            NONE => self.begin(name, manner),
            index => index,
        }
    }

    fn name(&self, name: &str) -> u32 {
        self.names.get(name).copied().unwrap_or(NONE)
    }

    /// Begins a series, or not, if there are too many.
    #[cold]
    fn begin(&mut self, name: &str, manner: Manner) -> u32 {
        if self.series.len() >= self.max_series {
            return OVERFLOW;
        }
        let next = self.of_names.len() as u32;
        let of_name = *self.names.entry(name.into()).or_insert(next);
        if of_name == next {
            self.of_names.push([NONE; SERIES_PER_NAME]);
        }
        let index = self.series.len() as u32;
        self.of_names[of_name as usize][usize::from(manner.0)] = index;
        let ((kind, kind_name), (status, status_name)) = (manner.kind(), manner.status());
        self.series.push(Series {
            of: Some((kind.clone(), *status)),
            attributes: vec![
                KeyValue::new(SERVICE_NAME, self.service.clone()),
                KeyValue::new(SPAN_KIND, *kind_name),
                KeyValue::new(SPAN_NAME, name.to_owned()),
                KeyValue::new(STATUS_CODE, *status_name),
            ],
            errors: 0,
            durations: Exponential::new(),
        });
        index
    }
}

const SERVICE_NAME: Key = Key::from_static_str("service.name");
const SPAN_KIND: Key = Key::from_static_str("span.kind");
const SPAN_NAME: Key = Key::from_static_str("span.name");
const STATUS_CODE: Key = Key::from_static_str("status.code");

impl Series {
    /// The service's or the span's name.
    fn text(&self, key: &Key) -> String {
        let found = self
            .attributes
            .iter()
            .find(|attribute| attribute.key == *key);
        found.map_or_else(String::new, |attribute| attribute.value.to_string())
    }

    /// Whether it counts spans with the status `Error`.
    pub(super) fn may_have_errors(&self) -> bool {
        self.of
            .as_ref()
            .is_none_or(|(_, status)| *status == RedStatus::Error)
    }

    pub(super) fn service_name(&self) -> String {
        self.text(&SERVICE_NAME)
    }

    pub(super) fn span_name(&self) -> String {
        self.text(&SPAN_NAME)
    }
}
