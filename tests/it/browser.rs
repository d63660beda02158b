//! The pages as a browser shows them: nothing fails, everything is there, and the figures are
//! those of the files beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Bench, PATIENT, Run, beside, gen_command, retry, steady};

/// A Chromium, when this machine has one.
fn browser() -> Option<String> {
    let named = std::env::var("OPENLOAD_BROWSER").ok();
    let known = ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned);
    let works = |name: &String| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = named.into_iter().chain(known).find(works);
    if found.is_none() {
        assert!(
            std::env::var_os("OPENLOAD_REQUIRE_BROWSER").is_none(),
            "no chromium here: install the package, or name one in OPENLOAD_BROWSER"
        );
        eprintln!("not tested: no chromium here");
    }
    found
}

/// Stands first in the page: keeps what goes wrong.
const WATCH: &str = r#"<script>
window.faults = [];
window.addEventListener("error", (event) => faults.push(String(event.message)));
window.addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
window.addEventListener("securitypolicyviolation", (event) => faults.push(event.violatedDirective + " " + event.blockedURI));
for (const level of ["error", "warn"]) console[level] = (...words) => faults.push(words.join(" "));
</script>"#;

/// Stands last: uses every control, then writes down what can be seen.
const LOOK: &str = r#"<script>
(async () => {
  const drawn = () => new Promise((resolve) => setTimeout(resolve, 300));
  await drawn();
  const all = (from, what) => [...from.querySelectorAll(what)];
  const text = (element) => element.innerText.trim();
  const inks = (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let inked = 0;
    for (let at = 3; at < data.length; at += 4) inked += data[at] > 0;
    return inked;
  };
  const themes = {};
  const select = document.getElementById("stretch");
  for (let turn = 0; turn < 2; turn += 1) {
    document.getElementById("theme").click();
    themes[document.documentElement.dataset.theme] = getComputedStyle(document.body).backgroundColor;
    all(document, ".bar button, thead button").forEach((button) => { button.click(); button.click(); });
    if (select) all(select, "option").reverse().forEach(({ value }) => { select.value = value; select.dispatchEvent(new Event("change")); });
  }
  all(document, "details").forEach((details) => { details.open = true; details.dispatchEvent(new Event("toggle")); });
  await drawn();
  const tables = {};
  all(document, "table").forEach((table) => {
    tables[table.caption.textContent] = [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
  });
  const report = {
    faults, themes, tables,
    title: text(document.querySelector("h1")),
    sections: Object.fromEntries(all(document, "h2[id]").map((head) => [head.id, text(head.closest("section")).length - text(head).length])),
    links: all(document, "nav a").map((link) => link.getAttribute("href").slice(1)),
    charts: Object.fromEntries(all(document, "figure.chart").map((figure) => [figure.id, all(figure, "canvas").map(inks)])),
    tiles: Object.fromEntries(all(document, ".tiles > div").map((tile) => [tile.querySelector("dt").textContent, tile.querySelector("b").textContent])),
    wide: document.documentElement.scrollWidth > window.innerWidth,
  };
  const escape = (letter) => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0");
  const plain = JSON.stringify(report).replace(/[<>&\u00a0]/g, escape);
  document.body.append(Object.assign(document.createElement("pre"), { id: "seen", textContent: plain }));
})();
</script>"#;

/// Opens a page in a browser with a folder of its own; what the page became, and what was logged.
fn open(browser: &str, page: &Path, profile: &Path) -> (String, String) {
    let mut command = beside(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--window-size=1200,900",
        "--virtual-time-budget=20000",
        "--dump-dom",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    let output = command.arg(format!("file://{}", page.display())).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr))
}

/// What a browser shows of a page. The page itself must leave the console empty; what is looked
/// at is a copy with scripts of our own around those of the page.
fn seen(browser: &str, bench: &Bench, page: &Path) -> Value {
    let (_, log) = open(browser, page, &bench.out("browser"));
    let said: Vec<&str> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
    assert!(said.is_empty(), "{}: {said:#?}", page.display());
    let html = std::fs::read_to_string(page).unwrap();
    let html = html.replacen("<head>", &format!("<head>{WATCH}"), 1);
    let copy = bench.out("looked-at.html");
    std::fs::write(&copy, html.replacen("</body>", &format!("{LOOK}</body>"), 1)).unwrap();
    let (dom, log) = open(browser, &copy, &bench.out("browser"));
    let seen = dom.split("<pre id=\"seen\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let seen = seen.unwrap_or_else(|| panic!("{}: {log}\n{dom:.2000}", page.display()));
    let seen: Value = serde_json::from_str(seen).unwrap();
    assert_eq!(seen["faults"], serde_json::json!([]), "{}", page.display());
    let colors: Vec<_> = seen["themes"].as_object().unwrap().values().collect();
    assert!(colors.len() == 2 && colors[0] != colors[1], "{colors:?}");
    assert_eq!(seen["wide"], false, "the page scrolls sideways");
    let sections = seen["sections"].as_object().unwrap();
    for (section, length) in sections {
        assert!(length.as_i64().unwrap() > 10, "{section} is empty");
    }
    for link in seen["links"].as_array().unwrap() {
        assert!(sections.contains_key(link.as_str().unwrap()), "{link} leads nowhere");
    }
    seen
}

/// The rows of a table by their first cell, each value by its heading.
fn table(seen: &Value, caption: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let rows: Vec<Vec<String>> = serde_json::from_value(seen["tables"][caption].clone())
        .unwrap_or_else(|_| panic!("there is no table {caption:?}"));
    let (head, body) = rows.split_first().unwrap();
    let row = |cells: &Vec<String>| {
        let cells = head.iter().cloned().zip(cells.iter().cloned());
        cells.collect::<BTreeMap<_, _>>()
    };
    body.iter().map(|cells| (cells[0].clone(), row(cells))).collect()
}

/// Asserts that a text shows a value, to the three digits that people are shown.
#[track_caller]
fn shows(text: &str, value: &Value, what: &str) {
    let Some(value) = value.as_f64() else {
        assert!(
            text == "-" || text.starts_with("needs") || text.starts_with(">="),
            "{what}: {text}"
        );
        return;
    };
    let number: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let number: f64 = number.parse().unwrap_or_else(|_| panic!("{what}: {text}"));
    let unit = if text.ends_with("µs") { 1e-3 } else { 1.0 };
    let unit = if text.ends_with(" s") { 1e3 } else { unit };
    assert!((number * unit - value).abs() <= 0.0051 * value.abs(), "{what}: {text} for {value}");
}

/// Asserts the quantiles of a row against those of the summary.
#[track_caller]
fn shows_quantiles(row: &BTreeMap<String, String>, summary: &Value, names: &[(&str, &str)]) {
    for &(heading, name) in names {
        shows(&row[heading], &summary[name], heading);
    }
}

#[test]
fn a_report_shows_every_section_and_the_figures_of_its_summary() {
    let Some(browser) = browser() else { return };
    let bench = Bench::shared_turn();
    let out = bench.out("spike");
    let gen_in = |arguments: &[&str]| {
        let mut command = gen_command();
        command.current_dir(bench.dir.path()).args(arguments);
        Run::new(out.clone(), command.output().unwrap())
    };
    retry(|_| {
        let profile = ["--profile", "spike", "--time-scale", "0.1", "--out", "spike"];
        let failing = ["--set", "target.embedded.error_rate=0.02"];
        let _ = std::fs::remove_dir_all(&out);
        let run = gen_in(&[&profile[..], &failing, &PATIENT].concat());
        let saved = gen_in(&["compare", "--save", "before", "spike"]);
        if saved.exit == 0 { Ok(()) } else { Err(run.stdout + &saved.stderr) }
    });
    let run = gen_in(&["analyze", "spike", "--base", "before"]);
    let summary = run.summary();
    let seen = seen(&browser, &bench, &out.join("report.html"));

    let expected = [
        "objectives",
        "run",
        "time",
        "quantiles",
        "phases",
        "scenarios",
        "requests",
        "errors",
        "recovery",
        "drift",
        "capacity",
        "comparison",
        "validity",
        "tail",
        "configuration",
        "method",
    ];
    for section in expected {
        assert!(seen["sections"].get(section).is_some(), "there is no section {section}");
    }
    let charts = seen["charts"].as_object().unwrap();
    assert!(charts.len() >= 6, "{charts:?}");
    for (chart, inks) in charts {
        let inks: Vec<u64> = serde_json::from_value(inks.clone()).unwrap();
        assert!(inks.iter().sum::<u64>() > 2_000, "{chart} is blank: {inks:?}");
    }
    figures(&seen, &summary, &run.dir);
}

/// Compares what the page says with the files beside it.
fn figures(seen: &Value, summary: &Value, run_dir: &Path) {
    let verdict = summary["verdict"].as_str().unwrap().to_uppercase();
    assert!(seen["title"].as_str().unwrap().contains(&verdict));
    let tile = |name: &str| seen["tiles"][name].as_str().unwrap();
    shows(tile("Response time p50"), &summary["response_time"]["p50"], "p50");
    shows(tile("Response time p99"), &summary["response_time"]["p99"], "p99");
    shows(tile("Offered rate"), &summary["rate"]["offered"], "offered");
    shows(tile("Goodput"), &summary["rate"]["goodput"], "goodput");

    let quantiles = table(seen, "Quantiles in ms");
    let levels = [("p50", "p50"), ("p90", "p90"), ("p95", "p95"), ("p99", "p99"), ("mean", "mean")];
    let kinds = [
        ("Response time, all arrivals", &summary["response_time"]),
        ("Response time, ok only", &summary["response_time_ok"]),
        ("Service time, ok only", &summary["service_time"]),
        ("What a closed loop would have said", &summary["closed_loop"]["response_time"]),
    ];
    for (row, values) in kinds {
        shows_quantiles(&quantiles[row], values, &levels);
        assert_eq!(quantiles[row]["rows"].replace(',', ""), values["count"].to_string());
    }
    let groups =
        [("By phase", "by_phase"), ("By scenario", "by_scenario"), ("By request", "by_request")];
    for (caption, key) in groups {
        let rows = table(seen, caption);
        let groups = summary[key].as_object().unwrap();
        assert_eq!(rows.len(), groups.len(), "{caption}");
        for (name, group) in groups {
            let row = &rows[name];
            assert_eq!(row["arrivals"].replace(',', ""), group["requests"]["intended"].to_string());
            let levels = [("p50 ms", "p50"), ("p90 ms", "p90"), ("p99 ms", "p99")];
            shows_quantiles(row, &group["response_time"], &levels);
        }
    }
    let outcomes = table(seen, "Failed arrivals by outcome");
    for (outcome, count) in summary["errors"]["by_outcome"].as_object().unwrap() {
        assert_eq!(outcomes[outcome]["count"].replace(',', ""), count.to_string());
    }
    let objectives = table(seen, "Objectives");
    for objective in summary["objectives"].as_array().unwrap() {
        let row = &objectives[objective["text"].as_str().unwrap()];
        assert_eq!(row["Measured"], objective["measured_text"].as_str().unwrap());
    }
    let checks = table(seen, "Checks of the measurement");
    assert_eq!(checks.len(), summary["validity"]["checks"].as_array().unwrap().len());
    // The table behind a chart holds every second of the file.
    let series = std::fs::read_to_string(run_dir.join("timeseries.csv")).unwrap();
    let seconds = series.lines().count() - 1;
    let is_whole = |rows: &Value| rows.as_array().is_some_and(|rows| rows.len() == seconds + 1);
    assert!(
        seen["tables"].as_object().unwrap().values().filter(|rows| is_whole(rows)).count() >= 4
    );
}

#[test]
fn the_page_of_a_suite_leads_to_its_runs() {
    let Some(browser) = browser() else { return };
    let bench = Bench::shared_turn();
    let profiles: Vec<PathBuf> =
        ["one", "two"].map(|name| bench.dir.path().join(format!("{name}.toml"))).to_vec();
    for (profile, name) in profiles.iter().zip(["one", "two"]) {
        let text = steady(100, "poisson", 2, "").replace("\"test\"", &format!("\"{name}\""));
        std::fs::write(profile, text).unwrap();
    }
    let out = bench.out("suite");
    let mut command = gen_command();
    command.arg("suite").args(&profiles).args(["--cool-down", "0s", "--out"]).arg(&out);
    command.output().unwrap();
    let seen = seen(&browser, &bench, &out.join("index.html"));
    let text = std::fs::read_to_string(out.join("suite.json")).unwrap();
    let suite: Value = serde_json::from_str(&text).unwrap();
    let runs = table(&seen, "Runs");
    for run in suite["runs"].as_array().unwrap() {
        let row = &runs[run["name"].as_str().unwrap()];
        assert_eq!(row["Verdict"].to_lowercase(), run["result"]["verdict"].as_str().unwrap());
        assert!(out.join(run["dir"].as_str().unwrap()).join("report.html").is_file());
    }
    assert_eq!(runs.len(), 2);
}
