//! The generator's own vital signs: `monitor.csv`, one line a second.
//!
//! The file is written by a thread of its own while the run lasts and flushed with each
//! line, so it survives whatever ends the run. The first line holds the names below.

/// Name of the file in a run directory.
pub const FILE_NAME: &str = "monitor.csv";

/// Header of the file.
pub const HEADER: &str = "t_ns,cpu_ns,rss_bytes,target_rss_bytes,wall_offset_ns";

/// One line of `monitor.csv`. Empty fields are values this platform cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals {
    /// Monotonic time since the run's start.
    pub t_ns: i64,
    /// User and system time the generator's process has used since it started.
    pub cpu_ns: Option<i64>,
    /// Resident memory of the generator's process.
    pub rss_bytes: Option<u64>,
    /// Resident memory of the target, where it can be read.
    pub target_rss_bytes: Option<u64>,
    /// Wall clock minus monotonic clock, relative to the run's start: a step of the wall
    /// clock shows as a jump.
    pub wall_offset_ns: i64,
}

impl Vitals {
    /// Renders one line, without its end.
    pub fn to_line(&self) -> String {
        fn text<T: ToString>(value: Option<T>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        format!(
            "{},{},{},{},{}",
            self.t_ns,
            text(self.cpu_ns),
            text(self.rss_bytes),
            text(self.target_rss_bytes),
            self.wall_offset_ns
        )
    }

    /// Reads one line; `None` for the header and for a torn line.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.trim_end().split(',');
        let mut next = || fields.next();
        let vitals = Self {
            t_ns: next()?.parse().ok()?,
            cpu_ns: next()?.parse().ok(),
            rss_bytes: next()?.parse().ok(),
            target_rss_bytes: next()?.parse().ok(),
            wall_offset_ns: next()?.parse().ok()?,
        };
        Some(vitals)
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER, Vitals};

    #[test]
    fn a_line_round_trips_and_a_torn_one_is_refused() {
        let vitals =
            Vitals { t_ns: 7, cpu_ns: Some(5), target_rss_bytes: Some(9), ..Vitals::default() };
        assert_eq!(Vitals::from_line(&vitals.to_line()), Some(vitals));
        assert_eq!(Vitals::from_line("7,5,,"), None);
        assert_eq!(Vitals::from_line(HEADER), None);
        assert_eq!(HEADER.split(',').count(), vitals.to_line().split(',').count());
    }
}
