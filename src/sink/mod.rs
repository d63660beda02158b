//! Rows on their way from the workers to disk, and the live figures made of them.
//!
//! One writer thread takes the chunks of all workers, so that neither encoding nor the file
//! system can delay a worker. It knows rows and files; it must not know HTTP or schedules.

mod backlog;
mod channel;
mod dump;
mod live;
mod writer;

pub use backlog::Backlog;
pub use channel::ChannelSink;
pub use dump::{DumpError, dump_timeline};
pub use live::{Live, LiveFigures};
pub use writer::{Watcher, Writer, WriterReport, WriterSetup};
