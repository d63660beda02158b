//! `gen compare` and `gen ab`: runs against runs, files and each other.

use std::path::Path;

use crate::support::{Bench, PATIENT, Run, gen_command, retry, run_gen, steady};
use crate::target::{serve, serve_at};

const USUAL: &str = "4ms";
/// 30 % more than that.
const SLOWER: &str = "5200us";

/// Many servers and service times that vary little: the median is known to a percent.
fn options(mean: &str) -> Vec<&str> {
    vec!["--servers", "32", "--service", "lognormal", "--cv", "0.3", "--service-mean", mean]
}

/// 400 requests a second for five seconds.
fn load() -> String {
    steady(400, "poisson", 5, "")
}

fn compare(bench: &Bench, arguments: &[&str]) -> Run {
    let output =
        gen_command().current_dir(bench.dir.path()).arg("compare").args(arguments).output();
    Run::new(bench.dir.path().to_owned(), output.unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_slower_target_is_a_regression_against_a_run_and_against_a_file() {
    let bench = Bench::turn();
    let socket = format!("unix:{}", bench.out("socket").display());
    let run = |name: &str, mean: &str| {
        let _ = std::fs::remove_file(bench.out("socket"));
        let served = serve_at(&socket, &options(mean));
        let run = bench.run(name, &load(), &["--target", &socket, "--quiet"]);
        served.stop("TERM");
        run.expect_exit(0);
        run.dir
    };
    let base = run("base", USUAL);
    let slower = run("slower", SLOWER);

    // What the machine does to the tail is not what is asked here.
    let loosely = ["--threshold", "p50=10%", "--threshold", "p99=60%"];
    retry(|attempt| {
        let same = run(&format!("same-{attempt}"), USUAL);
        let pair = compare(&bench, &[&[text(&base), text(&same)][..], &loosely].concat());
        let is_same = pair.exit == 0 && pair.stdout.starts_with("NO REGRESSION");
        if is_same { Ok(()) } else { Err(pair.stdout + &pair.stderr) }
    });

    let pair = compare(&bench, &[text(&base), text(&slower)]);
    pair.expect_exit(5);
    assert!(pair.stdout.starts_with("REGRESSION"), "{}", pair.stdout);
    assert!(pair.stdout.contains("paired"), "one seed, one timeline: {}", pair.stdout);
    let back = compare(&bench, &[text(&slower), text(&base), "--quiet"]);
    back.expect_exit(0);
    assert_eq!(back.stdout, "improvement\n");

    let saved = compare(&bench, &["--save", "main", text(&base)]);
    saved.expect_exit(0);
    let file = bench.dir.path().join("results/baselines/main.json");
    assert!(std::fs::metadata(&file).unwrap().len() < 10_000);
    for name in ["main", text(&file)] {
        let against = compare(&bench, &[name, text(&slower), "--json"]);
        against.expect_exit(5);
        assert_eq!(against.stderr, "");
        let json: serde_json::Value = serde_json::from_str(&against.stdout).unwrap();
        assert_eq!(json["verdict"], "regression");
        assert_eq!(json["method"], "unpaired");
        assert_eq!(json["metrics"][0]["answer"], "worse");
    }
}

#[test]
fn few_samples_and_other_loads_are_not_compared() {
    let bench = Bench::turn();
    let few = steady(5, "constant", 1, "");
    let runs = ["few", "fewer"].map(|name| bench.run(name, &few, &["--quiet"]).dir);
    let pair = compare(&bench, &[text(&runs[0]), text(&runs[1])]);
    pair.expect_exit(1);
    assert!(pair.stdout.starts_with("TOO FEW SAMPLES"), "{}", pair.stdout);
    assert!(pair.stdout.contains("are needed"), "{}", pair.stdout);

    let other = bench.run("other", &steady(10, "constant", 1, ""), &["--quiet"]).dir;
    let pair = compare(&bench, &[text(&runs[0]), text(&other)]);
    pair.expect_exit(1);
    assert!(pair.stdout.contains("the profiles differ"), "{}", pair.stdout);

    let served = serve(&options(USUAL));
    let elsewhere = bench.run("elsewhere", &few, &["--target", &served.url, "--quiet"]).dir;
    served.stop("TERM");
    let pair = compare(&bench, &[text(&runs[0]), text(&elsewhere)]);
    pair.expect_exit(1);
    assert!(pair.stdout.contains("--allow target"), "{}", pair.stdout);

    compare(&bench, &[text(&runs[0])]).expect_exit(2);
    compare(&bench, &["nothing", text(&runs[0])]).expect_exit(1);
}

#[test]
fn one_timeline_is_sent_to_two_targets_and_the_slower_one_is_found() {
    let bench = Bench::turn();
    let (a, b) = (serve(&options(USUAL)), serve(&options(SLOWER)));
    let profile = bench.profile(&load());
    retry(|attempt| {
        let out = bench.out(&format!("ab-{attempt}"));
        let arguments = [
            "ab",
            "--profile",
            text(&profile),
            "--target-a",
            &a.url,
            "--target-b",
            &b.url,
            "--out",
            text(&out),
            "--json",
        ];
        let run = Run::new(out.clone(), run_gen(&[&arguments[..], &PATIENT].concat()));
        if run.exit == 4 {
            return Err(run.stdout);
        }
        run.expect_exit(5);
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["method"], "paired");
        assert_eq!(json["metrics"][0]["answer"], "worse");
        let manifests = ["a", "b"].map(|side| crate::support::manifest(&out.join(side)));
        assert_eq!(manifests[0].timeline, manifests[1].timeline);
        assert_eq!(manifests[0].start_unix_ns, manifests[1].start_unix_ns);
        assert!(out.join("b/report.html").exists());
        Ok(())
    });
    a.stop("TERM");
    b.stop("TERM");
}
