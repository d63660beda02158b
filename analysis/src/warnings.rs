//! What the reader should know although it does not change the verdict.

use openload_contract::summary::{CheckLevel, Confidence, ObjectiveResult, SecondRow, Validity};
use openload_contract::{RunStatus, Trim};

use crate::load::second_of;
use crate::numeric::{median, robust_sd};
use crate::run::Run;
use crate::warmup::{Settling, settling};

/// Collects every warning, the most important first.
pub fn warnings(
    run: &Run,
    validity: &Validity,
    objectives: &[ObjectiveResult],
    seconds: &[SecondRow],
) -> Vec<String> {
    let mut warnings = incomplete(run);
    let warned = validity.checks.iter().filter(|check| check.level == CheckLevel::Warn);
    warnings.extend(warned.map(|check| check.detail.clone()));
    if validity.valid {
        // The reasons of an invalid run hold them.
        let causes = validity.causes.iter();
        warnings.extend(causes.map(|one| format!("late: {}; {}", one.detail, one.advice)));
    }
    warnings.extend(objectives.iter().filter_map(undecided));
    warnings.extend(drops_without_load(seconds));
    warnings.extend(unsettled(run, seconds));
    warnings
}

fn incomplete(run: &Run) -> Vec<String> {
    let mut warnings = Vec::new();
    if run.recovered.still_written > 0 {
        warnings.push(format!(
            "{} journals are still being written: the run goes on, and this is about its closed \
             parts only",
            run.recovered.still_written
        ));
    }
    if run.was_killed {
        let reach = if run.samples.is_empty() {
            "no sample reached the disk".to_owned()
        } else {
            format!("samples exist up to second {}", second_of(run.end_ns - 1))
        };
        warnings.push(format!("the run was killed: {reach}; the results are about that part"));
    } else if run.manifest.status == RunStatus::Interrupted {
        let why = run.manifest.stopped_because.as_deref().unwrap_or("no reason is recorded");
        warnings.push(format!(
            "the run was interrupted ({why}): the results are about the part up to second {}",
            second_of((run.end_ns - 1).max(0))
        ));
    }
    if run.recovered.rows > 0 {
        warnings.push(format!("{} rows were recovered from journals", run.recovered.rows));
    }
    warnings
}

/// An objective that counts as met without a measurement; one that counts as missed is among
/// the reasons of the verdict.
fn undecided(objective: &ObjectiveResult) -> Option<String> {
    let is_excused = objective.met && objective.confidence == Confidence::Insufficient;
    is_excused.then(|| {
        format!(
            "cannot be decided and counts as met: {} ({})",
            objective.text, objective.measured_text
        )
    })
}

/// Drops that begin while the median is where it was: the bound is too small, not the target
/// too slow.
fn drops_without_load(seconds: &[SecondRow]) -> Option<String> {
    let first = seconds.iter().position(|second| second.dropped > 0)?;
    let before: Vec<f64> =
        seconds[..first].iter().filter_map(|second| second.response_p50_ms).collect();
    let center = median(before.clone())?;
    let spread = robust_sd(&before, center);
    let edge = (center + 3.0 * spread).max(1.25 * center).max(center + 1.0);
    let now = seconds[first].response_p50_ms?;
    (now <= edge).then(|| {
        format!(
            "max_in_flight too small: drops begin in second {first} while the median response \
             time is still {now:.1} ms"
        )
    })
}

/// A beginning that differs from the rest, in a run without a warm-up.
fn unsettled(run: &Run, seconds: &[SecondRow]) -> Option<String> {
    let (phase, settling) = settling(run, seconds)?;
    let name = &phase.name;
    Some(match (settling, run.manifest.analysis.trim) {
        (Settling::After(cut), Trim::None) => format!(
            "the first {cut} s of {name} look like warm-up; they count: give the profile a phase \
             of role warmup, or analysis.trim = \"auto\", to leave them out"
        ),
        (Settling::After(cut), Trim::Auto) => format!(
            "the first {cut} s of {name} look like warm-up and are left out of the objectives \
             (analysis.trim = \"auto\")"
        ),
        (Settling::Never, _) => {
            format!("the median response time does not become steady in the first half of {name}")
        }
    })
}
