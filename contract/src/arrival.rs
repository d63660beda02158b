//! Arrival processes: the laws of the instants at which requests start.
//!
//! An [`ArrivalKind`] says how arrivals are scattered around the rate of a phase; the rate
//! itself is a [`crate::RateLaw`]. In the manifest a process without parameters is a word and
//! one with parameters is a table under its word, so that manifests written before there
//! were such processes are read as they always were.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mmpp::Mmpp;
use crate::renewal::{GapLaw, Renewal};

/// The stochastic law of the instants at which requests start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalKind {
    /// Poisson arrivals; with a rate that changes, a non-homogeneous Poisson process.
    #[default]
    Poisson,
    /// Arrival k at the instant when the integral of the rate reaches k.
    Constant,
    /// A renewal process in rescaled time with gaps uniform between 0 and 2.
    Uniform,
    /// Poisson arrivals whose rate is multiplied by a factor that changes by chance.
    Mmpp(Mmpp),
    /// A renewal process in rescaled time with gaps of a chosen coefficient of variation.
    Renewal(Renewal),
    /// Recorded arrivals.
    Trace,
}

impl ArrivalKind {
    /// Names the process as profiles do.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Constant => "constant",
            Self::Uniform => "uniform",
            Self::Mmpp(_) => "mmpp",
            Self::Renewal(_) => "renewal",
            Self::Trace => "trace",
        }
    }

    /// Tells whether nothing about the arrivals is left to chance.
    pub fn is_paced(&self) -> bool {
        match self {
            Self::Constant => true,
            Self::Renewal(renewal) => renewal.gap_law() == GapLaw::Constant,
            Self::Poisson | Self::Uniform | Self::Mmpp(_) | Self::Trace => false,
        }
    }

    /// The greatest factor by which the process multiplies the rate of its phase.
    pub fn peak_factor(&self) -> f64 {
        match self {
            Self::Mmpp(mmpp) => mmpp.factors().into_iter().fold(0.0, f64::max),
            _ => 1.0,
        }
    }
}

impl fmt::Display for ArrivalKind {
    /// Writes the name and, where there are some, the parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisson | Self::Constant | Self::Uniform | Self::Trace => {
                f.write_str(self.name())
            }
            Self::Mmpp(mmpp) => write!(f, "mmpp {mmpp}"),
            Self::Renewal(renewal) => write!(f, "renewal {renewal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ArrivalKind, Mmpp, Renewal};
    use crate::renewal::GapFamily;

    fn mmpp() -> ArrivalKind {
        ArrivalKind::Mmpp(Mmpp { rates: vec![0.5, 3.0], stays_s: vec![1.5, 0.3] })
    }

    fn renewal(cv: f64) -> ArrivalKind {
        ArrivalKind::Renewal(Renewal { cv, family: GapFamily::Gamma })
    }

    #[test]
    fn old_manifests_are_read_and_words_stay_words() {
        for (word, kind) in [
            ("\"poisson\"", ArrivalKind::Poisson),
            ("\"constant\"", ArrivalKind::Constant),
            ("\"uniform\"", ArrivalKind::Uniform),
        ] {
            assert_eq!(serde_json::from_str::<ArrivalKind>(word).unwrap(), kind);
            assert_eq!(serde_json::to_string(&kind).unwrap(), word);
        }
    }

    #[test]
    fn parameters_stand_in_a_table_under_the_name() {
        let known = [
            (mmpp(), r#"{"mmpp":{"rates":[0.5,3.0],"stays_s":[1.5,0.3]}}"#),
            (renewal(2.0), r#"{"renewal":{"cv":2.0,"family":"gamma"}}"#),
        ];
        for (kind, text) in known {
            assert_eq!(serde_json::to_string(&kind).unwrap(), text);
            assert_eq!(serde_json::from_str::<ArrivalKind>(text).unwrap(), kind);
        }
        let short = r#"{"renewal":{"cv":2.0}}"#;
        assert_eq!(serde_json::from_str::<ArrivalKind>(short).unwrap(), renewal(2.0));
    }

    #[test]
    fn processes_are_described_in_a_line() {
        assert_eq!(ArrivalKind::Uniform.to_string(), "uniform");
        assert_eq!(mmpp().to_string(), "mmpp rates 0.5, 3, stays 1.5 s, 0.3 s");
        assert_eq!(renewal(0.25).to_string(), "renewal gamma, cv 0.25");
    }

    #[test]
    fn gaps_without_variation_are_paced() {
        assert!(ArrivalKind::Constant.is_paced() && renewal(0.0).is_paced());
        assert!(!renewal(0.5).is_paced() && !mmpp().is_paced());
    }

    #[test]
    fn only_an_mmpp_goes_above_the_rate_of_its_phase() {
        // Mean (0.5 · 1.5 + 3 · 0.3) / 1.8 = 11/12, so the factor 3 becomes 36/11.
        assert!((mmpp().peak_factor() - 36.0 / 11.0).abs() < 1e-12);
        assert_eq!(renewal(3.0).peak_factor(), 1.0);
    }
}
