//! Who sends: bearer tokens, or a header that somebody in front has set.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use http::{HeaderName, StatusCode};
use otel_enhance_receiver::{BoxFuture, GrpcCode, Hook, Refusal, RequestHead, Verdict};

use crate::config::Config;
use crate::metrics::Metrics;

/// Longer names of tenants are refused.
const MAX_TENANT_BYTES: usize = 128;

/// Tells tenants apart.
#[derive(Debug)]
pub(crate) struct Tenancy {
    /// Tokens, and whose they are; none if everybody may send.
    tokens: Option<Vec<(String, Arc<str>)>>,
    header: Option<HeaderName>,
    nobody: Arc<str>,
    hash: RandomState,
}

impl Tenancy {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            tokens: config.auth.as_ref().map(|auth| {
                let tokens = auth.tokens.iter();
                tokens
                    .map(|token| (token.token.0.clone(), token.tenant.as_str().into()))
                    .collect()
            }),
            header: config.tenant_header.as_ref().map(|name| name.0.clone()),
            nobody: "".into(),
            hash: RandomState::new(),
        }
    }

    /// The tenant of a request; `None` is a stranger.
    pub(crate) fn of(&self, head: &RequestHead) -> Option<Arc<str>> {
        if let Some(tokens) = &self.tokens {
            let given = bearer(head.header("authorization")?)?;
            // All of them are looked at: how long it takes tells nothing.
            return tokens.iter().fold(None, |found, (token, tenant)| {
                if equal(token.as_bytes(), given.as_bytes()) {
                    Some(Arc::clone(tenant))
                } else {
                    found
                }
            });
        }
        let named = self
            .header
            .as_ref()
            .and_then(|name| head.header(name.as_str()))
            .filter(|name| !name.is_empty());
        Some(named.map_or_else(|| Arc::clone(&self.nobody), Into::into))
    }

    /// Whether the header names a tenant in a way that cannot be told on: one that is not known must not become
    /// nobody, whom others would be, too.
    fn is_misnamed(&self, head: &RequestHead) -> bool {
        let Some(name) = self.header.as_ref().filter(|_| self.tokens.is_none()) else {
            return false;
        };
        let mut values = head.headers.get_all(name).iter();
        let is_name =
            |value: &http::HeaderValue| value.len() <= MAX_TENANT_BYTES && value.to_str().is_ok();
        values.next().is_some_and(|value| !is_name(value)) || values.next().is_some()
    }

    /// A number that stands for the tenant of a request.
    fn principal(&self, head: &RequestHead) -> u64 {
        self.hash.hash_one(self.of(head))
    }
}

/// The token in `Bearer TOKEN`; the scheme in any case (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// In a time that depends on the lengths alone.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && std::hint::black_box(different) == 0
}

/// Refuses strangers before their bodies are read.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Hook for Doorkeeper {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        if self.tenancy.is_misnamed(head) {
            let name = self
                .tenancy
                .header
                .as_ref()
                .map_or("", |name| name.as_str());
            return Box::pin(std::future::ready(Verdict::Refuse(Refusal::new(
                StatusCode::BAD_REQUEST,
                GrpcCode::InvalidArgument,
                format!(
                    "`{name}` names one tenant, by at most {MAX_TENANT_BYTES} bytes of printable ASCII"
                ),
            ))));
        }
        let known = self.tenancy.of(head).is_some();
        if !known {
            self.metrics.unauthorized.add(1);
        }
        Box::pin(std::future::ready(if known {
            Verdict::Continue
        } else {
            Verdict::Refuse(
                Refusal::new(
                    StatusCode::UNAUTHORIZED,
                    GrpcCode::Unauthenticated,
                    "send `Authorization: Bearer TOKEN` with a token that the gateway knows",
                )
                .with_header(
                    http::header::WWW_AUTHENTICATE,
                    http::HeaderValue::from_static("Bearer"),
                ),
            )
        }))
    }

    fn principal(&self, head: &RequestHead) -> u64 {
        self.tenancy.principal(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens_are_read_in_any_case_of_the_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }

    #[test]
    fn comparison_needs_equal_lengths_and_bytes() {
        assert!(equal(b"abc", b"abc"));
        for other in [&b"ab"[..], b"abcd", b"abd", b""] {
            assert!(!equal(b"abc", other));
        }
    }
}
