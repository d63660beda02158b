//! Linux: timerfd, rlimits, `/proc`.

mod proc;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use openload_contract::manifest::HostRecord;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use proc::{disturbances, machine, network_limits, open_files, threads};

/// A timer that wakes its task to within the kernel's wake-up time (tens of microseconds),
/// where the runtime's own timer has ticks of a millisecond.
#[derive(Debug)]
pub struct PreciseTimer {
    timer: AsyncFd<OwnedFd>,
}

impl PreciseTimer {
    /// Makes a timer for the current runtime.
    ///
    /// # Errors
    /// When no file descriptor is left.
    ///
    /// # Panics
    /// Outside a runtime with I/O.
    #[expect(
        deprecated,
        reason = "the replacement is an unsafe function; this descriptor is owned and stays open"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer: AsyncFd::with_interest(timer, Interest::READABLE)? })
    }

    /// Waits for `duration`. One wait at a time: a second one replaces the first.
    pub async fn sleep(&self, duration: Duration) {
        if self.arm(duration).is_err() {
            // The kernel refuses only malformed times, which a `Duration` cannot make.
            tokio::time::sleep(duration).await;
            return;
        }
        // A wait that was given up leaves its readiness behind: only an expiration that can
        // be read is this one.
        while let Ok(mut ready) = self.timer.readable().await {
            let read =
                |timer: &AsyncFd<OwnedFd>| Ok(rustix::io::read(timer.get_ref(), &mut [0_u8; 8])?);
            if ready.try_io(read).is_ok() {
                return;
            }
        }
    }

    fn arm(&self, duration: Duration) -> io::Result<()> {
        // An all-zero time would disarm the timer.
        let duration = duration.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: duration.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

/// Raises the limit of open files as far as it may go and returns it.
pub fn raise_open_files_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    now.current
}

/// Keeps the calling thread on these processors.
///
/// # Errors
/// When none of them may be used by this process.
pub fn pin_thread(cpus: &[u32]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|&&cpu| (cpu as usize) < CpuSet::MAX_CPU) {
        set.set(cpu as usize);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Processors that the calling thread may use.
pub fn thread_cpus() -> Vec<u32> {
    let set = sched_getaffinity(None).unwrap_or_default();
    let cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu));
    cpus.map(|cpu| cpu as u32).collect()
}

/// Most files this process may have open.
pub fn open_files_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Ports the system gives to connections, those reserved for services left out; empty when
/// it does not say.
pub fn local_ports() -> Vec<u16> {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
    let range = read("ip_local_port_range").unwrap_or_default();
    let reserved = read("ip_local_reserved_ports").unwrap_or_default();
    ports(&range, &reserved)
}

/// Reads what the kernel writes: `32768  60999`, and `8080,9148-9150`.
fn ports(range: &str, reserved: &str) -> Vec<u16> {
    let numbers: Vec<u16> =
        range.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [first, last] = numbers.as_slice() else { return Vec::new() };
    let reserved: Vec<(u16, u16)> = reserved.trim().split(',').filter_map(port_range).collect();
    let is_free = |port: &u16| !reserved.iter().any(|(from, to)| (from..=to).contains(&port));
    (*first..=*last).filter(is_free).collect()
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// User and system time this process has used, in ns.
pub fn process_cpu_ns() -> Option<i64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

/// Lets other threads have the processor before this one, as far as that can be asked for.
///
/// Niceness belongs to threads on Linux. 10 is a tenth of the usual share of a core that is
/// wanted by both: enough that a writer which needs less than that still keeps up.
pub fn yield_to_other_threads() {
    // A system that refuses leaves the thread as it was, which is only less good.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Describes this machine.
pub fn host() -> HostRecord {
    let uname = rustix::system::uname();
    HostRecord {
        name: uname.nodename().to_string_lossy().into_owned(),
        os: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        arch: std::env::consts::ARCH.to_owned(),
        cores: super::cores(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PreciseTimer, ports};

    #[test]
    fn reserved_ports_are_left_to_their_services() {
        assert_eq!(ports("32768\t32772\n", "\n"), [32768, 32769, 32770, 32771, 32772]);
        assert_eq!(ports("32768\t32772\n", "8080,32769-32770,32772\n"), [32768, 32771]);
        assert!(ports("", "8080").is_empty());
    }

    /// A 50 ms wait used to return after microseconds when an earlier wait had been given up.
    #[tokio::test]
    async fn a_wait_that_was_given_up_does_not_end_the_next_one() {
        let timer = PreciseTimer::new().unwrap();
        let given_up = tokio::time::timeout(Duration::from_millis(1), async {
            timer.sleep(Duration::from_millis(5)).await;
        });
        assert!(given_up.await.is_err());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let start = Instant::now();
        timer.sleep(Duration::from_millis(50)).await;
        assert!(start.elapsed() >= Duration::from_millis(50));
    }
}
