//! The generator's vital signs: what neighbouring lines of `monitor.csv` say together.

use openload_contract::monitor::Vitals;

/// Neighbouring lines; the first one is paired with the run's start.
pub fn pairs(vitals: &[Vitals]) -> impl Iterator<Item = (Vitals, Vitals)> + '_ {
    let before = std::iter::once(Vitals::default()).chain(vitals.iter().copied());
    before.zip(vitals.iter().copied())
}

/// Processor time used between two lines, in cores; `None` where it cannot be read.
///
/// The processor time counts from the start of the process, not of the run, so the first line
/// alone says nothing.
pub fn cpu_cores(before: &Vitals, now: &Vitals) -> Option<f64> {
    let elapsed_ns = now.t_ns - before.t_ns;
    let used_ns = now.cpu_ns? - before.cpu_ns?;
    (elapsed_ns > 0).then(|| used_ns as f64 / elapsed_ns as f64)
}

/// Share of the time between two lines that the busiest worker worked, spinning left out;
/// `None` where it cannot be read.
pub fn busiest_worker(before: &Vitals, now: &Vitals) -> Option<f64> {
    let elapsed_ns = now.t_ns - before.t_ns;
    let busy_ns = now.worker_busy_max_ns.or(now.worker_cpu_max_ns)?;
    (elapsed_ns > 0).then(|| busy_ns as f64 / elapsed_ns as f64)
}
