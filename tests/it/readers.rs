//! Other people's Parquet readers see the same columns and the same rows.

use std::process::Command;
use std::time::Duration;

use crate::support::{Bench, beside, rows, run_gen, signal, steady, wait_for_file};

/// A Python with pyarrow, DuckDB and polars, when this machine has one.
fn python() -> Option<String> {
    let python = std::env::var("OPENLOAD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let check = Command::new(&python).args(["-c", "import pyarrow, duckdb, polars"]).output();
    if check.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(
        std::env::var_os("OPENLOAD_REQUIRE_READERS").is_none(),
        "{python} lacks pyarrow, duckdb or polars: pip install -r tests/requirements.txt"
    );
    eprintln!("not tested: {python} lacks pyarrow, duckdb or polars");
    None
}

const SCRIPT: &str = r#"
import glob, json, sys
import duckdb, polars, pyarrow.dataset, pyarrow.parquet
folder = sys.argv[1] + "/samples"
arrow = pyarrow.dataset.dataset(folder, format="parquet", partitioning="hive").to_table()
parts = folder + "/**/*.parquet"
pl = polars.scan_parquet(parts, hive_partitioning=False).select(
    polars.len().alias("rows"), polars.col("response_ns").sum(),
    (polars.col("outcome") == "ok").sum().alias("ok"), polars.col("ttfb_ns").null_count()
).collect().row(0)
duck = duckdb.sql(f"select count(*), sum(response_ns)::bigint, count(*) filter (outcome = 'ok'), "
                  f"count(*) - count(ttfb_ns) from read_parquet('{parts}')").fetchall()[0]
ok = sum(1 for value in arrow["outcome"].to_pylist() if value == "ok")
py = (arrow.num_rows, sum(arrow["response_ns"].to_pylist()), ok, arrow["ttfb_ns"].null_count)
part = sorted(glob.glob(parts, recursive=True))[0]
metadata = pyarrow.parquet.read_metadata(part).metadata
print(json.dumps({"pyarrow": py, "polars": pl, "duckdb": duck,
                  "columns": [str(f.name) for f in pyarrow.parquet.read_schema(part)],
                  "unit": metadata[b"openload.unit.response_ns"].decode()}))
"#;

fn check(python: &str, run_dir: &std::path::Path) {
    let output = beside(python).args(["-c", SCRIPT]).arg(run_dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = rows(run_dir);
    let expected = serde_json::json!([
        rows.len(),
        rows.iter().map(|row| row.response_ns).sum::<i64>(),
        rows.iter().filter(|row| row.outcome == "ok").count(),
        rows.iter().filter(|row| row.ttfb_ns.is_none()).count(),
    ]);
    for reader in ["pyarrow", "polars", "duckdb"] {
        assert_eq!(seen[reader], expected, "{reader}");
    }
    let names: Vec<&str> =
        openload_contract::columns::COLUMNS.iter().map(|column| column.name).collect();
    assert_eq!(seen["columns"], serde_json::json!(names));
    assert_eq!(seen["unit"], "ns since the intended start");
}

#[test]
fn pyarrow_duckdb_and_polars_read_a_finished_and_a_killed_run() {
    let Some(python) = python() else { return };
    let bench = Bench::shared_turn();
    let finished = bench.run(
        "finished",
        &steady(500, "poisson", 4, "[target.embedded]\nerror_rate = \"10%\"\n"),
        &["--json", "--workers", "2"],
    );
    finished.expect_exit(0);
    check(&python, &finished.dir);

    let (out, mut child) = bench.start("killed", &steady(500, "poisson", 60, ""), &[]);
    wait_for_file(&out.join("run.json"));
    std::thread::sleep(Duration::from_millis(12_500));
    signal(&child, "KILL");
    child.wait().unwrap();
    assert_eq!(run_gen(&["analyze", out.to_str().unwrap()]).status.code(), Some(130));
    check(&python, &out);
}
