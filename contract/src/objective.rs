//! Objectives: the pass/fail lines of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an objective measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// A quantile of the response time, in ms.
    ResponseTime,
    /// A quantile of the service time, in ms.
    ServiceTime,
    /// A quantile of the schedule lag, in ms.
    ScheduleLag,
    /// Requests completed with outcome `ok`, per second of intended time.
    Throughput,
    /// Share of arrivals that did not end `ok`.
    ErrorRate,
    /// Share of arrivals that the target answered at all: a complete response with a status
    /// below 500.
    Availability,
    /// Share of arrivals that were dropped.
    DropRate,
    /// Longest time from the end of a spike until the target is back in band, in ms.
    RecoveryTime,
    /// Change of a response-time quantile per 24 h, as a share of its start; 0 when the
    /// analysis finds no drift.
    Drift,
    /// Change of the target's resident memory per 24 h, as a share of its start; 0 when the
    /// analysis finds none.
    MemoryGrowth,
    /// Highest rate that the target sustained, per second, of a run that held several.
    Capacity,
}

/// Unit of a metric's value and of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Per second.
    PerSecond,
    /// A share: 0.01 is one percent.
    Ratio,
}

impl Metric {
    /// Every metric, in the order the documentation lists them.
    pub const ALL: [Self; 11] = [
        Self::ResponseTime,
        Self::ServiceTime,
        Self::ScheduleLag,
        Self::Throughput,
        Self::ErrorRate,
        Self::Availability,
        Self::DropRate,
        Self::RecoveryTime,
        Self::Drift,
        Self::MemoryGrowth,
        Self::Capacity,
    ];

    /// Names the metric as profiles do.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResponseTime => "response_time",
            Self::ServiceTime => "service_time",
            Self::ScheduleLag => "schedule_lag",
            Self::Throughput => "throughput",
            Self::ErrorRate => "error_rate",
            Self::Availability => "availability",
            Self::DropRate => "drop_rate",
            Self::RecoveryTime => "recovery_time",
            Self::Drift => "drift",
            Self::MemoryGrowth => "memory_growth",
            Self::Capacity => "capacity",
        }
    }

    /// Tells the unit of the metric's value and limit.
    pub fn unit(self) -> Unit {
        match self {
            Self::ResponseTime | Self::ServiceTime | Self::ScheduleLag | Self::RecoveryTime => {
                Unit::Ms
            }
            Self::Throughput | Self::Capacity => Unit::PerSecond,
            Self::ErrorRate
            | Self::Availability
            | Self::DropRate
            | Self::Drift
            | Self::MemoryGrowth => Unit::Ratio,
        }
    }

    /// Tells whether the metric is a quantile of a distribution.
    pub fn takes_quantile(self) -> bool {
        matches!(self, Self::ResponseTime | Self::ServiceTime | Self::ScheduleLag | Self::Drift)
    }
}

/// The side of the limit on which the value must lie. The limit itself is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The value must not be above this.
    Max(f64),
    /// The value must not be below this.
    Min(f64),
}

impl Bound {
    /// Tells whether `value` is on the right side.
    pub fn allows(self, value: f64) -> bool {
        match self {
            Self::Max(limit) => value <= limit,
            Self::Min(limit) => value >= limit,
        }
    }

    /// Returns the limit.
    pub fn limit(self) -> f64 {
        match self {
            Self::Max(limit) | Self::Min(limit) => limit,
        }
    }
}

/// One pass/fail line, as resolved from a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Objective {
    /// What is measured.
    pub metric: Metric,
    /// Which quantile, for metrics that have one.
    pub quantile: Option<f64>,
    /// The limit, in the metric's unit.
    pub bound: Bound,
    /// Only arrivals of this stream.
    pub stream: Option<String>,
    /// Only arrivals of this phase.
    pub phase: Option<String>,
    /// Only arrivals of this scenario.
    pub scenario: Option<String>,
    /// Only arrivals of this request.
    pub request: Option<String>,
    /// Only arrivals of scenarios with this tag.
    #[serde(default)]
    pub tag: Option<String>,
    /// Hold in every window of this many seconds, not only over the whole.
    pub window_s: Option<f64>,
    /// Ask that the whole confidence interval lies on the right side.
    pub strict: bool,
    /// End the run when the objective is missed on the way.
    #[serde(default)]
    pub abort: Option<AbortRule>,
}

/// When an objective that is missed on the way ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AbortRule {
    /// Not before its arrivals span this many seconds.
    pub after_s: f64,
    /// Not before there are this many of them.
    pub min_count: u64,
}

#[cfg(test)]
mod tests {
    use super::{Bound, Metric};

    #[test]
    fn the_limit_itself_is_allowed() {
        assert!(Bound::Max(1.0).allows(1.0) && !Bound::Max(1.0).allows(1.1));
        assert!(Bound::Min(1.0).allows(1.0) && !Bound::Min(1.0).allows(0.9));
        assert!(!Bound::Max(1.0).allows(f64::NAN));
    }

    #[test]
    fn names_are_those_of_serde() {
        for metric in Metric::ALL {
            let text = serde_json::to_string(&metric).expect("a unit variant");
            assert_eq!(text, format!("\"{}\"", metric.name()));
        }
    }
}
