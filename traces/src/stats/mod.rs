//! What can be said about a timeline.
//!
//! Everything here reads events once, in order, in bounded memory; what cannot be exact then says
//! so. [`info()`] puts it together, [`TraceInfo::to_text`](info::TraceInfo::to_text) shows it, and
//! [`fit`] finds a model that a profile can hold.

pub mod burstiness;
pub mod fit;
mod histogram;
pub mod holes;
pub mod info;
pub mod rate;
pub mod resolution;
pub mod sessions;
mod text;
pub mod top;

pub use burstiness::{Burstiness, BurstinessFigures, Dispersion};
pub use histogram::{Histogram, Quantiles};
pub use holes::{Hole, Holes};
pub use info::{InfoOptions, TraceInfo, info};
pub use rate::{RateCurve, Rates};
pub use resolution::{Resolution, ResolutionDetector, detect_resolution};
pub use sessions::{SessionFigures, Sessions};
pub use top::{TopCounts, TopEntry, TopPaths};
