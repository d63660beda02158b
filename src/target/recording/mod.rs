//! What reached the target, and when: `gen target --record`.
//!
//! A generator that says itself how punctual it was is its own witness. A recording is the other
//! one: a Parquet file with a row per request, stamped at the server right after the read from
//! the socket that completed the request's head. Tools without a record of their own can be
//! held against it, and it can be replayed.
//!
//! ```text
//! target's thread                                 writer thread
//! Recorder ── Chunk (1024 rows), bounded channel ─► FILE.partial ── closed, synced, renamed ─► FILE
//! ```
//!
//! The target's thread reads the clock once per read and pushes one row per request; it never
//! waits for the disk. When the writer is so far behind that the channel is full, the recording
//! ends with an error: a recording with holes would be worth less than none. Rows are in the
//! order in which requests were complete, bodies included. A file becomes readable when it is
//! closed, so a killed target leaves nothing; Ctrl-C and SIGTERM close it.

mod error;
mod read;
mod recorder;
mod schema;
mod writer;

pub use error::RecordingError;
pub use read::{RecordedRequest, RecordingReader, read_recording};
pub use recorder::Tap;
pub(in crate::target) use recorder::{Arrived, Recorder};
pub use schema::{RECORDING_VERSION, schema};
pub use writer::{Recording, create_recording};

#[cfg(test)]
mod tests;
