//! Why the generator was late: what its vital signs say about the seconds in which it was.
//!
//! A thread that is late either worked, or wanted to work and could not, or did not want to.
//! With E the length of a second as it was recorded, L the greatest lag in it (at most E) and
//! H = L/2, at least 5 ms, the first line that holds names the cause:
//!
//! | cause | holds when |
//! |---|---|
//! | quota | the control group's quota held its threads for ≥ H |
//! | steal | the machine's host took ≥ H of processor time |
//! | memory | ≥ 20 pages came back from a disk |
//! | displaced | a worker was ready and had no processor for ≥ H, or for ≥ E/5 while it worked or waited ≥ 95 % of E |
//! | worker_full | a worker worked or waited ≥ 95 % of E |
//! | writer | rows were kept because the writer took no more |
//! | stopped | L ≥ 20 ms, and no worker worked or waited for ≥ L/2 of E |
//! | timer | L < 20 ms, and the same |
//!
//! Spinning before an intended start is no work. Halves, because a second holds other things
//! than its worst delay; 5 ms, because the short waits of an ordinary second add up to a few.
//! A second whose line is missing or empty has no cause: nothing is
//! guessed.

use std::collections::BTreeMap;

use openload_contract::monitor::Vitals;
use openload_contract::summary::LateCause;

use crate::numeric::{SECOND_NS, ns_to_ms};

/// A second in which a worker had no more to give.
pub const FULL_SHARE: f64 = 0.95;
/// Share of a full second from which waiting is the cause and not the company of work.
const DISPLACED_SHARE: f64 = 0.2;
/// Waits that thousands of ordinary wake-ups a second add up to.
const ORDINARY_NS: i64 = 5_000_000;
/// Pages from a disk take from a tenth of a millisecond to ten.
const FAULTS_MIN: u64 = 20;
/// Timers of a healthy machine are never this late.
const STOPPED_MIN_NS: i64 = 20_000_000;
/// A cause of fewer late arrivals than this is not worth a word.
const SHARE_MIN: f64 = 0.1;

/// Late arrivals of one second of intended time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LateSecond {
    /// How many arrivals were late.
    pub arrivals: u64,
    /// The greatest lag.
    pub lag_max_ns: i64,
}

/// What the advice depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Worker threads.
    pub workers: u32,
    /// Processors the process may use.
    pub cores: u32,
}

/// Names the causes of lateness, the most frequent first.
pub fn causes(
    vitals: &[Vitals],
    late: &BTreeMap<u64, LateSecond>,
    setting: Setting,
) -> Vec<LateCause> {
    let all: u64 = late.values().map(|second| second.arrivals).sum();
    let mut found: BTreeMap<Cause, Evidence> = BTreeMap::new();
    for (&second, &one) in late {
        let line = line_of(vitals, second);
        if let Some((cause, line)) = line.and_then(|line| Some((cause_of(&line, one)?, line))) {
            found.entry(cause).or_default().add(second, one, line);
        }
    }
    let mut found: Vec<(Cause, Evidence)> = found.into_iter().collect();
    found.retain(|(_, evidence)| evidence.arrivals as f64 >= SHARE_MIN * all as f64);
    found.sort_by_key(|(_, evidence)| std::cmp::Reverse(evidence.arrivals));
    found.iter().map(|(cause, evidence)| cause.report(evidence, all, setting)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Quota,
    Steal,
    Memory,
    Displaced,
    WorkerFull,
    Writer,
    Stopped,
    Timer,
}

/// A recorded second and its length.
#[derive(Debug, Clone, Copy)]
struct Line {
    vitals: Vitals,
    elapsed_ns: i64,
}

impl Line {
    /// Time the busiest worker worked; spinning left out.
    fn busy_ns(&self) -> Option<i64> {
        self.vitals.worker_busy_max_ns.or(self.vitals.worker_cpu_max_ns)
    }
}

/// The late arrivals of one cause, and the second that has most of them.
#[derive(Debug, Clone, Copy, Default)]
struct Evidence {
    arrivals: u64,
    worst: Option<(u64, LateSecond, Line)>,
}

impl Evidence {
    fn add(&mut self, second: u64, late: LateSecond, line: Line) {
        self.arrivals += late.arrivals;
        if self.worst.is_none_or(|(_, worst, _)| late.arrivals > worst.arrivals) {
            self.worst = Some((second, late, line));
        }
    }
}

/// The line whose time holds the middle of a second.
fn line_of(vitals: &[Vitals], second: u64) -> Option<Line> {
    let middle_ns = i64::try_from(second).ok()? * SECOND_NS + SECOND_NS / 2;
    let next = vitals.partition_point(|line| line.t_ns <= middle_ns);
    let start_ns = next.checked_sub(1).map_or(0, |before| vitals[before].t_ns);
    let vitals = *vitals.get(next)?;
    Some(Line { vitals, elapsed_ns: vitals.t_ns - start_ns })
}

fn cause_of(line: &Line, late: LateSecond) -> Option<Cause> {
    let Line { vitals, elapsed_ns } = line;
    let half_ns = late.lag_max_ns.min(*elapsed_ns) / 2;
    let explains = |ns: Option<i64>| ns.is_some_and(|ns| ns >= half_ns.max(ORDINARY_NS));
    if explains(vitals.throttled_ns) {
        return Some(Cause::Quota);
    }
    if explains(vitals.steal_ns) {
        return Some(Cause::Steal);
    }
    if vitals.major_faults.is_some_and(|pages| pages >= FAULTS_MIN) {
        return Some(Cause::Memory);
    }
    let busy_ns = line.busy_ns()?;
    let wait_ns = vitals.worker_wait_max_ns.unwrap_or(0);
    let share = |ns: i64| ns as f64 / *elapsed_ns as f64;
    let is_full = share(busy_ns + wait_ns) >= FULL_SHARE;
    if explains(vitals.worker_wait_max_ns) || (is_full && share(wait_ns) >= DISPLACED_SHARE) {
        return Some(Cause::Displaced);
    }
    if is_full {
        return Some(Cause::WorkerFull);
    }
    if vitals.rows_kept.is_some_and(|rows| rows > 0) {
        return Some(Cause::Writer);
    }
    // Without the time spent waiting, standing still looks like waiting.
    vitals.worker_wait_max_ns?;
    let is_idle = elapsed_ns - busy_ns - wait_ns >= half_ns;
    let standstill = if late.lag_max_ns >= STOPPED_MIN_NS { Cause::Stopped } else { Cause::Timer };
    is_idle.then_some(standstill)
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Steal => "steal",
            Self::Memory => "memory",
            Self::Displaced => "displaced",
            Self::WorkerFull => "worker_full",
            Self::Writer => "writer",
            Self::Stopped => "stopped",
            Self::Timer => "timer",
        }
    }

    fn report(self, evidence: &Evidence, all: u64, setting: Setting) -> LateCause {
        let detail = evidence.worst.map(|(second, late, line)| self.detail(second, late, &line));
        LateCause {
            cause: self.name().to_owned(),
            late_arrivals: evidence.arrivals,
            share: evidence.arrivals as f64 / all.max(1) as f64,
            detail: detail.unwrap_or_default(),
            advice: self.advice(setting),
        }
    }

    fn detail(self, second: u64, late: LateSecond, line: &Line) -> String {
        let vitals = &line.vitals;
        let ms = |ns: Option<i64>| format!("{:.0} ms", ns_to_ms(ns.unwrap_or(0)));
        let lag_ms = ns_to_ms(late.lag_max_ns);
        match self {
            Self::Quota => format!(
                "the processor quota of its control group held gen up for {} in second {second}",
                ms(vitals.throttled_ns)
            ),
            Self::Steal => format!(
                "the host of this virtual machine gave {} of its processor time in second \
                 {second} to others (steal)",
                ms(vitals.steal_ns)
            ),
            Self::Memory => format!(
                "memory was short: {} pages had to come back from a disk in second {second}",
                vitals.major_faults.unwrap_or(0)
            ),
            Self::Displaced => format!(
                "a worker was ready to run and had no processor for {} of second {second}: other \
                 programs had it, or gen's other threads (the built-in target is one; they used {})",
                ms(vitals.worker_wait_max_ns),
                ms(vitals.other_cpu_ns)
            ),
            Self::WorkerFull => format!(
                "a worker's core was full: it worked {:.0} % of second {second}",
                100.0 * line.busy_ns().unwrap_or(0) as f64 / line.elapsed_ns as f64
            ),
            Self::Writer => format!(
                "the writer of the samples was behind: {} rows waited with the workers in second \
                 {second}",
                vitals.rows_kept.unwrap_or(0)
            ),
            Self::Stopped => format!(
                "gen stood still for {lag_ms:.0} ms in second {second} and wanted no processor: \
                 stopped (SIGSTOP, a debugger), or its machine was paused"
            ),
            Self::Timer => format!(
                "wake-ups were up to {lag_ms:.1} ms late in second {second} although a processor \
                 was free"
            ),
        }
    }

    fn advice(self, Setting { workers, cores }: Setting) -> String {
        let advice = match self {
            Self::Quota => "raise the quota (cpu.max, the container's limit) or lower the rate",
            Self::Steal => "use a machine whose processors are not shared",
            Self::Memory => "free memory, or turn swap off",
            Self::Displaced => "give gen cores of its own: nothing else on them, fewer --workers",
            Self::WorkerFull if workers < cores => {
                return format!("use --workers {} or fewer requests per second", workers + 1);
            }
            Self::WorkerFull => "send fewer requests per second, or use more machines (--shard)",
            Self::Writer => "use a faster disk (--out) or leave a core to the writer",
            Self::Stopped => "leave gen running and run again",
            Self::Timer => "see gen doctor for this machine's timers; --pacing busy needs none",
        };
        advice.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use openload_contract::monitor::Vitals;
    use openload_contract::summary::LateCause;

    use super::{LateSecond, Setting, causes};

    const MS: i64 = 1_000_000;

    /// Ten quiet seconds: a worker that works a tenth of the time and spins another.
    fn quiet() -> Vec<Vitals> {
        let line = |second: i64| Vitals {
            t_ns: second * 1_000 * MS,
            worker_cpu_max_ns: Some(200 * MS),
            worker_busy_max_ns: Some(100 * MS),
            worker_wait_max_ns: Some(2 * MS),
            writer_cpu_ns: Some(10 * MS),
            other_cpu_ns: Some(50 * MS),
            rows_kept: Some(0),
            rows_queued: Some(300),
            major_faults: Some(0),
            throttled_ns: Some(0),
            steal_ns: Some(0),
            ..Vitals::default()
        };
        (1..=10).map(line).collect()
    }

    /// The causes of a hundred arrivals of second 4 that were up to `lag_ms` late, when that
    /// second's line is as `change` makes it.
    fn found(lag_ms: i64, change: impl Fn(&mut Vitals)) -> Vec<LateCause> {
        let mut vitals = quiet();
        change(&mut vitals[4]);
        let late = BTreeMap::from([(4, LateSecond { arrivals: 100, lag_max_ns: lag_ms * MS })]);
        causes(&vitals, &late, Setting { workers: 1, cores: 2 })
    }

    #[track_caller]
    fn expect(found: &[LateCause], cause: &str, said: &str) {
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].cause.as_str(), found[0].late_arrivals), (cause, 100), "{found:?}");
        assert_eq!(found[0].share, 1.0);
        let text = format!("{}; {}", found[0].detail, found[0].advice);
        assert!(text.contains(said) && text.contains("second"), "{text}");
    }

    #[test]
    fn a_full_worker() {
        let full = found(800, |line| {
            line.worker_cpu_max_ns = Some(985 * MS);
            line.worker_busy_max_ns = Some(980 * MS);
        });
        expect(&full, "worker_full", "98 %");
        expect(&full, "worker_full", "use --workers 2 or fewer requests per second");
    }

    /// `--pacing busy` uses the whole core and works little of it.
    #[test]
    fn a_worker_that_spins_is_not_full() {
        let spinning = found(3, |line| line.worker_cpu_max_ns = Some(1_000 * MS));
        expect(&spinning, "timer", "--pacing busy");
    }

    #[test]
    fn a_host_that_steals() {
        expect(&found(300, |line| line.steal_ns = Some(290 * MS)), "steal", "290 ms");
    }

    #[test]
    fn other_programs_on_the_core() {
        let displaced = found(40, |line| line.worker_wait_max_ns = Some(35 * MS));
        expect(&displaced, "displaced", "35 ms");
        // Half of the time for a whole second: neither figure is large beside the other.
        let shared = found(5_000, |line| {
            line.worker_busy_max_ns = Some(550 * MS);
            line.worker_wait_max_ns = Some(430 * MS);
        });
        expect(&shared, "displaced", "cores of its own");
    }

    #[test]
    fn a_stopped_process() {
        expect(&found(300, |_| {}), "stopped", "SIGSTOP");
        // The line of the second is itself late when the stop goes over its end.
        let late = found(1_400, |line| line.t_ns += 600 * MS);
        expect(&late, "stopped", "1400 ms");
    }

    #[test]
    fn a_late_timer() {
        expect(&found(4, |_| {}), "timer", "4.0 ms");
    }

    #[test]
    fn a_writer_that_is_behind() {
        expect(&found(100, |line| line.rows_kept = Some(40_000)), "writer", "40000 rows");
    }

    #[test]
    fn memory_that_is_short() {
        expect(&found(100, |line| line.major_faults = Some(250)), "memory", "250 pages");
    }

    #[test]
    fn a_quota() {
        expect(&found(100, |line| line.throttled_ns = Some(90 * MS)), "quota", "cpu.max");
    }

    #[test]
    fn nothing_is_guessed_without_a_record() {
        assert_eq!(found(300, |line| *line = Vitals { t_ns: line.t_ns, ..Vitals::default() }), []);
        let late = BTreeMap::from([(40, LateSecond { arrivals: 1, lag_max_ns: 300 * MS })]);
        assert_eq!(causes(&quiet(), &late, Setting { workers: 1, cores: 2 }), []);
        assert_eq!(causes(&[], &late, Setting { workers: 1, cores: 2 }), []);
    }

    #[test]
    fn the_most_frequent_cause_comes_first_and_rare_ones_are_left_out() {
        let mut vitals = quiet();
        vitals[2].steal_ns = Some(900 * MS);
        vitals[6].major_faults = Some(100);
        let second = |arrivals| LateSecond { arrivals, lag_max_ns: 500 * MS };
        let late = BTreeMap::from([(1, second(5)), (2, second(300)), (6, second(700))]);
        let found = causes(&vitals, &late, Setting { workers: 1, cores: 2 });
        let names: Vec<&str> = found.iter().map(|one| one.cause.as_str()).collect();
        assert_eq!(names, ["memory", "steal"]);
        assert_eq!(found[0].late_arrivals, 700);
    }
}
