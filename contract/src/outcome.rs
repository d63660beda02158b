//! How a request ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a request ended. A failed request is data, not an error of the program.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// A complete response that met its expectations.
    Ok = 0,
    /// A complete response whose status was not among the expected ones.
    HttpError = 1,
    /// A complete response whose content broke a check.
    CheckFailed = 2,
    /// No complete response before a deadline.
    Timeout = 3,
    /// No connection: refused, unreachable, unresolvable, TLS failure, no descriptor left.
    ConnectError = 4,
    /// The connection broke after it was made.
    Reset = 5,
    /// Bytes that are not HTTP.
    ProtocolError = 6,
    /// Not sent, because `max_in_flight` was reached.
    Dropped = 7,
    /// Given up because the run was stopped.
    Cancelled = 8,
}

impl Outcome {
    /// Every outcome, in the order of its code.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::HttpError,
        Self::CheckFailed,
        Self::Timeout,
        Self::ConnectError,
        Self::Reset,
        Self::ProtocolError,
        Self::Dropped,
        Self::Cancelled,
    ];

    /// Names the outcome as sample files and reports do.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::HttpError => "http_error",
            Self::CheckFailed => "check_failed",
            Self::Timeout => "timeout",
            Self::ConnectError => "connect_error",
            Self::Reset => "reset",
            Self::ProtocolError => "protocol_error",
            Self::Dropped => "dropped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Finds the outcome of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Returns whether the arrival counts as a success.
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }

    /// Returns whether a complete response arrived, whatever it said.
    pub fn is_completed(self) -> bool {
        matches!(self, Self::Ok | Self::HttpError | Self::CheckFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn codes_count_up_and_names_round_trip() {
        for (code, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, code);
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
        }
    }
}
