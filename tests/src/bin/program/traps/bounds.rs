//! Queue, delay and limits out of the environment.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::new_enhanced_pipeline;

use crate::common::{Counting, Outcome, diagnostics, end_spans, fact, report};

/// `OTEL_BSP_MAX_QUEUE_SIZE` without bounds.
pub(crate) mod bsp_queue_huge {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let exporter = Counting::default();
        let built = std::panic::catch_unwind({
            let exporter = exporter.clone();
            move || {
                SdkTracerProvider::builder()
                    .with_batch_exporter(exporter)
                    .build()
            }
        });
        fact("panicked", built.is_err());
        if let Ok(provider) = built {
            end_spans(&provider, 10);
            provider.shutdown()?;
        }
        fact("exported", exporter.count());
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_exporter(Counting::default())
            .install_batch()?;
        end_spans(guard.tracer_provider(), 10);
        guard.shutdown()?;
        report(&guard);
        diagnostics(&guard);
        fact("peak_memory_kib", memory_kib()?);
        Ok(())
    }

    fn memory_kib() -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .ok_or("no VmHWM")?;
        Ok(peak.trim().trim_end_matches("kB").trim().parse()?)
    }
}

/// `OTEL_BSP_SCHEDULE_DELAY=0`.
pub(crate) mod bsp_delay_zero {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Counting::default())
            .build();
        // However busy the machine is, a busy loop gets there.
        let deadline = Instant::now() + Duration::from_secs(30);
        while cpu_ticks()? < 30 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        fact("idle_cpu_ticks", cpu_ticks()?);
        drop(provider);
        Ok(())
    }

    pub(crate) fn ours() -> Outcome {
        let guard = new_enhanced_pipeline()
            .with_exporter(Counting::default())
            .install_batch()?;
        let before = cpu_ticks()?;
        std::thread::sleep(Duration::from_secs(1));
        fact("idle_cpu_ticks", cpu_ticks()? - before);
        diagnostics(&guard);
        end_spans(guard.tracer_provider(), 1);
        guard.shutdown()?;
        report(&guard);
        Ok(())
    }

    /// The processor time of this process in hundredths of a second.
    fn cpu_ticks() -> Result<u64, Box<dyn Error>> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        // The name of the program is in parentheses and may hold anything.
        let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
        let mut times = fields.split_whitespace().skip(11);
        let user: u64 = times.next().ok_or("no utime")?.parse()?;
        let system: u64 = times.next().ok_or("no stime")?.parse()?;
        Ok(user + system)
    }
}

/// Limits that are no numbers, a limit that the SDK does not know, and keys set twice.
pub(crate) mod invalid_limits {
    use super::*;

    pub(crate) fn plain() -> Outcome {
        let exporter = Counting::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        record(&provider);
        tell(&exporter)
    }

    pub(crate) fn ours() -> Outcome {
        let exporter = Counting::default();
        let guard = new_enhanced_pipeline()
            .with_exporter(exporter.clone())
            .install_batch()?;
        record(guard.tracer_provider());
        guard.shutdown()?;
        diagnostics(&guard);
        tell(&exporter)
    }

    fn record(provider: &SdkTracerProvider) {
        let mut span = provider.tracer("program").start("work");
        span.set_attribute(KeyValue::new("text", "abcdef"));
        span.set_attribute(KeyValue::new("twice", 1));
        span.set_attribute(KeyValue::new("twice", 2));
        span.end();
    }

    fn tell(exporter: &Counting) -> Outcome {
        let batches = exporter.batches.lock().map_err(|error| error.to_string())?;
        let span = batches.first().ok_or("no span")?;
        let shown: Vec<String> = span
            .attributes
            .iter()
            .map(|attribute| format!("{}:{}", attribute.key, attribute.value))
            .collect();
        fact("attributes", shown.join(","));
        Ok(())
    }
}
