//! What stands for a number that is none is `null` in the official form. The fuzz target shares this.

use serde_json::Value;

pub(crate) fn numbers_that_are_none_as_null(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(numbers_that_are_none_as_null),
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "doubleValue" && value.is_string() {
                    *value = Value::Null;
                }
                numbers_that_are_none_as_null(value);
            }
        }
        _ => {}
    }
}
