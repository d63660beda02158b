//! Sending each arrival when it is due, whatever the target does.
//!
//! ```text
//! timeline ──► worker ──► idle connection, else a new one ──► transport
//!                │                       │
//!                │ in flight ≥ bound     │ response, failure, deadline
//!                ▼                       ▼
//!             dropped                 one row ──► recorder
//! ```
//!
//! The worker waits for intended starts and for nothing else: no response, no connection and
//! no row can delay it. An arrival is a [`Job`] from its dispatch on, and a job writes its
//! row when it ends, however it ends: dropping one unfinished writes `cancelled`.

mod connection;
mod deadline;
mod failures;
mod job;
mod pool;
mod recorder;
mod source;
mod stop;
mod worker;

pub use failures::{FailureKind, Failures};
pub use recorder::{ChunkSink, Gauges, Recorder, RowCodes};
pub use stop::{StopLevel, StopSignal};
pub(crate) use worker::PREWARM_STEP_NS;
pub use worker::{Limits, Worker, WorkerRemains, WorkerReport};
