//! `gen query` on a real run.

use crate::support::{Bench, Run, gen_command, steady};

#[test]
fn the_newest_run_answers_and_wrong_questions_are_explained() {
    let bench = Bench::shared_turn();
    let out = bench.dir.path().join("results/steady");
    let ask = |arguments: &[&str]| {
        let mut command = gen_command();
        command.current_dir(bench.dir.path()).arg("query").args(arguments);
        Run::new(out.clone(), command.output().unwrap())
    };
    let none = ask(&["SELECT COUNT(*) FROM samples"]);
    none.expect_exit(2);
    assert!(none.stderr.contains("there is no run in results/"), "{}", none.stderr);

    std::fs::create_dir(bench.dir.path().join("results")).unwrap();
    bench.run_once("results/steady", &steady(200, "poisson", 2, ""), &[]);
    let rows = crate::support::rows(&out).len();
    let counted = ask(&["SELECT COUNT(*) AS n FROM samples", "--json"]);
    counted.expect_exit(0);
    assert_eq!(counted.stdout, format!("[\n  {{\n    \"n\": {rows}\n  }}\n]\n"));
    let seconds = ask(&["SELECT SUM(offered) AS n FROM seconds", "results/steady", "--csv"]);
    assert_eq!(seconds.stdout, format!("n\n{rows}\n"));
    let shown = ask(&["SELECT phase, COUNT(*) AS n FROM samples GROUP BY phase"]);
    assert_eq!(shown.stdout, format!("phase     n\nsteady  {rows}\n"));

    let wrong = ask(&["SELECT nothing FROM samples"]);
    wrong.expect_exit(2);
    assert!(wrong.stderr.contains("\"nothing\"") && wrong.stderr.contains("samples has seq"));
    ask(&["SELECT COUNT(*) FROM samples", "results/none"]).expect_exit(1);
}

#[test]
fn a_base_that_is_not_there_is_missed_before_the_run() {
    let bench = Bench::shared_turn();
    let run = bench.run_once("run", &steady(10, "constant", 60, ""), &["--base", "nowhere"]);
    run.expect_exit(1);
    assert!(run.stderr.contains("nowhere: no run directory, no baseline file"), "{}", run.stderr);
    assert!(!run.dir.exists());
    let profile = steady(10, "constant", 60, "");
    let run = bench.run_once("run", &profile, &["--base", "nowhere", "--no-analysis"]);
    run.expect_exit(2);
    assert!(run.stderr.contains("this one is only recorded"), "{}", run.stderr);
}

#[test]
fn quiet_says_what_the_comparison_came_to() {
    let bench = Bench::shared_turn();
    let run = bench.run("run", &steady(200, "poisson", 5, ""), &[]);
    let mut command = gen_command();
    command.args(["analyze", "--quiet"]).arg(&run.dir).arg("--base").arg(&run.dir);
    let told = Run::new(run.dir.clone(), command.output().unwrap());
    told.expect_exit(0);
    assert_eq!(told.stdout, "pass\nno_regression\n");
}

#[test]
fn twenty_runs_make_a_history_and_fewer_do_not() {
    let bench = Bench::shared_turn();
    let run = bench.run("run", &steady(200, "poisson", 5, ""), &[]);
    let mut command = gen_command();
    command.args(["compare", "--history"]).arg(&run.dir);
    let few = Run::new(run.dir.clone(), command.output().unwrap());
    few.expect_exit(1);
    assert!(
        few.stderr.contains("a history has 20 runs or more, and these are 1"),
        "{}",
        few.stderr
    );
    let mut command = gen_command();
    command.args(["compare", "--history"]).args([&run.dir; 20]);
    let same = Run::new(run.dir.clone(), command.output().unwrap());
    same.expect_exit(0);
    assert!(same.stdout.starts_with("NO CHANGE  test   20 runs\n"), "{}", same.stdout);
}
