//! `gen plan` and `--dry-run`: the timeline, and nothing sent.

use std::fmt::Write as _;

use openload::plan::Plan;
use openload::profile::{self, Overrides};
use openload::schedule::{LaneSet, Outline, outline};
use openload::sink::dump_timeline;
use openload_contract::{ExitCode, ShardId};

use super::args::{PlanArgs, ProfileArgs};
use super::console::{self, Failure};

/// Columns of the chart.
const CHART_WIDTH: usize = 72;
/// Rows of the chart.
const CHART_HEIGHT: usize = 6;

/// Runs `gen plan`.
pub fn command(args: &PlanArgs) -> Result<ExitCode, Failure> {
    let plan = load(&args.profile)?;
    let shard = args.profile.shard;
    console::print(describe(&plan, shard));
    if let Some(path) = &args.dump {
        let lanes = LaneSet::of_worker(shard, 0, 1);
        let rows =
            dump_timeline(&plan, lanes, path).map_err(|error| Failure::could_not_run(&error))?;
        console::say(format!("{rows} intended starts written to {}", path.display()));
    }
    Ok(ExitCode::Passed)
}

/// Reads the profile and applies what the command line says.
pub fn load(args: &ProfileArgs) -> Result<Plan, Failure> {
    let Some(name) = &args.profile else {
        return Err(Failure::usage("--profile is missing; try gen --profile spike"));
    };
    let overrides = Overrides {
        target: args.target.clone(),
        seed: args.seed,
        rate_scale: args.rate_scale,
        time_scale: args.time_scale,
        set: args.set.clone(),
        tags: args.tag.clone(),
    };
    profile::load(name, &overrides)
        .map_err(|error| Failure { exit: ExitCode::Usage, message: error.to_string() })
}

/// Describes a timeline in one screen.
pub fn describe(plan: &Plan, shard: ShardId) -> String {
    let outline = outline(plan, LaneSet::of_worker(shard, 0, 1));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "profile    {}   seed {}", plan.name, plan.seed);
    if shard.count > 1 {
        let _ = writeln!(text, "shard      {} of {}", shard.index, shard.count);
    }
    let (peak_second, peak) = outline.peak().unwrap_or_default();
    let _ = writeln!(text, "arrivals   {}", outline.arrivals);
    let _ = writeln!(text, "length     {:.3} s", plan.end_ns() as f64 / 1e9);
    let _ = writeln!(text, "peak       {peak} in second {peak_second}");
    let _ = writeln!(text, "timeline   {}", outline.digest);
    describe_phases(&mut text, plan, &outline);
    describe_scenarios(&mut text, plan, &outline);
    text.push_str(&chart(&outline.per_second));
    for warning in &plan.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

fn describe_phases(text: &mut String, plan: &Plan, outline: &Outline) {
    let _ = writeln!(
        text,
        "\n{:<24} {:<9} {:>10} {:>10} {:>12} {:>10}",
        "phase", "role", "from s", "to s", "arrivals", "mean /s"
    );
    for (stream_index, stream) in plan.streams.iter().enumerate() {
        for (index, phase) in stream.phases.iter().enumerate() {
            let key = (stream_index as u16, index as u16);
            let count = outline.by_phase.get(&key).copied().unwrap_or(0);
            let (from_s, to_s) = (phase.start_ns as f64 / 1e9, phase.end_ns as f64 / 1e9);
            let name = if plan.streams.len() > 1 {
                format!("{}/{}", stream.name, phase.name)
            } else {
                phase.name.clone()
            };
            let _ = writeln!(
                text,
                "{name:<24} {:<9} {from_s:>10.3} {to_s:>10.3} {count:>12} {:>10.1}",
                phase.role.name(),
                count as f64 / (to_s - from_s),
            );
        }
    }
}

fn describe_scenarios(text: &mut String, plan: &Plan, outline: &Outline) {
    let _ = writeln!(text, "\n{:<24} {:>12} {:>10}", "scenario", "arrivals", "share");
    for (index, scenario) in plan.scenarios.iter().enumerate() {
        let count = outline.by_scenario.get(&(index as u16)).copied().unwrap_or(0);
        let share = 100.0 * count as f64 / (outline.arrivals.max(1)) as f64;
        let _ = writeln!(text, "{:<24} {count:>12} {share:>9.1} %", scenario.name);
    }
}

/// Arrivals per second over time, as bars.
fn chart(per_second: &[u32]) -> String {
    if per_second.is_empty() {
        return String::new();
    }
    let width = CHART_WIDTH.min(per_second.len());
    let columns: Vec<f64> = (0..width)
        .map(|column| {
            let (from, to) =
                (column * per_second.len() / width, (column + 1) * per_second.len() / width);
            let seconds = &per_second[from..to];
            seconds.iter().map(|&count| f64::from(count)).sum::<f64>() / seconds.len() as f64
        })
        .collect();
    let top = columns.iter().copied().fold(1.0, f64::max);
    let mut text =
        format!("\narrivals per second, mean of {} s a column\n", per_second.len().div_ceil(width));
    for row in (0..CHART_HEIGHT).rev() {
        let label = if row + 1 == CHART_HEIGHT { format!("{top:.0}") } else { String::new() };
        let _ = write!(text, "{label:>8} |");
        text.extend(
            columns.iter().map(|&value| bar(value / top * CHART_HEIGHT as f64 - row as f64)),
        );
        text.push('\n');
    }
    let _ = writeln!(text, "{:>8} +{}", 0, "-".repeat(width));
    text
}

/// One cell of a bar of which `filled` (in cells) is left.
fn bar(filled: f64) -> char {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    EIGHTHS[(filled.clamp(0.0, 1.0) * 8.0).round() as usize]
}
