//! Recorded traffic from a log to the target: `gen trace import`, `gen replay`, `[trace]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use openload::target::recording::{RecordedRequest, read_recording};
use openload::target::{Freeze, Target, TargetSpec};
use openload_traces::canonical::TraceFile;
use openload_traces::event::Event;

use crate::support::{Bench, MEDIAN, Run, rows, run_gen};
use crate::target::serve;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/samples").join(name)
}

/// Imports a sample; returns the timeline.
fn import(bench: &Bench, name: &str, options: &[&str]) -> PathBuf {
    let out = bench.out(&format!("{name}.parquet"));
    let (log, file) = (sample(name), out.to_str().unwrap());
    let arguments = [&["trace", "import", log.to_str().unwrap(), "--out", file], options].concat();
    let output = run_gen(&arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{name}: {said}");
    out
}

fn events(trace: &Path) -> Vec<Event> {
    TraceFile::open(trace).unwrap().events().collect::<Result<_, _>>().unwrap()
}

fn replay(bench: &Bench, name: &str, trace: &Path, options: &[&str]) -> Run {
    let dir = bench.out(name);
    let place = ["replay", trace.to_str().unwrap(), "--out", dir.to_str().unwrap()];
    let output = run_gen(&[&place[..], &["--no-analysis", "--workers", "1"], options].concat());
    Run::new(dir, output)
}

fn recording(file: &Path) -> Vec<RecordedRequest> {
    read_recording(file).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Samples with the events of each, counted with awk and python beside them: see
/// traces/samples/README.md.
const SAMPLES: [(&str, &str, usize); 11] = [
    ("nasa_19950701_first1000.clf.log", "auto", 1_000),
    ("elastic_apache_combined_first1000.log", "combined", 1_000),
    ("azure_functions_2021_first200.csv", "auto", 199),
    ("azure_functions_2019_counts_per_minute.csv", "auto", 4_525),
    ("azure_llm_2023_conv.csv.gz", "auto", 19_366),
    ("edgar_20170630_first28s.csv.gz", "auto", 9_999),
    ("mooncake_conversation.jsonl.gz", "auto", 12_031),
    ("har_chrome_post_options_2017.har", "auto", 17),
    ("har_chrome_120_unsorted_2015.har", "auto", 35),
    ("har_browsertime_44_2017.har", "auto", 44),
    ("pitfall_combined_binary_latin1.log", "auto", 155),
];

#[test]
fn every_sample_is_imported_and_every_event_of_it_arrives_at_the_target() {
    let bench = Bench::shared_turn();
    for (name, format, count) in SAMPLES {
        // The pitfalls are more than the usual share of a log.
        let trace = import(&bench, name, &["--format", format, "--max-bad", "0.3"]);
        let recorded = events(&trace);
        assert_eq!(recorded.len(), count, "{name}");
        let span_s = recorded.last().map_or(0.0, |last| last.t_ns as f64 / 1e9);
        // About 3,000 requests a second, and at least a second.
        let speed = (span_s / (count as f64 / 3_000.0).max(1.0)).min(1e5);
        let speed = speed.to_string();
        let seen = bench.out(&format!("{name}.seen"));
        let target = serve(&["--instant", "--record", seen.to_str().unwrap()]);
        // One log holds two years, of which most is a silence.
        let options = [
            "--target",
            &target.url,
            "--speed",
            &speed,
            "--set",
            "trace.max_gap=\"10m\"",
            "--methods",
        ];
        let all = [&options[..], &["GET,HEAD,OPTIONS,POST,PUT,DELETE,PATCH"]].concat();
        let run = replay(&bench, &format!("{name}.run"), &trace, &all);
        run.expect_exit(0);
        target.stop("INT");
        assert_eq!(run.rows().len(), count, "{name}");
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for event in &recorded {
            let target = String::from_utf8_lossy(&event.target).into_owned();
            *expected
                .entry(if target.is_empty() { "/".to_owned() } else { target })
                .or_default() += 1;
        }
        let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
        for request in recording(&seen) {
            *arrived.entry(request.target).or_default() += 1;
        }
        assert_eq!(arrived, expected, "{name}");
    }
}

#[test]
fn the_order_of_paths_is_that_of_the_trace() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "nasa_19950701_first1000.clf.log", &[]);
    let seen = bench.out("seen");
    let target = serve(&["--instant", "--record", seen.to_str().unwrap()]);
    // On one connection nothing overtakes.
    let options = ["--target", &target.url, "--speed", "500", "--set"];
    let one = [&options[..], &["connection.max_connections=1"]].concat();
    replay(&bench, "run", &trace, &one).expect_exit(0);
    target.stop("INT");
    let arrived: Vec<String> = recording(&seen).into_iter().map(|one| one.target).collect();
    let expected = events(&trace).into_iter().map(|one| String::from_utf8(one.target).unwrap());
    assert_eq!(arrived, expected.collect::<Vec<_>>());
}

#[test]
fn a_frozen_target_moves_no_intended_start_and_loses_no_event() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "nasa_19950701_first1000.clf.log", &[]);
    // 1,000 events in 6 s, of which the target stands still for 2.
    let span_s = events(&trace).last().unwrap().t_ns as f64 / 1e9;
    let speed = (span_s / 6.0).to_string();
    let intended = |name: &str, freezes: Vec<Freeze>| {
        let spec = TargetSpec { service_mean_s: 1e-4, freezes, ..TargetSpec::default() };
        let target = Target::start(spec, "127.0.0.1:0".parse().unwrap(), None).unwrap();
        let url = format!("http://{}", target.address());
        let run = replay(&bench, name, &trace, &["--target", &url, "--speed", &speed]);
        run.expect_exit(0);
        let rows = rows(&run.dir);
        let frozen = rows.iter().filter(|row| row.response_ns > 100_000_000).count();
        let keys: Vec<_> = rows.iter().map(|row| (row.intended_ns, row.seq)).collect();
        (keys, frozen)
    };
    let (calm, none) = intended("calm", Vec::new());
    let (frozen, many) = intended("frozen", vec![Freeze { at_s: 2.0, for_s: 2.0 }]);
    assert_eq!(calm.len(), 1_000);
    assert_eq!(calm, frozen);
    // A third of the events fall into the freeze, and all but the last 100 ms of them wait long.
    assert!(none < 50 && many > 200, "{none} {many}");
}

#[test]
fn methods_that_change_something_are_sent_only_when_they_are_listed() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "har_chrome_post_options_2017.har", &[]);
    let by_method = |method: &str| {
        events(&trace).iter().filter(|event| event.method == method.as_bytes()).count()
    };
    let posts = by_method("POST");
    assert!(posts > 0);
    let safe = replay(&bench, "safe", &trace, &["--speed", "10"]);
    safe.expect_exit(0);
    assert_eq!(safe.rows().len(), 17 - posts);
    let left_out = format!("left out   {posts} POST");
    assert!(safe.stderr.contains(&left_out), "{}", safe.stderr);
    let all = replay(&bench, "all", &trace, &["--speed", "10", "--methods", "GET,OPTIONS,POST"]);
    assert_eq!(all.rows().len(), 17);
    let tunnel = replay(&bench, "tunnel", &trace, &["--methods", "GET,CONNECT"]);
    tunnel.expect_exit(2);
    assert!(tunnel.stderr.contains("`CONNECT` is no method that is replayed"), "{}", tunnel.stderr);
}

#[test]
fn requests_say_who_is_asked_and_nothing_secret_is_imported() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "har_browsertime_44_2017.har", &[]);
    let all = events(&trace);
    assert!(all.iter().all(|event| !event.host.is_empty()));
    let secret = |event: &Event| {
        let headers = String::from_utf8_lossy(&event.headers).to_lowercase();
        headers.contains("cookie:") || headers.contains("authorization:")
    };
    assert!(!all.iter().any(secret));
    let run = replay(&bench, "plan", &trace, &["--target", "http://127.0.0.1:9", "--dry-run"]);
    run.expect_exit(0);
    for part in ["trace ", "methods ", "paths ", "dispersion in 1 s", "gap in a session"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    assert!(!run.dir.exists(), "nothing is sent and nothing written");
}

#[test]
fn replaying_to_another_machine_needs_a_yes() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "har_browsertime_44_2017.har", &[]);
    let run = replay(&bench, "foreign", &trace, &["--target", "http://192.0.2.1:80"]);
    run.expect_exit(2);
    assert!(run.stderr.contains("recorded requests per second will be sent to 192.0.2.1"));
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
}

#[test]
fn what_cannot_be_replayed_is_said_before_anything_is_sent() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "nasa_19950701_first1000.clf.log", &[]);
    let log = sample("nasa_19950701_first1000.clf.log");
    let missing = bench.out("missing.parquet");
    for (name, trace, options, message) in [
        ("log", &log, &[][..], "is no timeline file"),
        ("missing", &missing, &[], "missing.parquet"),
        (
            "scale",
            &trace,
            &["--rate-scale", "2"],
            "--rate-scale says nothing definite about a trace",
        ),
        ("beyond", &trace, &["--from", "10h"], "the slice begins at"),
        ("speed", &trace, &["--speed", "0"], "speed"),
        ("none", &trace, &["--set", "trace.include=['^/nothing$']"], "nothing would be sent"),
        ("regex", &trace, &["--set", "trace.exclude=['(']"], "is no regular expression"),
    ] {
        let run = replay(&bench, name, trace, options);
        run.expect_exit(2);
        assert!(run.stderr.contains(message), "{name}: {}", run.stderr);
        assert!(!run.dir.exists(), "{name}");
    }
}

#[test]
fn a_profile_runs_a_trace_beside_phases_and_is_judged() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "nasa_19950701_first1000.clf.log", &[]);
    let profile = format!(
        "name = \"both\"\nseed = 1\n[target]\nurl = \"embedded\"\n\
         [[stream]]\nname = \"recorded\"\n[stream.trace]\nfile = {trace:?}\nspeed = 400\n\
         copies = {{ n = 2, jitter = \"1s\" }}\n\
         [[stream]]\nname = \"steady\"\n[[stream.phase]]\nname = \"s\"\nduration = \"3s\"\nrate = 100\n\
         [[objective]]\nmetric = \"error_rate\"\nmax = \"1%\"\nstream = \"recorded\"\n{MEDIAN}"
    );
    let run = bench.run("run", &profile, &[]);
    run.expect_exit(0);
    let recorded = run.rows().len();
    let steady = run.summary()["counts"].clone();
    assert!((2_200..2_500).contains(&recorded), "{recorded} {steady}");
}

#[test]
fn a_capture_is_written_and_read_back() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "nasa_19950701_first1000.clf.log", &[]);
    let gor = bench.out("capture.gor");
    let (from, to) = (trace.to_str().unwrap(), gor.to_str().unwrap());
    assert_eq!(run_gen(&["trace", "export", from, "--out", to]).status.code(), Some(0));
    let again = bench.out("again.parquet");
    let output = run_gen(&["trace", "import", to, "--out", again.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let key = |event: Event| (event.t_ns, event.method, event.target, event.status);
    let before: Vec<_> = events(&trace).into_iter().map(key).collect();
    let after: Vec<_> = events(&again).into_iter().map(key).collect();
    assert_eq!(before, after);
}

#[test]
fn a_fitted_profile_can_be_run() {
    let bench = Bench::shared_turn();
    let trace = import(&bench, "azure_llm_2023_conv.csv.gz", &[]);
    for model in ["nhpp", "mmpp"] {
        let out = bench.out(&format!("{model}.toml"));
        let (from, to) = (trace.to_str().unwrap(), out.to_str().unwrap());
        let fit = run_gen(&["trace", "fit", from, "--model", model, "--out", to]);
        let said = String::from_utf8_lossy(&fit.stderr).into_owned();
        assert_eq!(fit.status.code(), Some(0), "{said}");
        let plan = run_gen(&["plan", "--profile", to]);
        let (plan, error) =
            (String::from_utf8_lossy(&plan.stdout), String::from_utf8_lossy(&plan.stderr));
        let arrivals = plan.lines().find_map(|line| line.strip_prefix("arrivals"));
        let arrivals: f64 = arrivals.unwrap_or_else(|| panic!("{error}")).trim().parse().unwrap();
        // Either model keeps the mean; the MMPP's count is spread by its states.
        assert!((arrivals / 19_366.0 - 1.0).abs() < 0.1, "{model}: {arrivals}");
    }
}
