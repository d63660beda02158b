//! Where a series becomes steady: MSER-5.
//!
//! The series is averaged over batches of five; of all truncations in the first half, the one
//! is taken that minimises the squared standard error of what is left:
//!
//! `d* = argmin_{d ≤ m/2} Σ_{i ≥ d} (b_i − b̄_d)² / (m − d)²`
//!
//! (White 1997; Spratt 1998). A minimum in the last tenth of the allowed range means that the
//! series had not settled by its middle: nothing is cut, and drift is the better question.
//!
//! The series of a run is the median response time of each second of its first phase, if the rate
//! of that is constant and nobody gave the run a warm-up.

use openload_contract::summary::SecondRow;
use openload_contract::{PhaseRecord, Role, Trim};

use crate::load::second_of;
use crate::numeric::{SECOND_NS, mean};
use crate::run::{Run, is_flat};

/// Values of a batch.
const BATCH: usize = 5;
/// Fewer batches than this leave nothing to choose from.
const BATCHES_MIN: usize = 10;
/// A beginning that moves the mean by a smaller share is like the rest.
const SHARE_MIN: f64 = 0.05;

/// What to do with the beginning of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// Leave out this many values from the beginning.
    Trim(usize),
    /// The series does not become steady in its first half.
    NotSteady,
    /// The series is too short to say.
    TooShort,
}

/// Finds the truncation point of a series.
pub fn mser5(series: &[f64]) -> Truncation {
    let batches: Vec<f64> = series.chunks_exact(BATCH).map(mean).collect();
    if batches.len() < BATCHES_MIN {
        return Truncation::TooShort;
    }
    let last = batches.len() / 2;
    let error = |cut: usize| squared_error(&batches[cut..]);
    let best = (0..=last).min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(0);
    if best * 10 >= last * 9 { Truncation::NotSteady } else { Truncation::Trim(best * BATCH) }
}

/// When the median response time of a run settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// After so many seconds.
    After(usize),
    /// Not in the first half.
    Never,
}

/// The first phase of a run and when it settles; `None` when its beginning is like the rest, or
/// nothing can be said.
pub fn settling<'a>(run: &'a Run, seconds: &[SecondRow]) -> Option<(&'a PhaseRecord, Settling)> {
    if run.phases().any(|(_, phase)| phase.role == Role::Warmup) {
        return None;
    }
    let (_, phase) = run.phases().next().filter(|(_, phase)| is_flat(&phase.rate))?;
    let (start_ns, end_ns) = run.span(phase);
    let inside = second_of(start_ns) as usize..second_of(end_ns) as usize;
    let series: Vec<f64> =
        seconds.get(inside)?.iter().filter_map(|second| second.response_p50_ms).collect();
    let whole = mean(&series);
    let differs = |rest: &[f64]| (mean(rest) - whole).abs() > SHARE_MIN * whole;
    match mser5(&series) {
        Truncation::Trim(cut) if cut > 0 && differs(&series[cut..]) => {
            Some((phase, Settling::After(cut)))
        }
        Truncation::NotSteady if differs(&series[series.len() / 2..]) => {
            Some((phase, Settling::Never))
        }
        _ => None,
    }
}

/// Instant from which on arrivals count for the objectives.
pub fn counted_from(run: &Run, seconds: &[SecondRow]) -> i64 {
    match (run.manifest.analysis.trim, settling(run, seconds)) {
        (Trim::Auto, Some((phase, Settling::After(cut)))) => {
            phase.start_ns + cut as i64 * SECOND_NS
        }
        _ => i64::MIN,
    }
}

fn squared_error(rest: &[f64]) -> f64 {
    let center = mean(rest);
    let squares: f64 = rest.iter().map(|value| (value - center).powi(2)).sum();
    squares / (rest.len() as f64).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::autoregressive;

    /// 1 + 5·e^(−t/10) + AR(1) with φ = .5 and innovations of standard deviation .3.
    fn settling(seed: u64) -> Vec<f64> {
        let noise = autoregressive(seed, 300, 0.5);
        (0..)
            .zip(noise)
            .map(|(t, noise)| 1.0 + 5.0 * (-f64::from(t) / 10.0).exp() + 0.3 * noise)
            .collect()
    }

    #[test]
    fn trimming_takes_the_bias_out_of_the_mean() {
        let replications = 400;
        let (mut raw, mut trimmed) = (0.0, 0.0);
        for seed in 0..replications {
            let series = settling(seed);
            // Noise alone finds about one series in 400 not steady, and then cuts nothing.
            let cut = if let Truncation::Trim(cut) = mser5(&series) { cut } else { 0 };
            raw += mean(&series) - 1.0;
            trimmed += mean(&series[cut..]) - 1.0;
        }
        let (raw, trimmed) = (raw / replications as f64, trimmed / replications as f64);
        assert!((raw - 0.17).abs() < 0.02, "{raw}");
        assert!(trimmed.abs() < 0.01, "{trimmed}");
    }

    #[test]
    fn a_series_that_keeps_moving_is_not_steady() {
        let ramp: Vec<f64> = (0..300).map(f64::from).collect();
        assert_eq!(mser5(&ramp), Truncation::NotSteady);
        assert_eq!(mser5(&ramp[..30]), Truncation::TooShort);
        assert_eq!(mser5(&[1.0; 100]), Truncation::Trim(0));
    }
}
