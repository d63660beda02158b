//! What `/proc` and `/sys` tell about this process and this machine.
//!
//! Files are read by functions of a line; what is in them is taken apart by functions from
//! text to values, which the tests below call.

use std::fs;
use std::path::{Path, PathBuf};

use crate::os::facts::{Disturbances, Machine, NetworkLimits, ThreadUse, TimeWaitReuse};

/// Lists the threads of this process with what each has used.
pub fn threads() -> Vec<ThreadUse> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(|task| thread_use(&task.path())).collect()
}

/// Counts the files and sockets this process has open.
pub fn open_files() -> Option<u64> {
    let folder = Path::new("/proc/self/fd");
    // Since Linux 6.2 the length of the folder is their number; counting tens of thousands
    // of sockets one by one takes milliseconds.
    let length = folder.metadata().ok()?.len();
    if length > 0 { Some(length) } else { Some(folder.read_dir().ok()?.count() as u64) }
}

/// Reads what disturbs this process.
pub fn disturbances() -> Disturbances {
    let ticks_per_s = i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    let steal_ticks = read("/proc/stat").and_then(|text| steal_ticks(&text));
    Disturbances {
        major_faults: read("/proc/self/stat").and_then(|text| nth(after_name(&text)?, 9)),
        throttled_ns: groups()
            .iter()
            .filter_map(|group| throttled_ns(&read(group.join("cpu.stat"))?))
            .max(),
        steal_ns: steal_ticks.map(|ticks| ticks * (1_000_000_000 / ticks_per_s.max(1))),
    }
}

/// Reads the bounds of the network stack.
pub fn network_limits() -> NetworkLimits {
    let value = |name: &str| read(format!("/proc/sys/net/{name}"));
    let reuse = value("ipv4/tcp_tw_reuse");
    NetworkLimits {
        ports: value("ipv4/ip_local_port_range").and_then(|text| port_count(&text)),
        reuse: match reuse.as_deref().map(str::trim) {
            Some("1") => TimeWaitReuse::Always,
            Some("2") => TimeWaitReuse::Loopback,
            _ => TimeWaitReuse::Never,
        },
        listen_backlog: value("core/somaxconn").and_then(|text| text.trim().parse().ok()),
    }
}

/// Reads what decides how fast and how evenly this machine runs.
pub fn machine() -> Machine {
    let system =
        |name: &str| read(format!("/sys/devices/system/{name}")).map(|text| text.trim().to_owned());
    Machine {
        memory_available_bytes: read("/proc/meminfo").and_then(|text| memory_available(&text)),
        cpu_quota: groups().iter().filter_map(|group| quota(group)).reduce(f64::min),
        cpu_governor: system("cpu/cpu0/cpufreq/scaling_governor"),
        clock_source: system("clocksource/clocksource0/current_clocksource"),
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn thread_use(task: &Path) -> Option<ThreadUse> {
    let name = read(task.join("comm"))?.trim_end().to_owned();
    let status = read(task.join("status"));
    let used = read(task.join("schedstat"));
    Some(ThreadUse {
        id: task.file_name()?.to_str()?.parse().ok()?,
        name,
        cpu_ns: used.as_deref().and_then(|text| nth(text, 0)).or_else(|| coarse_cpu_ns(task))?,
        wait_ns: used.as_deref().and_then(|text| nth(text, 1)),
        preemptions: status.as_deref().and_then(|text| field(text, "nonvoluntary_ctxt_switches:")),
    })
}

/// Processor time in ticks of 10 ms, of kernels without scheduler statistics.
fn coarse_cpu_ns(task: &Path) -> Option<i64> {
    let text = read(task.join("stat"))?;
    let fields = after_name(&text)?;
    let ticks: i64 = nth::<i64>(fields, 11)? + nth::<i64>(fields, 12)?;
    let per_s = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some(ticks * (1_000_000_000 / per_s.max(1)))
}

/// The fields of a `stat` file behind the name, which may hold spaces and parentheses.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(')').map(|(_, fields)| fields)
}

fn nth<T: std::str::FromStr>(text: &str, position: usize) -> Option<T> {
    text.split_ascii_whitespace().nth(position)?.parse().ok()
}

/// The number behind a label at the beginning of a line.
fn field<T: std::str::FromStr>(text: &str, label: &str) -> Option<T> {
    text.lines().find_map(|line| nth(line.strip_prefix(label)?, 0))
}

fn steal_ticks(stat: &str) -> Option<i64> {
    // user nice system idle iowait irq softirq steal
    nth(stat.lines().find_map(|line| line.strip_prefix("cpu "))?, 7)
}

fn memory_available(meminfo: &str) -> Option<u64> {
    field::<u64>(meminfo, "MemAvailable:").map(|kib| kib * 1024)
}

fn port_count(range: &str) -> Option<u32> {
    let (first, last): (u32, u32) = (nth(range, 0)?, nth(range, 1)?);
    (last >= first).then(|| last - first + 1)
}

/// The control groups whose processor quota binds this process: its own and those above.
fn groups() -> Vec<PathBuf> {
    let own = read("/proc/self/cgroup").and_then(|text| group(&text));
    let own = own.unwrap_or_default();
    let folders = Path::new(&own).ancestors().filter(|path| path.starts_with("/sys/fs/cgroup"));
    folders.map(Path::to_owned).collect()
}

/// Folder of a process's group: that of the `cpu` controller, or of the only hierarchy.
fn group(cgroup: &str) -> Option<String> {
    let mut unified = None;
    for line in cgroup.lines() {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        if controllers.split(',').any(|one| one == "cpu") {
            return Some(format!("/sys/fs/cgroup/cpu{path}"));
        }
        if controllers.is_empty() {
            unified = Some(format!("/sys/fs/cgroup{path}"));
        }
    }
    unified
}

fn quota(group: &Path) -> Option<f64> {
    let unified = read(group.join("cpu.max")).and_then(|text| {
        let (quota, period): (f64, f64) = (nth(&text, 0)?, nth(&text, 1)?);
        Some(quota / period)
    });
    unified.or_else(|| {
        let value = |name: &str| nth::<f64>(&read(group.join(name))?, 0);
        let (quota, period) = (value("cpu.cfs_quota_us")?, value("cpu.cfs_period_us")?);
        (quota > 0.0).then_some(quota / period)
    })
}

/// `throttled_usec` of version 2, `throttled_time` in ns of version 1.
fn throttled_ns(cpu_stat: &str) -> Option<i64> {
    field::<i64>(cpu_stat, "throttled_usec ")
        .map(|us| us * 1_000)
        .or_else(|| field(cpu_stat, "throttled_time "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_hides_no_field() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 7 0 11 22 0 0 20 0 1 0 5";
        let fields = after_name(stat).unwrap();
        assert_eq!(nth::<u64>(fields, 9), Some(7));
        assert_eq!((nth::<i64>(fields, 11), nth::<i64>(fields, 12)), (Some(11), Some(22)));
    }

    #[test]
    fn steal_is_the_eighth_figure_of_all_processors_together() {
        let stat = "cpu  87238 18060 7554 11214 241 0 102 627 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(steal_ticks(stat), Some(627));
    }

    #[test]
    fn both_versions_of_control_groups_are_found() {
        let first = "4:memory:/a\n2:cpu,cpuacct:/docker/b\n0::/\n";
        assert_eq!(group(first).as_deref(), Some("/sys/fs/cgroup/cpu/docker/b"));
        assert_eq!(group("0::/user.slice\n").as_deref(), Some("/sys/fs/cgroup/user.slice"));
        assert_eq!(throttled_ns("nr_throttled 3\nthrottled_usec 25\n"), Some(25_000));
        assert_eq!(throttled_ns("nr_throttled 3\nthrottled_time 25\n"), Some(25));
    }

    #[test]
    fn port_ranges_and_labels_are_read() {
        assert_eq!(port_count("32768\t60999\n"), Some(28_232));
        assert_eq!(port_count("5\n"), None);
        assert_eq!(memory_available("MemFree: 1 kB\nMemAvailable:  2 kB\n"), Some(2_048));
    }

    #[test]
    fn this_process_and_this_thread_are_seen() {
        let named = std::thread::Builder::new().name("gen-here".to_owned());
        let seen = named.spawn(threads).unwrap().join().unwrap();
        let here = seen.iter().find(|thread| thread.name == "gen-here").unwrap();
        assert!(here.cpu_ns >= 0 && seen.len() > 1);
        assert!(open_files().unwrap() > 2);
        assert!(disturbances().major_faults.is_some());
    }
}
