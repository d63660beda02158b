//! What `gen doctor` found, kept for later runs.
//!
//! One file holds the calibrations of all hosts that share it (a home directory on a network),
//! told apart by host name, number of processors and version of `gen`: any of them changes what
//! can be sent. A reader takes its own and leaves the others alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::capacity::Capacity;
use crate::os;

/// Version of the file: `major.minor`; another major version is not read.
const VERSION: &str = "1.0";

/// The calibration could not be kept.
#[derive(Debug, Error)]
pub enum CalibrationError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What one host can send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Host name.
    pub host: String,
    /// Processors the process may use.
    pub cores: u32,
    /// Version of `gen`.
    pub gen_version: String,
    /// When it was measured, in seconds since the Unix epoch.
    pub measured_unix_s: i64,
    /// Highest rate one worker sent on time, per second.
    pub one_worker_rate: f64,
    /// Highest rate that a worker on each processor sent on time, per second.
    pub all_workers_rate: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct CalibrationFile {
    schema_version: String,
    calibrations: Vec<Calibration>,
}

impl Calibration {
    /// Makes the calibration of this host; `None` when no rate was held.
    pub fn of_this_host(
        one: &Capacity,
        all: Option<&Capacity>,
        measured_unix_s: i64,
    ) -> Option<Self> {
        let host = os::host();
        let one_worker_rate = one.rate?;
        let all_workers_rate = all.and_then(|all| all.rate).unwrap_or(0.0).max(one_worker_rate);
        Some(Self {
            host: host.name,
            cores: host.cores,
            gen_version: env!("CARGO_PKG_VERSION").to_owned(),
            measured_unix_s,
            one_worker_rate,
            all_workers_rate,
        })
    }

    /// Reads this host's calibration; `None` when there is none that can be read.
    pub fn load(path: &Path) -> Option<Self> {
        let host = os::host();
        let version = env!("CARGO_PKG_VERSION");
        read(path).into_iter().find(|one| one.is_of(&host.name, host.cores, version))
    }

    /// Keeps this calibration in place of an older one of the same host.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CalibrationError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| CalibrationError::Io { path, source }
        };
        let mut calibrations = read(path);
        calibrations.retain(|one| !one.is_of(&self.host, self.cores, &self.gen_version));
        calibrations.push(self.clone());
        let file = CalibrationFile { schema_version: VERSION.to_owned(), calibrations };
        let mut text = serde_json::to_string_pretty(&file).expect("plain data has a JSON form");
        text.push('\n');
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io(folder))?;
        }
        let partial = path.with_extension("json.partial");
        fs::write(&partial, text).map_err(io(&partial))?;
        fs::rename(&partial, path).map_err(io(path))
    }

    fn is_of(&self, host: &str, cores: u32, gen_version: &str) -> bool {
        self.host == host && self.cores == cores && self.gen_version == gen_version
    }

    /// Highest rate that `workers` were measured, or can be expected, to send on time.
    pub fn rate(&self, workers: u32) -> f64 {
        if workers >= self.cores {
            return self.all_workers_rate;
        }
        (self.one_worker_rate * f64::from(workers)).min(self.all_workers_rate)
    }

    /// What to say before a run that plans up to `peak` arrivals per second.
    pub fn warning(&self, peak: f64, workers: u32) -> Option<String> {
        let rate = self.rate(workers);
        (peak > rate).then(|| {
            let who =
                if workers == 1 { "one worker".to_owned() } else { format!("{workers} workers") };
            let advice = if workers < self.cores && peak <= self.all_workers_rate {
                format!("--workers {} may hold it", self.cores)
            } else {
                "lower the rate or use more machines (--shard)".to_owned()
            };
            format!(
                "this host was measured to send {rate:.0}/s on time with {who}; {peak:.0}/s are \
                 planned, so the run may end invalid; {advice} (gen doctor measures again)"
            )
        })
    }
}

/// Every calibration of a file; none when it is absent or of another kind. It is a cache:
/// what cannot be read is measured again.
fn read(path: &Path) -> Vec<Calibration> {
    let Ok(text) = fs::read_to_string(path) else { return Vec::new() };
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    let file = serde_json::from_str::<CalibrationFile>(&text);
    let readable = file.ok().filter(|file| major(&file.schema_version) == major(VERSION));
    readable.map(|file| file.calibrations).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Calibration;
    use crate::os;

    fn calibration(host: &str) -> Calibration {
        Calibration {
            host: host.to_owned(),
            cores: os::cores(),
            gen_version: env!("CARGO_PKG_VERSION").to_owned(),
            measured_unix_s: 1_700_000_000,
            one_worker_rate: 52_000.0,
            all_workers_rate: 80_000.0,
        }
    }

    #[test]
    fn a_host_finds_its_own_calibration_and_keeps_those_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openload/calibration.json");
        assert_eq!(Calibration::load(&path), None);
        calibration("another").save(&path).unwrap();
        assert_eq!(Calibration::load(&path), None);
        let mut own = calibration(&os::host().name);
        own.save(&path).unwrap();
        own.one_worker_rate = 60_000.0;
        own.save(&path).unwrap();
        assert_eq!(Calibration::load(&path), Some(own));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("\"host\"").count(), 2, "{text}");
    }

    #[test]
    fn a_damaged_file_is_no_calibration_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.json");
        std::fs::write(&path, "{\"schema_version\": \"2.0\", \"calibrations\": 3}").unwrap();
        assert_eq!(Calibration::load(&path), None);
        calibration(&os::host().name).save(&path).unwrap();
        assert!(Calibration::load(&path).is_some());
    }

    #[test]
    fn a_rate_above_the_measured_one_is_warned_about() {
        let mut host = calibration("here");
        host.cores = 4;
        assert_eq!(host.warning(52_000.0, 1), None);
        let text = host.warning(60_000.0, 1).unwrap();
        assert!(text.contains("52000/s") && text.contains("60000/s"), "{text}");
        assert!(text.contains("--workers 4"), "{text}");
        // More workers are expected to send more, up to what all of them did.
        assert_eq!(host.rate(2), 80_000.0);
        assert!(host.warning(90_000.0, 4).unwrap().contains("--shard"));
    }
}
