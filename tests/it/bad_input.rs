//! Bad input: a precise error, exit 2, nothing sent.

use crate::support::{Bench, Run, gen_command, run_gen, steady};

/// Runs a profile that must be refused; returns what was said.
#[track_caller]
fn refuse(bench: &Bench, bytes: &[u8], expected: &[&str]) {
    let path = bench.out("bad.toml");
    std::fs::write(&path, bytes).unwrap();
    let out = bench.out("never");
    let output = gen_command().arg("--profile").arg(&path).arg("--out").arg(&out).output().unwrap();
    let run = Run::new(out.clone(), output);
    run.expect_exit(2);
    assert_eq!(run.stdout, "");
    for text in expected {
        assert!(run.stderr.contains(text), "expected {text:?} in:\n{}", run.stderr);
    }
    assert!(!out.exists(), "nothing was started");
}

#[test]
fn wrong_profiles_are_refused_with_place_and_remedy() {
    let bench = Bench::turn();
    let base = steady(100, "poisson", 5, "");
    let cases: Vec<(String, Vec<&str>)> = vec![
        (base.replace("duration", "durration"), vec!["durration", "duration", "bad.toml:7:"]),
        (base.replace("rate = 100", "rate = -100"), vec!["-100", "bad.toml:8:"]),
        (base.replace("\"5s\"", "\"5 parsecs\""), vec!["5 parsecs", "bad.toml:7:"]),
        (base.replace("\"5s\"", "5"), vec!["unit", "bad.toml:7:"]),
        (base.replace("rate = 100", "rate = nan"), vec!["nan", "bad.toml:8:"]),
        (base.replace("rate = 100", "rate = inf"), vec!["inf", "bad.toml:8:"]),
        (base.replace("\"5s\"", "\"0s\""), vec!["0s", "bad.toml:7:"]),
        (base.replace("\"poisson\"", "\"poison\""), vec!["poison", "poisson", "bad.toml:9:"]),
        ("name = \"empty\"\n".to_owned(), vec!["phase"]),
        (format!("{base}{}", phase_again(&base)), vec!["steady", "bad.toml:"]),
        ("name = \n".to_owned(), vec!["bad.toml:1:"]),
        (String::new(), vec!["phase"]),
    ];
    for (text, expected) in cases {
        refuse(&bench, text.as_bytes(), &expected);
    }
}

fn phase_again(base: &str) -> &str {
    &base[base.find("[[phase]]").unwrap()..]
}

#[test]
fn files_that_are_no_profiles_are_refused() {
    let bench = Bench::turn();
    refuse(&bench, &[b'#'; 10 << 20], &["MB"]);
    refuse(&bench, b"name = \"\xff\xfe\"\n", &["UTF-8"]);
    refuse(&bench, &[0_u8; 64], &["bad.toml"]);
}

#[test]
fn a_missing_profile_names_the_built_in_ones() {
    let output = run_gen(&["--profile", "spik"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("spike"), "{stderr}");
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [
        &["--profile", "spike", "--shard", "3/3"][..],
        &["--profile", "spike", "--set", "phase"],
        &["--profile", "spike", "--set", "no_such_key=1"],
        &["--profile", "spike", "--rate-scale", "0"],
        &["--profile", "spike", "--time-scale=-1"],
        &["--profile", "spike", "--target", "ftp://example.invalid"],
        &["--profile", "spike", "--tag", "no-such-tag"],
        &["--profile", "spike", "--workers", "0"],
        &["--no-such-flag"],
        &[],
    ] {
        let output = run_gen(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn directories_without_a_run_are_refused() {
    let bench = Bench::turn();
    for path in [bench.out("nowhere"), bench.dir.path().to_owned()] {
        let output = run_gen(&["analyze", path.to_str().unwrap()]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("run.json"), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_bound_the_system_cannot_hold_is_refused_with_the_command_that_raises_it() {
    let bench = Bench::turn();
    let profile = steady(100, "poisson", 5, "[connection]\nmax_in_flight = 1000000000\n");
    let run = bench.run("limits", &profile, &[]);
    run.expect_exit(1);
    for text in ["max_in_flight = 1000000000", "open files", "ulimit -n 2000000200"] {
        assert!(run.stderr.contains(text), "{}", run.stderr);
    }
    assert!(!run.dir.exists(), "nothing was started");
}
