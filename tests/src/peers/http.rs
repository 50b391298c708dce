//! Plain HTTP requests, for asking peers.

use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What a peer answered, whatever the status.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON of the form `T`.
    ///
    /// # Panics
    ///
    /// If it is something else.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{error} in the answer {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }
}

/// Sends a GET request.
///
/// # Panics
///
/// If there is no answer.
pub fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = agent().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(url, request.call())
}

/// Sends a POST request.
///
/// # Panics
///
/// If there is no answer.
pub fn post(url: &str, content_type: &str, body: &[u8]) -> Answer {
    answer(url, agent().post(url).content_type(content_type).send(body))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT))
        // Peers are on loopback: no proxy of the machine has a say.
        .proxy(None)
        .build()
        .into()
}

fn answer(url: &str, result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = result.unwrap_or_else(|error| panic!("{url} gave no answer: {error}"));
    let body = response
        .body_mut()
        .read_to_vec()
        .unwrap_or_else(|error| panic!("{url} broke off its answer: {error}"));
    Answer {
        status: response.status().as_u16(),
        body,
    }
}
