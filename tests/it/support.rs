//! Running `gen` and reading what it leaves behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt16Type, UInt64Type};
use openload::plan::Plan;
use openload::profile::{self, Overrides};
use openload::schedule::{LaneSet, Timeline};
use openload_contract::Manifest;
use openload_samples::read_parts;
use tempfile::TempDir;

/// An objective that a target that answers meets. The quantiles that are judged are those that lag
/// must not have made: pauses of a machine reach a p99, and hardly a median.
pub const MEDIAN: &str =
    "[[objective]]\nmetric = \"response_time\"\nquantile = 0.5\nmax = \"10s\"\n";

/// Exit code of a run that measured its own machine.
const INVALID: i32 = 4;

/// A shared machine pauses its guests for some ms now and then. Tests that look at what a run
/// says of its target allow the generator to be that late; `confession.rs` tests how late it may
/// be by default.
pub const PATIENT: [&str; 4] =
    ["--set", "analysis.lag_p99_max=200ms", "--set", "analysis.lag_late=500ms"];

static TURN: RwLock<()> = RwLock::new(());

/// A folder for one test's files, and this machine for itself while it is held.
pub struct Bench {
    pub dir: TempDir,
    _turn: Turn,
}

/// What is held while a test has its turn.
enum Turn {
    Alone(#[expect(dead_code, reason = "held, not read")] RwLockWriteGuard<'static, ()>),
    Shared(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'static, ()>),
}

impl Bench {
    /// Waits for this test's turn.
    pub fn turn() -> Self {
        let turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
        Self { dir: tempfile::tempdir().unwrap(), _turn: Turn::Alone(turn) }
    }

    /// Waits for a turn that tests of this kind share: runs of low rates, which leave the machine
    /// idle most of the time, of which rows are counted or large effects are looked for.
    pub fn shared_turn() -> Self {
        let turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
        Self { dir: tempfile::tempdir().unwrap(), _turn: Turn::Shared(turn) }
    }

    /// Writes a profile and returns its path.
    pub fn profile(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("test.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A run directory that does not exist yet.
    pub fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a profile text to its end, patiently; again when the machine made the run invalid
    /// all the same.
    pub fn run(&self, name: &str, profile: &str, extra: &[&str]) -> Run {
        let extra = [&PATIENT[..], extra].concat();
        until_valid(|attempt| {
            let name = if attempt == 0 { name.to_owned() } else { format!("{name}-{attempt}") };
            self.run_once(&name, profile, &extra)
        })
    }

    /// Runs a profile text to its end, whatever the machine does meanwhile.
    pub fn run_once(&self, name: &str, profile: &str, extra: &[&str]) -> Run {
        let (out, child) = self.start(name, profile, extra);
        Run::new(out, child.wait_with_output().unwrap())
    }

    /// Starts a profile text and returns while it runs.
    pub fn start(&self, name: &str, profile: &str, extra: &[&str]) -> (PathBuf, Child) {
        let path = self.profile(profile);
        let out = self.out(name);
        let child = gen_command()
            .arg("--profile")
            .arg(&path)
            .arg("--out")
            .arg(&out)
            .args(extra)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (out, child)
    }
}

/// The binary under test, with nothing of the caller's terminal and no calibration.
pub fn gen_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen"));
    command.stdin(Stdio::null()).env_remove("NO_COLOR").env("XDG_CACHE_HOME", "/nonexistent");
    command
}

/// Runs `gen` with arguments.
pub fn run_gen(arguments: &[&str]) -> Output {
    gen_command().args(arguments).output().unwrap()
}

/// Sends a signal to a process by its number.
pub fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(done.unwrap().success());
}

/// Waits until a file exists.
pub fn wait_for_file(path: &Path) {
    for _ in 0..2000 {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} did not appear within 20 s", path.display());
}

/// A finished run and what it printed.
pub struct Run {
    pub dir: PathBuf,
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn new(dir: PathBuf, output: Output) -> Self {
        Self {
            dir,
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code; says everything that was printed otherwise.
    #[track_caller]
    pub fn expect_exit(&self, exit: i32) -> &Self {
        assert_eq!(self.exit, exit, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub fn manifest(&self) -> Manifest {
        manifest(&self.dir)
    }

    pub fn summary(&self) -> serde_json::Value {
        summary(&self.dir)
    }

    pub fn rows(&self) -> Vec<Row> {
        rows(&self.dir)
    }
}

pub fn manifest(run_dir: &Path) -> Manifest {
    serde_json::from_slice(&std::fs::read(run_dir.join("run.json")).unwrap()).unwrap()
}

pub fn summary(run_dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(run_dir.join("summary.json")).unwrap()).unwrap()
}

/// One sample row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub intended_ns: i64,
    pub seq: u64,
    pub lag_ns: i64,
    pub connect_ns: Option<i64>,
    pub pool_wait_ns: Option<i64>,
    pub sent_ns: Option<i64>,
    pub ttfb_ns: Option<i64>,
    pub response_ns: i64,
    pub status: Option<u16>,
    pub outcome: String,
}

/// Reads all rows of a run in order of their intended start.
pub fn rows(run_dir: &Path) -> Vec<Row> {
    let columns = [
        "seq",
        "intended_ns",
        "lag_ns",
        "connect_ns",
        "pool_wait_ns",
        "sent_ns",
        "ttfb_ns",
        "response_ns",
        "status",
        "outcome",
    ];
    let mut rows = Vec::new();
    for batch in read_parts(run_dir, &columns).unwrap() {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let ns = |name: &str, row: usize| column(name).as_primitive::<Int64Type>().value(row);
        let optional = |name: &str, row: usize| column(name).is_valid(row).then(|| ns(name, row));
        let outcomes = column("outcome").as_dictionary::<UInt16Type>();
        let names = outcomes.values().as_string::<i32>();
        for row in 0..batch.num_rows() {
            let status = column("status");
            rows.push(Row {
                intended_ns: ns("intended_ns", row),
                seq: column("seq").as_primitive::<UInt64Type>().value(row),
                lag_ns: ns("lag_ns", row),
                connect_ns: optional("connect_ns", row),
                pool_wait_ns: optional("pool_wait_ns", row),
                sent_ns: optional("sent_ns", row),
                ttfb_ns: optional("ttfb_ns", row),
                response_ns: ns("response_ns", row),
                status: status
                    .is_valid(row)
                    .then(|| status.as_primitive::<UInt16Type>().value(row)),
                outcome: names.value(outcomes.key(row).unwrap()).to_owned(),
            });
        }
    }
    rows.sort();
    rows
}

/// Loads a profile without overrides.
pub fn load(path: &Path) -> Plan {
    profile::load(path.to_str().unwrap(), &Overrides::default()).unwrap()
}

/// Intended start and number of every arrival of a plan, in order.
pub fn arrivals(plan: &Plan) -> Vec<(i64, u64)> {
    Timeline::new(plan, LaneSet::ALL).map(|arrival| (arrival.intended_ns, arrival.seq)).collect()
}

/// The same of the rows of a run.
pub fn row_keys(rows: &[Row]) -> Vec<(i64, u64)> {
    rows.iter().map(|row| (row.intended_ns, row.seq)).collect()
}

/// A profile of one steady phase at the built-in target, judged by its median, to which tables may
/// be added.
pub fn steady(rate: u32, arrival: &str, seconds: u32, rest: &str) -> String {
    unjudged(rate, arrival, seconds, &format!("{rest}{MEDIAN}"))
}

/// The same without an objective.
pub fn unjudged(rate: u32, arrival: &str, seconds: u32, rest: &str) -> String {
    format!(
        "name = \"test\"\nseed = 42\n[target]\nurl = \"embedded\"\n\
         [[phase]]\nname = \"steady\"\nduration = \"{seconds}s\"\nrate = {rate}\narrival = \"{arrival}\"\n\
         {rest}"
    )
}

/// Times a measurement is made at most.
const TRIES: u32 = 6;

/// Waits longer before each further try: what disturbs a machine lasts for a while.
fn wait_before(attempt: u32) {
    std::thread::sleep(Duration::from_secs(u64::from(attempt)));
}

/// Makes a run, and makes it again when it was invalid. That is what `invalid` is for: nothing
/// was measured, so the measurement is repeated.
pub fn until_valid(mut make: impl FnMut(u32) -> Run) -> Run {
    let mut run = make(0);
    for attempt in 1..TRIES {
        if run.exit != INVALID {
            break;
        }
        wait_before(attempt);
        run = make(attempt);
    }
    run
}

/// Tries a measurement several times: the machine is shared, and what is asserted is what the
/// program does when it is left alone. The assertion itself never changes.
#[track_caller]
pub fn retry(mut measure: impl FnMut(u32) -> Result<(), String>) {
    let mut complaints = Vec::new();
    for attempt in 0..TRIES {
        wait_before(attempt);
        match measure(attempt) {
            Ok(()) => return,
            Err(complaint) => complaints.push(complaint),
        }
    }
    panic!("{TRIES} tries: {complaints:#?}");
}

/// Another program that a test needs. It computes a lot, and what is measured meanwhile goes
/// first.
pub fn beside(program: &str) -> Command {
    if cfg!(unix) {
        let mut command = Command::new("nice");
        command.args(["-n", "19", program]);
        return command;
    }
    Command::new(program)
}

/// Complains unless `measured` is within `share` of `expected`.
pub fn near(what: &str, measured: f64, expected: f64, share: f64) -> Result<(), String> {
    if (measured / expected - 1.0).abs() <= share {
        return Ok(());
    }
    Err(format!("{what}: measured {measured}, expected {expected} ± {} %", share * 100.0))
}
