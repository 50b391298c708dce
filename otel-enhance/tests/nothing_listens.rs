//! The mistake that everybody makes first. In a process of its own: installs are one at a time.
#![cfg(feature = "otlp-http")]

use std::error::Error;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otel_enhance::enhanced_trace;

#[enhanced_trace]
fn work() {}

#[test]
fn shutdown_where_nothing_listens_says_so() -> Result<(), Box<dyn Error>> {
    // A port that was free a moment ago.
    let dead = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let said = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&said);
    let guard = otel_enhance::init!(
        endpoint = format!("http://{dead}"),
        error_handler = move |report| {
            let mut said = log.lock().unwrap_or_else(PoisonError::into_inner);
            said.push(report.to_string());
        },
    )?;
    work();
    assert!(
        guard
            .shutdown_with_timeout(Duration::from_millis(500))
            .is_err()
    );
    assert_eq!(guard.delivery().dropped_total(), 1);
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let outages: Vec<_> = said.iter().filter(|line| line.contains("fail")).collect();
    assert_eq!(outages.len(), 1, "{said:?}");
    assert!(outages[0].contains("refused"), "{said:?}");
    Ok(())
}
