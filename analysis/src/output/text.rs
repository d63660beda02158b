//! The one-screen summary at the end of a run.
//!
//! It is read top down by someone who may stop after any line, so the lines come in the
//! order of what they decide: the verdict, the objectives, whether every arrival is
//! accounted for, how slow it was, whether the generator is to blame, where it went wrong,
//! and what to type next. No line is wider than [`WIDTH`]; lists that do not fit say how
//! much they leave out.
//!
//! The text is made without looking at a terminal. Colour is only ever an addition: every
//! mark has its own character.

use std::path::Path;

use openload_contract::summary::{
    Check, CheckLevel, Confidence, DriftShape, GroupSummary, ObjectiveResult, Recovery,
    RequestCounts,
};
use openload_contract::{Manifest, RunStatus, Summary, Verdict};

use super::group::{self, Named};
use super::words::{
    by_size, closed_loop_text, fates, in_unit, measurement_word, recovery_text, score,
};
use super::{escape, number, quantile, write};

/// Most characters in a line.
pub(super) const WIDTH: usize = 100;
/// Characters of the label at the beginning of a line.
pub(super) const LABEL: usize = 12;
/// Characters of a column of the table of quantiles.
const COLUMN: usize = 12;
/// Most characters of an objective's text before its measured value.
const OBJECTIVE: usize = 46;
/// Most objectives in the list; those that are missed come before the rest is counted.
const OBJECTIVES: usize = 8;
/// Most lines for each list of sentences.
const SENTENCES: usize = 4;
/// Quantiles of the table.
const QUANTILES: [&str; 6] = ["p50", "p90", "p95", "p99", "p999", quantile::MAX];

/// How the text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether to colour verdicts and marks with ANSI sequences.
    pub color: bool,
}

/// Renders the summary of a run for a terminal.
pub fn terminal(summary: &Summary, manifest: &Manifest, run_dir: &Path, style: Style) -> String {
    let mut page = Page::new(style);
    verdict(&mut page, summary);
    objectives(&mut page, summary);
    load(&mut page, summary);
    quantile_table(&mut page, &summary.all);
    measurement(&mut page, summary);
    errors(&mut page, &summary.all);
    groups(&mut page, summary, manifest);
    recovery(&mut page, &summary.recovery);
    drift(&mut page, summary);
    tail(&mut page, summary);
    closed_loop(&mut page, summary);
    capacity(&mut page, summary);
    sentences(&mut page, summary);
    next(&mut page, run_dir);
    page.text
}

/// The text as it grows.
pub(super) struct Page {
    pub text: String,
    pub style: Style,
}

/// What a stretch of text says by its colour.
#[derive(Clone, Copy)]
pub(super) enum Tint {
    Good,
    Bad,
    Doubt,
}

impl Tint {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "\u{1b}[1;32m",
            Self::Bad => "\u{1b}[1;31m",
            Self::Doubt => "\u{1b}[1;33m",
        }
    }
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self { text: String::new(), style }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Adds a line, cut to the width.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(clip(line, WIDTH).trim_end());
        self.text.push('\n');
    }

    /// Adds a line whose first occurrence of `word` is tinted.
    pub(super) fn tinted(&mut self, line: &str, word: &str, tint: Tint) {
        let line = clip(line, WIDTH);
        let painted = match self.style.color {
            true => line.replacen(word, &format!("{}{word}\u{1b}[0m", tint.code()), 1),
            false => line,
        };
        self.text.push_str(painted.trim_end());
        self.text.push('\n');
    }

    /// Adds a labelled line.
    pub(super) fn row(&mut self, label: &str, body: &str) {
        self.line(&format!("{label:<LABEL$}{body}"));
    }

    /// Adds a labelled list in one line, as much of it as fits.
    pub(super) fn list(&mut self, label: &str, items: &[String]) {
        if !items.is_empty() {
            self.row(label, &join_to_fit(items, WIDTH - LABEL));
        }
    }

    /// Adds labelled sentences, broken where they are too long for a line.
    pub(super) fn paragraph(&mut self, label: &str, sentences: &[String]) {
        let lines = sentences.iter().flat_map(|sentence| wrap(sentence, WIDTH - LABEL));
        let lines: Vec<String> = lines.collect();
        let shown = if lines.len() > SENTENCES { SENTENCES - 1 } else { lines.len() };
        for (index, line) in lines[..shown].iter().enumerate() {
            self.row(if index == 0 { label } else { "" }, line);
        }
        if shown < lines.len() {
            self.row("", "… more in report.html");
        }
    }

    /// Adds labelled sentences, all of them.
    pub(super) fn whole(&mut self, label: &str, sentences: &[String]) {
        let lines = sentences.iter().flat_map(|sentence| wrap(sentence, WIDTH - LABEL));
        for (index, line) in lines.enumerate() {
            self.row(if index == 0 { label } else { "" }, &line);
        }
    }
}

fn verdict(page: &mut Page, summary: &Summary) {
    let (word, tint) = verdict_word(summary.verdict);
    let name = clip(&escape::terminal(&summary.run.name), 24);
    let mut facts = vec![format!("{word}  {name}"), score(summary)];
    if summary.verdict != Verdict::Invalid {
        facts.push(format!("measurement {}", measurement_word(summary)));
    }
    facts.push(format!("{} {}", status(summary.run.status), summary.run.id));
    page.tinted(&facts.join("   "), word, tint);
}

/// Names a verdict as it is shown.
pub(super) fn verdict_word(verdict: Verdict) -> (&'static str, Tint) {
    match verdict {
        Verdict::Pass => ("PASS", Tint::Good),
        Verdict::Fail => ("FAIL", Tint::Bad),
        Verdict::Invalid => ("INVALID", Tint::Doubt),
    }
}

/// Names the run by how far it got.
fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Complete => "run",
        RunStatus::Interrupted => "interrupted run",
        RunStatus::Running => "unended run",
    }
}

fn objectives(page: &mut Page, summary: &Summary) {
    let (met, missed): (Vec<_>, Vec<_>) = summary.objectives.iter().partition(|it| it.met);
    let shown = missed.into_iter().chain(met).take(OBJECTIVES);
    for result in shown {
        let (mark, tint) = mark(summary.verdict, result);
        page.tinted(&format!("  {mark} {}", objective(result)), mark, tint);
    }
    if summary.objectives.len() > OBJECTIVES {
        page.line(&format!("    … and {} more", summary.objectives.len() - OBJECTIVES));
    }
}

/// Marks an objective: met, missed, or not decided because the measurement is invalid.
pub(super) fn mark(verdict: Verdict, result: &ObjectiveResult) -> (&'static str, Tint) {
    match (verdict, result.met) {
        (Verdict::Invalid, _) => ("?", Tint::Doubt),
        (_, true) => ("+", Tint::Good),
        (_, false) => ("x", Tint::Bad),
    }
}

/// Renders an objective: its text, the measured value, the interval and any doubt.
pub(super) fn objective(result: &ObjectiveResult) -> String {
    let text = clip(&escape::terminal(&result.text), OBJECTIVE);
    let mut line = format!("{text:<OBJECTIVE$}  {}", result.measured_text);
    let interval = quantile::interval_of(result.ci95, in_unit(result.unit));
    if interval != "-" {
        line.push_str(&format!("  [{interval}]"));
    }
    if result.confidence == Confidence::Borderline {
        line.push_str("  borderline");
    }
    if let Some(note) = &result.note {
        line.push_str(&format!("  {}", escape::terminal(note)));
    }
    line
}

fn load(page: &mut Page, summary: &Summary) {
    // Not cut: a sum that is shown in part does not add up.
    page.paragraph("Load", &[fates(&summary.all)]);
    let rate = &summary.all.rate;
    let rates = [
        format!("offered {}", number::per_second(rate.offered)),
        format!("achieved {}", number::per_second(rate.achieved)),
        format!("goodput {}", number::per_second(rate.goodput)),
        format!("peak {} in 1 s", number::count(rate.peak_1s)),
        format!("{}, seed {}", summary.run.arrival.join("+"), summary.run.seed),
    ];
    page.list("Rate", &rates);
}

fn quantile_table(page: &mut Page, all: &GroupSummary) {
    if all.response_time.count == 0 {
        page.row("Quantiles", "no arrivals, no response times");
        return;
    }
    quantile_row(page, "ms", |name| quantile::label(name).to_owned());
    quantile_row(page, "Response", |name| quantile::cell(&all.response_time, name));
    quantile_row(page, "  95 % CI", |name| quantile::interval_cell(&all.response_time, name));
    if all.response_time_ok != all.response_time && all.response_time_ok.count > 0 {
        quantile_row(page, "  ok only", |name| quantile::cell(&all.response_time_ok, name));
    }
    quantile_row(page, "Service", |name| quantile::cell(&all.service_time, name));
}

/// Said only when a closed loop would have told another story.
fn closed_loop(page: &mut Page, summary: &Summary) {
    if summary.closed_loop.omitted > 0 {
        page.paragraph("Closed loop", &[closed_loop_text(&summary.closed_loop)]);
    }
}

fn capacity(page: &mut Page, summary: &Summary) {
    if let Some(capacity) = &summary.capacity {
        page.paragraph("Capacity", &[escape::terminal(&capacity.text)]);
    }
}

fn quantile_row(page: &mut Page, label: &str, cell: impl Fn(&str) -> String) {
    let cells: String = QUANTILES.iter().map(|name| format!("{:>COLUMN$}", cell(name))).collect();
    page.row(label, &cells);
}

fn measurement(page: &mut Page, summary: &Summary) {
    let lag = &summary.all.schedule_lag_us;
    let cell = |value: Option<f64>| number::or_dash(value, |us| number::duration_ms(us / 1e3));
    let word = measurement_word(summary);
    let body = format!(
        "p50 {}   p99 {}   p99.9 {}   max {}   {word}",
        cell(lag.p50),
        cell(lag.p99),
        cell(lag.p999),
        cell(lag.max)
    );
    let tint = match word {
        "VALID" => Tint::Good,
        "WARN" => Tint::Doubt,
        _ => Tint::Bad,
    };
    page.tinted(&format!("{:<LABEL$}{body}", "Lag"), word, tint);
    for check in unsaid_checks(summary).take(3) {
        page.row("", &format!("! {}: {}", check.name, escape::terminal(&check.detail)));
    }
}

/// Lists the checks that did not end well and that no reason or warning repeats.
fn unsaid_checks(summary: &Summary) -> impl Iterator<Item = &Check> {
    let doubtful = |level| matches!(level, CheckLevel::Warn | CheckLevel::Invalid);
    let said = |check: &Check| {
        let mut sentences = summary.reasons.iter().chain(&summary.warnings);
        sentences.any(|sentence| sentence.contains(&check.detail))
    };
    summary.validity.checks.iter().filter(move |check| doubtful(check.level) && !said(check))
}

fn errors(page: &mut Page, all: &GroupSummary) {
    if all.requests.failed == 0 {
        page.row("Errors", "none");
        return;
    }
    let counted = |(name, count): &(&str, u64)| {
        format!("{} {}", escape::terminal(name), number::count(*count))
    };
    let outcomes: Vec<String> = by_size(all.errors.by_outcome.iter()).iter().map(counted).collect();
    let statuses: Vec<String> = by_size(all.errors.by_status.iter()).iter().map(counted).collect();
    let mut body =
        format!("{}: {}", number::percent(group::failed_share(all)), outcomes.join(", "));
    if !statuses.is_empty() {
        body.push_str(&format!("   by status: {}", statuses.join(", ")));
    }
    page.paragraph("Errors", &[body]);
}

fn groups(page: &mut Page, summary: &Summary, manifest: &Manifest) {
    page.list("Phases", &described(&group::phases(summary, manifest)));
    page.list("Scenarios", &described(&group::worst_first(&summary.by_scenario)));
    // With one request a scenario, the two lists would say the same.
    if summary.by_request.len() > summary.by_scenario.len() {
        page.list("Requests", &described(&group::worst_first(&summary.by_request)));
    }
}

fn described(groups: &[Named<'_>]) -> Vec<String> {
    groups.iter().map(|named| describe(*named)).collect()
}

/// Renders a group in a few words: its name, its 99th percentile, its share of failures.
fn describe((name, group): Named<'_>) -> String {
    let name = clip(&escape::terminal(name), 32);
    let p99 = quantile::cell_with_unit(&group.response_time, "p99");
    let failed = format!("{} failed", number::percent(group::failed_share(group)));
    match group.requests {
        RequestCounts { failed: 0, .. } => format!("{name} p99 {p99}"),
        RequestCounts { ok: 0, .. } => format!("{name} {failed}"),
        _ => format!("{name} p99 {p99}, {failed}"),
    }
}

fn recovery(page: &mut Page, recoveries: &[Recovery]) {
    let lines: Vec<String> = recoveries.iter().map(recovery_text).collect();
    page.paragraph("Recovery", &lines);
}

fn drift(page: &mut Page, summary: &Summary) {
    let decided = summary.drift.iter().filter(|(_, it)| it.shape != DriftShape::Insufficient);
    let lines: Vec<String> =
        decided.map(|(series, drift)| format!("{series}: {}", drift.text)).collect();
    if lines.is_empty() && !summary.drift.is_empty() {
        page.row("Drift", "too few windows to tell");
    }
    page.paragraph("Drift", &lines);
}

fn tail(page: &mut Page, summary: &Summary) {
    let whole: f64 = summary.tail.parts.values().map(|part| part.mean_in_tail).sum();
    if whole <= 0.0 {
        return;
    }
    let mut parts: Vec<_> = summary.tail.parts.iter().collect();
    parts.sort_by(|(_, a), (_, b)| b.mean_in_tail.total_cmp(&a.mean_in_tail));
    let shares = parts
        .iter()
        .map(|(name, part)| format!("{name} {:.0} %", 100.0 * part.mean_in_tail / whole));
    page.list("Slowest 1 %", &shares.collect::<Vec<_>>());
}

fn sentences(page: &mut Page, summary: &Summary) {
    let safe = |texts: &[String]| texts.iter().map(|text| escape::terminal(text)).collect();
    let label = match summary.verdict {
        Verdict::Invalid => "Why INVALID",
        _ => "Why FAIL",
    };
    let reasons: Vec<String> = safe(&summary.reasons);
    page.paragraph(label, &reasons);
    let mut notes: Vec<String> = safe(&summary.warnings);
    notes.extend(quantile::remarks(&summary.all.response_time, &QUANTILES));
    page.paragraph("Note", &notes);
}

fn next(page: &mut Page, run_dir: &Path) {
    let dir = escape::terminal(&run_dir.display().to_string());
    page.row("Files", &write::NAMES.join("  "));
    // Paths and commands are not cut: half a command is worse than a long line.
    let report = escape::shell(&run_dir.join("report.html").display().to_string());
    let commands = [
        format!("{report}   open it in a browser"),
        format!("gen analyze {}   judge the samples again", escape::shell(&dir)),
    ];
    for (index, command) in commands.iter().enumerate() {
        let label = if index == 0 { "Next" } else { "" };
        page.text.push_str(&format!("{label:<LABEL$}{command}\n"));
    }
}

/// Cuts text to a number of characters, the last one an ellipsis when something is cut.
pub(super) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// Joins items as long as they fit and counts the rest.
fn join_to_fit(items: &[String], width: usize) -> String {
    const GAP: &str = "   ";
    let rest = |left: usize| format!("{GAP}+{left} more");
    let mut line = String::new();
    for (index, item) in items.iter().enumerate() {
        let gap = if index == 0 { "" } else { GAP };
        let left = items.len() - index;
        let reserve = if left > 1 { rest(left - 1).chars().count() } else { 0 };
        let length = line.chars().count() + gap.len() + item.chars().count() + reserve;
        if index > 0 && length > width {
            return line + &rest(left);
        }
        line.push_str(gap);
        line.push_str(item);
    }
    line
}

/// Breaks text between words into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::fixture::{self, Fixture};
    use super::{Style, WIDTH, clip, join_to_fit, terminal, wrap};

    fn text(fixture: &Fixture, color: bool) -> String {
        let dir = Path::new("results/spike-20261123T010408Z");
        terminal(&fixture.summary, &fixture.manifest, dir, Style { color })
    }

    #[test]
    fn the_screen_of_each_kind_of_run() {
        for fixture in [
            fixture::pass(),
            fixture::fail(),
            fixture::invalid(),
            fixture::censored(),
            fixture::all_failed(),
            fixture::empty(),
        ] {
            insta::assert_snapshot!(format!("terminal_{}", fixture.label), text(&fixture, false));
        }
    }

    #[test]
    fn every_run_fits_one_screen() {
        for fixture in fixture::all() {
            let text = text(&fixture, false);
            assert!(text.lines().count() <= 33, "{}:\n{text}", fixture.label);
            for line in text.lines().take_while(|line| !line.starts_with("Next")) {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
        }
    }

    #[test]
    fn colour_is_only_there_when_asked_for_and_names_cannot_bring_their_own() {
        let hostile = fixture::hostile();
        assert!(!text(&hostile, false).contains('\u{1b}'));
        let coloured = text(&fixture::fail(), true);
        assert!(coloured.starts_with("\u{1b}[1;31mFAIL\u{1b}[0m  spike"));
    }

    #[test]
    fn lists_say_what_they_leave_out() {
        let items: Vec<String> = (0..9).map(|index| format!("item {index}")).collect();
        assert_eq!(join_to_fit(&items, 40), "item 0   item 1   item 2   +6 more");
        assert_eq!(join_to_fit(&items[..2], 40), "item 0   item 1");
        assert_eq!(clip("percentile", 5), "perc…");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
