//! What spans really did, by the system's own accounts, and how far their attributes are from it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use otel_enhance::Value;
use otel_enhance::sdk::trace::SpanData;
use rustix::time::{ClockId, clock_gettime};

/// By clocks that have nothing to do with eBPF.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) name: &'static str,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) run_queue: Duration,
    /// Its threads are many: only CPU time and the whole are known.
    pub(crate) is_async: bool,
    pub(crate) note: &'static str,
}

impl Truth {
    fn blocked(&self) -> Duration {
        self.wall.saturating_sub(self.cpu + self.run_queue)
    }
}

/// CPU time of this thread.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// How long this thread has waited for a CPU.
fn run_queue() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = text.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    Duration::from_nanos(waited.unwrap_or_default())
}

/// Runs `work` on this thread and says what it did.
pub(crate) fn of_thread(name: &'static str, work: impl FnOnce()) -> Truth {
    let (queued, computed, begin) = (run_queue(), cpu(), Instant::now());
    work();
    let wall = begin.elapsed();
    Truth {
        name,
        wall,
        cpu: cpu().saturating_sub(computed),
        run_queue: run_queue().saturating_sub(queued),
        is_async: false,
        note: "",
    }
}

/// Each span's attributes beside the truth, in milliseconds.
pub(crate) fn table(truths: &[Truth], spans: &[SpanData]) -> String {
    let mut text = format!(
        "{:<18} {:>25} {:>25} {:>25}\n{:<18}",
        "milliseconds", "on a CPU", "blocked", "in a run queue", ""
    );
    for _ in 0..3 {
        // A string takes everything.
        let _ = write!(text, " {:>8} {:>8} {:>7}", "span", "truth", "error");
    }
    text.push('\n');
    for truth in truths {
        let span = spans.iter().rev().find(|span| span.name == truth.name);
        let Some(span) = span else {
            let _ = writeln!(text, "{:<18} was not exported", truth.name);
            continue;
        };
        let _ = write!(text, "{:<18}", truth.name);
        let known = !truth.is_async;
        for (attribute, truth) in [
            ("otel_enhance.cpu.time", Some(truth.cpu)),
            ("otel_enhance.blocked.time", known.then(|| truth.blocked())),
            (
                "otel_enhance.run_queue.time",
                known.then_some(truth.run_queue),
            ),
        ] {
            let found = nanoseconds(span, attribute);
            let _ = write!(text, " {} {}", cell(found, 8), cell(truth, 8));
            let error = found
                .zip(truth)
                .map(|(found, truth)| (found.as_secs_f64() - truth.as_secs_f64()) * 1e3);
            let _ = match error {
                Some(error) => write!(text, " {error:>+7.3}"),
                None => write!(text, " {:>7}", "–"),
            };
        }
        let _ = writeln!(text, "  {}", notes(truth, span));
    }
    text
}

fn notes(truth: &Truth, span: &SpanData) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut notes = Vec::new();
    if !truth.note.is_empty() {
        notes.push(truth.note.to_owned());
    }
    if let Some(waiting) = nanoseconds(span, "otel_enhance.waiting.time") {
        notes.push(format!("{:.1} ms blocked or in a run queue", ms(waiting)));
    }
    if let Some(polls) = number(span, "otel_enhance.polls") {
        let between = nanoseconds(span, "otel_enhance.between_polls.time").unwrap_or_default();
        let (between, wall) = (ms(between), ms(truth.wall));
        notes.push(format!(
            "{polls} polls, {between:.1} ms of {wall:.1} between them"
        ));
    }
    notes.join("; ")
}

fn cell(time: Option<Duration>, width: usize) -> String {
    match time {
        Some(time) => format!("{:>width$.2}", time.as_secs_f64() * 1e3),
        None => format!("{:>width$}", "–"),
    }
}

fn nanoseconds(span: &SpanData, name: &str) -> Option<Duration> {
    let number = number(span, name)?;
    Some(Duration::from_nanos(u64::try_from(number).ok()?))
}

fn number(span: &SpanData, name: &str) -> Option<i64> {
    let attribute = span.attributes.iter().find(|kv| kv.key.as_str() == name)?;
    match attribute.value {
        Value::I64(number) => Some(number),
        _ => None,
    }
}
