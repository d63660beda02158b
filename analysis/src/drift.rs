//! Does a long run change slowly?
//!
//! A series of windows is searched for a trend ([`crate::trend`]). A trend counts as drift
//! only when it is sure (p < .01 and an interval without 0), larger than the noise, larger
//! than a change per 24 h that matters, and of the same sign in both halves. What is left is
//! told apart by shape: a change that dies away (warm-up), a cycle. A cycle longer than a
//! third of the run looks like drift, and the text says so.
//!
//! A step is looked for first and on its own: one change point that explains more than a line
//! does. The block permutation cannot find it: ten blocks on two levels have so few orders
//! that p hardly gets below .01. Instead the step must be five standard errors high, with the
//! autocorrelation around the two levels taken into account, and lie behind the first fifth of the
//! run: a warm-up ends there.
//!
//! The minima of a cycle's turns lie a turn apart and count as independent.

use openload_contract::summary::{Drift, DriftShape, Interval};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::change_point::{change_points, line_squares, ranks, squares};
use crate::numeric::{autocorrelation, mean, median, robust_sd, variance};
use crate::trend::{Line, MannKendall, RESAMPLES, corrected_carry, slope_interval, trend_p_value};

/// Fewer windows cannot tell drift from noise.
pub const WINDOWS_MIN: usize = 30;
/// Windows aimed at: enough for the tests, few enough to hold many samples each.
pub const WINDOWS_AIM: usize = 120;
/// p-value below which a trend is sure.
const P_VALUE: f64 = 0.01;
const DAY_S: f64 = 86_400.0;
/// Height of a step in standard errors. The place of the step is the best of about a hundred,
/// which alone makes three standard errors common.
const STEP_ERRORS: f64 = 5.0;
/// Autocorrelation from which a peak is a cycle, and the shortest lag of one.
const CYCLE_PEAK: f64 = 0.5;
const CYCLE_LAG_MIN: usize = 3;

/// Which changes of a series matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// A change of this share of the start per 24 h, up or down.
    Relative(f64),
    /// A fall by this share of the start per 24 h.
    RelativeFall(f64),
    /// A rise by this much per 24 h, in the series' own unit.
    AbsoluteRise(f64),
}

/// A series of windows in the order of time; windows without a value are left out.
#[derive(Debug, Clone)]
pub struct Series {
    /// Middles of the windows, seconds since the first one's beginning.
    pub times_s: Vec<f64>,
    /// Values.
    pub values: Vec<f64>,
    /// Width of a window in seconds.
    pub window_s: f64,
    /// Length of the stretch that the windows come from.
    pub length_s: f64,
    /// Which changes matter.
    pub threshold: Threshold,
    /// Whether a cycle is judged by the minimum of each turn: memory between collections.
    pub by_floor: bool,
}

/// Says that a series cannot be searched.
pub fn insufficient(windows: usize, window_s: f64, why: &str) -> Drift {
    Drift {
        shape: DriftShape::Insufficient,
        text: format!("insufficient: {why}"),
        windows: windows as u64,
        window_s,
        from_s: 0.0,
        slope: None,
        start: None,
        change_24h: None,
        change_24h_ci95: Interval::default(),
        change_run: None,
        p_value: None,
    }
}

/// Searches a series for drift.
pub fn drift(series: &Series, random: &mut Xoshiro256PlusPlus) -> Drift {
    let windows = series.values.len();
    if windows < WINDOWS_MIN {
        let why =
            format!("{windows} windows of {:.1} s, {WINDOWS_MIN} are needed", series.window_s);
        return insufficient(windows, series.window_s, &why);
    }
    let p_value = trend_p_value(&series.times_s, &series.values, RESAMPLES, random);
    let Some(trend) = Trend::of(series, p_value, random) else {
        return insufficient(windows, series.window_s, "no slope");
    };
    if let Some(step) = step(series) {
        return trend.record(series, DriftShape::Step, step);
    }
    let cycle = trend.cycle();
    match cycle {
        Some(period) if series.by_floor && period * 3 <= windows => {
            floor_drift(series, &trend, period, random)
        }
        _ => {
            let (shape, text) = trend.conclusion(series, cycle);
            trend.record(series, shape, text)
        }
    }
}

/// Judges the minima of a cycle's turns in place of the series.
fn floor_drift(
    series: &Series,
    trend: &Trend,
    period: usize,
    random: &mut Xoshiro256PlusPlus,
) -> Drift {
    let turns = series.times_s.chunks_exact(period).zip(series.values.chunks_exact(period));
    let (times_s, values): (Vec<f64>, Vec<f64>) = turns
        .filter_map(|(times, values)| {
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            Some((*times.get(period / 2)?, lowest))
        })
        .unzip();
    let floor = Series { times_s, values, by_floor: false, ..series.clone() };
    let name = format!("cycle of {:.0} s", period as f64 * series.window_s);
    let p_value = MannKendall::of(&floor.values).p_value;
    let judged = Trend::of(&floor, p_value, random).filter(|_| floor.values.len() >= 5);
    match judged {
        Some(judged) if judged.matters(&floor) => {
            let text = format!("drift {} of the floor of a {name}", change_text(&floor, &judged));
            judged.record(&floor, DriftShape::Drift, text)
        }
        _ => trend.record(series, DriftShape::Cycle, name),
    }
}

/// A series with its line and how sure it is.
struct Trend {
    line: Line,
    interval: (f64, f64),
    p_value: f64,
    residuals: Vec<f64>,
}

impl Trend {
    fn of(series: &Series, p_value: f64, random: &mut Xoshiro256PlusPlus) -> Option<Self> {
        let (times, values) = (&series.times_s, &series.values);
        let line = Line::fit(times, values)?;
        let residuals = line.residuals(times, values);
        let interval = slope_interval(times, line, &residuals, RESAMPLES, random);
        Some(Self { line, interval, p_value, residuals })
    }

    /// Tells whether the trend is sure, above the noise, and of a size that matters.
    fn matters(&self, series: &Series) -> bool {
        let is_sure = self.p_value < P_VALUE && self.interval.0 * self.interval.1 > 0.0;
        let center = median(self.residuals.clone()).unwrap_or(0.0);
        let noise = robust_sd(&self.residuals, center) / 1.4826;
        let is_visible = (self.line.slope * series.length_s).abs() > noise;
        is_sure
            && is_visible
            && is_large(series.threshold, self.line.start, self.line.slope * DAY_S)
    }

    fn conclusion(&self, series: &Series, cycle: Option<usize>) -> (DriftShape, String) {
        let windows = series.values.len();
        let period_s = cycle.map(|period| period as f64 * series.window_s);
        if !self.matters(series) {
            return match (cycle, period_s) {
                (Some(period), Some(period_s)) if period * 3 <= windows => {
                    (DriftShape::Cycle, format!("cycle of {period_s:.0} s"))
                }
                _ => (DriftShape::None, format!("none (Δ24 CI {})", self.interval_text(series))),
            };
        }
        if is_settling(series) {
            return (DriftShape::Settling, "settling: the change dies away (warm-up)".to_owned());
        }
        if let Some(period_s) = period_s.filter(|period_s| period_s * 3.0 <= series.length_s) {
            return (DriftShape::Cycle, format!("cycle of {period_s:.0} s"));
        }
        if !halves_agree(series, self.line.slope) {
            return (
                DriftShape::None,
                format!(
                    "none (Δ24 CI {}; the halves of the run disagree)",
                    self.interval_text(series)
                ),
            );
        }
        let doubt = if period_s.is_some() {
            format!("drift or a cycle longer than {:.0} s: ", series.length_s / 3.0)
        } else {
            "drift ".to_owned()
        };
        (DriftShape::Drift, format!("{doubt}{}", change_text(series, self)))
    }

    /// Lag in windows of the highest local peak of the detrended autocorrelation.
    fn cycle(&self) -> Option<usize> {
        let at: Vec<f64> = (0..=self.residuals.len() / 2 + 1)
            .map(|lag| autocorrelation(&self.residuals, lag))
            .collect();
        let lags = CYCLE_LAG_MIN..at.len().saturating_sub(1);
        let peaks = lags
            .filter(|&lag| at[lag] > CYCLE_PEAK && at[lag] >= at[lag - 1] && at[lag] > at[lag + 1]);
        peaks.max_by(|&a, &b| at[a].total_cmp(&at[b]))
    }

    fn interval_text(&self, series: &Series) -> String {
        let change = |slope: f64| size_text(series, self.line, slope * DAY_S);
        format!("[{}, {}]", change(self.interval.0), change(self.interval.1))
    }

    fn record(&self, series: &Series, shape: DriftShape, text: String) -> Drift {
        let share = |change: f64| relative(series, self.line, change);
        Drift {
            shape,
            text,
            windows: series.values.len() as u64,
            window_s: series.window_s,
            from_s: 0.0,
            slope: Some(self.line.slope),
            start: Some(self.line.start),
            change_24h: share(self.line.slope * DAY_S),
            change_24h_ci95: Interval {
                low: share(self.interval.0 * DAY_S),
                high: share(self.interval.1 * DAY_S),
            },
            change_run: share(self.line.slope * series.length_s),
            p_value: Some(self.p_value),
        }
    }
}

/// One change point that explains more than a line, is sure and of a size that matters: the
/// text, with its size and time.
fn step(series: &Series) -> Option<String> {
    let ranks = ranks(&series.values);
    // Noise adds a change point now and then: the one that explains most is the step, and the
    // others make its error larger.
    let left_by = |point: usize| squares(&ranks[..point]) + squares(&ranks[point..]);
    // What changes in the first fifth and then stays is a warm-up, however suddenly it ends.
    let warm_from = series.values.len() / 5;
    let points = change_points(&ranks).into_iter().filter(|&point| point >= warm_from);
    let point = points.min_by(|&a, &b| left_by(a).total_cmp(&left_by(b)))?;
    let by_step = left_by(point);
    if by_step >= line_squares(&series.times_s, &ranks) {
        return None;
    }
    let (left, right) = series.values.split_at(point);
    let (before, after) = (median(left.to_vec())?, median(right.to_vec())?);
    if (after - before).abs() < STEP_ERRORS * step_error(left, right)
        || !is_large(series.threshold, before, after - before)
    {
        return None;
    }
    let at_s = 0.5 * (series.times_s[point - 1] + series.times_s[point]);
    Some(match series.threshold {
        Threshold::AbsoluteRise(_) => format!("step of {:+.4} at {at_s:.0} s", after - before),
        _ if before == 0.0 => format!("step from 0 to {after:.3} at {at_s:.0} s"),
        _ => format!("step of {:+.1} % at {at_s:.0} s", 100.0 * (after - before) / before.abs()),
    })
}

/// Standard error of the difference of two levels whose noise is an AR(1) process.
fn step_error(left: &[f64], right: &[f64]) -> f64 {
    let around = |values: &[f64]| -> Vec<f64> {
        let center = mean(values);
        values.iter().map(|value| value - center).collect()
    };
    let residuals = [around(left), around(right)].concat();
    let carry = corrected_carry(&residuals);
    let shares = 1.0 / left.len() as f64 + 1.0 / right.len() as f64;
    (variance(&residuals) * shares * (1.0 + carry) / (1.0 - carry)).sqrt()
}

/// A change as a share of the fitted start; of an error share, the change itself.
fn relative(series: &Series, line: Line, change: f64) -> Option<f64> {
    match series.threshold {
        Threshold::AbsoluteRise(_) => Some(change),
        _ => (line.start.abs() > 0.0).then(|| change / line.start.abs()),
    }
}

fn size_text(series: &Series, line: Line, change: f64) -> String {
    let share = relative(series, line, change);
    let unit = if matches!(series.threshold, Threshold::AbsoluteRise(_)) { "points" } else { "%" };
    share.map_or_else(|| format!("{change:+.3}"), |share| format!("{:+.1} {unit}", 100.0 * share))
}

fn change_text(series: &Series, trend: &Trend) -> String {
    format!("{}/24 h", size_text(series, trend.line, trend.line.slope * DAY_S))
}

/// Tells whether a change from `start` matters.
fn is_large(threshold: Threshold, start: f64, change: f64) -> bool {
    match threshold {
        Threshold::Relative(limit) => change.abs() > limit * start.abs(),
        Threshold::RelativeFall(limit) => -change > limit * start.abs(),
        Threshold::AbsoluteRise(limit) => change > limit,
    }
}

/// Slope of a part of the series.
fn slope_of(series: &Series, part: std::ops::Range<usize>) -> f64 {
    Line::fit(&series.times_s[part.clone()], &series.values[part]).map_or(0.0, |line| line.slope)
}

/// Tells whether both halves, the first fifth dropped, change in the direction of `slope`.
fn halves_agree(series: &Series, slope: f64) -> bool {
    let count = series.values.len();
    let first = count / 5;
    let middle = first + (count - first) / 2;
    slope_of(series, first..middle) * slope > 0.0 && slope_of(series, middle..count) * slope > 0.0
}

/// Tells whether the second half changes less than a quarter as fast as the first.
fn is_settling(series: &Series) -> bool {
    let count = series.values.len();
    let (first, second) = (slope_of(series, 0..count / 2), slope_of(series, count / 2..count));
    second * first.signum() < 0.25 * first.abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::resampler;
    use crate::testing::{autoregressive, normal};

    /// 120 windows of 60 s, values by window number.
    fn series(value: impl Fn(f64) -> f64, noise: f64, seed: u64) -> Series {
        let noises = normal(seed, 120);
        Series {
            times_s: (0..120).map(|window| 60.0 * f64::from(window) + 30.0).collect(),
            values: (0..120).zip(noises).map(|(t, e)| value(f64::from(t)) + noise * e).collect(),
            window_s: 60.0,
            length_s: 7_200.0,
            threshold: Threshold::Relative(0.1),
            by_floor: false,
        }
    }

    fn found(series: &Series) -> Drift {
        drift(series, &mut resampler(1, "drift test"))
    }

    #[test]
    fn a_constant_series_does_not_drift() {
        let found = found(&series(|_| 5.0, 0.0, 1));
        assert_eq!((found.shape, found.p_value), (DriftShape::None, Some(1.0)));
        assert!(found.text.contains("CI [+0.0 %, +0.0 %]"), "{}", found.text);
    }

    #[test]
    fn a_line_drifts_by_its_slope() {
        let found = found(&series(|t| 10.0 + 0.05 * t, 0.3, 2));
        assert_eq!(found.shape, DriftShape::Drift, "{}", found.text);
        // 0.05 a minute is 72 a day, on a start of 10.
        assert!((found.change_24h.unwrap() - 7.2).abs() < 0.7, "{found:?}");
        let interval = found.change_24h_ci95;
        assert!(interval.low.unwrap() < 7.2 && interval.high.unwrap() > 7.2, "{interval:?}");
    }

    #[test]
    fn shapes_are_told_apart() {
        let shape = |value: fn(f64) -> f64| found(&series(value, 0.2, 3)).shape;
        assert_eq!(shape(|t| if t < 70.0 { 10.0 } else { 13.0 }), DriftShape::Step);
        assert_eq!(shape(|t| 10.0 - 5.0 * (-t / 15.0).exp()), DriftShape::Settling);
        assert_eq!(shape(|t| 10.0 + (t / 20.0 * std::f64::consts::TAU).sin()), DriftShape::Cycle);
        assert_eq!(shape(|_| 10.0), DriftShape::None);
    }

    /// An exponential that is gone after a tenth of the run: its end looks like a step down.
    #[test]
    fn a_warm_up_is_no_step() {
        let warm_up = |t: f64| 10.0 + 5.0 * (-t / 4.0).exp();
        for seed in 0..10 {
            let shape = found(&series(warm_up, 0.5, seed)).shape;
            assert!(matches!(shape, DriftShape::None | DriftShape::Settling), "{seed}: {shape:?}");
        }
    }

    #[test]
    fn memory_is_judged_by_the_floor_of_its_saw() {
        let saw = |t: f64| 100.0 + 20.0 * (t / 10.0).fract();
        let mut level = series(saw, 0.1, 4);
        level.by_floor = true;
        assert_eq!(found(&level).shape, DriftShape::Cycle);
        let mut leak = series(|t| saw(t) + 0.1 * t, 0.1, 4);
        leak.by_floor = true;
        let found = found(&leak);
        assert_eq!(found.shape, DriftShape::Drift, "{}", found.text);
        assert!(found.text.contains("floor"), "{}", found.text);
    }

    #[test]
    fn correlated_noise_is_not_drift() {
        let alarms = (0..60).filter(|&seed| {
            let mut series = series(|_| 0.0, 0.0, 1);
            series.values = autoregressive(seed, 120, 0.6)
                .into_iter()
                .map(|noise| 10.0 + 0.5 * noise)
                .collect();
            let drift = drift_fast(&series, seed);
            !matches!(drift, DriftShape::None | DriftShape::Cycle)
        });
        // p < .01 and more conditions on top: 4 of 60 would have probability below 1 %.
        assert!(alarms.count() <= 3);
    }

    fn drift_fast(series: &Series, seed: u64) -> DriftShape {
        let mut random = resampler(seed, "drift test");
        let p_value = trend_p_value(&series.times_s, &series.values, RESAMPLES, &mut random);
        // The bootstrap of the slope is slow and only ever takes alarms away.
        if p_value < P_VALUE || step(series).is_some() {
            drift(series, &mut random).shape
        } else {
            DriftShape::None
        }
    }

    #[test]
    fn few_windows_are_not_enough() {
        let mut short = series(|_| 1.0, 0.1, 5);
        short.times_s.truncate(29);
        short.values.truncate(29);
        assert_eq!(found(&short).shape, DriftShape::Insufficient);
    }
}
