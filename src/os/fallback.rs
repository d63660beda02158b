//! Every platform but Linux: the runtime's timer, and no host figures.

use std::io;
use std::time::Duration;

use openload_contract::manifest::HostRecord;

use super::facts::{Disturbances, Machine, NetworkLimits, ThreadUse};

/// A timer with the resolution of the runtime: about a millisecond.
#[derive(Debug)]
pub struct PreciseTimer;

impl PreciseTimer {
    /// Makes a timer for the current runtime.
    ///
    /// # Errors
    /// Never on this platform.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for `duration`, rounded up to the runtime's tick.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Not known on this platform.
pub fn raise_open_files_limit() -> Option<u64> {
    None
}

/// Refuses: threads are not pinned on this platform.
///
/// # Errors
/// Always.
pub fn pin_thread(_cpus: &[u32]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "threads cannot be pinned here"))
}

/// Not known on this platform.
pub fn thread_cpus() -> Vec<u32> {
    Vec::new()
}

/// Not known on this platform.
pub fn open_files_limit() -> Option<u64> {
    None
}

/// Not known on this platform.
pub fn local_ports() -> Vec<u16> {
    Vec::new()
}

/// Not known on this platform.
pub fn process_cpu_ns() -> Option<i64> {
    None
}

/// Not known on this platform.
pub fn resident_bytes(_pid: u32) -> Option<u64> {
    None
}

/// Lets other threads have the processor before this one: not asked for on this platform.
pub fn yield_to_other_threads() {}

/// Not known on this platform.
pub fn threads() -> Vec<ThreadUse> {
    Vec::new()
}

/// Not known on this platform.
pub fn open_files() -> Option<u64> {
    None
}

/// Not known on this platform.
pub fn disturbances() -> Disturbances {
    Disturbances::default()
}

/// Not known on this platform.
pub fn network_limits() -> NetworkLimits {
    NetworkLimits::default()
}

/// Not known on this platform.
pub fn machine() -> Machine {
    Machine::default()
}

/// Describes this machine.
pub fn host() -> HostRecord {
    HostRecord {
        name: String::new(),
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cores: super::cores(),
    }
}
