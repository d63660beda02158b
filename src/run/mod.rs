//! One run from a plan to a closed run directory.
//!
//! [`start`] does everything that may fail before the first request leaves: the target is
//! resolved and probed, the run directory made, the manifest written, every thread started.
//! Then the workers keep to the timeline, and [`RunHandle::wait`] closes the books.

mod directory;
mod error;
mod guard;
mod limits;
mod manifest;
mod monitor;
mod route;
mod session;
mod settings;
mod thread;
mod threads;

pub use error::RunError;
pub use limits::{LimitError, SystemLimits};
pub use session::{Progress, RunHandle, RunOutcome, start};
pub use settings::{RunSettings, worker_count};
