//! From figures to words: what is well, what is not, and what to do about it.
//!
//! A limit here is a piece of advice for load tests in general; what a certain run needs is
//! checked again when it starts.

use schemars::JsonSchema;
use serde::Serialize;

use super::capacity::{Capacity, IN_FLIGHT_MAX};
use super::report::{Limits, Report};
use super::timing::{Gaps, Lateness};

/// A reading of the clock through a system call takes this long and more; through shared
/// memory a tenth of it.
const CLOCK_READ_MAX_NS: f64 = 200.0;
const CLOCK_STEP_MAX_NS: i64 = 1_000;
/// A kernel timer that is late by more is on a busy machine or in a deep sleep state.
const KERNEL_P99_MAX_NS: i64 = 500_000;
const SPIN_P99_MAX_NS: i64 = 200_000;
const GAP_MAX_NS: i64 = 1_000_000;
const GAP_SHARE_MAX: f64 = 0.01;
/// Both ends of the default bound of 8,000 requests in flight, and 200 for everything else.
const OPEN_FILES_WANTED: u64 = 16_200;
/// What the short runs above need.
const OPEN_FILES_NEEDED: u64 = 2 * IN_FLIGHT_MAX as u64 + 200;
const PORTS_WANTED: u32 = 20_000;
const BACKLOG_WANTED: u32 = 4_096;
const MEMORY_WANTED_BYTES: u64 = 256 << 20;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Runs are possible and may suffer.
    Warn,
    /// Runs are impossible.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What was looked at.
    pub name: String,
    /// What was found, in words.
    pub value: String,
    /// What to do about it; empty when all is well.
    pub advice: String,
}

impl Finding {
    /// `advice` counts only when `is_well` does not hold.
    fn new(name: &str, value: String, is_well: bool, advice: &str) -> Self {
        Self {
            level: if is_well { Level::Ok } else { Level::Warn },
            name: name.to_owned(),
            value,
            advice: if is_well { String::new() } else { advice.to_owned() },
        }
    }

    /// A measurement that could not be made.
    pub(super) fn failed(error: &str) -> Self {
        Self {
            level: Level::Bad,
            name: "measuring".to_owned(),
            value: "failed".to_owned(),
            advice: error.to_owned(),
        }
    }
}

/// Judges everything that was measured, in the order of the report.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let mut found = vec![clock(report)];
    if let Some(wakeups) = &report.wakeups {
        found.push(runtime_timer(&wakeups.runtime));
        found.push(kernel_timer(&wakeups.kernel));
        found.push(spin(&wakeups.spin));
    }
    found.push(gaps(&report.gaps));
    found.push(processors(&report.limits));
    found.extend(governor(&report.limits));
    found.extend(memory(&report.limits));
    found.extend(open_files(&report.limits));
    found.extend(ports(&report.limits));
    found.extend(backlog(&report.limits));
    let capacities = [&report.one_worker, &report.all_workers];
    found.extend(capacities.into_iter().flatten().map(highest_rate));
    found
}

fn clock(report: &Report) -> Finding {
    let clock = &report.clock;
    let source = report.limits.clock_source.as_deref().unwrap_or("unknown");
    Finding::new(
        "clock",
        format!(
            "{:.0} ns a reading, steps of {} ns (source {source})",
            clock.read_ns, clock.resolution_ns
        ),
        clock.read_ns <= CLOCK_READ_MAX_NS && clock.resolution_ns <= CLOCK_STEP_MAX_NS,
        "a slow clock costs every request: choose tsc or the hypervisor's clock \
         (/sys/devices/system/clocksource/clocksource0/current_clocksource)",
    )
}

fn runtime_timer(late: &Lateness) -> Finding {
    Finding::new("runtime timer", lateness(late), true, "")
}

fn kernel_timer(late: &Lateness) -> Finding {
    let advice = "the machine is busy or sleeps deeply: leave it to gen, or see processor sleep \
                  states (cpupower idle-set -D 50)";
    Finding::new("kernel timer", lateness(late), late.p99_ns <= KERNEL_P99_MAX_NS, advice)
}

fn spin(late: &Lateness) -> Finding {
    let advice = "schedule lag will be no better than this: give gen a core that nothing else uses";
    Finding::new("timer and spin", lateness(late), late.p99_ns <= SPIN_P99_MAX_NS, advice)
}

fn lateness(late: &Lateness) -> String {
    format!(
        "late by p50 {}, p99 {}, at most {}",
        micros(late.p50_ns),
        micros(late.p99_ns),
        micros(late.max_ns)
    )
}

fn micros(ns: i64) -> String {
    match ns {
        ..10_000 => format!("{:.1} µs", ns as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} µs", ns as f64 / 1e3),
        _ => format!("{:.1} ms", ns as f64 / 1e6),
    }
}

fn gaps(gaps: &Gaps) -> Finding {
    Finding::new(
        "busy thread",
        format!(
            "{:.0} gaps a second, longest {}, {:.2} % of the time lost",
            gaps.per_s,
            micros(gaps.longest_ns),
            100.0 * gaps.lost_share
        ),
        gaps.longest_ns <= GAP_MAX_NS && gaps.lost_share <= GAP_SHARE_MAX,
        "others use this machine's processors: the noise floor of every measurement here",
    )
}

fn processors(limits: &Limits) -> Finding {
    let quota = limits.cpu_quota.map(|quota| format!(", quota of {quota:.1}")).unwrap_or_default();
    Finding::new(
        "processors",
        format!("{}{quota}", limits.cores),
        limits.cpu_quota.is_none(),
        "a quota stops gen in the middle of a burst: give the container whole processors \
         (cpuset) instead",
    )
}

fn governor(limits: &Limits) -> Option<Finding> {
    let governor = limits.cpu_governor.as_ref()?;
    let advice = "clock frequency follows the load: cpupower frequency-set -g performance";
    Some(Finding::new("governor", governor.clone(), governor == "performance", advice))
}

fn memory(limits: &Limits) -> Option<Finding> {
    let bytes = limits.memory_available_bytes?;
    let value = format!("{} MiB available", bytes >> 20);
    let advice = "free some: a generator that swaps is late";
    Some(Finding::new("memory", value, bytes >= MEMORY_WANTED_BYTES, advice))
}

fn open_files(limits: &Limits) -> Option<Finding> {
    let files = limits.open_files?;
    let value = format!(
        "{files}: {} connections, {} to the built-in target",
        files.saturating_sub(200),
        files.saturating_sub(200) / 2
    );
    let advice = format!("ulimit -n {OPEN_FILES_WANTED} or more (nofile in limits.conf)");
    let mut finding = Finding::new("open files", value, files >= OPEN_FILES_WANTED, &advice);
    if files < OPEN_FILES_NEEDED {
        finding.level = Level::Bad;
    }
    Some(finding)
}

fn ports(limits: &Limits) -> Option<Finding> {
    let ports = limits.ports?;
    let reuse = match (limits.ports_are_reused, limits.ports_are_reused_on_loopback) {
        (true, _) => "used again after 1 s",
        (false, true) => "used again after 60 s, on loopback after 1 s",
        (false, false) => "used again after 60 s",
    };
    let value = format!("{ports} for one target, {reuse}");
    let advice = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"";
    Some(Finding::new("local ports", value, ports >= PORTS_WANTED, advice))
}

fn backlog(limits: &Limits) -> Option<Finding> {
    let backlog = limits.listen_backlog?;
    let advice = format!("for the built-in target: sysctl -w net.core.somaxconn={BACKLOG_WANTED}");
    let value = format!("{backlog} connections");
    Some(Finding::new("listen backlog", value, backlog >= BACKLOG_WANTED, &advice))
}

fn highest_rate(capacity: &Capacity) -> Finding {
    let name = if capacity.workers == 1 { "one worker" } else { "all workers" }.to_owned();
    match capacity.rate {
        Some(rate) => {
            let held = capacity.trials.iter().filter(|trial| trial.is_held());
            let lag_ns = held.filter(|trial| trial.rate == rate).map(|trial| trial.lag.p99_ns);
            let lag = micros(lag_ns.min().unwrap_or(0));
            let value =
                format!("{rate:.0}/s on time ({} threads, lag p99 {lag})", capacity.workers);
            Finding::new(&name, value, true, "")
        }
        None => {
            let least = capacity.trials.iter().map(|trial| trial.rate).fold(f64::MAX, f64::min);
            let value = format!("not even {least:.0}/s on time");
            Finding::new(&name, value, false, "runs will be invalid: leave this machine to gen")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::timing::{ClockFacts, Gaps, Lateness, Wakeups};
    use super::{Capacity, Finding, Level, Limits, Report, findings, micros};

    fn report() -> Report {
        let limits = Limits {
            cores: 4,
            open_files: Some(65_536),
            ports: Some(28_232),
            ports_are_reused_on_loopback: true,
            ports_are_reused: false,
            listen_backlog: Some(4_096),
            memory_available_bytes: Some(8 << 30),
            cpu_quota: None,
            cpu_governor: Some("performance".to_owned()),
            clock_source: Some("tsc".to_owned()),
        };
        let late = Lateness { count: 9, p50_ns: 900, p99_ns: 60_000, max_ns: 2_000_000 };
        let clock = ClockFacts { read_ns: 22.0, resolution_ns: 20 };
        let mut report = Report::new(clock, Gaps::default(), limits);
        report.wakeups = Some(Wakeups { runtime: late, kernel: late, spin: late });
        report.one_worker = Some(Capacity { workers: 1, rate: Some(80_000.0), trials: Vec::new() });
        report
    }

    fn of(report: &Report, name: &str) -> Finding {
        findings(report).into_iter().find(|finding| finding.name == name).unwrap()
    }

    #[test]
    fn a_good_host_is_well_throughout() {
        for finding in findings(&report()) {
            assert_eq!(finding.level, Level::Ok, "{finding:?}");
            assert_eq!(finding.advice, "");
        }
        assert!(of(&report(), "one worker").value.starts_with("80000/s"));
    }

    #[test]
    fn what_is_not_well_comes_with_a_remedy() {
        let mut bad = report();
        bad.limits.open_files = Some(1_024);
        bad.limits.cpu_quota = Some(1.5);
        bad.limits.cpu_governor = Some("powersave".to_owned());
        bad.gaps.longest_ns = 8_000_000;
        bad.one_worker = Some(Capacity { workers: 1, rate: None, trials: Vec::new() });
        for name in ["open files", "processors", "governor", "busy thread", "one worker"] {
            let finding = of(&bad, name);
            assert_eq!(finding.level, Level::Warn, "{finding:?}");
            assert!(!finding.advice.is_empty(), "{finding:?}");
        }
        bad.limits.open_files = Some(256);
        assert_eq!(of(&bad, "open files").level, Level::Bad);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(micros(1_240), "1.2 µs");
        assert_eq!(micros(124_000), "124 µs");
        assert_eq!(micros(12_400_000), "12.4 ms");
    }
}
