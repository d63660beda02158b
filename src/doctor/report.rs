//! One look at this host, from the first measurement to the findings.

use std::io;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::capacity::{Capacity, Search, capacity};
use super::findings::{Finding, Level, findings};
use super::timing::{ClockFacts, Gaps, Wakeups, clock, gaps, wakeups};
use crate::os::{self, Machine, TimeWaitReuse};
use crate::run::SystemLimits;

/// Version of the report: `major.minor`; minor versions only add keys.
const VERSION: &str = "1.0";

/// Share of the time a busy thread may lose before its machine counts as used by others.
const DISTURBED_SHARE: f64 = 0.05;

/// How much time a look may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// About half a minute: the result is worth keeping.
    Full,
    /// A few seconds: to see that everything works.
    Quick,
}

impl Budget {
    fn wakeups(self) -> usize {
        match self {
            Self::Full => 1_000,
            Self::Quick => 50,
        }
    }

    fn gaps(self) -> Duration {
        Duration::from_millis(match self {
            Self::Full => 1_000,
            Self::Quick => 50,
        })
    }

    /// From 10,000/s up, which every machine of this decade sends; a single core that sends
    /// 320,000/s has not been seen.
    fn one_worker(self) -> Search {
        let search = Search {
            first: 10_000.0,
            bottom: 500.0,
            top: 320_000.0,
            refinements: 3,
            length_s: 1.0,
        };
        match self {
            Self::Full => search,
            Self::Quick => {
                Search { first: 2_000.0, top: 4_000.0, refinements: 0, length_s: 0.2, ..search }
            }
        }
    }

    /// From what one worker held, up to as much for each of the others.
    fn all_workers(self, one: f64, workers: u32) -> Search {
        let top = one * f64::from(workers);
        Search { first: one, bottom: one, top, refinements: 2, ..self.one_worker() }
    }
}

/// What the system allows.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Limits {
    /// Processors this process may use.
    pub cores: u32,
    /// Open files of this process.
    pub open_files: Option<u64>,
    /// Local ports for one source and target address.
    pub ports: Option<u32>,
    /// Whether ports of closed connections inside this machine are used again early.
    pub ports_are_reused_on_loopback: bool,
    /// Whether ports of all closed connections are used again early.
    pub ports_are_reused: bool,
    /// Connections a listener may hold before they are accepted.
    pub listen_backlog: Option<u32>,
    /// Memory that can be had without swapping.
    pub memory_available_bytes: Option<u64>,
    /// Processors' worth of time the control group's quota allows.
    pub cpu_quota: Option<f64>,
    /// How the processors' frequency is chosen.
    pub cpu_governor: Option<String>,
    /// What the kernel reads the time from.
    pub clock_source: Option<String>,
}

impl Limits {
    fn read() -> Self {
        let SystemLimits { open_files, network } = SystemLimits::raise_and_read();
        let Machine { memory_available_bytes, cpu_quota, cpu_governor, clock_source } =
            os::machine();
        Self {
            cores: os::cores(),
            open_files,
            ports: network.ports,
            ports_are_reused_on_loopback: network.reuse != TimeWaitReuse::Never,
            ports_are_reused: network.reuse == TimeWaitReuse::Always,
            listen_backlog: network.listen_backlog,
            memory_available_bytes,
            cpu_quota,
            cpu_governor,
            clock_source,
        }
    }
}

/// What was found out about this host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Version of the report.
    pub schema_version: String,
    /// Version of `gen`.
    pub gen_version: String,
    /// Host name.
    pub host: String,
    /// Operating system and architecture.
    pub system: String,
    /// Whether runs are possible.
    pub usable: bool,
    /// The clock.
    pub clock: ClockFacts,
    /// Wake-ups; absent when no timer could be made.
    pub wakeups: Option<Wakeups>,
    /// The noise floor.
    pub gaps: Gaps,
    /// What the system allows.
    pub limits: Limits,
    /// What one worker can send; absent when a run failed.
    pub one_worker: Option<Capacity>,
    /// What a worker on each processor can send; absent with one processor.
    pub all_workers: Option<Capacity>,
    /// A line for each thing, with what to do about it.
    pub findings: Vec<Finding>,
}

/// Measures this host. Short runs go to the folder `scratch`; `tell` hears what is being done.
///
/// What cannot be measured is a finding, not an error.
pub fn examine(budget: Budget, scratch: &Path, tell: &mut dyn FnMut(&str)) -> Report {
    tell("clock and timers");
    let clock = clock(200_000);
    let wakeups = wakeups(budget.wakeups());
    tell("gaps of a busy thread");
    let gaps = gaps(budget.gaps());
    let limits = Limits::read();
    tell("highest rate of one worker");
    let one_worker = capacity(1, budget.one_worker(), scratch);
    let all_workers = match &one_worker {
        Ok(Capacity { rate: Some(rate), .. }) if limits.cores > 1 => {
            tell("highest rate of all workers");
            Some(capacity(limits.cores, budget.all_workers(*rate, limits.cores), scratch))
        }
        _ => None,
    };
    let mut report = Report::new(clock, gaps, limits);
    let failures = [
        keep(wakeups.map_err(|error: io::Error| error.to_string()), &mut report.wakeups),
        keep(one_worker.map_err(|error| error.to_string()), &mut report.one_worker),
        all_workers
            .and_then(|all| keep(all.map_err(|error| error.to_string()), &mut report.all_workers)),
    ];
    report.findings = findings(&report);
    let failures = failures.into_iter().flatten();
    report.findings.extend(failures.map(|error| Finding::failed(&error)));
    report.usable = report.findings.iter().all(|finding| finding.level != Level::Bad);
    report
}

/// Puts a result in its place, or returns why there is none.
fn keep<T>(result: Result<T, String>, place: &mut Option<T>) -> Option<String> {
    match result {
        Ok(value) => {
            *place = Some(value);
            None
        }
        Err(error) => Some(error),
    }
}

impl Report {
    /// Tells whether the machine was left alone while it was measured: what a disturbed one
    /// sends says little about the next run.
    pub fn was_quiet(&self) -> bool {
        self.gaps.lost_share <= DISTURBED_SHARE
    }

    pub(super) fn new(clock: ClockFacts, gaps: Gaps, limits: Limits) -> Self {
        let host = os::host();
        Self {
            schema_version: VERSION.to_owned(),
            gen_version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host.name,
            system: format!("{} {}", host.os, host.arch),
            usable: true,
            clock,
            wakeups: None,
            gaps,
            limits,
            one_worker: None,
            all_workers: None,
            findings: Vec::new(),
        }
    }
}
