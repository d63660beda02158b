//! The thread that notes the generator's vital signs once a second.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openload_contract::monitor::{FILE_NAME, HEADER, Vitals};

use super::RunError;
use crate::clock::{Epoch, nanos};
use crate::os;

/// Reads the target's memory, where it can be read.
pub(super) type TargetMemory = Box<dyn Fn() -> Option<u64> + Send>;

/// Notes vital signs until it is dropped.
pub(super) struct Monitor {
    /// Dropping it ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Starts the thread.
    pub fn start(
        run_dir: &Path,
        epoch: Epoch,
        target_memory: TargetMemory,
    ) -> Result<Self, RunError> {
        let path = run_dir.join(FILE_NAME);
        let mut file = File::create(&path).map_err(RunError::io(&path))?;
        writeln!(file, "{HEADER}").map_err(RunError::io(&path))?;
        let (end, ended) = channel::<()>();
        let probe =
            Probe { epoch, target_memory, wall_at_start_ns: wall_ns() - epoch.elapsed_ns() };
        let watch = move || {
            loop {
                match ended.recv_timeout(until_next_second(epoch)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    // The last line is for the second that the end falls into.
                    _ => {
                        let _ = probe.note(&mut file);
                        return;
                    }
                }
                // A full disk also stops the samples, and they say so.
                let _ = probe.note(&mut file);
            }
        };
        let thread = std::thread::Builder::new()
            .name("gen-monitor".to_owned())
            .spawn(watch)
            .map_err(RunError::Thread)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A monitor that panicked has nothing more to note.
            let _ = thread.join();
        }
    }
}

struct Probe {
    epoch: Epoch,
    target_memory: TargetMemory,
    wall_at_start_ns: i64,
}

impl Probe {
    fn note(&self, file: &mut File) -> io::Result<()> {
        let t_ns = self.epoch.elapsed_ns();
        if t_ns < 0 {
            return Ok(());
        }
        let vitals = Vitals {
            t_ns,
            cpu_ns: os::process_cpu_ns(),
            rss_bytes: os::resident_bytes(std::process::id()),
            target_rss_bytes: (self.target_memory)(),
            wall_offset_ns: wall_ns() - t_ns - self.wall_at_start_ns,
        };
        writeln!(file, "{}", vitals.to_line())
    }
}

fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
}

fn until_next_second(epoch: Epoch) -> Duration {
    let into_ns = epoch.elapsed_ns().rem_euclid(1_000_000_000);
    Duration::from_nanos((1_000_000_000 - into_ns).unsigned_abs())
}
