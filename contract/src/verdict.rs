//! What a run comes to, and how a process says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The measurement is valid and every objective is met.
    Pass,
    /// The measurement is valid and an objective is missed.
    Fail,
    /// The generator, not the target, made the numbers: neither pass nor fail.
    Invalid,
}

impl Verdict {
    /// Names the verdict as the summary does.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
        }
    }

    /// Tells the exit code of a finished run with this verdict.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Pass => ExitCode::Passed,
            Self::Fail => ExitCode::ObjectivesMissed,
            Self::Invalid => ExitCode::Invalid,
        }
    }
}

/// Exit codes of `gen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Objectives met.
    Passed = 0,
    /// Could not run: I/O, connection, internal.
    CouldNotRun = 1,
    /// Wrong usage, invalid profile or trace.
    Usage = 2,
    /// Objectives missed.
    ObjectivesMissed = 3,
    /// Result invalid: generator saturated or arrivals off the timeline.
    Invalid = 4,
    /// Regression against the base run.
    Regression = 5,
    /// Interrupted: samples kept, analysis still written.
    Interrupted = 130,
}

impl ExitCode {
    /// Returns the number the process exits with.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the worse of two, for several runs that end as one.
    ///
    /// Numbers of exit codes have no order. The less is known about the target, the worse:
    /// a missed objective is a result, an invalid run is none, and one that could not be made
    /// not even an attempt. Whoever interrupted did not want the rest.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.badness() > self.badness() { other } else { self }
    }

    fn badness(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Regression => 1,
            Self::ObjectivesMissed => 2,
            Self::Invalid => 3,
            Self::Usage => 4,
            Self::CouldNotRun => 5,
            Self::Interrupted => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn the_less_is_known_the_worse() {
        let order = [
            ExitCode::Passed,
            ExitCode::ObjectivesMissed,
            ExitCode::Invalid,
            ExitCode::CouldNotRun,
            ExitCode::Interrupted,
        ];
        for (index, &worse) in order.iter().enumerate() {
            for &better in &order[..=index] {
                assert_eq!((worse.worse(better), better.worse(worse)), (worse, worse));
            }
        }
    }
}
