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
    /// On a CPU by the thread's own clock.
    pub(crate) cpu: Duration,
    pub(crate) run_queue: Duration,
    /// Within what may sleep.
    pub(crate) blocked: Duration,
    /// Nor was it asleep or waiting for a CPU: it had one, which did something else meanwhile.
    pub(crate) stolen: Duration,
    /// Its threads are many: of the rest only CPU time and the whole are known.
    pub(crate) is_async: bool,
    pub(crate) note: &'static str,
}

/// Less may be that clocks were not read at once.
const NOTEWORTHY: Duration = Duration::from_micros(100);

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

/// What a thread did while `work` ran on it: wall time, CPU time, and how long it waited for a CPU.
fn measure(work: impl FnOnce()) -> [Duration; 3] {
    let (begin, computed) = (Instant::now(), cpu());
    // A file: what it takes to read it is measured with the rest.
    let queued = run_queue();
    work();
    let queued = run_queue().saturating_sub(queued);
    let computed = cpu().saturating_sub(computed);
    [begin.elapsed(), computed, queued]
}

/// How long a thread was asleep.
#[derive(Debug, Default)]
pub(crate) struct Sleeps(Duration);

impl Sleeps {
    /// Runs what sleeps, and does little else.
    pub(crate) fn during(&mut self, work: impl FnOnce()) {
        let [wall, cpu, run_queue] = measure(work);
        self.0 += wall.saturating_sub(cpu + run_queue);
    }
}

/// Runs `work` on this thread and says what it did. What does not tell [`Sleeps`] never sleeps.
///
/// A virtual machine's CPU is taken away now and then to run something else. The clock of a thread that has it does not
/// count that where the kernel is told of it, nor does any other account of the thread: it is what is left.
pub(crate) fn of_thread(name: &'static str, work: impl FnOnce(&mut Sleeps)) -> Truth {
    let mut sleeps = Sleeps::default();
    let [wall, cpu, run_queue] = measure(|| work(&mut sleeps));
    let blocked = sleeps.0;
    Truth {
        name,
        wall,
        cpu,
        run_queue,
        blocked,
        stolen: wall.saturating_sub(cpu + run_queue + blocked),
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
            // Of a thread that has a CPU nobody asks what that does.
            ("otel_enhance.cpu.time", Some(truth.cpu + truth.stolen)),
            ("otel_enhance.blocked.time", known.then_some(truth.blocked)),
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
    if truth.stolen > NOTEWORTHY {
        notes.push(format!(
            "{:.2} ms of the CPU's stolen, by the thread's clock",
            ms(truth.stolen)
        ));
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
