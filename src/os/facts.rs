//! What a platform may tell about this process and this machine, as plain data.
//!
//! Everything is optional: a platform that does not tell leaves it out, and whoever asks has
//! to live without.

/// What one thread of this process has used since it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadUse {
    /// Number of the thread.
    pub id: u32,
    /// Name of the thread.
    pub name: String,
    /// User and system time.
    pub cpu_ns: i64,
    /// Time it was ready to run and had no processor.
    pub wait_ns: Option<i64>,
    /// How often it was put off its processor while it had work.
    pub preemptions: Option<u64>,
}

/// What disturbs a process, counted from some point in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disturbances {
    /// Pages this process had to read back from a disk.
    pub major_faults: Option<u64>,
    /// Time a quota kept threads of this process's control group from running.
    pub throttled_ns: Option<i64>,
    /// Processor time the machine's host gave to others, all processors together.
    pub steal_ns: Option<i64>,
}

/// Connections to one address for which the system uses a local port again before the
/// minute of `TIME_WAIT` is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeWaitReuse {
    /// None.
    #[default]
    Never,
    /// Those inside this machine.
    Loopback,
    /// All.
    Always,
}

/// Bounds of the network stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkLimits {
    /// Local ports for outgoing connections, by source and target address.
    pub ports: Option<u32>,
    /// When a port is used again early.
    pub reuse: TimeWaitReuse,
    /// Connections a listener may hold before they are accepted.
    pub listen_backlog: Option<u32>,
}

/// What decides how fast and how evenly this machine runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Machine {
    /// Memory that can be had without swapping.
    pub memory_available_bytes: Option<u64>,
    /// Processors' worth of time the control group's quota allows.
    pub cpu_quota: Option<f64>,
    /// How the processors' frequency is chosen.
    pub cpu_governor: Option<String>,
    /// What the kernel reads the time from.
    pub clock_source: Option<String>,
}
