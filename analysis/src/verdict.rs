//! What a run comes to, in words a reader can act on.
//!
//! Invalid beats fail beats pass. A reason names what was found and what to do about it; the
//! most important one comes first: why the numbers cannot be believed, then which objectives
//! are missed.

use openload_contract::Verdict;
use openload_contract::summary::{
    Check, CheckLevel, Confidence, LateCause, ObjectiveResult, Validity,
};

/// Decides the verdict and its reasons; `measured` is the number of arrivals that count,
/// `aborted_because` says which objective ended the run, if one did: that is a failure whatever
/// the rows that were still in flight made of it.
pub fn verdict(
    validity: &Validity,
    measured: u64,
    objectives: &[ObjectiveResult],
    aborted_because: Option<&str>,
) -> (Verdict, Vec<String>) {
    if let Some(reason) = nothing_measured(validity.rows, measured) {
        return (Verdict::Invalid, vec![reason.to_owned()]);
    }
    let mut reasons = invalid_reasons(validity);
    let verdict = if !reasons.is_empty() {
        Verdict::Invalid
    } else if objectives.iter().all(|objective| objective.met) && aborted_because.is_none() {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    reasons.extend(aborted_because.map(str::to_owned));
    reasons.extend(objectives.iter().filter(|objective| !objective.met).map(missed_reason));
    (verdict, reasons)
}

/// Why nothing can be said about the target.
fn nothing_measured(rows: u64, measured: u64) -> Option<&'static str> {
    match (rows, measured) {
        (0, _) => Some(
            "no samples were recorded: nothing can be said about the target; check that the run \
             started and that its disk was not full",
        ),
        (_, 0) => Some(
            "no arrivals in a measured phase: nothing can be said about the target; let the run \
             go on beyond its warm-up",
        ),
        _ => None,
    }
}

/// Why the numbers cannot be believed: lateness, whatever it was seen by, is one reason.
fn invalid_reasons(validity: &Validity) -> Vec<String> {
    let invalid = validity.checks.iter().filter(|check| check.level == CheckLevel::Invalid);
    let (other, late): (Vec<&Check>, Vec<&Check>) =
        invalid.partition(|check| advice(&check.name).is_some());
    let details: Vec<&str> = late.iter().map(|check| check.detail.as_str()).collect();
    let late = (!late.is_empty()).then(|| {
        format!(
            "the generator was late{}: {}; {}",
            late_text(&validity.late_seconds),
            details.join("; "),
            late_remedy(&validity.causes),
        )
    });
    let other = other.iter().filter_map(|check| {
        advice(&check.name).map(|advice| format!("{}; {advice}", check.detail))
    });
    late.into_iter().chain(other).collect()
}

/// Why it was late and what helps; what helps in general when nothing tells why.
fn late_remedy(causes: &[LateCause]) -> String {
    if causes.is_empty() {
        let advice = "lower --rate-scale, add --workers or give it a quieter machine";
        return advice.to_owned();
    }
    let named = causes.iter().map(|one| {
        let share = format!("{:.0} % of the late arrivals", 100.0 * one.share);
        format!("{} ({share}): {}", one.detail, one.advice)
    });
    named.collect::<Vec<_>>().join("; ")
}

/// What to do about a check that is not about lateness.
fn advice(check: &str) -> Option<&'static str> {
    match check {
        "reconciliation" => Some("look for errors of the disk and run again"),
        "clock" => Some("stop whatever sets the clock during a run and run again"),
        "timeline_law" => Some("the timeline itself is broken: report it with run.json"),
        _ => None,
    }
}

/// ` in seconds 5, 6 and 9`, empty when there is none to name.
fn late_text(seconds: &[u64]) -> String {
    let names: Vec<String> = seconds.iter().map(u64::to_string).collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => format!(" in second {only}"),
        [first @ .., last] => format!(" in seconds {} and {last}", first.join(", ")),
    }
}

fn missed_reason(objective: &ObjectiveResult) -> String {
    let doubt = match objective.confidence {
        Confidence::Borderline => " (borderline: the interval covers the limit)",
        _ => "",
    };
    format!("{}: measured {}{doubt}", objective.text, objective.measured_text)
}

#[cfg(test)]
mod tests {
    use super::late_text;

    #[test]
    fn late_seconds_are_listed() {
        assert_eq!(late_text(&[]), "");
        assert_eq!(late_text(&[5]), " in second 5");
        assert_eq!(late_text(&[5, 6, 9]), " in seconds 5, 6 and 9");
    }
}
