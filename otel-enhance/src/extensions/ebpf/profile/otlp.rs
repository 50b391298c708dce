//! OTLP Profiles, `v1development` as of version 1.10 of the protocol: one profile a kind, tied to spans by links.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use opentelemetry::{Array, Value};
use opentelemetry_sdk::Resource;

use super::aggregate::{Entry, Ids};
use super::snapshot::{Mapping, Profile, ProfileKind, Tables};
use super::stack;
use super::table::Table;
use super::wire::Message;

/// Fields of `ProfilesDictionary`.
mod dictionary {
    pub(super) const MAPPING: u64 = 1;
    pub(super) const LOCATION: u64 = 2;
    pub(super) const FUNCTION: u64 = 3;
    pub(super) const LINK: u64 = 4;
    pub(super) const STRING: u64 = 5;
    pub(super) const ATTRIBUTE: u64 = 6;
    pub(super) const STACK: u64 = 7;
}

/// What an attribute is worth, in a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Worth {
    Text(Arc<str>),
    Number(i64),
}

impl Profile {
    /// The profile as a request of OTLP Profiles (`ExportProfilesServiceRequest`, protobuf): a profile of the type
    /// `cpu` and one of the type `off_cpu`, both in nanoseconds, each there if there is anything in it.
    ///
    /// A sample is tied to its span by a link. Its attributes are `thread.id`, `thread.name` and
    /// `otel_enhance.span.name`. The signal is still in development: `v1development`.
    #[must_use]
    pub fn to_otlp(&self, resource: &Resource) -> Vec<u8> {
        let mut writer = Writer {
            profile: self,
            texts: Table::new(Arc::from("")),
            functions: Table::new((0, 0)),
            links: Table::new(None),
            attributes: Table::new(None),
            stacks: Table::new(0),
            locations: HashMap::new(),
        };
        writer.request(resource)
    }
}

struct Writer<'p> {
    profile: &'p Profile,
    texts: Table<Arc<str>>,
    functions: Table<(u64, u64)>,
    links: Table<Option<Ids>>,
    attributes: Table<Option<(u64, Worth)>>,
    stacks: Table<Entry>,
    locations: HashMap<u64, u64>,
}

impl Writer<'_> {
    fn request(&mut self, resource: &Resource) -> Vec<u8> {
        let tables = self.profile.tables.clone();
        let mut dictionary = Message::default();
        // Entry 0 of every table is empty.
        dictionary.element(dictionary::MAPPING, &[]);
        for mapping in tables.mappings.iter() {
            self.mapping(&mut dictionary, mapping);
        }
        dictionary.element(dictionary::LOCATION, &[]);
        for (number, address) in self.profile.addresses().into_iter().enumerate() {
            self.locations.insert(address, number as u64 + 1);
            self.location(&mut dictionary, &tables, address);
        }
        let profiles: Vec<Message> = [ProfileKind::Cpu, ProfileKind::OffCpu]
            .into_iter()
            .filter(|kind| self.profile.samples_of(*kind).next().is_some())
            .map(|kind| self.kind(kind))
            .collect();
        self.finish(&mut dictionary, &tables);

        let mut request = Message::default();
        request.message(1, |group| {
            group.message(1, |out| {
                for (key, value) in resource {
                    out.message(1, |pair| {
                        pair.bytes(1, key.as_str().as_bytes());
                        pair.message(2, |out| any(out, value));
                    });
                }
            });
            group.message(2, |scope| {
                scope.message(1, |out| {
                    out.bytes(1, b"otel-enhance");
                    out.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
                });
                for profile in &profiles {
                    scope.element(2, &profile.bytes);
                }
            });
            if let Some(schema) = resource.schema_url() {
                group.bytes(3, schema.as_bytes());
            }
        });
        request.element(2, &dictionary.bytes);
        request.bytes
    }

    fn text(&mut self, text: &str) -> u64 {
        self.texts.number(text.into())
    }

    fn attribute(&mut self, key: &str, worth: Worth) -> u64 {
        let key = self.text(key);
        self.attributes.number(Some((key, worth)))
    }

    fn kind(&mut self, kind: ProfileKind) -> Message {
        let name = self.text(match kind {
            ProfileKind::Cpu => "cpu",
            ProfileKind::OffCpu => "off_cpu",
        });
        let nanoseconds = self.text("nanoseconds");
        let mut out = Message::default();
        let value_type = |out: &mut Message| {
            out.number(1, name);
            out.number(2, nanoseconds);
        };
        out.message(1, value_type);
        let profile = self.profile;
        for sample in profile.samples_of(kind) {
            let row = sample.row();
            let stack = self.stacks.number(row.stack);
            let mut attributes = Vec::new();
            if let Some((tid, name)) = sample.thread() {
                attributes.push(self.attribute("thread.id", Worth::Number(tid.into())));
                if !name.is_empty() {
                    attributes.push(self.attribute("thread.name", Worth::Text(name.into())));
                }
            }
            if let Some(name) = sample.span_name() {
                let name = Worth::Text(name.into());
                attributes.push(self.attribute("otel_enhance.span.name", name));
            }
            let ids = profile.tables.span(row.span).and_then(|span| span.ids);
            let link = ids.map_or(0, |ids| self.links.number(Some(ids)));
            out.message(2, |out| {
                out.number(1, stack);
                out.numbers(2, attributes);
                out.number(3, link);
                out.numbers(4, [sample.nanoseconds()]);
            });
        }
        let since = profile.started.duration_since(UNIX_EPOCH);
        out.fixed64(3, since.unwrap_or_default().as_nanos() as u64);
        out.number(4, profile.duration.as_nanos() as u64);
        if kind == ProfileKind::Cpu {
            out.message(5, value_type);
            out.number(6, profile.period_ns);
        }
        let id: u128 = rand::random();
        out.bytes(7, &id.to_be_bytes());
        out
    }

    fn mapping(&mut self, dictionary: &mut Message, mapping: &Mapping) {
        let path = self.text(&mapping.path);
        let build_id = (!mapping.build_id.is_empty()).then(|| {
            let worth = Worth::Text(mapping.build_id.clone());
            self.attribute("process.executable.build_id.gnu", worth)
        });
        dictionary.message(dictionary::MAPPING, |out| {
            out.number(1, mapping.start);
            out.number(2, mapping.limit);
            out.number(3, mapping.file_offset);
            out.number(4, path);
            out.numbers(5, build_id);
        });
    }

    fn location(&mut self, dictionary: &mut Message, tables: &Tables, address: u64) {
        let is_code = stack::mark(address).is_none();
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
        let kind = if address == stack::IN_KERNEL {
            "kernel"
        } else {
            "native"
        };
        let kind = self.attribute("profile.frame.type", Worth::Text(kind.into()));
        dictionary.message(dictionary::LOCATION, |out| {
            out.number(1, mapping.map_or(0, |number| number as u64 + 1));
            out.number(2, if is_code { address } else { 0 });
            for (function, line) in lines {
                out.message(3, |at| {
                    at.number(1, function);
                    at.number(2, line.into());
                });
            }
            out.numbers(4, [kind]);
        });
    }

    /// Writes the tables that samples filled.
    fn finish(&mut self, dictionary: &mut Message, tables: &Tables) {
        for &(name, file) in self.functions.entries() {
            dictionary.message(dictionary::FUNCTION, |out| {
                out.number(1, name);
                out.number(3, file);
            });
        }
        for link in self.links.entries() {
            dictionary.message(dictionary::LINK, |out| {
                if let Some(ids) = link {
                    out.bytes(1, &ids.trace);
                    out.bytes(2, &ids.span);
                }
            });
        }
        for text in self.texts.entries() {
            dictionary.element(dictionary::STRING, text.as_bytes());
        }
        for attribute in self.attributes.entries() {
            dictionary.message(dictionary::ATTRIBUTE, |out| {
                if let Some((key, worth)) = attribute {
                    out.number(1, *key);
                    out.message(2, |out| match worth {
                        Worth::Text(text) => out.element(1, text.as_bytes()),
                        Worth::Number(number) => out.explicit(3, number.cast_unsigned()),
                    });
                }
            });
        }
        for entry in self.stacks.entries() {
            let locations = tables.stack(*entry).iter();
            let locations = locations.filter_map(|address| self.locations.get(address).copied());
            dictionary.message(dictionary::STACK, |out| out.numbers(1, locations));
        }
    }
}

/// An `AnyValue`.
fn any(out: &mut Message, value: &Value) {
    match value {
        Value::String(text) => out.element(1, text.as_str().as_bytes()),
        Value::Bool(value) => out.explicit(2, (*value).into()),
        Value::I64(value) => out.explicit(3, value.cast_unsigned()),
        Value::F64(value) => out.explicit_fixed64(4, value.to_bits()),
        Value::Array(array) => out.message(5, |out| match array {
            Array::String(values) => each(out, values, |text| Value::String(text.clone())),
            Array::Bool(values) => each(out, values, |value| Value::Bool(*value)),
            Array::I64(values) => each(out, values, |value| Value::I64(*value)),
            Array::F64(values) => each(out, values, |value| Value::F64(*value)),
            _ => {}
        }),
        // There are no others today.
        other => out.element(1, other.to_string().as_bytes()),
    }
}

fn each<T>(out: &mut Message, values: &[T], value: impl Fn(&T) -> Value) {
    for element in values {
        out.message(1, |out| any(out, &value(element)));
    }
}
