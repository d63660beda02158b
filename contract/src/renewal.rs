//! Renewal processes with gaps of a chosen coefficient of variation.
//!
//! In rescaled time the gaps are independent with mean 1 and standard deviation `cv`: below 1
//! arrivals are more even than Poisson arrivals, above 1 they come in clumps. Over long
//! stretches the counts have the variance `cv²` times their mean (Cox 1962, *Renewal Theory*,
//! chapter 4). Three families of gaps share mean and variance and differ in their tails:
//!
//! | family | parameters for mean 1 and cv = c | character |
//! |---|---|---|
//! | gamma | shape 1/c², scale c² | exponential tail; c = 1 is a Poisson process |
//! | weibull | shape k with Γ(1+2/k)/Γ(1+1/k)² = 1+c², scale 1/Γ(1+1/k) | stretched tail; c = 1 too |
//! | lognormal | σ² = ln(1+c²), μ = −σ²/2 | heavy tail, hardly any very short gaps |
//!
//! With cv = 0 every family is constant pacing.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Family of the gaps' distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapFamily {
    /// Gamma.
    #[default]
    Gamma,
    /// Weibull.
    Weibull,
    /// Lognormal.
    Lognormal,
}

impl GapFamily {
    /// Names the family as profiles do.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gamma => "gamma",
            Self::Weibull => "weibull",
            Self::Lognormal => "lognormal",
        }
    }
}

/// What a renewal process is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Renewal {
    /// Coefficient of variation of the gaps: standard deviation over mean.
    pub cv: f64,
    /// Family of the gaps' distributions.
    #[serde(default)]
    pub family: GapFamily,
}

/// Least coefficient of variation other than 0. Below it a gap differs from its mean by less
/// than a timer is late.
pub const CV_MIN: f64 = 0.01;

/// Greatest coefficient of variation. At 100 a thousand arrivals vary by three thousand.
pub const CV_MAX: f64 = 100.0;

/// Law of the gaps, with mean 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GapLaw {
    /// Always 1.
    Constant,
    /// Gamma; the scale is 1 / shape.
    Gamma {
        /// Shape.
        shape: f64,
    },
    /// Weibull.
    Weibull {
        /// Shape.
        shape: f64,
        /// Scale.
        scale: f64,
    },
    /// Lognormal; the logarithm has the mean −σ²/2.
    Lognormal {
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

impl Renewal {
    /// Law of the gaps; a coefficient of variation out of bounds is brought inside.
    pub fn gap_law(self) -> GapLaw {
        if self.cv.is_nan() || self.cv <= 0.0 {
            return GapLaw::Constant;
        }
        let cv = self.cv.clamp(CV_MIN, CV_MAX);
        match self.family {
            GapFamily::Gamma => GapLaw::Gamma { shape: 1.0 / (cv * cv) },
            GapFamily::Weibull => {
                let inverse = weibull_inverse_shape(cv);
                let scale = 1.0 / libm::tgamma(1.0 + inverse);
                GapLaw::Weibull { shape: 1.0 / inverse, scale }
            }
            GapFamily::Lognormal => GapLaw::Lognormal { sigma: libm::sqrt(libm::log1p(cv * cv)) },
        }
    }
}

/// Finds x = 1/shape of the Weibull law with this coefficient of variation.
///
/// `ln Γ(1+2x) − 2 ln Γ(1+x) = ln(1+cv²)`; the left side grows with x, from 0 at 0.
fn weibull_inverse_shape(cv: f64) -> f64 {
    let wanted = libm::log1p(cv * cv);
    let excess = |x: f64| libm::lgamma(1.0 + 2.0 * x) - 2.0 * libm::lgamma(1.0 + x) - wanted;
    let (mut low, mut high) = (0.0, 1.0);
    while excess(high) < 0.0 {
        (low, high) = (high, 2.0 * high);
    }
    // Sixty halvings of at most 16 reach the spacing of f64.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if excess(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

impl fmt::Display for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, cv {}", self.family.name(), self.cv)
    }
}

#[cfg(test)]
mod tests {
    use super::{CV_MAX, CV_MIN, GapFamily, GapLaw, Renewal};

    fn law(family: GapFamily, cv: f64) -> GapLaw {
        Renewal { cv, family }.gap_law()
    }

    /// The closed forms of mean and second moment.
    fn moments(law: GapLaw) -> (f64, f64) {
        match law {
            GapLaw::Constant => (1.0, 1.0),
            GapLaw::Gamma { shape } => (1.0, (shape + 1.0) / shape),
            GapLaw::Weibull { shape, scale } => (
                scale * libm::tgamma(1.0 + 1.0 / shape),
                scale * scale * libm::tgamma(1.0 + 2.0 / shape),
            ),
            GapLaw::Lognormal { sigma } => (1.0, (sigma * sigma).exp()),
        }
    }

    #[test]
    fn gaps_have_the_mean_1_and_the_wanted_variation() {
        for family in [GapFamily::Gamma, GapFamily::Weibull, GapFamily::Lognormal] {
            for cv in [CV_MIN, 0.1, 0.5, 1.0, 2.0, 10.0, CV_MAX] {
                let (mean, square) = moments(law(family, cv));
                let found = (square / (mean * mean) - 1.0).sqrt();
                assert!((mean - 1.0).abs() < 1e-12, "{family:?} {cv}: {mean}");
                assert!((found / cv - 1.0).abs() < 1e-8, "{family:?} {cv}: {found}");
            }
        }
    }

    #[test]
    fn a_cv_of_1_is_exponential_in_two_families() {
        assert_eq!(law(GapFamily::Gamma, 1.0), GapLaw::Gamma { shape: 1.0 });
        let GapLaw::Weibull { shape, scale } = law(GapFamily::Weibull, 1.0) else {
            panic!("a Weibull law")
        };
        assert!((shape - 1.0).abs() < 1e-12 && (scale - 1.0).abs() < 1e-12, "{shape} {scale}");
    }

    #[test]
    fn no_variation_and_nonsense_are_constant_pacing() {
        for cv in [0.0, -1.0, f64::NAN] {
            assert_eq!(law(GapFamily::Lognormal, cv), GapLaw::Constant);
        }
        assert_eq!(law(GapFamily::Gamma, 1e9), law(GapFamily::Gamma, CV_MAX));
    }
}
