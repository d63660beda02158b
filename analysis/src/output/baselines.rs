//! The page of baselines: what a suite measured, and when a later run is worse.
//!
//! One section a run, with the run it stems from; in it the objectives, the response times of
//! every phase, scenario and request with their intervals, and how near the target was to what
//! it can do. Nothing is written that was not measured: a quantile the samples do not support
//! has no baseline and no limit.

use std::fmt::Write as _;

use openload_contract::suite::SuiteRun;
use openload_contract::summary::{GroupSummary, QuantileNote};
use openload_contract::{ExitCode, Summary};

use super::report::started;
use super::words::{in_unit, suite_score};
use super::{escape, group, number, quantile};
use crate::compare::Thresholds;
use crate::suite::SuiteFolder;

/// Quantiles with a baseline, and the relative rise from which on a later run is worse.
///
/// The rise is that of a comparison: larger at the tail, which varies more from run to run.
const LIMITS: [(&str, f64); 3] = [
    ("p50", Thresholds::DEFAULT.p50),
    ("p95", Thresholds::DEFAULT.p99),
    ("p99", Thresholds::DEFAULT.p99),
];

/// Renders the page.
pub fn page(folder: &SuiteFolder) -> String {
    let suite = folder.suite();
    let host = &suite.host;
    let mut text = String::from("# Performance baselines\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "Made by `gen suite --baselines` from one suite; every number is measured, none is typed.\n\
         Run it again to renew the page: `gen suite --include-soak --baselines FILE`, or make\n\
         it again from the suite's folder with `--from`.\n"
    );
    let _ = writeln!(text, "| suite | |\n|---|---|");
    let facts = [
        ("started", started(suite.start_unix_ns)),
        ("machine", format!("{}: {} {}, {} cores", host.name, host.os, host.arch, host.cores)),
        ("generator", format!("gen {}", suite.gen_version)),
        ("folder", folder.dir().display().to_string()),
        ("time scale", number::shortest(suite.time_scale)),
        ("result", format!("{}, exit code {}", suite_score(suite), suite.exit_code)),
    ];
    for (label, value) in facts {
        let _ = writeln!(text, "| {label} | {} |", escape::markdown(&value));
    }
    let _ = write!(text, "\n{HOW}");
    for (index, run) in suite.runs.iter().enumerate() {
        let _ = writeln!(text, "\n## {}\n", escape::markdown(&run.name));
        match folder.summary(index) {
            Some(summary) if run.exit_code() != ExitCode::Invalid => {
                section(&mut text, run, summary);
            }
            Some(_) => text.push_str("The run was invalid: it gives no baseline.\n"),
            None => text.push_str("The run was not made: it gives no baseline.\n"),
        }
    }
    text
}

const HOW: &str = "\
Values are of response time, from the intended start, all arrivals, failures ranked as infinitely \
slow; in brackets the 95 % interval. *Worse from* is the degradation limit: a later run of the \
same profile on the same machine has become worse when the whole interval of its change lies \
beyond it (5 % for p50, 10 % for p95 and p99). `-` stands where the samples do not support a \
value, `~` where they barely do. Numbers of one machine say nothing about another.\n";

fn section(text: &mut String, run: &SuiteRun, summary: &Summary) {
    let facts = &summary.run;
    let _ = writeln!(
        text,
        "Run `{}`, target {}, seed {}, time scale {}, profile `{:.12}`; from `{}/summary.json`.\n",
        facts.id,
        escape::markdown(&facts.target),
        facts.seed,
        number::shortest(run.time_scale),
        facts.profile_sha256,
        run.dir,
    );
    for note in &run.notes {
        let _ = writeln!(text, "{}\n", escape::markdown(note));
    }
    objectives(text, summary);
    let heads = LIMITS.map(|(name, _)| format!(" {name} | worse from |")).concat();
    let _ = writeln!(text, "| | requests | failed |{heads}");
    let _ = writeln!(text, "|---|---:|---:|{}", "---:|---:|".repeat(LIMITS.len()));
    row(text, "all", &summary.all);
    let groups = [
        ("phase", &summary.by_phase),
        ("scenario", &summary.by_scenario),
        ("request", &summary.by_request),
    ];
    for (kind, groups) in groups {
        for (name, group) in groups {
            row(text, &format!("{kind} {}", escape::markdown(name)), group);
        }
    }
    capacity(text, run, summary);
}

fn objectives(text: &mut String, summary: &Summary) {
    text.push_str("| target | measured | 95 % interval | |\n|---|---:|---:|---|\n");
    for result in &summary.objectives {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            escape::markdown(&result.text),
            escape::markdown(&result.measured_text),
            quantile::interval_of(result.ci95, in_unit(result.unit)),
            if result.met { "met" } else { "missed" },
        );
    }
    text.push('\n');
}

fn row(text: &mut String, name: &str, group: &GroupSummary) {
    let _ = write!(
        text,
        "| {name} | {} | {} |",
        number::count(group.requests.intended),
        number::percent(group::failed_share(group)),
    );
    for (name, rise) in LIMITS {
        let response = &group.response_time;
        let value = quantile::cell_with_unit(response, name);
        let interval = quantile::interval_cell(response, name);
        let interval = if interval == "-" { String::new() } else { format!(" [{interval}]") };
        let is_claimed = !matches!(
            response.notes.get(name),
            Some(QuantileNote::NeedsSamples { .. } | QuantileNote::Censored { .. })
        );
        let limit = response.value(name).filter(|_| is_claimed);
        let limit = number::or_dash(limit.map(|ms| ms * (1.0 + rise)), number::duration_ms);
        let _ = write!(text, " {value}{interval} | {limit} |");
    }
    text.push('\n');
}

/// How near the target was to what it can do.
fn capacity(text: &mut String, run: &SuiteRun, summary: &Summary) {
    let rate = &summary.all.rate;
    let _ = write!(
        text,
        "\nCapacity: offered {} on average and at most {} in one second, achieved {}, goodput {}",
        number::per_second(rate.offered),
        number::count(rate.peak_1s),
        number::per_second(rate.achieved),
        number::per_second(rate.goodput),
    );
    match run.capacity_per_s {
        Some(capacity) => {
            let _ = writeln!(
                text,
                "; the built-in target is configured for {}, of which the load used {} on \
                 average and {} in its busiest second.",
                number::per_second(capacity),
                number::percent(rate.offered / capacity),
                number::percent(rate.peak_1s as f64 / capacity),
            );
        }
        None => text.push_str("; what the target can do was not looked for.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::page;

    #[test]
    fn the_page_of_a_suite() {
        let (dir, folder) = fixture::suite();
        let text = page(&folder).replace(&dir.path().display().to_string(), "results/suite");
        insta::assert_snapshot!("baselines", text);
    }

    #[test]
    fn what_was_not_measured_has_no_limit() {
        let (_dir, mut folder) = fixture::suite();
        folder.judged(0, fixture::censored().summary);
        let text = page(&folder);
        let all = text.lines().find(|line| line.starts_with("| all")).unwrap();
        assert!(all.ends_with(">= 812 ms [612–∞] | - |"), "{all}");
    }
}
