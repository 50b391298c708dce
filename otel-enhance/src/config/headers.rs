//! Headers of export requests: parsed, checked, code over environment name by name.

use super::env::Reader;
use super::percent;
use crate::InitError;

/// The transport sets these itself; a second opinion would break the request.
const RESERVED: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Headers in the order of their names' first appearance, code's values winning.
pub(crate) fn resolve(
    code: &[(String, String)],
    reader: &mut Reader<'_>,
    names: &[&str],
) -> Result<Vec<(String, String)>, InitError> {
    let mut headers = Vec::new();
    for name in names {
        // The more specific variable replaces the general one as a whole, as the specification says.
        if let Some(list) = reader.secret(name) {
            from_env(name, &list, reader, &mut headers);
            break;
        }
    }
    for (name, value) in code {
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if let Err(expected) = check(&name, value) {
            return Err(InitError::InvalidArgument {
                argument: "headers",
                value: format!("{name}: ***"),
                expected: expected.to_owned(),
            });
        }
        set(&mut headers, name, value.to_owned());
    }
    Ok(headers)
}

fn from_env(
    variable: &str,
    list: &str,
    reader: &mut Reader<'_>,
    headers: &mut Vec<(String, String)>,
) {
    for member in percent::members(list) {
        let Some((name, value)) = percent::key_value(member) else {
            // What has no `=` may be a token that lost its name: it is not repeated.
            reader.report(
                variable,
                "***".to_owned(),
                "expected `name=value`, several separated by commas; this member is left out",
            );
            continue;
        };
        let name = name.to_ascii_lowercase();
        let checked = percent::decode(value).and_then(|value| {
            check(&name, value.trim())?;
            Ok(value.trim().to_owned())
        });
        match checked {
            Ok(value) => set(headers, name, value),
            Err(expected) => reader.report(
                variable,
                format!("{name}=***"),
                format!("expected {expected}; this header is left out"),
            ),
        }
    }
}

fn set(headers: &mut Vec<(String, String)>, name: String, value: String) {
    match headers.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => *known = value,
        None => headers.push((name, value)),
    }
}

/// What both HTTP and gRPC metadata accept.
fn check(name: &str, value: &str) -> Result<(), &'static str> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(
            "a header name of ASCII letters, digits and any of ! # $ % & ' * + - . ^ _ ` | ~",
        );
    }
    if RESERVED.contains(&name) || name.starts_with("grpc-") {
        return Err("a header that the transport does not set itself");
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("a header value of visible ASCII characters and spaces");
    }
    Ok(())
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
