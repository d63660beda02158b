//! Everything that differs between platforms: precise timers, limits, host facts.
//!
//! Linux is the platform that is measured; the others get a plain fallback with the same
//! interface. No other module asks what system it runs on.

mod facts;
#[cfg(not(target_os = "linux"))]
mod fallback;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(unix)]
mod unix;
#[cfg(not(unix))]
mod windows;

pub use facts::{Disturbances, Machine, NetworkLimits, ThreadUse, TimeWaitReuse};

#[cfg(unix)]
pub use unix::{StopRequests, UnixStream, connect_unix, is_out_of_files};
#[cfg(not(unix))]
pub use windows::{StopRequests, UnixStream, connect_unix, is_out_of_files};

#[cfg(not(target_os = "linux"))]
pub use fallback::*;
#[cfg(target_os = "linux")]
pub use linux::*;

/// Processors this process may use: affinity and quotas included.
pub fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}
