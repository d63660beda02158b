//! `gen trace`: import recorded traffic, look at it, fit a profile to it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use openload_contract::ExitCode;
use openload_traces::canonical::TraceFile;
use openload_traces::format::catalogue::{self, FormatError, FormatOptions};
use openload_traces::format::gor::GorWriter;
use openload_traces::format::{Format, Sink};
use openload_traces::input::{self, InputInfo};
use openload_traces::record::Moment;
use openload_traces::scrub::ScrubOptions;
use openload_traces::spread::Within;
use openload_traces::stats::fit::{
    FittedArrivals, FittedProfile, KolmogorovSmirnov, MmppFit, NhppFit, fit_mmpp, fit_nhpp,
};
use openload_traces::stats::{InfoOptions, info};
use openload_traces::{ImportOptions, ImportReport, TraceError, import};

use super::args::{
    ExportArgs, FitArgs, ImportArgs, InfoArgs, ModelArg, MomentArg, TraceCommand, WithinArg,
};
use super::console::{self, Failure};

/// Columns of a description where the terminal does not say.
const COLUMNS: usize = 80;

/// Runs `gen trace`.
pub fn command(what: &TraceCommand) -> Result<ExitCode, Failure> {
    match what {
        TraceCommand::Import(args) => import_logs(args),
        TraceCommand::Info(args) => tell(args),
        TraceCommand::Fit(args) => fit_profile(args),
        TraceCommand::Export(args) => export(args),
    }
}

fn import_logs(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let inputs = input::expand(&args.inputs).map_err(|error| failed(&error))?;
    let options = ImportOptions {
        format: args.format.clone(),
        seed: args.seed,
        within: match args.within {
            WithinArg::Poisson => Within::Poisson,
            WithinArg::Even => Within::Even,
            WithinArg::Start => Within::Start,
        },
        max_bad_fraction: args.max_bad,
        scrub: ScrubOptions {
            keep_headers: args.keep_header.clone(),
            hash: args.scrub_addresses,
            ..ScrubOptions::default()
        },
        ..ImportOptions::default()
    };
    let chosen = Chosen::new(args);
    let formats = chosen.clone();
    let report = import(move |input| formats.format(input), &inputs, &options, &args.out);
    // A format that could not be chosen is the reason, whatever came of it.
    if let Some(error) = chosen.take_failure() {
        return Err(Failure::usage(error));
    }
    let report = report.map_err(|error| failed(&error))?;
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(Failure::usage)?;
        console::print(format!("{json}\n"));
    } else {
        console::say(describe(&report, &chosen.names(), &args.out));
    }
    Ok(ExitCode::Passed)
}

/// Chooses the format of each input.
#[derive(Clone)]
struct Chosen {
    name: String,
    options: FormatOptions,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    failure: Option<FormatError>,
}

impl Chosen {
    fn new(args: &ImportArgs) -> Self {
        let moment = args.moment.map(|moment| match moment {
            MomentArg::Start => Moment::Start,
            MomentArg::End => Moment::End,
        });
        Self {
            name: args.format.clone(),
            options: FormatOptions {
                moment,
                pattern: args.pattern.clone(),
                map: args.map.clone(),
                rate: args.rate,
                keeps_headers: args.headers,
                seed: args.seed,
            },
            state: Arc::default(),
        }
    }

    fn format(&self, input: &InputInfo) -> Box<dyn Format> {
        let made = catalogue::format(&self.name, &input.name, &input.head, &self.options);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match made {
            Ok((name, format)) => {
                if !state.names.contains(&name) {
                    state.names.push(name);
                }
                format
            }
            Err(error) => {
                let message = error.to_string();
                state.failure.get_or_insert(error);
                Box::new(Unusable { message })
            }
        }
    }

    fn names(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).names.join(", ")
    }

    fn take_failure(&self) -> Option<FormatError> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failure.take()
    }
}

/// Stands for a format that could not be chosen.
struct Unusable {
    message: String,
}

impl Format for Unusable {
    fn read(&mut self, _: &mut dyn std::io::BufRead, _: &mut dyn Sink) -> std::io::Result<()> {
        Err(std::io::Error::new(std::io::ErrorKind::InvalidData, self.message.clone()))
    }
}

/// What an import found, for people.
fn describe(report: &ImportReport, formats: &str, out: &Path) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} events over {:.3} s written to {}",
        report.events,
        report.span_ns as f64 / 1e9,
        out.display()
    );
    let _ = writeln!(text, "format     {formats}: {} lines, {} taken", report.lines, report.kept);
    let skipped: Vec<String> =
        report.skipped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if !skipped.is_empty() {
        let _ = writeln!(text, "skipped    {}", skipped.join(", "));
    }
    for bad in &report.first_bad {
        let _ =
            writeln!(text, "           {}:{} {}: {}", bad.input, bad.line, bad.reason, bad.text);
    }
    let _ = writeln!(
        text,
        "clock      steps of {} s; {} events were spread inside a step",
        report.resolution_ns as f64 / 1e9,
        report.synthesised
    );
    if report.reordered > 0 {
        let _ = writeln!(text, "order      {} lines were out of order", report.reordered);
    }
    if report.clock_steps_back > 0 {
        let _ = writeln!(
            text,
            "           {} times the clock went back by more than 5 s",
            report.clock_steps_back
        );
    }
    for hole in &report.longest_holes {
        let _ = writeln!(
            text,
            "hole       {:.0} s without events from {:.0} s on",
            hole.length_ns as f64 / 1e9,
            hole.start_ns as f64 / 1e9
        );
    }
    let dropped: Vec<String> =
        report.dropped.iter().map(|(what, count)| format!("{count} {what}")).collect();
    if !dropped.is_empty() {
        let _ = writeln!(text, "dropped    {}", dropped.join(", "));
    }
    let _ = write!(
        text,
        "next       gen trace info {0} · gen replay {0} --target URL --dry-run",
        out.display()
    );
    text
}

fn tell(args: &InfoArgs) -> Result<ExitCode, Failure> {
    let file = TraceFile::open(&args.trace).map_err(|error| failed(&error))?;
    let span_ns = file.metadata().report.span_ns.saturating_add(1);
    let figures =
        info(file.events(), span_ns, &InfoOptions::default()).map_err(|error| failed(&error))?;
    if args.json {
        let report = &file.metadata();
        let json = serde_json::json!({ "trace": figures, "import": report });
        let json = serde_json::to_string_pretty(&json).map_err(Failure::usage)?;
        console::print(format!("{json}\n"));
        return Ok(ExitCode::Passed);
    }
    let mut text = figures.to_text(columns());
    let report = &file.metadata().report;
    let _ = writeln!(
        text,
        "import     {} of {} lines by {}, {} bad",
        report.kept,
        report.lines,
        file.metadata().importer,
        report.bad
    );
    console::print(text);
    Ok(ExitCode::Passed)
}

/// Columns of the terminal.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    if std::io::stdout().is_terminal() { told.unwrap_or(COLUMNS) } else { COLUMNS }
}

fn fit_profile(args: &FitArgs) -> Result<ExitCode, Failure> {
    let file = TraceFile::open(&args.trace).map_err(|error| failed(&error))?;
    let length_ns = file.metadata().report.span_ns.saturating_add(1);
    let times: Vec<i64> =
        file.times().collect::<Result<_, TraceError>>().map_err(|error| failed(&error))?;
    let steps = fit_nhpp(&times, length_ns, args.steps);
    let bursts = fit_mmpp(&times, length_ns, args.seed);
    console::print(describe_fits(&steps, bursts.as_ref()));
    let arrivals = match (closer(args.model, &steps, bursts.as_ref()), bursts) {
        (ModelArg::Mmpp, Some(bursts)) => FittedArrivals::Bursts(bursts.model),
        (ModelArg::Mmpp, None) => {
            let message = "there is no burst model for this trace: too few events, or no more \
                           bursts than a Poisson process has; try --model nhpp";
            return Err(Failure::usage(message));
        }
        _ => FittedArrivals::Steps(steps.steps),
    };
    let Some(path) = &args.out else { return Ok(ExitCode::Passed) };
    let stem = args.trace.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let profile = FittedProfile {
        name: format!("fit-{stem}"),
        description: format!("fitted to {}", args.trace.display()),
        seed: args.seed,
        length_ns,
        arrivals,
    };
    let Some(text) = profile.to_toml() else {
        return Err(Failure::usage("the trace has no length: there is no profile to write"));
    };
    std::fs::write(path, text).map_err(|error| Failure {
        exit: ExitCode::CouldNotRun,
        message: format!("error: {}: {error}", path.display()),
    })?;
    console::say(format!("profile written to {}", path.display()));
    Ok(ExitCode::Passed)
}

/// The model to write: the one asked for, or the one whose gaps are closer to those of the trace.
fn closer(model: ModelArg, steps: &NhppFit, bursts: Option<&MmppFit>) -> ModelArg {
    let distance =
        |gaps: Option<KolmogorovSmirnov>| gaps.map_or(f64::INFINITY, |gaps| gaps.distance);
    match (model, bursts) {
        (ModelArg::Auto, Some(bursts)) if distance(bursts.gaps) < distance(steps.gaps) => {
            ModelArg::Mmpp
        }
        (ModelArg::Auto, _) => ModelArg::Nhpp,
        (asked, _) => asked,
    }
}

/// How good both models are, for people.
fn describe_fits(steps: &NhppFit, bursts: Option<&MmppFit>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "nhpp       Poisson arrivals whose rate changes in {} steps\n{}",
        steps.steps.len(),
        distance("gaps in rescaled time", steps.gaps)
    );
    if let Some(tails) = steps.gaps_tails {
        let _ = writeln!(
            text,
            "           Anderson-Darling A\u{b2} {:.2}, p {:.3}",
            tails.statistic, tails.p_value
        );
    }
    let left: Vec<String> = steps
        .dispersion
        .iter()
        .filter_map(|at| Some(format!("{:.2} over {:.0}", at.index?, at.mean)))
        .collect();
    let _ = writeln!(
        text,
        "           dispersion that is left, over so many expected events (Poisson 1): {}",
        left.join(", ")
    );
    let Some(bursts) = bursts else {
        text.push_str(
            "mmpp       none: too few events, or no more bursts than a Poisson process has\n",
        );
        return text;
    };
    let ([low, high], [low_s, high_s]) = (bursts.model.rates_per_s, bursts.model.stays_s);
    let _ = writeln!(
        text,
        "mmpp       {low:.3}/s for {low_s:.2} s and {high:.3}/s for {high_s:.2} s on average\n{}",
        distance("gaps against a drawn process", bursts.gaps)
    );
    for at in &bursts.dispersion {
        let _ = writeln!(
            text,
            "           dispersion in {} s: {:.2} recorded, {:.2} fitted",
            at.window_ns as f64 / 1e9,
            at.measured,
            at.fitted
        );
    }
    text
}

fn distance(what: &str, gaps: Option<KolmogorovSmirnov>) -> String {
    match gaps {
        Some(KolmogorovSmirnov { distance, p_value }) => {
            format!("           {what}: KS distance {distance:.4}, p {p_value:.3}")
        }
        None => format!("           {what}: too few"),
    }
}

/// Writes a timeline as GoReplay's capture: under a partial name until it is whole.
fn export(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let file = TraceFile::open(&args.trace).map_err(|error| failed(&error))?;
    let partial = args.out.with_extension("partial");
    let refused = |error: std::io::Error| Failure {
        exit: ExitCode::CouldNotRun,
        message: format!("error: {}: {error}", args.out.display()),
    };
    let output = BufWriter::new(File::create(&partial).map_err(refused)?);
    let mut writer = GorWriter::new(output, file.metadata().report.start_unix_ns);
    for event in file.events() {
        writer.write(&event.map_err(|error| failed(&error))?).map_err(refused)?;
    }
    writer.finish().map_err(refused)?;
    std::fs::rename(&partial, &args.out).map_err(refused)?;
    console::say(format!("{} requests written to {}", file.rows(), args.out.display()));
    Ok(ExitCode::Passed)
}

/// What went wrong with a trace: the user's input, or the system.
fn failed(error: &TraceError) -> Failure {
    let exit = match error {
        TraceError::Io { .. } | TraceError::Parquet { .. } | TraceError::Arrow { .. } => {
            ExitCode::CouldNotRun
        }
        _ => ExitCode::Usage,
    };
    Failure { exit, message: format!("error: {}", console::chain(error)) }
}
