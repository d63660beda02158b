//! Rate laws: how many arrivals per second a phase asks for, as a function of time.
//!
//! A [`RateLaw`] is what a profile says; a [`RateCurve`] is the law over a phase of known
//! length, cut into segments whose integral has a closed form. The generator inverts the
//! integral to place arrivals; the analysis uses the same integral to rescale time when it
//! tests whether the arrivals follow their law. Both need the same numbers to the last
//! bit, on every platform, so the transcendental functions come from `libm` and not from
//! the system.

use serde::{Deserialize, Serialize};

/// A stretch of constant rate inside a step law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Arrivals per second.
    pub rate: f64,
    /// Length in seconds.
    pub duration_s: f64,
}

/// Arrivals per second as a function of the time since the phase began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "law", rename_all = "snake_case")]
pub enum RateLaw {
    /// The same rate throughout.
    Constant {
        /// Arrivals per second.
        rate: f64,
    },
    /// A straight line over the whole phase.
    Ramp {
        /// Arrivals per second at the beginning.
        from: f64,
        /// Arrivals per second at the end.
        to: f64,
    },
    /// `mean + amplitude · sin(2π · (t / period + shift))`.
    Sine {
        /// Arrivals per second on average over a period.
        mean: f64,
        /// Greatest distance from the mean; at most the mean.
        amplitude: f64,
        /// Length of a period in seconds.
        period_s: f64,
        /// Share of a period by which the wave is ahead at the beginning.
        shift: f64,
    },
    /// Constant stretches one after another; the last one lasts to the end of the phase.
    Steps {
        /// The stretches in order.
        steps: Vec<Step>,
    },
    /// A base rate with one surge.
    Spike {
        /// Arrivals per second outside the surge.
        base: f64,
        /// Arrivals per second inside it.
        peak: f64,
        /// Seconds from the beginning of the phase to the surge.
        at_s: f64,
        /// Length of the surge in seconds.
        for_s: f64,
    },
}

impl RateLaw {
    /// Multiplies every rate by `factor`.
    pub fn scale_rate(&mut self, factor: f64) {
        match self {
            Self::Constant { rate } => *rate *= factor,
            Self::Ramp { from, to } => {
                *from *= factor;
                *to *= factor;
            }
            Self::Sine { mean, amplitude, .. } => {
                *mean *= factor;
                *amplitude *= factor;
            }
            Self::Steps { steps } => steps.iter_mut().for_each(|step| step.rate *= factor),
            Self::Spike { base, peak, .. } => {
                *base *= factor;
                *peak *= factor;
            }
        }
    }

    /// Multiplies every duration by `factor`.
    pub fn scale_time(&mut self, factor: f64) {
        match self {
            Self::Constant { .. } | Self::Ramp { .. } => {}
            Self::Sine { period_s, .. } => *period_s *= factor,
            Self::Steps { steps } => steps.iter_mut().for_each(|step| step.duration_s *= factor),
            Self::Spike { at_s, for_s, .. } => {
                *at_s *= factor;
                *for_s *= factor;
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// `from + slope · u`, u seconds into the segment.
    Line { from: f64, slope: f64 },
    /// `mean + amplitude · sin(angular · u + angle)`.
    Sine { mean: f64, amplitude: f64, angular: f64, angle: f64 },
}

impl Shape {
    fn rate(self, into_s: f64) -> f64 {
        match self {
            Self::Line { from, slope } => from + slope * into_s,
            Self::Sine { mean, amplitude, angular, angle } => {
                mean + amplitude * libm::sin(angular * into_s + angle)
            }
        }
    }

    fn integral(self, into_s: f64) -> f64 {
        match self {
            Self::Line { from, slope } => (from + 0.5 * slope * into_s) * into_s,
            Self::Sine { mean, amplitude, angular, angle } => {
                let wave = libm::cos(angle) - libm::cos(angular * into_s + angle);
                mean * into_s + amplitude / angular * wave
            }
        }
    }

    /// Finds `u` in `[0, length_s]` at which the integral is `area`.
    fn inverse(self, area: f64, length_s: f64) -> f64 {
        match self {
            Self::Line { from, slope } => {
                // The stable form of the quadratic's root: no difference of near-equals,
                // and no division by a slope of 0.
                let root = libm::sqrt((from * from + 2.0 * slope * area).max(0.0));
                if from + root > 0.0 { 2.0 * area / (from + root) } else { 0.0 }
            }
            Self::Sine { .. } => self.inverse_numeric(area, length_s),
        }
    }

    /// Newton's method kept inside a bracket that bisection shrinks.
    fn inverse_numeric(self, area: f64, length_s: f64) -> f64 {
        let (mut low, mut high) = (0.0, length_s);
        let mut guess = 0.5 * length_s;
        // Bisection alone would need about 60 halvings to reach the spacing of f64.
        for _ in 0..100 {
            let error = self.integral(guess) - area;
            if error > 0.0 {
                high = guess;
            } else {
                low = guess;
            }
            let rate = self.rate(guess);
            let newton = if rate > 0.0 { guess - error / rate } else { f64::NAN };
            let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            // A tenth of a nanosecond is below what an intended start resolves.
            if (next - guess).abs() < 1e-10 {
                return next;
            }
            guess = next;
        }
        guess
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    start_s: f64,
    length_s: f64,
    /// Expected arrivals before this segment.
    area_before: f64,
    shape: Shape,
}

/// A rate law over a phase of known length.
///
/// Λ(t), the expected number of arrivals up to t, is [`RateCurve::expected`]; its inverse is
/// [`RateCurve::instant`]. Evaluating costs a binary search over the segments.
#[derive(Debug, Clone, PartialEq)]
pub struct RateCurve {
    segments: Vec<Segment>,
    length_s: f64,
    total: f64,
}

impl RateCurve {
    /// Cuts `law` over a phase of `length_s` seconds into segments.
    pub fn new(law: &RateLaw, length_s: f64) -> Self {
        let mut curve = Self { segments: Vec::new(), length_s, total: 0.0 };
        let flat = |rate: f64| Shape::Line { from: rate, slope: 0.0 };
        match law {
            RateLaw::Constant { rate } => curve.push(length_s, flat(*rate)),
            RateLaw::Ramp { from, to } => {
                let slope = if length_s > 0.0 { (to - from) / length_s } else { 0.0 };
                curve.push(length_s, Shape::Line { from: *from, slope });
            }
            RateLaw::Sine { mean, amplitude, period_s, shift } => {
                let turn = 2.0 * std::f64::consts::PI;
                curve.push(
                    length_s,
                    Shape::Sine {
                        mean: *mean,
                        amplitude: *amplitude,
                        angular: turn / period_s,
                        angle: turn * shift,
                    },
                );
            }
            RateLaw::Steps { steps } => {
                for (index, step) in steps.iter().enumerate() {
                    let is_last = index + 1 == steps.len();
                    let length_s = if is_last { f64::INFINITY } else { step.duration_s };
                    curve.push(length_s, flat(step.rate));
                }
            }
            RateLaw::Spike { base, peak, at_s, for_s } => {
                curve.push(*at_s, flat(*base));
                curve.push(*for_s, flat(*peak));
                curve.push(f64::INFINITY, flat(*base));
            }
        }
        curve
    }

    /// Appends a segment, cut where the phase ends.
    fn push(&mut self, length_s: f64, shape: Shape) {
        let start_s = self.segments.last().map_or(0.0, |last| last.start_s + last.length_s);
        let length_s = length_s.min(self.length_s - start_s);
        if length_s > 0.0 {
            self.segments.push(Segment { start_s, length_s, area_before: self.total, shape });
            self.total += shape.integral(length_s);
        }
    }

    /// Length of the phase in seconds.
    pub fn length_s(&self) -> f64 {
        self.length_s
    }

    /// Expected number of arrivals in the whole phase: Λ(T).
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Expected number of arrivals in the first `t_s` seconds: Λ(t).
    pub fn expected(&self, t_s: f64) -> f64 {
        let t_s = t_s.clamp(0.0, self.length_s);
        let index = self.segments.partition_point(|segment| segment.start_s <= t_s);
        let Some(segment) = index.checked_sub(1).and_then(|index| self.segments.get(index)) else {
            return 0.0;
        };
        segment.area_before + segment.shape.integral(t_s - segment.start_s)
    }

    /// The instant at which the expected number of arrivals reaches `area`: Λ⁻¹(area).
    ///
    /// `None` when the phase ends first.
    pub fn instant(&self, area: f64) -> Option<f64> {
        if area >= self.total {
            return None;
        }
        let index = self.segments.partition_point(|segment| segment.area_before <= area);
        let segment = self.segments.get(index.checked_sub(1)?)?;
        let into_s = segment.shape.inverse(area - segment.area_before, segment.length_s);
        Some(segment.start_s + into_s.clamp(0.0, segment.length_s))
    }

    /// Arrivals per second asked for at `t_s`.
    pub fn rate(&self, t_s: f64) -> f64 {
        let index = self.segments.partition_point(|segment| segment.start_s <= t_s);
        match index.checked_sub(1).and_then(|index| self.segments.get(index)) {
            Some(segment) => segment.shape.rate(t_s - segment.start_s),
            None => 0.0,
        }
    }

    /// Greatest rate of the phase.
    pub fn peak(&self) -> f64 {
        let ends = self.segments.iter().map(|segment| match segment.shape {
            Shape::Line { from, slope } => from.max(from + slope * segment.length_s),
            Shape::Sine { mean, amplitude, .. } => mean + amplitude.abs(),
        });
        ends.fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::{RateCurve, RateLaw, Step};

    fn laws() -> Vec<RateLaw> {
        vec![
            RateLaw::Constant { rate: 200.0 },
            RateLaw::Ramp { from: 0.0, to: 300.0 },
            RateLaw::Ramp { from: 300.0, to: 0.0 },
            RateLaw::Sine { mean: 100.0, amplitude: 100.0, period_s: 3.0, shift: 0.25 },
            RateLaw::Steps {
                steps: vec![
                    Step { rate: 10.0, duration_s: 2.0 },
                    Step { rate: 0.0, duration_s: 3.0 },
                    Step { rate: 50.0, duration_s: 1.0 },
                ],
            },
            RateLaw::Spike { base: 20.0, peak: 100.0, at_s: 4.0, for_s: 1.0 },
        ]
    }

    #[test]
    fn the_instant_inverts_the_expected_number() {
        for law in laws() {
            let curve = RateCurve::new(&law, 10.0);
            for part in 0..1000 {
                let area = curve.total() * f64::from(part) / 1000.0;
                let instant = curve.instant(area).expect("below the total");
                assert!((curve.expected(instant) - area).abs() < 1e-6, "{law:?} at {area}");
            }
            assert_eq!(curve.instant(curve.total()), None);
        }
    }

    #[test]
    fn totals_are_the_known_areas() {
        let totals: Vec<f64> =
            laws().iter().map(|law| RateCurve::new(law, 10.0).total().round()).collect();
        // Sine: ∫₀¹⁰ 100(1 + cos(2πt/3)) = 1000 + 100·(3/2π)·sin(20π/3) = 1041.35.
        assert_eq!(totals, [2000.0, 1500.0, 1500.0, 1041.0, 270.0, 280.0]);
    }

    #[test]
    fn the_integral_agrees_with_a_sum_over_the_rate() {
        for law in laws() {
            let curve = RateCurve::new(&law, 10.0);
            let steps = 100_000;
            let width = 10.0 / f64::from(steps);
            let sum: f64 =
                (0..steps).map(|step| curve.rate((f64::from(step) + 0.5) * width) * width).sum();
            assert!((sum - curve.total()).abs() < 0.1, "{law:?}: {sum} {}", curve.total());
        }
    }

    #[test]
    fn scaling_rates_and_times_scales_the_total() {
        for mut law in laws() {
            let total = RateCurve::new(&law, 10.0).total();
            law.scale_rate(3.0);
            law.scale_time(0.5);
            let scaled = RateCurve::new(&law, 5.0).total();
            assert!((scaled - 1.5 * total).abs() < 1e-6, "{law:?}");
        }
    }
}
