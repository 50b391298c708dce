//! pprof's own format: `profile.proto` of github.com/google/pprof, which is compressed by gzip.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::aggregate::{Row, Weight};
use super::snapshot::{Mapping, Profile, Tables};
use super::table::Table;
use super::wire::Message;

/// Fields of `Profile`.
mod field {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const MAPPING: u64 = 3;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING_TABLE: u64 = 6;
    pub(super) const TIME_NANOS: u64 = 9;
    pub(super) const DURATION_NANOS: u64 = 10;
    pub(super) const PERIOD_TYPE: u64 = 11;
    pub(super) const PERIOD: u64 = 12;
    pub(super) const DEFAULT_SAMPLE_TYPE: u64 = 14;
}

/// The types of values, with their units, in the order in which samples have them.
const TYPES: [(&str, &str); 4] = [
    ("samples", "count"),
    ("cpu", "nanoseconds"),
    ("sleeps", "count"),
    ("off_cpu", "nanoseconds"),
];

impl Profile {
    /// The profile as a file for `pprof`: `profile.pb.gz`.
    ///
    /// Samples have the labels `trace_id`, `span_id` and `span` (its name) where they are known, `thread` and
    /// `thread_name`, and four values: `samples`, `cpu`, `sleeps` and `off_cpu`. What `pprof` shows first is `cpu`,
    /// or `off_cpu` where there is nothing else.
    #[must_use]
    pub fn to_pprof(&self) -> Vec<u8> {
        let bytes = self.to_pprof_uncompressed();
        let mut gzip = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
        // A vector takes everything.
        let _ = gzip.write_all(&bytes);
        gzip.finish().unwrap_or_default()
    }

    pub(crate) fn to_pprof_uncompressed(&self) -> Vec<u8> {
        let mut writer = Writer {
            profile: self,
            out: Message::default(),
            texts: Table::new(Arc::from("")),
            functions: Table::new((0, 0)),
            locations: HashMap::new(),
        };
        writer.write();
        writer.out.bytes
    }
}

struct Writer<'p> {
    profile: &'p Profile,
    out: Message,
    texts: Table<Arc<str>>,
    /// Name and file, both by number. Entry 0 stands for none.
    functions: Table<(u64, u64)>,
    locations: HashMap<u64, u64>,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) -> u64 {
        self.texts.number(text.into())
    }

    fn write(&mut self) {
        for (name, unit) in TYPES {
            self.value_type(field::SAMPLE_TYPE, name, unit);
        }
        let tables = self.profile.tables.clone();
        for (number, address) in self.profile.addresses().into_iter().enumerate() {
            let number = number as u64 + 1;
            self.locations.insert(address, number);
            self.location(&tables, number, address);
        }
        for (number, mapping) in tables.mappings.iter().enumerate() {
            self.mapping(number as u64 + 1, mapping);
        }
        let mut sleeps_alone = true;
        for &(row, weight) in &self.profile.rows {
            sleeps_alone &= weight.ticks == 0;
            self.sample(&tables, row, weight);
        }
        let functions = self.functions.entries().to_vec();
        for (number, (name, file)) in functions.into_iter().enumerate().skip(1) {
            self.out.message(field::FUNCTION, |function| {
                function.number(1, number as u64);
                function.number(2, name);
                // Without the name as the system has it: where both are equal, pprof takes it for C++ and cuts it down.
                function.number(4, file);
            });
        }
        let since = self.profile.started.duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default().as_nanos() as u64;
        self.out.number(field::TIME_NANOS, since);
        let duration = self.profile.duration.as_nanos() as u64;
        self.out.number(field::DURATION_NANOS, duration);
        self.value_type(field::PERIOD_TYPE, "cpu", "nanoseconds");
        self.out.number(field::PERIOD, self.profile.period_ns);
        let shown = self.text(if sleeps_alone && !self.profile.is_empty() {
            "off_cpu"
        } else {
            "cpu"
        });
        self.out.number(field::DEFAULT_SAMPLE_TYPE, shown);
        for text in self.texts.entries() {
            self.out.element(field::STRING_TABLE, text.as_bytes());
        }
    }

    fn value_type(&mut self, field: u64, name: &str, unit: &str) {
        let (name, unit) = (self.text(name), self.text(unit));
        self.out.message(field, |kind| {
            kind.number(1, name);
            kind.number(2, unit);
        });
    }

    fn location(&mut self, tables: &Tables, number: u64, address: u64) {
        let mapping = tables
            .mappings
            .iter()
            .position(|mapping| (mapping.start..mapping.limit).contains(&address));
        let lines: Vec<(u64, u32)> = tables
            .frames_of(address)
            .iter()
            .map(|frame| {
                let name = self.text(&frame.function);
                let file = self.text(frame.file.as_deref().unwrap_or_default());
                (self.functions.number((name, file)), frame.line)
            })
            .collect();
        self.out.message(field::LOCATION, |location| {
            location.number(1, number);
            if let Some(mapping) = mapping {
                location.number(2, mapping as u64 + 1);
                location.number(3, address);
            }
            for (function, line) in lines {
                location.message(4, |at| {
                    at.number(1, function);
                    at.number(2, line.into());
                });
            }
        });
    }

    fn mapping(&mut self, number: u64, mapping: &Mapping) {
        let path = self.text(&mapping.path);
        let build_id = self.text(&mapping.build_id);
        self.out.message(field::MAPPING, |out| {
            out.number(1, number);
            out.number(2, mapping.start);
            out.number(3, mapping.limit);
            out.number(4, mapping.file_offset);
            out.number(5, path);
            out.number(6, build_id);
            // Functions, files, lines and inlined frames are in: nobody needs to look them up again.
            for has in 7..=10 {
                out.number(has, 1);
            }
        });
    }

    fn sample(&mut self, tables: &Tables, row: Row, weight: Weight) {
        let locations: Vec<u64> = tables
            .stack(row.stack)
            .iter()
            .filter_map(|address| self.locations.get(address).copied())
            .collect();
        let values = [
            weight.ticks,
            weight.ticks * self.profile.period_ns,
            weight.sleeps,
            weight.slept_ns,
        ];
        let mut labels = Vec::new();
        if let Some(ids) = tables.span(row.span).and_then(|span| span.ids) {
            labels.push(("trace_id", hex(&ids.trace)));
            labels.push(("span_id", hex(&ids.span)));
        }
        if let Some(name) = tables.span_name(row.span) {
            labels.push(("span", name.to_owned()));
        }
        let thread = tables.thread(row.thread);
        if let Some(thread) = thread.filter(|thread| !thread.name.is_empty()) {
            labels.push(("thread_name", thread.name.to_string()));
        }
        let labels: Vec<(u64, u64)> = labels
            .into_iter()
            .map(|(key, value)| (self.text(key), self.text(&value)))
            .collect();
        let thread = thread.map(|thread| (self.text("thread"), u64::from(thread.tid)));
        self.out.message(field::SAMPLE, |sample| {
            sample.numbers(1, locations);
            sample.numbers(2, values);
            for (key, value) in labels {
                sample.message(3, |label| {
                    label.number(1, key);
                    label.number(2, value);
                });
            }
            if let Some((key, tid)) = thread {
                sample.message(3, |label| {
                    label.number(1, key);
                    label.number(3, tid);
                });
            }
        });
    }
}

/// Lower-case digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
