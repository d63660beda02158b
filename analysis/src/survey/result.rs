//! What a survey finds.

use std::collections::BTreeMap;

use openload_contract::summary::{QuantileNote, Quantiles};

use crate::numeric::ns_to_ms;
use crate::quantile::{Estimate, Support};

/// Counts, mean and some quantiles of times in ns, some of them censored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// Number of values.
    pub count: usize,
    /// Number of values that are not censored.
    pub finite: usize,
    /// Mean of the finite values in ns.
    pub mean: Option<f64>,
    /// Greatest finite value.
    pub max: Option<i64>,
    /// Quantiles by level, as they were asked for.
    pub estimates: Vec<(f64, Estimate)>,
}

impl Survey {
    /// Tells whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Tells whether a value is censored.
    pub fn has_censored(&self) -> bool {
        self.finite < self.count
    }

    /// A quantile that was asked for; nothing is known of others.
    pub fn estimate(&self, level: f64) -> Estimate {
        let found = self.estimates.iter().find(|(asked, _)| *asked == level);
        found.map_or_else(Estimate::of_nothing, |&(_, estimate)| estimate)
    }

    /// Levels of the summary's tables.
    pub fn table_levels() -> Vec<f64> {
        Quantiles::LEVELS.iter().map(|&(_, level)| level).collect()
    }

    /// Fills the table of the summary, in ms.
    pub fn table(&self) -> Quantiles {
        let mut table = Quantiles {
            count: self.count as u64,
            censored_count: (self.count - self.finite) as u64,
            mean: self.mean.map(|mean| mean / 1e6),
            max: self.max.map(ns_to_ms),
            ..Quantiles::default()
        };
        if self.is_empty() {
            return table;
        }
        for (name, level) in Quantiles::LEVELS {
            let estimate = self.estimate(level);
            *slot(&mut table, name) = estimate.claimed().map(ns_to_ms);
            if !matches!(estimate.support, Support::Needs(_)) {
                table.ci95.insert(name.to_owned(), estimate.interval_ms());
            }
            self.note(&estimate, name, &mut table.notes);
        }
        table
    }

    fn note(&self, estimate: &Estimate, name: &str, notes: &mut BTreeMap<String, QuantileNote>) {
        let note = match estimate.support {
            Support::Needs(about) => QuantileNote::NeedsSamples { about },
            _ if estimate.is_censored() => {
                QuantileNote::Censored { at_least: self.max.map(ns_to_ms) }
            }
            Support::Low => QuantileNote::LowConfidence,
            Support::Sure => return,
        };
        notes.insert(name.to_owned(), note);
    }
}

fn slot<'a>(table: &'a mut Quantiles, name: &str) -> &'a mut Option<f64> {
    match name {
        "p50" => &mut table.p50,
        "p75" => &mut table.p75,
        "p90" => &mut table.p90,
        "p95" => &mut table.p95,
        "p99" => &mut table.p99,
        _ => &mut table.p999,
    }
}
