//! `gen doctor`, and what runs make of its calibration. What is measured depends on the
//! machine; what is asserted is that everything is there.

use openload::doctor::Calibration;
use openload::os;

use crate::support::{Bench, gen_command, run_gen, steady};

#[test]
fn a_quick_look_reports_everything_as_json_and_keeps_nothing() {
    let bench = Bench::turn();
    let output = gen_command()
        .args(["doctor", "--quick", "--json"])
        .env("XDG_CACHE_HOME", bench.dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema_version"], "1.0");
    assert_eq!(report["usable"], true);
    assert!(report["clock"]["read_ns"].as_f64().unwrap() > 0.0);
    for kind in ["runtime", "kernel", "spin"] {
        assert_eq!(report["wakeups"][kind]["count"], 50);
    }
    assert_eq!(report["limits"]["cores"], os::cores());
    let trials = report["one_worker"]["trials"].as_array().unwrap();
    assert!(trials.iter().all(|trial| trial["lag"]["count"].as_u64().unwrap() > 0), "{trials:?}");
    for finding in report["findings"].as_array().unwrap() {
        let (level, advice) = (&finding["level"], finding["advice"].as_str().unwrap());
        assert!(level == "ok" || (level == "warn" && !advice.is_empty()), "{finding}");
    }
    assert!(!bench.dir.path().join("openload").exists());
}

#[test]
fn the_report_is_one_screen() {
    let _bench = Bench::turn();
    let output = run_gen(&["doctor", "--quick"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for name in ["clock", "kernel timer", "busy thread", "processors", "one worker", "usable"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(text.lines().count() <= 40, "{text}");
}

#[test]
fn a_run_above_the_calibrated_rate_is_warned_about() {
    let bench = Bench::turn();
    let host = os::host();
    let calibration = Calibration {
        host: host.name,
        cores: host.cores,
        gen_version: env!("CARGO_PKG_VERSION").to_owned(),
        measured_unix_s: 1_700_000_000,
        one_worker_rate: 150.0,
        all_workers_rate: 250.0,
    };
    calibration.save(&bench.dir.path().join("openload/calibration.json")).unwrap();
    let warned = |rate: u32| {
        let profile = bench.profile(&steady(rate, "constant", 1, ""));
        let output = gen_command()
            .env("XDG_CACHE_HOME", bench.dir.path())
            .args(["--no-analysis", "--profile", profile.to_str().unwrap(), "--out"])
            .arg(bench.out(&format!("at-{rate}")))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stderr).unwrap();
        said.contains(&format!("150/s on time with one worker; {rate}/s are planned"))
    };
    assert!(!warned(100));
    assert!(warned(200));
}
