//! A suite: several runs, one table, one folder, one exit code.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::support::{
    Bench, PATIENT, Run, gen_command, retry, run_gen, signal, steady, wait_for_file,
};

/// Runs `gen suite` into a new folder.
fn suite(bench: &Bench, name: &str, arguments: &[&str]) -> Run {
    let out = bench.out(name);
    let output = gen_command().arg("suite").args(arguments).arg("--out").arg(&out).output();
    Run::new(out, output.unwrap())
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const SHORT: [&str; 4] = ["--time-scale", "0.01", "--cool-down", "100ms"];

#[test]
fn two_profiles_make_one_table_and_one_folder() {
    let bench = Bench::turn();
    retry(|attempt| {
        let markdown = bench.out(&format!("page-{attempt}.md"));
        let mut arguments = vec!["baseline", "mixed", "--summary-markdown"];
        arguments.push(markdown.to_str().unwrap());
        arguments.extend(SHORT);
        arguments.extend(PATIENT);
        let run = suite(&bench, &format!("suite-{attempt}"), &arguments);
        if run.exit == 4 {
            return Err(run.stdout);
        }
        run.expect_exit(0);
        assert!(run.stdout.starts_with("PASS  suite   2 of 2 runs passed"), "{}", run.stdout);
        check_folder(&run.dir);
        let page = std::fs::read_to_string(&markdown).unwrap();
        assert!(page.contains("2 of 2 runs passed"), "{page}");
        Ok(())
    });
}

/// Everything the folder holds says what the runs' summaries say.
fn check_folder(dir: &Path) {
    let suite = json(&dir.join("suite.json"));
    assert_eq!(suite["exit_code"], 0);
    // The template engine writes a slash as an entity.
    let index = std::fs::read_to_string(dir.join("index.html")).unwrap().replace("&#x2f;", "/");
    let junit = std::fs::read_to_string(dir.join("junit.xml")).unwrap();
    for (run, name) in suite["runs"].as_array().unwrap().iter().zip(["baseline", "mixed"]) {
        let summary = json(&dir.join(name).join("summary.json"));
        let result = &run["result"];
        for key in ["verdict", "reasons", "objectives", "requests", "response_time", "run"] {
            assert_eq!(result[key], summary[key], "{name} {key}");
        }
        assert!(dir.join(name).join("report.html").exists());
        assert!(index.contains(&format!("href=\"{name}/report.html\"")), "{name}");
        assert!(junit.contains(&format!("<testsuite name=\"{name}\"")), "{junit}");
        for objective in summary["objectives"].as_array().unwrap() {
            let measured = objective["measured_text"].as_str().unwrap();
            assert!(index.contains(measured), "{measured}");
        }
    }
}

#[test]
fn the_worst_run_makes_the_exit_code_and_the_pages_can_be_made_again() {
    let bench = Bench::turn();
    retry(|attempt| {
        let mut arguments = vec!["baseline", "--json", "--set", "target.embedded.error_rate=0.1"];
        arguments.extend(SHORT);
        arguments.extend(PATIENT);
        let run = suite(&bench, &format!("one-{attempt}"), &arguments);
        if run.exit == 4 {
            return Err(run.stdout);
        }
        run.expect_exit(3);
        let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(printed, json(&run.dir.join("suite.json")));
        assert_eq!(run.stderr, "");
        let index = run.dir.join("index.html");
        let before = std::fs::read(&index).unwrap();
        std::fs::remove_file(&index).unwrap();
        let page = bench.out("BASELINES.md");
        let again = gen_command()
            .args(["suite", "--quiet", "--from"])
            .arg(&run.dir)
            .arg("--baselines")
            .arg(&page)
            .output()
            .unwrap();
        assert_eq!(again.status.code(), Some(3), "{}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(String::from_utf8_lossy(&again.stdout), "baseline: fail\n");
        assert_eq!(std::fs::read(&index).unwrap(), before);
        let page = std::fs::read_to_string(&page).unwrap();
        assert!(page.contains("## baseline") && page.contains("request default"), "{page}");
        Ok(())
    });
}

#[test]
fn a_target_that_does_not_answer_is_said_of_every_run() {
    let bench = Bench::turn();
    let mut arguments = vec!["baseline", "spike", "--target", "http://127.0.0.1:1"];
    arguments.extend(SHORT);
    let run = suite(&bench, "nobody", &arguments);
    run.expect_exit(1);
    assert_eq!(run.stdout.matches("could not run: the target does not answer").count(), 2);
    let junit = std::fs::read_to_string(run.dir.join("junit.xml")).unwrap();
    assert!(junit.contains("errors=\"2\""), "{junit}");
}

#[test]
fn an_interrupted_suite_judges_what_it_has_and_leaves_the_rest() {
    let bench = Bench::turn();
    let out = bench.out("stopped");
    let child: Child = gen_command()
        .args(["suite", "baseline", "mixed", "--time-scale", "0.05", "--out"])
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_file(&out.join("baseline/run.json"));
    std::thread::sleep(std::time::Duration::from_secs(2));
    signal(&child, "INT");
    let run = Run::new(out, child.wait_with_output().unwrap());
    run.expect_exit(130);
    assert!(run.stdout.contains("mixed       not run"), "{}", run.stdout);
    assert!(run.dir.join("baseline/summary.json").exists());
    assert!(!run.dir.join("mixed").exists());
}

#[test]
fn wrong_suites_are_refused_before_anything_is_sent() {
    let bench = Bench::turn();
    let cases: [(&[&str], &str); 4] = [
        (&["suite", "baslein"], "baseline"),
        (&["suite", "--tag", "rite"], "catalogue, read, write"),
        (&["suite", "--cool-down", "long"], "--cool-down long"),
        (&["suite", "--time-scale", "0"], "--time-scale"),
    ];
    for (arguments, part) in cases {
        let output = run_gen(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    }
    // The greater load stays on this machine; the other one does not, and nobody said yes.
    let foreign = bench.out("foreign.toml");
    let elsewhere = steady(1_500, "poisson", 1, "").replace("embedded", "http://192.0.2.1:9");
    std::fs::write(&foreign, elsewhere.replace("\"test\"", "\"foreign\"")).unwrap();
    let near = bench.out("near.toml");
    std::fs::write(&near, steady(2_000, "poisson", 1, "")).unwrap();
    let run = suite(&bench, "foreign", &[near.to_str().unwrap(), foreign.to_str().unwrap()]);
    run.expect_exit(2);
    assert!(run.stderr.contains("sent to 192.0.2.1; add --yes"), "{}", run.stderr);
    assert!(!run.dir.exists());
    let taken = bench.out("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("suite.json"), "{}").unwrap();
    let run = suite(&bench, "taken", &["baseline"]);
    run.expect_exit(1);
    assert!(run.stderr.contains("already holds a suite"), "{}", run.stderr);
}

#[test]
fn a_dry_run_lists_the_runs_and_sends_nothing() {
    let bench = Bench::turn();
    let run = suite(&bench, "dry", &["--dry-run", "--time-scale", "0.03", "--tag", "write"]);
    run.expect_exit(0);
    assert!(run.stdout.starts_with("mixed "), "{}", run.stdout);
    assert_eq!(run.stdout.matches("left out").count(), 4, "{}", run.stdout);
    assert!(!run.dir.exists());
}
