//! What the commands print, and where.

use crate::support::{Bench, run_gen, steady};

fn stdout(arguments: &[&str]) -> String {
    let output = run_gen(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_leads_with_examples_and_names_the_exit_codes() {
    let help = stdout(&["--help"]);
    assert!(help.contains("gen --profile spike") && help.contains("Exit codes"), "{help}");
}

#[test]
fn a_dry_run_prints_the_plan_and_sends_nothing() {
    let bench = Bench::turn();
    let run = bench.run("dry", &steady(100, "constant", 3, ""), &["--dry-run"]);
    run.expect_exit(0);
    assert!(run.stdout.contains("arrivals   300"), "{}", run.stdout);
    assert!(!run.dir.exists());
}

#[test]
fn json_is_the_only_thing_on_stdout() {
    let bench = Bench::turn();
    let run = bench.run("json", &steady(100, "constant", 1, ""), &["--json"]);
    run.expect_exit(0);
    let printed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(printed, run.summary());
    assert_eq!(run.stderr, "");
}

#[test]
fn quiet_prints_the_verdict_and_nothing_else() {
    let bench = Bench::turn();
    let run = bench.run("quiet", &steady(100, "constant", 1, ""), &["--quiet"]);
    run.expect_exit(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("pass\n", ""));
}

#[test]
fn the_summary_says_where_the_run_is_and_what_to_do_next() {
    let bench = Bench::turn();
    let run = bench.run("summary", &steady(100, "constant", 1, ""), &[]);
    run.expect_exit(0);
    assert!(run.stderr.contains("about 100 requests in 1 s"), "{}", run.stderr);
    assert!(run.stdout.starts_with("PASS"), "{}", run.stdout);
    assert!(run.stdout.contains("report.html"), "{}", run.stdout);
    assert!(run.stdout.lines().count() <= 40, "one screen: {}", run.stdout);
    assert!(!run.stdout.contains('\x1b'), "no colour into a pipe");
}

#[test]
fn without_analysis_the_run_is_only_recorded() {
    let bench = Bench::turn();
    let run = bench.run("recorded", &steady(100, "constant", 1, ""), &["--no-analysis"]);
    run.expect_exit(0);
    assert_eq!(run.rows().len(), 100);
    assert!(!run.dir.join("summary.json").exists());
    assert!(run.stderr.contains("gen analyze"), "{}", run.stderr);
}

#[test]
fn much_load_on_another_machine_needs_a_yes() {
    let bench = Bench::turn();
    // 192.0.2.1 is reserved for documentation; nothing is sent because nobody says yes.
    let profile = steady(5000, "poisson", 5, "");
    let run = bench.run("foreign", &profile, &["--target", "http://192.0.2.1"]);
    run.expect_exit(2);
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
    assert!(!run.dir.exists());
}

#[test]
fn schemas_and_completions_are_printed() {
    let profile: serde_json::Value = serde_json::from_str(&stdout(&["schema", "profile"])).unwrap();
    assert!(profile["properties"]["phase"].is_object());
    let summary: serde_json::Value = serde_json::from_str(&stdout(&["schema", "summary"])).unwrap();
    assert!(summary["properties"]["verdict"].is_object());
    assert!(stdout(&["schema", "samples"]).contains("| `intended_ns` | i64 |"));
    assert!(stdout(&["schema", "monitor"]).contains("| `worker_cpu_max_ns` | ns |"));
    assert!(stdout(&["completions", "bash"]).contains("_gen()"));
}

#[test]
fn the_data_dictionary_is_the_one_of_the_code() {
    let page = include_str!("../../results/README.md");
    assert!(page.contains(&openload_contract::columns::dictionary()), "run gen schema samples");
    assert!(page.contains(&openload_contract::monitor::dictionary()), "run gen schema monitor");
}
