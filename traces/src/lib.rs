//! Recorded traffic as timelines.
//!
//! Importers read what others have recorded, in any of the formats of [`mod@format`], and write one
//! canonical timeline; everything behind it reads only that. The data goes one way:
//!
//! ```text
//! input (file, gz, zst, stdin) → format → Record → start, scrub → sort → spread → timeline file
//! timeline file → slice, filter, scale → Event → the generator's arrivals
//! ```
//!
//! Nothing here sends anything, reads a clock, or knows HTTP beyond the bytes of a request.

pub mod canonical;
pub mod error;
pub mod event;
pub mod format;
pub mod import;
pub mod input;
mod intake;
pub mod lines;
pub mod record;
pub mod report;
mod rows;
pub mod scrub;
mod settle;
mod sort;
pub mod spread;
pub mod start;
pub mod stats;
pub mod time;
pub mod transform;

pub use canonical::{Metadata, TraceFile, TraceWriter};
pub use error::TraceError;
pub use import::{ImportOptions, import};
pub use input::{Input, InputInfo};
pub use report::ImportReport;
