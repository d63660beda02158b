//! Nothing recorded is lost: killed processes and full disks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{
    Bench, PATIENT, Run, arrivals, gen_command, load, manifest, row_keys, rows, run_gen, signal,
    steady, wait_for_file,
};

/// Kills a run after `after` and checks that every sample older than 2 s is there once
/// `gen analyze` has looked at it.
fn kill_after(bench: &Bench, name: &str, after: Duration) -> PathBuf {
    let profile = steady(800, "poisson", 60, "");
    let (out, mut child) = bench.start(name, &profile, &["--workers", "2"]);
    wait_for_file(&out.join("run.json"));
    std::thread::sleep(after);
    signal(&child, "KILL");
    let killed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    child.wait().unwrap();
    let start_ns = manifest(&out).start_unix_ns;
    let killed_ns = i64::try_from(killed.as_nanos()).unwrap() - start_ns;

    let analyzed = run_gen(&["analyze", out.to_str().unwrap()]);
    let analyzed = Run::new(out.clone(), analyzed);
    analyzed.expect_exit(130);
    assert!(analyzed.stdout.to_lowercase().contains("interrupted"), "{}", analyzed.stdout);
    assert_eq!(analyzed.summary()["run"]["status"], "interrupted");

    let kept = row_keys(&rows(&out));
    let expected: Vec<(i64, u64)> = arrivals(&load(&bench.profile(&profile)))
        .into_iter()
        .take_while(|&(intended_ns, _)| intended_ns < killed_ns - 2_000_000_000)
        .collect();
    assert!(!expected.is_empty());
    let missing = expected.iter().filter(|key| kept.binary_search(key).is_err()).count();
    assert_eq!(missing, 0, "of {} samples older than 2 s", expected.len());
    assert!(no_leftovers(&out), "the journals became parts");
    out
}

fn no_leftovers(run_dir: &Path) -> bool {
    let found = Command::new("find").arg(run_dir.join("samples")).args(["-name", "_*"]).output();
    found.unwrap().stdout.is_empty()
}

#[test]
fn a_killed_run_keeps_every_sample_older_than_two_seconds() {
    let bench = Bench::shared_turn();
    // Inside the first part, and just after it was closed (10 s).
    for (index, after_ms) in [3_100, 11_300].into_iter().enumerate() {
        kill_after(&bench, &format!("killed-{index}"), Duration::from_millis(after_ms));
    }
}

#[test]
fn closed_parts_are_readable_while_the_run_goes_on() {
    let bench = Bench::shared_turn();
    let profile = steady(500, "poisson", 16, "");
    let (out, child) = bench.start("running", &profile, &PATIENT);
    wait_for_file(&out.join("samples/shard=0000/worker=00/part-00000.parquet"));
    let during = rows(&out);
    assert!(during.len() > 4_000, "{}", during.len());
    // Looking at a run that goes on must not take its journal away.
    let looked = run_gen(&["analyze", out.to_str().unwrap(), "--json"]);
    assert_eq!(looked.status.code(), Some(130));
    let run = Run::new(out, child.wait_with_output().unwrap());
    run.expect_exit(0);
    assert_eq!(row_keys(&run.rows()), arrivals(&load(&bench.profile(&profile))));
}

/// A file system of a few hundred KiB; `None` where this user may not mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path)
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_run_with_a_clear_error_and_keeps_what_was_written() {
    let bench = Bench::shared_turn();
    let Some(disk) = SmallDisk::mount(bench.out("disk"), "1m") else {
        eprintln!("not tested: mounting a small file system needs root");
        return;
    };
    let out = disk.0.join("run");
    let profile = bench.profile(&steady(2000, "constant", 60, ""));
    let output =
        gen_command().arg("--profile").arg(&profile).arg("--out").arg(&out).output().unwrap();
    let run = Run::new(out.clone(), output);
    run.expect_exit(1);
    assert!(run.stderr.contains("No space left"), "{}", run.stderr);
    assert!(run.stderr.contains("free some space"), "{}", run.stderr);
    // Room is made, as the message says, and what was written is read.
    let grown = Command::new("mount").args(["-o", "remount,size=50m"]).arg(&disk.0).status();
    assert!(grown.unwrap().success());
    let analyzed = Run::new(out.clone(), run_gen(&["analyze", out.to_str().unwrap()]));
    analyzed.expect_exit(130);
    let kept = row_keys(&rows(&out));
    let expected = arrivals(&load(&profile));
    assert!(kept.len() > 2_000, "{}", kept.len());
    assert!(kept.iter().all(|key| expected.binary_search(key).is_ok()));
}

#[test]
fn a_run_directory_is_never_written_over() {
    let bench = Bench::shared_turn();
    let profile = steady(100, "constant", 1, "");
    bench.run("twice", &profile, &["--json"]).expect_exit(0);
    let before = std::fs::read(bench.out("twice").join("run.json")).unwrap();
    let again = bench.run("twice", &profile, &["--json"]);
    again.expect_exit(1);
    assert!(again.stderr.contains("already holds a run"), "{}", again.stderr);
    assert_eq!(std::fs::read(again.dir.join("run.json")).unwrap(), before);
}

#[test]
fn analyzing_again_gives_the_same_answer() {
    let bench = Bench::shared_turn();
    let run = bench.run("same", &steady(300, "poisson", 3, ""), &["--json"]);
    run.expect_exit(0);
    let files = ["summary.json", "summary.csv", "timeseries.csv", "junit.xml", "report.html"];
    let read = || files.map(|file| std::fs::read(run.dir.join(file)).unwrap());
    let first = read();
    let again = run_gen(&["analyze", run.dir.to_str().unwrap(), "--json"]);
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(read(), first);
    assert_eq!(again.stdout, first[0]);
}
