//! The settings' headers, for both protocols.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::InitError;

/// Valid, and marked as secrets.
pub(super) fn parse(pairs: &[(String, String)]) -> Result<HeaderMap, InitError> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let invalid = |expected: &str| InitError::InvalidArgument {
            argument: "headers",
            // The value may be a secret.
            value: format!("{name}=…"),
            expected: expected.to_owned(),
        };
        let name = HeaderName::try_from(name.as_str())
            .map_err(|_| invalid("a name of letters, digits and hyphens"))?;
        let mut value = HeaderValue::try_from(value.as_str())
            .map_err(|_| invalid("a value of visible characters"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
