//! `gen plan` and `--dry-run`: the timeline, and nothing sent.

use std::fmt::Write as _;

use openload::plan::{Plan, TracePlan};
use openload::profile::{self, Overrides, ProfileError};
use openload::replay::{self, Survey, Timelines, WINDOWS_NS};
use openload::schedule::{LaneSet, Outline};
use openload::sink::dump_timeline;
use openload_contract::{ExitCode, ShardId};
use openload_traces::TraceError;
use openload_traces::stats::{TopEntry, TraceInfo};

use super::args::{OverrideArgs, PlanArgs, ProfileArgs};
use super::console::{self, Failure};

/// Columns of the chart.
const CHART_WIDTH: usize = 72;
/// Rows of the chart.
const CHART_HEIGHT: usize = 6;

/// Runs `gen plan`.
pub fn command(args: &PlanArgs) -> Result<ExitCode, Failure> {
    let plan = load(&args.profile)?;
    let shard = args.profile.overrides.shard;
    console::print(describe(&plan, shard)?);
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
    prepared(profile::load(name, &overrides(&args.overrides)))
}

/// Reads the profile in `text`, which `name` stands for in messages.
pub fn load_text(name: &str, text: &str, args: &OverrideArgs) -> Result<Plan, Failure> {
    prepared(profile::parse(name, text, &overrides(args)))
}

fn overrides(args: &OverrideArgs) -> Overrides {
    args.load.overrides(args.target.clone())
}

/// Reads the traces of a plan.
fn prepared(plan: Result<Plan, ProfileError>) -> Result<Plan, Failure> {
    let wrong = |message: String| Failure { exit: ExitCode::Usage, message };
    let mut plan = plan.map_err(|error| wrong(error.to_string()))?;
    replay::prepare(&mut plan).map_err(|error| wrong(error.to_string()))?;
    Ok(plan)
}

/// Describes a timeline in one screen.
pub fn describe(plan: &Plan, shard: ShardId) -> Result<String, Failure> {
    let mut outline = Outline::new(plan);
    let wrong = |error: TraceError| Failure { exit: ExitCode::Usage, message: error.to_string() };
    for arrival in Timelines::new(plan, LaneSet::of_worker(shard, 0, 1)).map_err(wrong)? {
        outline.add(&arrival.map_err(wrong)?);
    }
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
    for stream in &plan.streams {
        if let Some(trace) = &stream.trace {
            text.push('\n');
            text.push_str(&describe_trace(&stream.name, trace));
        }
    }
    text.push_str(&chart(&outline.per_second));
    for warning in &plan.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    Ok(text)
}

/// Describes a recorded stream: what will be sent, and what was done to it.
pub fn describe_trace(stream: &str, trace: &TracePlan) -> String {
    let Some(survey) = &trace.survey else { return String::new() };
    let Survey { before, after, dispersion, expected, left_out, gap_cut, length_ns } = &**survey;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "trace      {} (stream {stream}): {} events in {:.3} s, peak {} in a second, made of {} recorded ones",
        trace.file.display(),
        after.events,
        *length_ns as f64 / 1e9,
        after.burstiness.peak_per_s,
        before.events,
    );
    let list = |entries: &[TopEntry]| {
        let entries: Vec<String> =
            entries.iter().take(5).map(|entry| format!("{} {}", entry.count, entry.name)).collect();
        if entries.is_empty() { "none recorded".to_owned() } else { entries.join(", ") }
    };
    let _ = writeln!(text, "methods    {}", list(&after.methods));
    let _ = writeln!(text, "paths      {}", list(&after.paths));
    if !left_out.is_empty() {
        let left_out: Vec<String> =
            left_out.iter().map(|(method, count)| format!("{count} {method}")).collect();
        let _ = writeln!(
            text,
            "left out   {}: not among the methods that are sent",
            left_out.join(", ")
        );
    }
    if gap_cut.count > 0 {
        let removed_s = gap_cut.removed_ns as f64 / 1e9;
        let _ = writeln!(text, "gaps       {} shortened, by {removed_s:.3} s", gap_cut.count);
    }
    let _ =
        writeln!(text, "\n{:<24} {:>12} {:>12} {:>12}", "", "recorded", "to be sent", "by formula");
    let row = |text: &mut String, name: &str, values: [Option<f64>; 3]| {
        let shown = values.map(|value| value.map_or("-".to_owned(), |value| format!("{value:.3}")));
        let _ = writeln!(text, "{name:<24} {:>12} {:>12} {:>12}", shown[0], shown[1], shown[2]);
    };
    let rate = before.burstiness.mean_per_s;
    let sent = after.burstiness.mean_per_s;
    row(
        &mut text,
        "events per second",
        [Some(rate), Some(sent), Some(rate * expected.rate_factor)],
    );
    for (at, window_ns) in WINDOWS_NS.iter().enumerate() {
        let recorded = before.burstiness.dispersion.iter().find(|one| one.window_ns == *window_ns);
        let recorded = recorded.and_then(|one| one.index);
        let formula = expected.dispersion.get(at).filter(|_| dispersion[at].is_some());
        let formula = formula.map(|one| f64::midpoint(one.low, one.high));
        let name = format!("dispersion in {} s", *window_ns as f64 / 1e9);
        row(&mut text, &name, [recorded, dispersion[at], formula]);
    }
    let gap_s = |info: &TraceInfo| info.sessions.gap_ns.map(|gap| gap.p50 as f64 / 1e9);
    row(&mut text, "gap in a session, s", [gap_s(before), gap_s(after), None]);
    text
}

fn describe_phases(text: &mut String, plan: &Plan, outline: &Outline) {
    let _ = writeln!(
        text,
        "\n{:<24} {:<9} {:>10} {:>10} {:>12} {:>10}  process",
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
                "{name:<24} {:<9} {from_s:>10.3} {to_s:>10.3} {count:>12} {:>10.1}  {}",
                phase.role.name(),
                count as f64 / (to_s - from_s),
                phase.arrival,
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
