//! What every manifest must say before the crate is published.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::targets::{name, packages, published};

/// The oldest compiler, which `clippy::incompatible_msrv` holds the sources to.
const RUST_VERSION: &str = "1.88";

pub(crate) fn check() -> Result<()> {
    let complaints: Vec<String> = packages()?.iter().flat_map(complaints).collect();
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Error::Check(complaints.join("\n")))
}

fn complaints(package: &Value) -> Vec<String> {
    let text = |field: &str| {
        package
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut found = Vec::new();
    let declared = text("rust_version");
    if declared != RUST_VERSION {
        found.push(format!(
            "{}: rust-version is {declared:?}, it must be {RUST_VERSION:?}",
            name(package)
        ));
    }
    if published(package) {
        for field in ["description", "license", "repository"] {
            if text(field).is_empty() {
                found.push(format!(
                    "{}: a published crate needs a {field}",
                    name(package)
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_published_crate_without_description_is_named() {
        let package = json!({
            "name": "bare", "rust_version": RUST_VERSION, "license": "MIT",
            "repository": "https://example.org", "publish": null,
        });
        assert_eq!(
            complaints(&package),
            ["bare: a published crate needs a description"]
        );
    }

    #[test]
    fn an_unpublished_crate_needs_a_rust_version_alone() {
        let package = json!({ "name": "inner", "rust_version": RUST_VERSION, "publish": [] });
        assert_eq!(complaints(&package), Vec::<String>::new());
        let package = json!({ "name": "inner", "publish": [] });
        assert_eq!(complaints(&package).len(), 1);
    }
}
