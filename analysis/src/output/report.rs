//! `report.html`: the whole run in one file that opens anywhere and asks nobody for anything.
//!
//! The page is made in two halves. Every word and number of its text and tables is rendered
//! here, so that they can be read without scripts, printed and tested; the template only
//! places them. The charts are drawn by the script in the page from the JSON block at its
//! end, which holds the seconds of the run thinned to [`STEPS`] points, and each chart
//! offers the same numbers as a table.
//!
//! Names come from profiles, traces and targets, so the template escapes everything it is
//! not told to trust, and it is told to trust only the files of `analysis/assets` and JSON
//! without a `<`. A content security policy in the page forbids it every request.

mod chart;
mod comparison;
mod curve;
mod run;
mod section;
mod table;

pub(super) use run::{Fact, fact, started};
pub(super) use section::objectives as objectives_table;
pub(super) use table::Table;

use minijinja::{Environment, Value, context};
use serde_json::json;

use super::{Results, escape, second};

/// Most points of a chart: about one for each pixel of a wide screen.
const STEPS: usize = 1_800;

/// Name of the template; its ending turns escaping on.
const TEMPLATE: &str = "report.html";

/// Name and text of the template of tables, which every page imports.
pub(super) const TABLES_NAME: &str = "tables.html";
pub(super) const TABLES: &str = include_str!("../../assets/tables.html");

/// Renders `report.html`.
pub fn render(results: &Results<'_>) -> Result<String, minijinja::Error> {
    let &Results { summary, seconds, heat, manifest, comparison } = results;
    let steps = second::thin(seconds, STEPS);
    let charts = chart::charts(&steps, summary, manifest);
    let curve = curve::curve(&summary.all);
    let data = chart::run_data(&steps, &charts, &curve, heat, summary, manifest);
    let mut environment = Environment::new();
    environment.add_template(TABLES_NAME, TABLES)?;
    environment.add_template(TEMPLATE, include_str!("../../assets/report.html"))?;
    environment.get_template(TEMPLATE)?.render(context! {
        page => template_value(json!(section::page(summary, manifest))),
        comparison => template_value(json!(comparison.map(comparison::section))),
        charts => template_value(json!(charts)),
        curve => template_value(json!(curve)),
        step_s => steps.width,
        has_heat => heat.columns.iter().any(|column| !column.cells.is_empty()),
        heat_step_s => heat.step_s,
        style => trusted(include_str!("../../assets/report.css")),
        script => trusted(include_str!("../../assets/report.js")),
        chart_style => trusted(include_str!("../../assets/vendor/uplot/uPlot.min.css")),
        chart_script => trusted(include_str!("../../assets/vendor/uplot/uPlot.iife.min.js")),
        chart_licence => trusted(include_str!("../../assets/vendor/uplot/LICENSE")),
        data => trusted(&escape::json_in_html(&data.to_string())),
    })
}

/// Marks text that the template must not escape.
pub(super) fn trusted(text: &str) -> Value {
    Value::from_safe_string(text.to_owned())
}

/// Turns plain data into what the template engine reads.
pub(super) fn template_value(data: serde_json::Value) -> Value {
    match data {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(flag) => flag.into(),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().into(),
        },
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(items) => items.into_iter().map(template_value).collect(),
        serde_json::Value::Object(fields) => {
            Value::from_pairs(fields.into_iter().map(|(key, value)| (key, template_value(value))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, Fixture};
    use super::render;

    fn page(fixture: &Fixture) -> String {
        render(&fixture.results()).unwrap()
    }

    /// Returns what stands between two marks.
    fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
        let start = text.find(from).unwrap() + from.len();
        &text[start..start + text[start..].find(to).unwrap()]
    }

    /// Cuts out the bundled files, which hold links in comments and code.
    fn without_assets(page: &str) -> String {
        let mut rest = page.to_owned();
        for tag in ["style", "script"] {
            while let Some(start) = rest.find(&format!("<{tag}")) {
                let end = start + rest[start..].find(&format!("</{tag}>")).unwrap();
                rest.replace_range(start..end + tag.len() + 3, "");
            }
        }
        rest
    }

    #[test]
    fn nothing_is_fetched() {
        for fixture in fixture::all() {
            let markup = without_assets(&page(&fixture));
            // Attribute names only: what stands in quotes may say anything.
            let tags = markup.split('<').filter_map(|rest| rest.split('>').next());
            let mut names = tags.flat_map(|tag| tag.split('"').step_by(2));
            assert!(names.all(|name| !name.contains("src=")), "{}", fixture.label);
            for target in markup.split(" href=\"").skip(1) {
                assert!(target.starts_with('#') || target.starts_with("data:"), "{target:.60}");
            }
            assert!(markup.contains("default-src 'none'"));
        }
    }

    #[test]
    fn bundled_files_cannot_end_their_element() {
        let page = page(&fixture::pass());
        assert_eq!(page.matches("</script>").count(), page.matches("<script").count());
        assert_eq!(page.matches("</style>").count(), 1);
    }

    #[test]
    fn hostile_names_stay_text() {
        let page = page(&fixture::hostile());
        assert!(!page.contains("<img"));
        let data = between(&page, "id=\"run-data\">", "</script>");
        assert!(!data.contains('<'));
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["phases"][1]["name"], fixture::HOSTILE_NAME);
    }

    #[test]
    fn the_page_has_a_language_one_heading_and_the_verdict_first() {
        for fixture in fixture::all() {
            let page = page(&fixture);
            assert!(page.contains("<html lang=\"en\""));
            assert_eq!(page.matches("<h1").count(), 1);
            let verdict = fixture.summary.verdict.name().to_uppercase();
            assert!(between(&page, "<h1", "</h1>").contains(&verdict));
        }
    }

    #[test]
    fn long_runs_stay_small() {
        for fixture in [fixture::hour(), fixture::soak()] {
            let page = page(&fixture);
            assert!(page.len() < 500_000, "{}: {} bytes", fixture.label, page.len());
        }
        assert!(page(&fixture::soak()).contains("the worst of the 8"));
    }

    #[test]
    fn a_run_without_seconds_says_so() {
        assert!(page(&fixture::empty()).contains("No second of the run was recorded"));
    }
}
