//! The notebooks run, and compute from the Parquet files what the analysis computed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Bench, MEDIAN, PATIENT, Run, beside, gen_command, run_gen, until_valid};

/// A Python with what the notebooks need, when this machine has one.
fn python() -> Option<String> {
    let python = std::env::var("OPENLOAD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let check =
        Command::new(&python).args(["-c", "import papermill, altair, polars, ipykernel"]).output();
    if check.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(
        std::env::var_os("OPENLOAD_REQUIRE_READERS").is_none(),
        "{python} lacks papermill, altair, polars or ipykernel: \
         pip install -r analysis/notebooks/requirements.txt"
    );
    eprintln!("not tested: {python} lacks papermill, altair, polars or ipykernel");
    None
}

/// Executes a notebook and returns the figures its last cell prints.
fn execute(python: &str, bench: &Bench, name: &str, parameters: &[(&str, &Path)]) -> Figures {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("analysis/notebooks");
    let executed = bench.out(&format!("{name}.executed.ipynb"));
    let mut command = beside(python);
    command.args(["-m", "papermill", "--log-level", "ERROR", "--no-progress-bar"]);
    command.arg("--cwd").arg(&folder).args(["-k", "python3"]);
    for (parameter, path) in parameters {
        command.args(["-r", parameter]).arg(path);
    }
    // Byte code of the helper module must not land beside it.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.arg(folder.join(format!("{name}.ipynb"))).arg(&executed).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Figures { name: name.to_owned(), values: check_line(&executed) }
}

/// What a notebook says it found.
struct Figures {
    name: String,
    values: serde_json::Value,
}

impl Figures {
    /// Asserts a figure, which was computed from the same integers in another language.
    #[track_caller]
    fn expect(&self, key: &str, expected: &serde_json::Value) {
        let (found, expected) = (self.values[key].as_f64(), expected.as_f64());
        let is_same = found.zip(expected).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * b.abs());
        assert!(is_same, "{} {key}: {found:?}, expected {expected:?}", self.name);
    }

    /// Asserts the median and a quantile of the tail. Where rows hang together too much, because the
    /// machine paused, the summary does not claim the tail; the notebook always says it.
    #[track_caller]
    fn expect_quantiles(&self, suffix: &str, tail: &str, response_time: &serde_json::Value) {
        self.expect(&format!("p50{suffix}"), &response_time["p50"]);
        if !response_time[tail].is_null() {
            self.expect(&format!("{tail}{suffix}"), &response_time[tail]);
        }
    }
}

/// The figures after `check ` in the output of an executed notebook.
fn check_line(executed: &PathBuf) -> serde_json::Value {
    let notebook: serde_json::Value =
        serde_json::from_slice(&std::fs::read(executed).unwrap()).unwrap();
    let cells = notebook["cells"].as_array().unwrap();
    let outputs = cells.iter().filter_map(|cell| cell["outputs"].as_array()).flatten();
    let texts = outputs.filter_map(|output| output["text"].as_array()).flatten();
    let mut lines = texts.filter_map(|text| text.as_str()?.strip_prefix("check "));
    serde_json::from_str(lines.next().unwrap_or_else(|| panic!("no figures in {executed:?}")))
        .unwrap()
}

const SPIKE: &str = "\
name = \"spike\"\nseed = 7\n[target]\nurl = \"embedded\"\n\
[target.embedded]\nservers = 2\nservice = { law = \"exponential\", mean = \"2ms\" }\nerror_rate = \"0.2%\"\n\
[[phase]]\nname = \"warm-up\"\nrole = \"warmup\"\nduration = \"1s\"\nrate = 100\n\
[[phase]]\nname = \"before\"\nrole = \"baseline\"\nduration = \"11s\"\nrate = 100\n\
[[phase]]\nname = \"surge\"\nrole = \"spike\"\nduration = \"2s\"\nrate = 450\n\
[[phase]]\nname = \"after\"\nrole = \"recovery\"\nduration = \"9s\"\nrate = 100\n";

const SOAK: &str = "\
name = \"soak\"\nseed = 7\n[target]\nurl = \"embedded\"\n\
[[phase]]\nname = \"soak\"\nrole = \"soak\"\nduration = \"10s\"\nrate = 400\n";

#[test]
fn notebooks_find_what_the_analysis_found() {
    let Some(python) = python() else { return };
    let bench = Bench::shared_turn();
    let times = |run: &Run| run.summary()["response_time"].clone();

    let spike = bench.run("spike", &format!("{SPIKE}{MEDIAN}"), &["--json"]);
    spike.expect_exit(0);
    let first = execute(&python, &bench, "first_look", &[("run", &spike.dir)]);
    first.expect_quantiles("", "p99", &times(&spike));
    first.expect("arrivals", &spike.summary()["requests"]["intended"]);
    let recovery = execute(&python, &bench, "spike_recovery", &[("run", &spike.dir)]);
    recovery.expect_quantiles("", "p99", &times(&spike));
    let surge = &spike.summary()["by_phase"]["surge"]["response_time"];
    recovery.expect_quantiles("_spike", "p95", surge);

    let soak_profile = format!("{SOAK}{MEDIAN}");
    let soak = bench.run("soak", &soak_profile, &["--json"]);
    soak.expect_exit(0);
    let drift = execute(&python, &bench, "soak_drift", &[("run", &soak.dir)]);
    drift.expect_quantiles("", "p99", &times(&soak));

    let again =
        bench.run("again", &soak_profile, &["--json", "--set", "target.embedded.service.mean=3ms"]);
    again.expect_exit(0);
    let both = [("base", soak.dir.as_path()), ("run", again.dir.as_path())];
    let compared = execute(&python, &bench, "compare", &both);
    compared.expect_quantiles("", "p99", &times(&again));
    compared.expect_quantiles("_base", "p99", &times(&soak));
}

#[test]
fn the_notebook_of_a_replay_finds_what_was_recorded_and_what_was_sent() {
    let Some(python) = python() else { return };
    let bench = Bench::shared_turn();
    // A log of a few seconds, one event in 5 ms: 1,500 of them.
    let log = bench.out("access.jsonl");
    let events: String = (0..1_500)
        .map(|event| {
            let time_s = 1_760_000_000.0 + f64::from(event) * 5e-3;
            format!("{{\"t\": {time_s:.3}, \"path\": \"/{event}\"}}\n")
        })
        .collect();
    std::fs::write(&log, events).unwrap();
    let trace = bench.out("trace.parquet");
    let imported = run_gen(&[
        "trace",
        "import",
        log.to_str().unwrap(),
        "--format",
        "json",
        "--moment",
        "start",
        "--map",
        "time=/t",
        "--map",
        "time_unit=s",
        "--map",
        "target=/path",
        "--out",
        trace.to_str().unwrap(),
    ]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    // A replay has no objective, so its p99 is judged: with a slow target the pauses of a machine are
    // a small part of it.
    let slow = ["servers=64", "service.mean=50ms"].map(|set| format!("target.embedded.{set}"));
    let replay = until_valid(|attempt| {
        let out = bench.out(&format!("replay-{attempt}"));
        let mut command = gen_command();
        command.arg("replay").arg(&trace).args(["--target", "embedded", "--json"]);
        command.args(slow.iter().flat_map(|set| ["--set", set])).args(PATIENT);
        Run::new(out.clone(), command.arg("--out").arg(&out).output().unwrap())
    });
    replay.expect_exit(0);
    let figures = execute(
        &python,
        &bench,
        "trace_replay",
        &[("trace", trace.as_path()), ("run", replay.dir.as_path())],
    );
    figures.expect_quantiles("", "p99", &replay.summary()["response_time"]);
    figures.expect("recorded", &serde_json::json!(1_500));
    figures.expect("replayed", &serde_json::json!(1_500));
}
