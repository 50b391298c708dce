//! Lines on stderr: logfmt, or JSON.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use crate::config::{Format, Level, Log};

/// What is logged, for the whole process: level in the lower bits, JSON in the uppermost.
static SETTINGS: AtomicU8 = AtomicU8::new(Level::Info as u8);
const JSON: u8 = 0x80;

/// Has the process log so from now on.
pub(crate) fn set(log: &Log) {
    let json = if log.format == Format::Json { JSON } else { 0 };
    SETTINGS.store(log.level as u8 | json, Ordering::Relaxed);
}

/// Writes a line to the log, if its level is logged.
pub fn line(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let settings = SETTINGS.load(Ordering::Relaxed);
    if level as u8 > settings & !JSON {
        return;
    }
    let text = if settings & JSON != 0 {
        json(level, message, fields)
    } else {
        logfmt(level, message, fields)
    };
    // Whoever closed stderr does not want to know.
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

/// RFC 3339, in milliseconds.
fn now() -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    timestamp(since.as_secs(), since.subsec_millis())
}

fn timestamp(seconds: u64, milliseconds: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days from civil, the other way round (H. Hinnant): years begin in March.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

fn logfmt(level: Level, message: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut out = format!("ts={} level={} msg=", now(), name(level));
    value(&mut out, message);
    for (key, field) in fields {
        out.push(' ');
        out += key;
        out.push('=');
        value(&mut out, &field.to_string());
    }
    out.push('\n');
    out
}

/// In quotes where it needs them.
fn value(out: &mut String, text: &str) {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(plain) {
        *out += text;
    } else {
        // Writing into a string does not fail.
        write!(out, "{text:?}").ok();
    }
}

fn json(level: Level, message: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut object = serde_json::Map::new();
    object.insert("ts".to_owned(), now().into());
    object.insert("level".to_owned(), name(level).into());
    object.insert("msg".to_owned(), message.into());
    for (key, field) in fields {
        object.insert((*key).to_owned(), field.to_string().into());
    }
    format!("{}\n", serde_json::Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_709_251_199, "2024-02-29T23:59:59.007Z"),
            (1_798_761_600, "2027-01-01T00:00:00.007Z"),
        ] {
            assert_eq!(timestamp(seconds, 7), expected);
        }
    }

    #[test]
    fn values_with_blanks_or_quotes_cannot_end_a_field() {
        let line = logfmt(Level::Warn, "a b", &[("k", &"x\ny=\"z\""), ("n", &5)]);
        assert!(
            line.ends_with(" level=warn msg=\"a b\" k=\"x\\ny=\\\"z\\\"\" n=5\n"),
            "{line}"
        );
        let line = json(Level::Info, "a", &[("k", &"\"\n")]);
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["k"], "\"\n");
    }
}
