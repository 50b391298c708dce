//! `Retry-After`: a number of seconds or an HTTP date.

use std::time::{Duration, SystemTime};

/// The wait that the header asks for, counted from `now`; a date that has passed asks for none.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits to count are a long time all the same.
        let seconds = value.parse().unwrap_or(u64::from(u32::MAX));
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn retry_after_given_seconds_dates_and_nonsense() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
        let wait = |text| retry_after(text, now);
        assert_eq!(wait("0"), Some(Duration::ZERO));
        assert_eq!(wait(" 120 "), Some(Duration::from_secs(120)));
        assert!(wait("99999999999999999999999") > Some(Duration::from_secs(1_000_000)));
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(90))
        );
        assert_eq!(wait("Sun, 06 Nov 1983 08:49:37 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-5", "1.5", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }
}
