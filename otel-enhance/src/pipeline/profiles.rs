//! Profiles that leave the process: into a folder and by OTLP, once an interval and at the end.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;

use crate::InitError;
use crate::config::{EbpfSettings, Settings};
use crate::export::log::{Log, ReportKind};
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
use crate::export::profiles::ProfileSender;
use crate::extensions::ebpf::EbpfHandle;

/// The thread that does it.
#[derive(Debug)]
pub(super) struct ProfileExports {
    progress: Arc<Progress>,
    log: Log,
}

#[derive(Debug, Default)]
struct Progress {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Running,
    Ending,
    Ended,
}

impl Progress {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.stage() = stage;
        self.changed.notify_all();
    }

    /// Waits until the stage is `wanted`, at most so long; whether it is.
    fn wait(&self, wanted: Stage, timeout: Duration) -> bool {
        let stage = self.stage();
        let waited = self
            .changed
            .wait_timeout_while(stage, timeout, |stage| *stage != wanted);
        let (stage, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *stage == wanted
    }
}

impl ProfileExports {
    /// Starts it, if anything is asked for and there are samples.
    ///
    /// # Errors
    ///
    /// Where profiles cannot go to what was asked for: see [`ProfileSender::new`].
    pub(super) fn start(
        ebpf: &EbpfSettings,
        handle: EbpfHandle,
        settings: &Settings,
        log: &Log,
    ) -> Result<Option<Self>, InitError> {
        let outlets = Outlets::new(ebpf, settings, log)?;
        if outlets.are_none() || handle.profile_account().is_none() {
            return Ok(None);
        }
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        let interval = ebpf.profile_interval;
        thread::Builder::new()
            .name("otel-profiles".to_owned())
            .spawn(move || {
                let mut outlets = outlets;
                let mut ending = false;
                while !ending {
                    ending = shared.wait(Stage::Ending, interval);
                    outlets.export(&handle);
                }
                shared.set(Stage::Ended);
            })
            .map_err(InitError::Runtime)?;
        Ok(Some(Self {
            progress,
            log: log.clone(),
        }))
    }

    /// Exports what is left and ends, or gives up at the deadline, and says so.
    pub(super) fn close(&self, deadline: Instant) {
        self.progress.set(Stage::Ending);
        let left = deadline.saturating_duration_since(Instant::now());
        if !self.progress.wait(Stage::Ended, left) {
            self.log.report(
                ReportKind::Notice,
                "the last profiles were not all written or sent within the time of the shutdown"
                    .to_owned(),
            );
        }
    }
}

/// Also of an install that failed: the thread ends by itself.
impl Drop for ProfileExports {
    fn drop(&mut self) {
        if *self.progress.stage() == Stage::Running {
            self.progress.set(Stage::Ending);
        }
    }
}

/// Where profiles go.
struct Outlets {
    folder: Option<PathBuf>,
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    sender: Option<ProfileSender>,
    #[cfg_attr(
        not(any(feature = "otlp-http", feature = "otlp-grpc")),
        expect(dead_code, reason = "OTLP alone has it")
    )]
    resource: Resource,
    log: Log,
    /// Of the folder and of the receiver: what was wrong the last time.
    troubles: [bool; 2],
}

impl Outlets {
    fn new(ebpf: &EbpfSettings, settings: &Settings, log: &Log) -> Result<Self, InitError> {
        #[cfg(not(any(feature = "otlp-http", feature = "otlp-grpc")))]
        if ebpf.otlp_profiles {
            return Err(InitError::FeatureMissing {
                argument: "otlp_profiles",
                feature: "otlp-http",
            });
        }
        Ok(Self {
            folder: ebpf.profile_folder.clone(),
            #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
            sender: sender(ebpf, settings, log)?,
            resource: settings.resource.clone(),
            log: log.clone(),
            troubles: [false; 2],
        })
    }

    fn are_none(&self) -> bool {
        #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
        if self.sender.is_some() {
            return false;
        }
        self.folder.is_none()
    }

    fn export(&mut self, handle: &EbpfHandle) {
        if let Some(folder) = &self.folder
            && let Some(profile) = handle.profile()
        {
            let outcome = profile.write_to(folder).map(drop);
            let outcome = outcome.map_err(|error| error.to_string());
            let place = folder.display().to_string();
            self.say(0, &place, outcome);
        }
        #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
        if let Some(sender) = &self.sender
            && let Some(news) = handle.profile_news()
            && !news.is_empty()
        {
            let outcome = sender.send(news.to_otlp(&self.resource));
            let place = sender.endpoint().to_owned();
            self.say(1, &place, outcome);
        }
    }

    /// Says once that it goes wrong, and once that it goes right again.
    fn say(&mut self, outlet: usize, place: &str, outcome: Result<(), String>) {
        let was_wrong = std::mem::replace(&mut self.troubles[outlet], outcome.is_err());
        match outcome {
            Err(error) if !was_wrong => self.log.report(
                ReportKind::Notice,
                format!("profiles do not get to {place}: {error}"),
            ),
            Ok(()) if was_wrong => self
                .log
                .report(ReportKind::Notice, format!("profiles get to {place} again")),
            _ => {}
        }
    }
}

#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
fn sender(
    ebpf: &EbpfSettings,
    settings: &Settings,
    log: &Log,
) -> Result<Option<ProfileSender>, InitError> {
    use crate::config::ExporterKind;
    if !ebpf.otlp_profiles {
        return Ok(None);
    }
    let endpoint = ebpf.profiles_endpoint.as_deref();
    if endpoint.is_none() && !settings.exporters.contains(&ExporterKind::Otlp) {
        return Err(InitError::InvalidArgument {
            argument: "otlp_profiles",
            value: "beside an exporter that is not OTLP".to_owned(),
            expected: "an OTLP exporter, whose destination is known, or `profiles_endpoint`"
                .to_owned(),
        });
    }
    match ProfileSender::new(settings.otlp.clone(), endpoint, log.clone()) {
        Ok(sender) => Ok(Some(sender)),
        // Said in code, it is a mistake there.
        Err(error) if endpoint.is_some() => Err(error),
        // Where spans go may come from the environment, which never stops a service.
        Err(error) => {
            log.report(
                ReportKind::Diagnostic,
                format!("profiles are not sent: {error}"),
            );
            Ok(None)
        }
    }
}
