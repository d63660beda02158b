//! Starting the threads of a run, watching it, and closing its books.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openload_contract::manifest::TimelineRecord;
use openload_contract::{Manifest, RunStatus, TimelineDigest};
use openload_samples::Rotation;
use openload_traces::TraceError;

use super::guard::{Cause, Guard};
use super::limits::{self, SystemLimits};
use super::monitor::{Monitor, TargetMemory, Watched};
use super::route::Route;
use super::thread::WorkerThread;
use super::threads::WORKER;
use super::{RunError, RunSettings, directory, manifest};
use crate::clock::{Epoch, UnixClock, nanos};
use crate::dispatch::{
    FailureKind, Failures, Gauges, PREWARM_STEP_NS, RowCodes, StopLevel, StopSignal, WorkerReport,
};
use crate::os;
use crate::plan::{Plan, TargetAddress};
use crate::replay::{self, Feed, Renderer};
use crate::schedule::LaneSet;
use crate::sink::{Live, LiveFigures, Watcher, Writer, WriterReport, WriterSetup};
use crate::target::{RunningTarget, Target};

/// Time between the last preparation that may take long and the run's start: the files are
/// made and the threads get ready in it.
const HEAD_START: Duration = Duration::from_millis(100);

/// A run under way.
pub struct RunHandle {
    run_dir: PathBuf,
    manifest: Manifest,
    epoch: Epoch,
    stop: StopSignal,
    /// Why a missed objective ended the run, once one has.
    cause: Cause,
    gauges: Vec<Arc<Gauges>>,
    live: Live,
    workers: Vec<JoinHandle<Result<WorkerReport, RunError>>>,
    writer: Writer,
    monitor: Monitor,
    target: Option<RunningTarget>,
    warnings: Vec<String>,
}

/// Where a run is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Time since the run's start; negative before it.
    pub now_ns: i64,
    /// Arrivals taken up so far.
    pub dispatched: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Figures of the rows since the last look.
    pub recent: LiveFigures,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// Run directory.
    pub run_dir: PathBuf,
    /// How far the run got.
    pub status: RunStatus,
    /// Whether a missed objective ended it.
    pub is_aborted: bool,
    /// Arrivals dispatched, each with its row.
    pub arrivals: u64,
    /// Why requests failed, most frequent first.
    pub failures: Vec<FailureKind>,
}

/// Prepares and starts a run.
///
/// # Errors
/// When anything is wrong that can be known before the first request leaves.
pub fn start(mut plan: Plan, settings: RunSettings) -> Result<RunHandle, RunError> {
    replay::prepare(&mut plan)?;
    let share = LaneSet::of_worker(settings.shard, 0, 1).share();
    let warnings = limits::fit(&mut plan, share, &SystemLimits::raise_and_read())?;
    settings.leave_worker_cpus();
    let target = start_embedded(&plan)?;
    let route = Arc::new(Route::new(&plan, target.as_ref()));
    plan.connection.protocol = route.check(&plan)?;
    let feeds = start_feeds(&plan, &settings)?;
    directory::create(&settings.run_dir)?;
    let (epoch, start_at) = choose_start(settings.start_at, plan.connection.prewarm);
    if let Some(target) = &target {
        target.count_from(epoch);
    }
    let manifest = manifest::describe(&plan, &settings, start_at);
    directory::write_manifest(&settings.run_dir, &manifest)?;
    let stop = StopSignal::default();
    let (_, names) = RowCodes::new(&plan);
    let mut guard = Guard::new(&plan, stop.clone());
    let cause = guard.as_ref().map(Guard::cause).unwrap_or_default();
    let writer_setup = WriterSetup {
        run_dir: settings.run_dir.clone(),
        shard: settings.shard,
        workers: settings.workers,
        names,
        notes: notes(&manifest),
        rotation: Rotation::default(),
        epoch,
        watcher: guard
            .take()
            .map(|mut guard| -> Watcher { Box::new(move |chunk| guard.add(chunk)) }),
    };
    let samples_error = |source| RunError::Samples { run_dir: settings.run_dir.clone(), source };
    let writer = Writer::start(writer_setup, stop.clone()).map_err(samples_error)?;
    let gauges: Vec<Arc<Gauges>> = (0..settings.workers).map(|_| Arc::default()).collect();
    let watched = Watched {
        target_memory: target_memory(target.as_ref(), plan.target_pid),
        gauges: gauges.clone(),
        backlog: writer.backlog(),
    };
    let monitor = Monitor::start(&settings.run_dir, epoch, watched)?;
    let plan = Arc::new(plan);
    let mut handle = RunHandle {
        run_dir: settings.run_dir.clone(),
        manifest,
        epoch,
        stop,
        cause,
        gauges,
        live: writer.live(),
        workers: Vec::new(),
        writer,
        monitor,
        target,
        warnings,
    };
    for (worker, feed) in (0..settings.workers).zip(feeds) {
        handle.start_worker(worker, &plan, &route, &settings, feed)?;
    }
    Ok(handle)
}

/// The run's start on both clocks.
fn choose_start(start_at: Option<SystemTime>, prewarm: u32) -> (Epoch, SystemTime) {
    let clock = UnixClock::new();
    let head_start_ns = nanos(HEAD_START) + 2 * PREWARM_STEP_NS * i64::from(prewarm);
    let soonest_ns = clock.now_unix_ns() + head_start_ns;
    let wanted_ns = start_at.and_then(|start| start.duration_since(UNIX_EPOCH).ok()).map(nanos);
    let start_ns = wanted_ns.map_or(soonest_ns, |wanted_ns| wanted_ns.max(soonest_ns));
    let start_at = UNIX_EPOCH + Duration::from_nanos(start_ns.unsigned_abs());
    (clock.epoch_at(start_ns), start_at)
}

fn start_embedded(plan: &Plan) -> Result<Option<RunningTarget>, RunError> {
    if plan.target != TargetAddress::Embedded {
        return Ok(None);
    }
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Ok(Some(Target::start(plan.embedded.clone(), any_port, None)?))
}

/// Reads the first recorded arrivals of each worker.
fn start_feeds(plan: &Plan, settings: &RunSettings) -> Result<Vec<Option<Feed>>, RunError> {
    let start = |worker| {
        let lanes = LaneSet::of_worker(settings.shard, worker, settings.workers);
        Ok(Feed::start(plan, Renderer::new(plan)?, lanes)?)
    };
    (0..settings.workers).map(start).collect()
}

/// How the target's memory is read. The built-in target shares this process with the generator,
/// whose memory is not the target's: it counts as large as the process is before the load, and
/// what it keeps from then on is added.
fn target_memory(embedded: Option<&RunningTarget>, pid: Option<u32>) -> TargetMemory {
    match embedded {
        Some(target) => {
            let (before, kept) = (os::resident_bytes(std::process::id()), target.memory_kept());
            Box::new(move || Some(before? + kept()))
        }
        None => Box::new(move || pid.and_then(os::resident_bytes)),
    }
}

/// Facts for the metadata of every sample file.
fn notes(manifest: &Manifest) -> Vec<(String, String)> {
    let note = |key: &str, value: &str| (format!("openload.{key}"), value.to_owned());
    vec![
        note("gen_version", &manifest.gen_version),
        note("run_id", &manifest.run_id),
        note("profile_name", &manifest.name),
        note("profile_sha256", &manifest.profile_sha256),
        note("seed", &manifest.seed.to_string()),
        note("start_unix_ns", &manifest.start_unix_ns.to_string()),
    ]
}

impl RunHandle {
    fn start_worker(
        &mut self,
        worker: u32,
        plan: &Arc<Plan>,
        route: &Arc<Route>,
        settings: &RunSettings,
        feed: Option<Feed>,
    ) -> Result<(), RunError> {
        let work = WorkerThread {
            plan: Arc::clone(plan),
            route: Arc::clone(route),
            lanes: LaneSet::of_worker(settings.shard, worker, settings.workers),
            epoch: self.epoch,
            pacing: settings.pacing,
            spin_ns: settings.spin_ns(),
            cpu: settings.cpu(worker),
            sink: self.writer.sink(worker),
            gauges: Arc::clone(&self.gauges[worker as usize]),
            stop: self.stop.clone(),
            feed,
        };
        let thread = std::thread::Builder::new()
            .name(format!("{WORKER}{worker}"))
            .spawn(move || work.run())
            .map_err(RunError::Thread)?;
        self.workers.push(thread);
        Ok(())
    }

    /// Asks the workers to stop.
    pub fn stop_signal(&self) -> StopSignal {
        self.stop.clone()
    }

    /// What the user should know about the start, in words.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The manifest as it was written at the start.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Tells where the run is; the recent figures are those since the last call.
    pub fn progress(&self) -> Progress {
        let finished: u64 = self.gauges.iter().map(|gauges| gauges.finished()).sum();
        let dispatched: u64 = self.gauges.iter().map(|gauges| gauges.dispatched()).sum();
        Progress {
            now_ns: self.epoch.elapsed_ns(),
            dispatched,
            in_flight: dispatched.saturating_sub(finished),
            recent: self.live.take(),
        }
    }

    /// Tells whether all workers have ended.
    pub fn is_finished(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the workers and closes the books.
    ///
    /// # Errors
    /// When rows could not be written or a worker failed. What was written is kept.
    pub fn wait(self) -> Result<RunOutcome, RunError> {
        let Self {
            run_dir,
            mut manifest,
            epoch,
            stop,
            cause,
            workers,
            writer,
            monitor,
            target,
            ..
        } = self;
        let reports: Vec<_> = workers.into_iter().map(|worker| join(worker, &stop)).collect();
        manifest.duration_ns = Some(epoch.elapsed_ns());
        drop(monitor);
        let written = writer.finish();
        drop(target);
        let totals = reports.into_iter().collect::<Result<Vec<_>, _>>().map(Totals::new);
        let failure = match &totals {
            Ok(_) => writing_failure(written, &run_dir),
            Err(_) => None,
        };
        let mut totals = totals?;
        let failure = failure.or_else(|| totals.trace_failure.take().map(RunError::Trace));
        totals.enter(&mut manifest, failure.as_ref());
        if let Some(cause) = cause.take()
            && failure.is_none()
            && manifest.status == RunStatus::Interrupted
        {
            (manifest.stopped_because, manifest.is_aborted) = (Some(cause), true);
        }
        let noted = directory::write_manifest(&run_dir, &manifest);
        match failure {
            // A disk that takes no rows may take no manifest either; the rows are the news.
            Some(failure) => Err(failure),
            None => noted.map(|()| RunOutcome {
                run_dir,
                status: manifest.status,
                is_aborted: manifest.is_aborted,
                arrivals: totals.arrivals,
                failures: totals.failures.into_kinds(),
            }),
        }
    }
}

fn join(
    worker: JoinHandle<Result<WorkerReport, RunError>>,
    stop: &StopSignal,
) -> Result<WorkerReport, RunError> {
    let report = worker.join().unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(RunError::Worker { cause: text.unwrap_or("no message").to_owned() })
    });
    if report.is_err() {
        stop.raise(StopLevel::Now);
    }
    report
}

fn writing_failure(written: WriterReport, run_dir: &std::path::Path) -> Option<RunError> {
    let run_dir = run_dir.to_owned();
    match written.error {
        Some(source) => Some(RunError::Samples { run_dir, source }),
        None if written.is_overrun => Some(RunError::Overrun { run_dir }),
        None => None,
    }
}

/// What all workers did together.
struct Totals {
    arrivals: u64,
    digest: TimelineDigest,
    is_interrupted: bool,
    trace_failure: Option<TraceError>,
    failures: Failures,
}

impl Totals {
    fn new(reports: Vec<WorkerReport>) -> Self {
        let mut totals = Self {
            arrivals: 0,
            digest: TimelineDigest::default(),
            is_interrupted: false,
            trace_failure: None,
            failures: Failures::default(),
        };
        for report in reports {
            totals.arrivals += report.arrivals;
            totals.digest.merge(report.digest);
            totals.is_interrupted |= report.is_interrupted;
            totals.trace_failure = totals.trace_failure.take().or(report.failure);
            totals.failures.merge(report.failures);
        }
        totals
    }

    fn enter(&self, manifest: &mut Manifest, failure: Option<&RunError>) {
        let is_whole = !self.is_interrupted && failure.is_none();
        manifest.status = if is_whole { RunStatus::Complete } else { RunStatus::Interrupted };
        manifest.stopped_because = failure.map(ToString::to_string).or_else(|| {
            self.is_interrupted.then(|| "stopped before the end of the timeline".to_owned())
        });
        manifest.timeline =
            Some(TimelineRecord { arrivals: self.arrivals, digest: self.digest.to_string() });
    }
}
