//! `gen doctor`: what this host can measure, and how fast it can send.
//!
//! ```text
//! timing    clock, wake-ups, gaps ─┐
//! os        limits, machine        ├─► Report ─► findings: a line each, with what to do
//! capacity  short runs             ─┘      └────► Calibration, kept for later runs
//! ```
//!
//! Nothing here changes the host. Figures are what one look at a machine shows that others may
//! be using at the same time; a second look may differ, and a quiet machine shows most.
//! The module must not know terminals or the environment: the binary chooses the folder for
//! the short runs and the place of the calibration.

mod calibration;
mod capacity;
mod findings;
mod report;
mod timing;

pub use calibration::{Calibration, CalibrationError};
pub use capacity::{Capacity, Trial};
pub use findings::{Finding, Level};
pub use report::{Budget, Limits, Report, examine};
pub use timing::{ClockFacts, Gaps, Lateness, Wakeups};
