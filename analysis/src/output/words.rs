//! Sentences that the terminal, the report and the build server share.
//!
//! What is said twice must be said alike, so it is said here.

use openload_contract::objective::Unit;
use openload_contract::suite::{RunResult, SuiteRun};
use openload_contract::summary::{CheckLevel, ClosedLoop, GroupSummary, Recovery};
use openload_contract::{ExitCode, RunStatus, Suite, Summary, Verdict};

use super::{escape, number, quantile};

/// Tells how many objectives are met, or why that is not the question.
pub fn score(summary: &Summary) -> String {
    let met = summary.objectives.iter().filter(|result| result.met).count();
    match (summary.verdict, summary.objectives.len()) {
        (Verdict::Invalid, _) => "neither pass nor fail".to_owned(),
        (_, 0) => "no objectives".to_owned(),
        (_, all) => format!("{met} of {all} objectives met"),
    }
}

/// Tells how many runs of a suite passed.
pub fn suite_score(suite: &Suite) -> String {
    let has_passed = |run: &&SuiteRun| run.exit_code() == ExitCode::Passed;
    let passed = suite.runs.iter().filter(has_passed).count();
    format!("{passed} of {} runs passed", suite.runs.len())
}

/// Names what a suite comes to.
pub fn suite_word(suite: &Suite) -> &'static str {
    match suite.worst() {
        ExitCode::Passed => "PASS",
        ExitCode::ObjectivesMissed | ExitCode::Regression => "FAIL",
        ExitCode::Invalid => "INVALID",
        ExitCode::CouldNotRun | ExitCode::Usage => "ERROR",
        ExitCode::Interrupted => "UNFINISHED",
    }
}

/// Names the state of the measurement: `VALID`, `WARN` or `INVALID`.
pub fn measurement_word(summary: &Summary) -> &'static str {
    let has = |level| summary.validity.checks.iter().any(|check| check.level == level);
    if summary.verdict == Verdict::Invalid || !summary.validity.valid {
        "INVALID"
    } else if has(CheckLevel::Warn) {
        "WARN"
    } else {
        "VALID"
    }
}

/// Returns how values of a unit are rendered, with their unit.
pub fn in_unit(unit: Unit) -> fn(f64) -> String {
    match unit {
        Unit::Ms => number::duration_ms,
        Unit::PerSecond => number::per_second,
        Unit::Ratio => number::percent,
    }
}

/// Accounts for every arrival: `scheduled = ok + each kind of failure`.
pub fn fates(group: &GroupSummary) -> String {
    let counts = &group.requests;
    let failures: Vec<(&str, u64)> = by_size(group.errors.by_outcome.iter());
    let known: u64 = failures.iter().map(|(_, count)| count).sum();
    let mut sum =
        format!("scheduled {} = ok {}", number::count(counts.intended), number::count(counts.ok));
    for (name, count) in failures {
        sum.push_str(&format!(" + {} {}", escape::terminal(name), number::count(count)));
    }
    // A sum that does not add up must be seen, not hidden.
    match counts.intended.checked_sub(counts.ok + known) {
        Some(0) => {}
        Some(lost) => sum.push_str(&format!(" + unaccounted {}", number::count(lost))),
        None => sum.push_str(" (does not add up)"),
    }
    sum
}

/// Orders counts by size, the greatest first.
pub fn by_size<'a>(counts: impl Iterator<Item = (&'a String, &'a u64)>) -> Vec<(&'a str, u64)> {
    let mut counts: Vec<_> = counts.map(|(name, count)| (name.as_str(), *count)).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// Tells in a sentence how the target came back after a spike.
pub fn recovery_text(recovery: &Recovery) -> String {
    let mut text = match (recovery.recovery_s, recovery.at_least_s) {
        (Some(0.0), _) => "in band from the end".to_owned(),
        (Some(time), _) => format!("back in band {} after the end", number::duration_s(time)),
        (None, Some(time)) => {
            format!("not recovered, at least {} after the end", number::duration_s(time))
        }
        (None, None) if recovery.band_ms.is_none() => "not measured after the end".to_owned(),
        (None, None) => "not recovered after the end".to_owned(),
    };
    text.push_str(&format!(" of {}", escape::terminal(&recovery.phase)));
    if let Some(band) = recovery.band_ms {
        text.push_str(&format!("; band p95 ≤ {}", number::duration_ms(band)));
    }
    if let Some(peak) = recovery.peak_ms {
        text.push_str(&format!(", peak {}", number::duration_ms(peak)));
    }
    text.push_str(&format!("; backlog peak {}", number::count(recovery.backlog_peak)));
    if let Some(drain) = recovery.drain_s {
        text.push_str(&format!(", drained in {}", number::duration_s(drain)));
    }
    if let Some(note) = &recovery.note {
        text.push_str(&format!(" ({})", escape::terminal(note)));
    }
    text
}

/// The figures of a suite's run: objectives met, requests, share that failed, p50, p95, p99 in ms,
/// offered and achieved rate, and how long it took, with `cut` behind it when it was interrupted.
pub fn run_cells(result: &RunResult, cut: &str) -> [String; 9] {
    let requests = &result.requests;
    let ms = |name| quantile::cell(&result.response_time, name);
    let took = number::duration_s(result.run.duration_s);
    [
        met_of(result),
        number::count(requests.intended),
        number::percent(number::share(requests.failed, requests.intended)),
        ms("p50"),
        ms("p95"),
        ms("p99"),
        number::per_second(result.rate.offered),
        number::per_second(result.rate.achieved),
        match result.run.status {
            RunStatus::Complete => took,
            RunStatus::Interrupted | RunStatus::Running => took + cut,
        },
    ]
}

/// How many objectives of a suite's run are met; an invalid run decides none.
pub fn met_of(result: &RunResult) -> String {
    if result.verdict == Verdict::Invalid {
        return "undecided".to_owned();
    }
    let met = result.objectives.iter().filter(|one| one.met).count();
    format!("{met} of {}", result.objectives.len())
}

/// What a closed loop would have reported, in a sentence; empty when nothing was sent.
pub fn closed_loop_text(closed_loop: &ClosedLoop) -> String {
    if closed_loop.sent == 0 {
        return String::new();
    }
    let (sent, omitted) = (closed_loop.sent, closed_loop.omitted);
    let share = number::percent(number::share(omitted, sent + omitted));
    let p99 = quantile::cell_with_unit(&closed_loop.response_time, "p99");
    format!(
        "{} waiting users would have left out {} requests ({share}) and reported p99 {p99}",
        number::count(closed_loop.users),
        number::count(omitted),
    )
}

#[cfg(test)]
mod tests {
    use openload_contract::summary::GroupSummary;

    use super::super::fixture;
    use super::fates;

    /// Reads back every number of the load line after the equals sign.
    fn addends(group: &GroupSummary) -> Vec<u64> {
        let line = fates(group);
        let (_, sum) = line.split_once(" = ").unwrap();
        sum.split(" + ")
            .map(|part| part.rsplit(' ').next().unwrap().replace(',', "").parse().unwrap())
            .collect()
    }

    #[test]
    fn the_load_line_adds_up() {
        for fixture in fixture::all() {
            let all = &fixture.summary.all;
            assert_eq!(
                addends(all).iter().sum::<u64>(),
                all.requests.intended,
                "{}",
                fixture.label
            );
        }
    }

    #[test]
    fn arrivals_without_a_fate_are_shown() {
        let mut all = fixture::fail().summary.all;
        all.errors.by_outcome.remove("timeout");
        assert!(fates(&all).ends_with(" + unaccounted 31"));
        all.requests.intended = 1;
        assert!(fates(&all).ends_with("(does not add up)"));
    }
}
