//! Gaps of renewal processes, drawn from their laws.
//!
//! **The first gap.** A phase does not begin with an arrival, it begins somewhere between two.
//! The gap it falls into is found in proportion to its length (density x·f(x), the mean being
//! 1), and the beginning is uniform in it: so the first arrival comes after U·X* with U uniform
//! and X* a gap drawn by length. Its density is 1 − F(x), that of the equilibrium renewal
//! process (Cox 1962, *Renewal Theory*, chapter 5), with which the expected number of arrivals
//! up to any instant is exactly Λ, as it is for a Poisson process. Beginning with a whole gap
//! would add (cv² − 1)/2 arrivals on average, beginning with an arrival (cv² + 1)/2. Gaps
//! drawn by length stay in closed form: a gamma of shape + 1; a lognormal whose logarithm is
//! moved by σ²; of a Weibull, `scale · G^(1/shape)` with G a gamma of shape 1 + 1/shape.
//! Constant pacing keeps beginning with an arrival, at area 0.
//!
//! **Platforms.** The distributions of `rand_distr` take their functions from wherever the
//! features of a build put them. Here all are `libm`'s and every draw is in this file, so that
//! gaps are the same to the last bit in every build.

use std::f64::consts::TAU;

use openload_contract::{GapLaw, seeding};
use rand::Rng;

/// Draws gaps of one law, with mean 1.
#[derive(Debug, Clone, Copy)]
pub(super) enum GapSampler {
    Gamma { gap: Gamma, by_length: Gamma, scale: f64 },
    Weibull { inverse_shape: f64, scale: f64, by_length: Gamma },
    Lognormal { sigma: f64 },
}

impl GapSampler {
    /// Prepares the draws; constant pacing needs none.
    pub fn new(law: GapLaw) -> Option<Self> {
        Some(match law {
            GapLaw::Constant => return None,
            GapLaw::Gamma { shape } => Self::Gamma {
                gap: Gamma::new(shape),
                by_length: Gamma::new(shape + 1.0),
                scale: 1.0 / shape,
            },
            GapLaw::Weibull { shape, scale } => Self::Weibull {
                inverse_shape: 1.0 / shape,
                scale,
                by_length: Gamma::new(1.0 + 1.0 / shape),
            },
            GapLaw::Lognormal { sigma } => Self::Lognormal { sigma },
        })
    }

    /// Draws a gap.
    pub fn draw(&self, random: &mut impl Rng) -> f64 {
        match self {
            Self::Gamma { gap, scale, .. } => scale * gap.draw(random),
            Self::Weibull { inverse_shape, scale, .. } => {
                scale * libm::pow(exponential(random), *inverse_shape)
            }
            Self::Lognormal { sigma } => libm::exp(sigma * normal(random) - 0.5 * sigma * sigma),
        }
    }

    /// Draws the time from the beginning of a phase to its first arrival.
    pub fn draw_first(&self, random: &mut impl Rng) -> f64 {
        let by_length = match self {
            Self::Gamma { by_length, scale, .. } => scale * by_length.draw(random),
            Self::Weibull { inverse_shape, scale, by_length } => {
                scale * libm::pow(by_length.draw(random), *inverse_shape)
            }
            Self::Lognormal { sigma } => libm::exp(sigma * normal(random) + 0.5 * sigma * sigma),
        };
        by_length * unit(random)
    }
}

/// Gamma distribution of scale 1, by the method of Marsaglia and Tsang (2000), "A simple
/// method for generating gamma variables", ACM Transactions on Mathematical Software 26(3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Gamma {
    /// d and c of the paper, of a shape of at least 1.
    d: f64,
    c: f64,
    /// 1/shape of a shape below 1: its variable is one of shape + 1 times U^(1/shape).
    below_one: Option<f64>,
}

impl Gamma {
    fn new(shape: f64) -> Self {
        let below_one = (shape < 1.0).then(|| 1.0 / shape);
        let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
        Self { d, c: 1.0 / libm::sqrt(9.0 * d), below_one }
    }

    fn draw(&self, random: &mut impl Rng) -> f64 {
        let whole = loop {
            let x = normal(random);
            let root = 1.0 + self.c * x;
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            // 1 − u is in (0, 1]: the logarithm is finite.
            let u = 1.0 - unit(random);
            if libm::log(u) < 0.5 * x * x + self.d * (1.0 - v + libm::log(v)) {
                break self.d * v;
            }
        };
        match self.below_one {
            Some(inverse_shape) => whole * libm::pow(1.0 - unit(random), inverse_shape),
            None => whole,
        }
    }
}

/// Exponential with mean 1.
fn exponential(random: &mut impl Rng) -> f64 {
    -libm::log(1.0 - unit(random))
}

/// Standard normal (Box and Muller 1958); the second of the pair is not kept.
fn normal(random: &mut impl Rng) -> f64 {
    let radius = libm::sqrt(2.0 * exponential(random));
    radius * libm::cos(TAU * unit(random))
}

/// Uniform in [0, 1) with 53 bits.
pub(super) fn unit(random: &mut impl Rng) -> f64 {
    seeding::unit(random.next_u64())
}

#[cfg(test)]
mod tests {
    use openload_contract::renewal::{CV_MAX, CV_MIN};
    use openload_contract::{GapFamily, GapLaw, Renewal};
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use statrs::distribution::{ContinuousCDF, Gamma, Normal};

    use super::GapSampler;

    const FAMILIES: [GapFamily; 3] = [GapFamily::Gamma, GapFamily::Weibull, GapFamily::Lognormal];

    fn law(family: GapFamily, cv: f64) -> GapLaw {
        Renewal { cv, family }.gap_law()
    }

    /// Distribution function of a gap, from other code than draws it.
    fn cdf(law: GapLaw) -> Box<dyn Fn(f64) -> f64> {
        match law {
            GapLaw::Constant => panic!("no law of chance"),
            GapLaw::Gamma { shape } => {
                let gamma = Gamma::new(shape, shape).unwrap();
                Box::new(move |gap| gamma.cdf(gap))
            }
            GapLaw::Weibull { shape, scale } => {
                Box::new(move |gap| 1.0 - (-(gap / scale).powf(shape)).exp())
            }
            GapLaw::Lognormal { sigma } => {
                let normal = Normal::new(-sigma * sigma / 2.0, sigma).unwrap();
                Box::new(move |gap| normal.cdf(gap.ln()))
            }
        }
    }

    fn distance(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let count = values.len() as f64;
        let distances = (0..).zip(&values).map(|(index, &value)| {
            let (law, below) = (cdf(value), f64::from(index) / count);
            (law - below).max(below + 1.0 / count - law)
        });
        distances.fold(0.0, f64::max)
    }

    fn draws(law: GapLaw, seed: u64, count: usize) -> (f64, Vec<f64>) {
        let gaps = GapSampler::new(law).unwrap();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let first = gaps.draw_first(&mut random);
        (first, (0..count).map(|_| gaps.draw(&mut random)).collect())
    }

    /// Of 100 tests at the 1 % level one fails on average, more than five have a
    /// probability of 0.05 %.
    #[test]
    fn gaps_follow_their_law() {
        for family in FAMILIES {
            for cv in [CV_MIN, 0.3, 1.0, 2.0, 10.0] {
                let law = law(family, cv);
                let cdf = cdf(law);
                let rejected = (0..100).filter(|&seed| {
                    distance(draws(law, seed, 2_000).1, &cdf) > 1.628 / 2_000.0_f64.sqrt()
                });
                let rejected = rejected.count();
                assert!(rejected <= 5, "{family:?} {cv}: rejected {rejected} of 100");
            }
        }
    }

    /// Another cv, by a tenth, is found with twenty thousand gaps.
    #[test]
    fn gaps_of_another_variation_do_not_follow_the_law() {
        for family in FAMILIES {
            let cdf = cdf(law(family, 2.0));
            let other = draws(law(family, 2.2), 1, 20_000).1;
            assert!(distance(other, cdf) > 1.95 / 20_000.0_f64.sqrt(), "{family:?}");
        }
    }

    /// The density of the first arrival is 1 − F: its distribution is summed up here by the
    /// rule of the middle, in which an error of a bin is 10⁻³ at most.
    #[test]
    fn the_first_arrival_comes_as_in_equilibrium() {
        for family in FAMILIES {
            for cv in [0.1, 0.7, 1.5, 3.0] {
                let law = law(family, cv);
                let gap = cdf(law);
                let width = 1e-3;
                let mut sum = 0.0;
                let sums: Vec<f64> = (0..400_000)
                    .map(|bin| {
                        let before = sum;
                        sum += width * (1.0 - gap((f64::from(bin) + 0.5) * width));
                        before
                    })
                    .collect();
                let equilibrium = |value: f64| {
                    let bin = value / width;
                    let (low, part) = (bin.floor() as usize, bin.fract());
                    let high = sums.get(low + 1).copied().unwrap_or(1.0);
                    sums.get(low).map_or(1.0, |before| before + part * (high - before))
                };
                let firsts: Vec<f64> = (0..5_000).map(|seed| draws(law, seed, 0).0).collect();
                let distance = distance(firsts, equilibrium);
                assert!(distance < 1.95 / 5_000.0_f64.sqrt() + 1e-3, "{family:?} {cv}: {distance}");
            }
        }
    }

    #[test]
    fn gaps_at_the_bounds_are_finite_and_not_negative() {
        for family in FAMILIES {
            for cv in [CV_MIN, CV_MAX] {
                let (first, gaps) = draws(law(family, cv), 5, 100_000);
                assert!(first >= 0.0 && first.is_finite());
                assert!(gaps.iter().all(|gap| *gap >= 0.0 && gap.is_finite()));
            }
        }
    }

    #[test]
    fn constant_pacing_is_not_drawn() {
        assert!(GapSampler::new(GapLaw::Constant).is_none());
    }
}
