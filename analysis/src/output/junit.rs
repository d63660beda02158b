//! `junit.xml`: the verdict for build servers.
//!
//! One test case an objective, and one for the measurement itself. When the measurement is
//! invalid its case fails and the objectives are skipped: they are neither met nor missed. A
//! suite has one test suite a run; a run that could not be made is an error.

use openload_contract::suite::Ending;
use openload_contract::summary::{CheckLevel, Confidence, ObjectiveResult};
use openload_contract::{Summary, Verdict};

use super::escape::xml;
use super::{quantile, words};
use crate::suite::SuiteFolder;

/// Name of the test case of the measurement.
const VALIDITY_CASE: &str = "measurement is valid";

/// How one test case ended.
enum CaseEnding {
    Passed,
    Failed { message: String, text: String },
    Skipped { message: String },
}

/// One test case.
struct Case<'a> {
    name: &'a str,
    ending: CaseEnding,
}

/// Renders `junit.xml`.
pub fn render(summary: &Summary) -> String {
    let (counts, text) = element(summary);
    document(&counts, &text)
}

/// Renders `junit.xml` of a suite.
pub fn suite(folder: &SuiteFolder) -> String {
    let mut counts = Counts::default();
    let mut text = String::new();
    for (index, run) in folder.suite().runs.iter().enumerate() {
        let (of_run, element) = match (folder.summary(index), &run.ending) {
            (Some(summary), _) => element(summary),
            (None, Ending::Failed { error }) => unmade(&run.name, Some(error)),
            (None, _) => unmade(&run.name, None),
        };
        counts.add(&of_run);
        text.push_str(&element);
    }
    document(&counts, &text)
}

/// Test cases by how they ended.
#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    time_s: f64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
        self.time_s += other.time_s;
    }

    fn attributes(&self) -> String {
        format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
            self.tests, self.failures, self.errors, self.skipped, self.time_s
        )
    }
}

fn document(counts: &Counts, suites: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"gen\" {}>\n{suites}</testsuites>\n",
        counts.attributes()
    )
}

/// The test suite of one run.
fn element(summary: &Summary) -> (Counts, String) {
    let cases = cases(summary);
    let counts = Counts {
        tests: cases.len(),
        failures: cases
            .iter()
            .filter(|case| matches!(case.ending, CaseEnding::Failed { .. }))
            .count(),
        errors: 0,
        skipped: cases
            .iter()
            .filter(|case| matches!(case.ending, CaseEnding::Skipped { .. }))
            .count(),
        time_s: summary.run.duration_s,
    };
    let body: String = cases.iter().map(|case| render_case(case, &summary.run.name)).collect();
    let text = format!(
        "  <testsuite name=\"{}\" id=\"{}\" {}{}>\n{body}  </testsuite>\n",
        xml(&summary.run.name),
        xml(&summary.run.id),
        counts.attributes(),
        timestamp(summary.run.start_unix_ns),
    );
    (counts, text)
}

/// The test suite of a run that could not be made, or, without an error, was not begun.
fn unmade(name: &str, error: Option<&String>) -> (Counts, String) {
    let (errors, skipped) = (usize::from(error.is_some()), usize::from(error.is_none()));
    let counts = Counts { tests: 1, errors, skipped, ..Counts::default() };
    let why = match error {
        Some(error) => format!("<error message=\"could not run\">{}</error>", xml(error)),
        None => "<skipped message=\"not run\"/>".to_owned(),
    };
    let name = xml(name);
    let text = format!(
        "  <testsuite name=\"{name}\" {}>\n    \
         <testcase classname=\"gen.{name}\" name=\"{VALIDITY_CASE}\" time=\"0\">\n      \
         {why}\n    </testcase>\n  </testsuite>\n",
        counts.attributes()
    );
    (counts, text)
}

fn cases(summary: &Summary) -> Vec<Case<'_>> {
    let valid = summary.verdict != Verdict::Invalid;
    let mut cases = vec![Case { name: VALIDITY_CASE, ending: measurement(summary) }];
    cases.extend(summary.objectives.iter().map(|result| Case {
        name: &result.text,
        ending: if valid { objective(result) } else { undecided() },
    }));
    cases
}

fn measurement(summary: &Summary) -> CaseEnding {
    if summary.verdict != Verdict::Invalid {
        return CaseEnding::Passed;
    }
    let text = match summary.reasons.as_slice() {
        [] => broken_checks(summary).join("\n"),
        reasons => reasons.join("\n"),
    };
    CaseEnding::Failed {
        message: "the generator, not the target, made the numbers".to_owned(),
        text,
    }
}

fn broken_checks(summary: &Summary) -> Vec<String> {
    let broken = summary.validity.checks.iter().filter(|check| check.level == CheckLevel::Invalid);
    broken.map(|check| format!("{}: {}", check.name, check.detail)).collect()
}

fn undecided() -> CaseEnding {
    CaseEnding::Skipped { message: "the measurement is invalid".to_owned() }
}

fn objective(result: &ObjectiveResult) -> CaseEnding {
    if result.met {
        return CaseEnding::Passed;
    }
    let mut text = format!("objective: {}\nmeasured: {}", result.text, result.measured_text);
    if result.ci95.low.is_some() || result.ci95.high.is_some() {
        text.push_str(&format!(
            "\n95 % CI: {}",
            quantile::interval_of(result.ci95, words::in_unit(result.unit))
        ));
    }
    if result.confidence == Confidence::Insufficient {
        text.push_str("\nthe samples do not support the value");
    }
    if let Some(note) = &result.note {
        text.push_str(&format!("\nnote: {note}"));
    }
    CaseEnding::Failed { message: format!("measured {}", result.measured_text), text }
}

fn render_case(case: &Case<'_>, profile: &str) -> String {
    let head = format!(
        "    <testcase classname=\"gen.{}\" name=\"{}\" time=\"0\"",
        xml(profile),
        xml(case.name)
    );
    match &case.ending {
        CaseEnding::Passed => format!("{head}/>\n"),
        CaseEnding::Skipped { message } => {
            format!("{head}>\n      <skipped message=\"{}\"/>\n    </testcase>\n", xml(message))
        }
        CaseEnding::Failed { message, text } => format!(
            "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
            xml(message),
            xml(text)
        ),
    }
}

/// Renders the start as the attribute JUnit readers expect, or nothing when out of range.
fn timestamp(start_unix_ns: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(start_unix_ns)) {
        Ok(start) => format!(" timestamp=\"{}\"", start.strftime("%Y-%m-%dT%H:%M:%S")),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::render;

    #[test]
    fn a_missed_objective_is_a_failed_case() {
        insta::assert_snapshot!("junit_fail", render(&fixture::fail().summary));
    }

    #[test]
    fn an_invalid_measurement_fails_and_decides_no_objective() {
        insta::assert_snapshot!("junit_invalid", render(&fixture::invalid().summary));
    }

    #[test]
    fn hostile_names_are_escaped() {
        let text = render(&fixture::hostile().summary);
        assert!(!text.contains(fixture::HOSTILE_NAME));
        assert!(text.contains("&lt;/script&gt;"));
    }
}
