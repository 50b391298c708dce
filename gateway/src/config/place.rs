//! Where in a text a field stands.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A step of a path such as `outputs[1].otlp.endpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn steps(field: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for part in field.split(['.', '[']) {
        let index = part
            .strip_suffix(']')
            .and_then(|number| number.parse().ok());
        steps.push(index.map_or(Step::Key(part), Step::Index));
    }
    steps
}

/// Line and column of a field's value, from 1; nothing if the text does not have it.
pub(super) fn of(text: &str, field: &str) -> Option<(u64, u64)> {
    let steps = steps(field);
    let is_there = Cell::new(false);
    let seek = Seek {
        steps: &steps,
        is_there: &is_there,
    };
    // The library tells places in its errors: the search ends in one.
    let result: Result<(), _> = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        seek.deserialize(deserializer)
    });
    let error = result.err().filter(|_| is_there.get())?;
    let place = error.location()?;
    Some((place.line(), place.column()))
}

#[derive(Clone, Copy)]
struct Seek<'a> {
    steps: &'a [Step<'a>],
    is_there: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seek<'_> {
    fn found<E: Error>(self) -> Result<(), E> {
        self.is_there.set(self.steps.is_empty());
        Err(E::custom("here"))
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what leads to the field")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), steps)) = self.steps.split_first() else {
            return self.found();
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                return map.next_value_seed(Seek { steps, ..self });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), steps)) = self.steps.split_first() else {
            return self.found();
        };
        for _ in 0..*wanted {
            list.next_element::<IgnoredAny>()?;
        }
        list.next_element_seed(Seek { steps, ..self })?;
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.found()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.found()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.found()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.found()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.found()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.found()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_field_and_not_of_one_of_its_name() {
        let text = "\
# memory: a lot
receivers:
  http: 127.0.0.1:1
outputs:
- otlp: { endpoint: 'http://a:1', timeout: 1s }
- otlp:
    endpoint: http://b:1
limits: { requests: 5,
          memory: 1 }
auth:
  tokens: []
threads: 7
";
        for (field, place) in [
            ("receivers.http", Some((3, 9))),
            ("outputs[0].otlp.endpoint", Some((5, 21))),
            ("outputs[1].otlp.endpoint", Some((7, 15))),
            ("limits.memory", Some((9, 19))),
            ("limits.requests", Some((8, 21))),
            ("threads", Some((12, 10))),
            ("outputs[2].otlp.endpoint", None),
            ("outputs[0].otlp.tls", None),
            ("admin.address", None),
        ] {
            assert_eq!(of(text, field), place, "{field}");
        }
        for (field, line) in [("auth.tokens", 11), ("outputs[1]", 6), ("receivers", 3)] {
            let place = of(text, field);
            assert!(
                place.is_some_and(|(at, _)| at == line),
                "{field}: {place:?}"
            );
        }
    }
}
