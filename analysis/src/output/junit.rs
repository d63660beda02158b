//! `junit.xml`: the verdict for build servers.
//!
//! One test case an objective, and one for the measurement itself. When the measurement is
//! invalid its case fails and the objectives are skipped: they are neither met nor missed.

use openload_contract::summary::{CheckLevel, Confidence, ObjectiveResult};
use openload_contract::{Summary, Verdict};

use super::escape::xml;
use super::{quantile, words};

/// Name of the test case of the measurement.
const VALIDITY_CASE: &str = "measurement is valid";

/// How one test case ended.
enum Ending {
    Passed,
    Failed { message: String, text: String },
    Skipped { message: String },
}

/// One test case.
struct Case<'a> {
    name: &'a str,
    ending: Ending,
}

/// Renders `junit.xml`.
pub fn render(summary: &Summary) -> String {
    let cases = cases(summary);
    let failures = cases.iter().filter(|case| matches!(case.ending, Ending::Failed { .. })).count();
    let skipped = cases.iter().filter(|case| matches!(case.ending, Ending::Skipped { .. })).count();
    let body: String = cases.iter().map(|case| render_case(case, &summary.run.name)).collect();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{:.3}\"",
        cases.len(),
        summary.run.duration_s
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"gen\" {counts}>\n  \
         <testsuite name=\"{}\" id=\"{}\" {counts}{}>\n{body}  </testsuite>\n</testsuites>\n",
        xml(&summary.run.name),
        xml(&summary.run.id),
        timestamp(summary.run.start_unix_ns),
    )
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

fn measurement(summary: &Summary) -> Ending {
    if summary.verdict != Verdict::Invalid {
        return Ending::Passed;
    }
    let text = match summary.reasons.as_slice() {
        [] => broken_checks(summary).join("\n"),
        reasons => reasons.join("\n"),
    };
    Ending::Failed { message: "the generator, not the target, made the numbers".to_owned(), text }
}

fn broken_checks(summary: &Summary) -> Vec<String> {
    let broken = summary.validity.checks.iter().filter(|check| check.level == CheckLevel::Invalid);
    broken.map(|check| format!("{}: {}", check.name, check.detail)).collect()
}

fn undecided() -> Ending {
    Ending::Skipped { message: "the measurement is invalid".to_owned() }
}

fn objective(result: &ObjectiveResult) -> Ending {
    if result.met {
        return Ending::Passed;
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
    Ending::Failed { message: format!("measured {}", result.measured_text), text }
}

fn render_case(case: &Case<'_>, profile: &str) -> String {
    let head = format!(
        "    <testcase classname=\"gen.{}\" name=\"{}\" time=\"0\"",
        xml(profile),
        xml(case.name)
    );
    match &case.ending {
        Ending::Passed => format!("{head}/>\n"),
        Ending::Skipped { message } => {
            format!("{head}>\n      <skipped message=\"{}\"/>\n    </testcase>\n", xml(message))
        }
        Ending::Failed { message, text } => format!(
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
