#!/usr/bin/env python3
"""Runs `gen` beside other load generators on one target, and writes down what came of it.

The target is pinned to one core, the generator to another; tools take turns within a round, every other
round in reverse order. Requests are counted at the server, CPU time by the kernel (wait4, all threads),
punctuality by the target's recording. Nothing is asserted: figures of a shared machine are compared within
one run, never with another. README.md says what is measured and how to read it.

Python 3.9 or later on Linux, standard library only.
"""

import argparse
import datetime
import json
import os
import platform
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SUBSETS = ["ceiling", "cpu", "held", "deviation", "rss", "startup"]
CONNECTIONS = 64
# Greatest rate at which the recording target never sleeps.
BUSY_RATE_MAX = 10_000
PROBE = "busy probe"
# Seconds after which a process that should have ended is asked, then made, to end.
GRACE = 20
# The first second of a punctuality measurement: connections are opened, caches are cold.
SKIP = 1.0


class Tool:
    """One generator in one of its modes."""

    def __init__(self, name, binary, mode=""):
        self.name, self.binary, self.mode = name, binary, mode

    @property
    def label(self):
        return f"{self.name} {self.mode}".strip()


def peer_command(tool, bench, url, rate, seconds, connections):
    """Command line of a tool; rate None asks for a closed loop. None where the tool has no such mode."""
    c, s, b = str(connections), seconds, tool.binary
    if tool.name == "wrk":
        return None if rate else [b, "-t1", f"-c{c}", f"-d{s}s", url]
    if tool.name == "wrk2":
        return [b, "-t1", f"-c{c}", f"-d{s}s", f"-R{rate}", url] if rate else None
    if tool.name == "h2load":
        command = [b, "--h1", "-t1", f"-c{c}", "-D", str(s), url]
        # Its rate is one of each client.
        return command + [f"--rps={rate / connections:g}"] if rate else command
    if tool.name == "oha":
        command = [b, "--no-tui", "-z", f"{s}s", "-c", c, url]
        return command + ["-q", str(rate), "--latency-correction"] if rate else command
    if tool.name == "vegeta":
        targets = bench.scratch / "vegeta.txt"
        targets.write_text(f"GET {url}\n")
        command = [b, "attack", f"-targets={targets}", f"-duration={s}s", f"-connections={c}", "-output=/dev/null"]
        return command + [f"-rate={rate}"] if rate else None
    if tool.name == "k6":
        return [b, "run", "--quiet", "--no-usage-report", k6_script(bench, url, rate, s, connections)] if rate else None
    raise SystemExit(f"unknown tool {tool.name}")


def k6_script(bench, url, rate, seconds, connections):
    scenario = {"executor": "constant-arrival-rate", "rate": rate, "timeUnit": "1s", "duration": f"{seconds}s",
                "preAllocatedVUs": connections, "maxVUs": 4 * connections}
    options = {"scenarios": {"constant": scenario}, "discardResponseBodies": True}
    script = bench.scratch / "k6.js"
    script.write_text(f"import http from 'k6/http';\nexport const options = {json.dumps(options)};\n"
                      f"export default function () {{ http.get({json.dumps(url)}); }}\n")
    return str(script)


def gen_profile(bench, url, arrival, rate, seconds):
    """One steady phase; the number in the path is the number of the sample."""
    profile = bench.scratch / "profile.toml"
    profile.write_text(
        f'name = "peers"\nseed = 1\n[target]\nurl = "{url.rstrip("/")}"\n'
        f'[connection]\nmax_connections = {CONNECTIONS}\n'
        f'[[phase]]\nname = "steady"\nduration = "{seconds}s"\nrate = {rate}\narrival = "{arrival}"\n'
        '[[scenario]]\nname = "get"\nrequest = { method = "GET", path = "/{{seq()}}" }\n')
    return profile


def gen_command(tool, bench, url, rate, seconds, out):
    arrival, pacing = tool.mode.split()
    profile = gen_profile(bench, url, arrival, rate, seconds)
    command = [tool.binary, "--profile", str(profile), "--out", str(out), "--pacing", pacing, "--workers", "1",
               "--live", "none", "--no-analysis", "--yes"]
    if pacing == "precise":
        # It spins only where a processor is left for others, so its worker alone is pinned.
        command += ["--cpus", str(bench.args.generator_core)]
    for setting in bench.args.gen_set:
        command += ["--set", setting]
    return command


def pinned(core, command):
    return ["taskset", "-c", str(core)] + [str(word) for word in command]


def go_first():
    """Runs in a child before its program starts: asks for the core before everybody else on it."""
    os.setsid()
    try:
        # Where sessions are scheduled as groups, niceness counts within one's own group only.
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        pass
    os.setpriority(os.PRIO_PROCESS, 0, -20)


def wait(pid, timeout, each=None):
    """Waits for a child; calls each(seconds) twice a second. Returns (exit code, rusage), None for a timeout."""
    begin, handle = time.monotonic(), os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        while not poll.poll(500):
            passed = time.monotonic() - begin
            if each:
                each(passed)
            if passed > timeout:
                return None
    finally:
        os.close(handle)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage


def end(pid):
    """Ends a child that is still there: asks, then insists."""
    for number in (signal.SIGINT, signal.SIGKILL):
        os.kill(pid, number)
        ended = wait(pid, GRACE)
        if ended:
            return ended
    raise SystemExit(f"process {pid} cannot be killed")


def memory_kib(pid):
    """(resident, greatest resident so far); not from wait4, which counts what was there before the exec."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return tuple(int(re.search(rf"{key}:\s+(\d+)", status)[1]) for key in ("VmRSS", "VmHWM"))
    except (OSError, TypeError):
        return None


class Target:
    """`gen target --instant` on its core, recording or not."""

    def __init__(self, bench, record, busy=False):
        self.recording = bench.scratch / "seen.parquet" if record else None
        command = [bench.args.gen, "target", "--instant", "--listen", "127.0.0.1:0", "--body-bytes", "64"]
        if record:
            command += ["--record", self.recording]
        if busy:
            command += ["--busy"]
        self.process = subprocess.Popen(pinned(bench.args.target_core, command), stderr=subprocess.PIPE, text=True,
                                        preexec_fn=bench.prepare)
        line = self.process.stderr.readline()
        found = re.search(r"listening on (http://\S+)", line)
        if not found:
            self.process.kill()
            raise SystemExit(f"the target did not start: {line}{self.process.stderr.read()}")
        self.url = found[1] + "/"

    def stop(self):
        """Returns (requests seen, CPU seconds)."""
        os.kill(self.process.pid, signal.SIGINT)
        ended = wait(self.process.pid, GRACE) or end(self.process.pid)
        said = self.process.stderr.read()
        self.process.stderr.close()
        self.process.returncode = ended[0]
        found = re.search(r"(\d+) requests on \d+ connections", said)
        if ended[0] != 0:
            print(f"  the target said: {said.strip()}", file=sys.stderr)
        return (int(found[1]) if found else 0), ended[1].ru_utime + ended[1].ru_stime


class Bench:
    """Everything of one invocation: arguments, where results go, what has been measured."""

    def __init__(self, args):
        self.args = args
        self.scratch = Path(tempfile.mkdtemp(prefix="openload-peers-"))
        name = datetime.date.today().isoformat() + (f"-{args.name}" if args.name else "")
        self.folder = Path(args.out or HERE / "runs" / name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.raw = open(self.folder / "raw.jsonl", "a", buffering=1)
        self.rows, self.commands = [], {}
        self.prepare = go_first if args.first else None

    def write(self, row):
        self.rows.append(row)
        self.raw.write(json.dumps(row) + "\n")

    def instrument(self, *words, core=None):
        command = [self.args.instrument, *map(str, words)]
        done = subprocess.run(pinned(core, command) if core is not None else command,
                              capture_output=True, text=True, timeout=300,
                              preexec_fn=self.prepare if core is not None else None)
        if done.returncode:
            print(f"  instrument: {done.stderr.strip()}", file=sys.stderr)
            return {}
        return json.loads(done.stdout)

    def measure(self, subset, tool, rate, seconds, round_number, record=True, connections=CONNECTIONS):
        """Runs one tool once on a target of its own and writes one row."""
        # Where microseconds count, the target must not sleep through them. At high rates it does
        # not anyway, and needs its core for the recording.
        busy = subset == "deviation" and rate <= BUSY_RATE_MAX
        target, out = Target(self, record, busy), self.scratch / "run"
        shutil.rmtree(out, ignore_errors=True)
        is_gen = tool.name == "gen"
        command = (gen_command(tool, self, target.url, rate, seconds, out) if is_gen
                   else peer_command(tool, self, target.url, rate, seconds, connections))
        if command is None:
            target.stop()
            return None
        self.commands.setdefault(f"{subset}: {tool.label}", " ".join(map(str, command)))
        before, load = steal_ticks(), os.getloadavg()[0]
        if "--cpus" not in command:
            command = pinned(self.args.generator_core, command)
        code, usage, resident, wall, said = self.run_tool(list(map(str, command)), seconds)
        requests, target_cpu_s = target.stop()
        row = {"subset": subset, "tool": tool.label, "rate": rate, "seconds": seconds, "round": round_number,
               "requests": requests, "exit": code, "wall_s": round(wall, 3),
               "user_s": usage.ru_utime, "sys_s": usage.ru_stime, "max_rss_kib": max((point[2] for point in resident), default=None),
               "rss_kib": resident, "load_before": load, "steal_ticks": steal_ticks() - before,
               "target_cpu_s": target_cpu_s, "voluntary_switches": usage.ru_nvcsw,
               "involuntary_switches": usage.ru_nivcsw}
        self.derive(row, target, out if is_gen else None)
        if code not in (0, 3, 4):
            row["said"] = said[-2000:]
            print(f"  {tool.label} ended with {code}: {said[-300:].strip()}", file=sys.stderr)
        self.write(row)
        return row

    def run_tool(self, command, seconds):
        resident, log = [], open(self.scratch / "tool.log", "w+")
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                   preexec_fn=self.prepare)

        def look(passed):
            memory = memory_kib(process.pid)
            if memory:
                resident.append([round(passed, 1), *memory])

        ended = wait(process.pid, seconds * 3 + GRACE, look)
        code, usage = ended or end(process.pid)
        process.returncode = code
        wall = time.monotonic() - begin
        log.seek(0)
        said = log.read()
        log.close()
        return (code if ended else "timeout"), usage, resident, wall, said

    def derive(self, row, target, run):
        requests, rate, seconds = row["requests"], row["rate"], row["seconds"]
        if requests:
            row["cpu_us_per_request"] = round((row["user_s"] + row["sys_s"]) / requests * 1e6, 3)
            row["target_cpu_us_per_request"] = round(row["target_cpu_s"] / requests * 1e6, 3)
        if run and (run / "samples").exists():
            size = sum(part.stat().st_size for part in (run / "samples").rglob("*.parquet"))
            row["sample_bytes_per_request"] = round(size / max(requests, 1), 2)
        row["achieved_rate"] = round(requests / seconds)
        if rate and target.recording and target.recording.exists() and requests:
            words = ["--rate", rate, "--seconds", seconds, "--skip", SKIP if seconds > 2 * SKIP else 0]
            row.update(self.instrument("deviation", target.recording, *words, *(["--run", run] if run else [])))
            target.recording.unlink()
        steady = row.get("steady", {})
        if steady.get("planned"):
            row["achieved_share"] = round(steady["received"] / steady["planned"], 5)
            row["achieved_rate"] = round(row["achieved_share"] * rate)


def steal_ticks():
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]) if len(fields) > 8 else 0


def turns(items, round_number):
    return items if round_number % 2 == 0 else list(reversed(items))


def floor(bench, subset, round_number):
    """The machine without a generator, on the generator's core."""
    figures = bench.instrument("floor", "--seconds", min(bench.args.seconds, 5), core=bench.args.generator_core)
    bench.write({"subset": subset, "tool": PROBE, "rate": 10000, "round": round_number, "deviation": figures})


def say(row):
    if row:
        deviation = row.get("deviation", {})
        late = "/".join(f"{deviation[key]:.0f}" for key in ("p50_us", "p99_us", "p999_us") if deviation.get(key) is not None)
        print(f"  {row['tool']:24} {row['rate'] or 'closed':>7}/s  {row.get('achieved_rate', 0):>7}/s done"
              f"  {row.get('cpu_us_per_request', 0):7.2f} us CPU  {(row['max_rss_kib'] or 0) // 1024:4} MiB  {late}", flush=True)


# --- the measurements --------------------------------------------------------------------------

def ceiling(bench, tools):
    """How fast a closed loop goes: the target's share and the tool's."""
    closed = [tool for tool in tools if tool.name in ("wrk", "h2load", "oha")]
    for number in range(bench.args.rounds):
        print(f"ceiling, round {number + 1}")
        for tool in turns(closed, number):
            say(bench.measure("ceiling", tool, None, bench.args.seconds, number, record=False))


def open_loop(bench, tools, subset, rates):
    for number in range(bench.args.rounds):
        print(f"{subset}, round {number + 1}")
        floor(bench, subset, number)
        for rate in rates:
            for tool in turns(tools, number):
                say(bench.measure(subset, tool, rate, bench.args.seconds, number))


def cpu(bench, tools):
    """CPU time a request at open-loop rates; `gen` paced by the millisecond, as its peers are."""
    modes = ["constant efficient", "poisson efficient"]
    open_loop(bench, with_peers(bench, modes, tools), "cpu", bench.args.rates or [10000, 20000, 40000])


def deviation(bench, tools):
    """How punctual requests are at the server."""
    modes = ["constant precise", "poisson precise"]
    rates = bench.args.rates or [1000, 5000, 10000, 20000, 40000, 60000]
    open_loop(bench, with_peers(bench, modes, tools), "deviation", rates)


def held(bench, tools):
    """The highest rate of which at least 99 % is delivered in time; a step that fails is tried twice."""
    modes = ["constant efficient", "poisson efficient"]
    steps = bench.args.rates or [20000, 40000, 60000, 70000, 80000, 90000, 100000, 110000, 120000]
    seconds = min(bench.args.seconds, 3)
    for number in range(bench.args.rounds):
        print(f"held, round {number + 1}")
        for tool in turns(with_peers(bench, modes, tools), number):
            best = climb(bench, tool, steps, seconds, number)
            bench.write({"subset": "held", "tool": tool.label, "round": number, "held_rate": best})
            print(f"  {tool.label} held {best}/s")


def climb(bench, tool, steps, seconds, number):
    best = 0
    for rate in steps:
        for _ in range(2):
            row = bench.measure("held step", tool, rate, seconds, number)
            say(row)
            if row and row.get("achieved_share", 0) >= 0.99:
                best = rate
                break
        else:
            break
    return best


def rss(bench, tools):
    """Memory over a longer time at 20,000 requests a second."""
    for tool in with_peers(bench, ["poisson precise"], tools):
        say(bench.measure("rss", tool, 20000, bench.args.rss_seconds, 0))


def startup(bench, tools):
    """CPU time of a run that sends next to nothing."""
    for number in range(bench.args.rounds):
        print(f"startup, round {number + 1}")
        for tool in turns(with_peers(bench, ["constant precise"], tools), number):
            say(bench.measure("startup", tool, 1, 1, number, record=False, connections=1))


def with_peers(bench, modes, tools):
    """`gen` in some modes, if wanted, and the tools that can keep a rate."""
    wanted = bench.args.tools is None or "gen" in bench.args.tools
    gens = [Tool("gen", bench.args.gen, mode) for mode in modes] if wanted else []
    return gens + [tool for tool in tools if tool.name != "wrk"]


# --- what is written -----------------------------------------------------------------------------

def spread(values, digits=2):
    """Median and range of some figures."""
    values = sorted(value for value in values if value is not None)
    if not values:
        return "–"
    middle = statistics.median(values)
    text = f"{middle:,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({values[0]:,.{digits}f}–{values[-1]:,.{digits}f})"


def table(rows, columns, figure):
    """A row per tool, a column per rate."""
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    lines = ["| | " + " | ".join(f"{column:,}" if isinstance(column, int) else str(column) for column in columns) + " |",
             "|---" * (len(columns) + 1) + "|"]
    for tool in tools:
        cells = [figure([row for row in rows if row["tool"] == tool and row.get("rate") == column]) for column in columns]
        lines.append(f"| {tool} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def late(rows):
    parts = [spread([row.get("deviation", {}).get(key) for row in rows], 0) for key in ("p50_us", "p99_us", "p999_us")]
    return "–" if parts[0] == "–" else " / ".join(parts)


def field(name, digits=2, scale=1):
    return lambda rows: spread([row[name] * scale for row in rows if row.get(name) is not None], digits)


def slope(rows):
    """Growth of the resident memory in the second half, KiB a minute."""
    points = [point for row in rows for point in row["rss_kib"]]
    points = points[len(points) // 2:]
    if len(points) < 3:
        return "–"
    mean_t, mean_k = statistics.mean(p[0] for p in points), statistics.mean(p[1] for p in points)
    spread_t = sum((p[0] - mean_t) ** 2 for p in points)
    return f"{60 * sum((p[0] - mean_t) * (p[1] - mean_k) for p in points) / spread_t:,.0f}"


def summary(rows):
    """Tables of medians, with the least and the greatest value in parentheses."""
    text = []

    def section(subset, title, *tables):
        chosen = [row for row in rows if row["subset"] == subset and row["tool"] != PROBE]
        if not chosen:
            return
        text.append(f"## {title}\n")
        floors = [row for row in rows if row["subset"] == subset and row["tool"] == PROBE]
        if floors:
            taken = spread([100 * row["deviation"]["lost_share"] for row in floors if row["deviation"]])
            text.append(f"Floor of the machine at the time, µs: {late(floors)}; taken away from a busy probe: {taken} % of the time.\n")
        rates = sorted({row["rate"] for row in chosen if row.get("rate")}) or [None]
        for caption, figure in tables:
            text.append(f"{caption}\n\n{table(chosen, rates, figure).replace('| None |', '| closed |')}")

    section("ceiling", "Closed loop, 64 connections", ("Requests a second", field("achieved_rate", 0)),
            ("CPU of the generator, µs a request", field("cpu_us_per_request")),
            ("CPU of the target, µs a request", field("target_cpu_us_per_request")))
    section("cpu", "Open loop: CPU", ("CPU of the generator, µs a request, by requests a second", field("cpu_us_per_request")),
            ("Share of the rate delivered in time, %", field("achieved_share", 1, 100)),
            ("Peak memory, MiB", field("max_rss_kib", 0, 1 / 1024)),
            ("Deviation at the server, µs: p50 / p99 / p99.9", late))
    section("deviation", "Open loop: deviation from the schedule at the server",
            ("µs: p50 / p99 / p99.9, by requests a second", late),
            ("Share of the rate delivered in time, %", field("achieved_share", 1, 100)),
            ("CPU of the generator, µs a request", field("cpu_us_per_request")))
    held_rows = [dict(row, rate="requests a second") for row in rows if row["subset"] == "held"]
    if held_rows:
        text.append("## Highest rate of which 99 % came in time\n")
        text.append(table(held_rows, ["requests a second"], field("held_rate", 0)))
    section("rss", "Memory at 20,000 requests a second", ("Peak, MiB", field("max_rss_kib", 0, 1 / 1024)),
            ("Growth in the second half, KiB a minute", slope))
    section("startup", "A run of one request", ("CPU, ms", lambda rows: spread([(row["user_s"] + row["sys_s"]) * 1e3 for row in rows], 1)))
    return "\n".join(text)


def first_line(*command):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=20)
        return ((done.stdout + done.stderr).strip().splitlines() or ["?"])[0]
    except (OSError, subprocess.TimeoutExpired):
        return "?"


def read(path):
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "?"


def facts(bench, tools):
    flags = {"wrk": "--version", "wrk2": "--version", "vegeta": "-version", "k6": "version"}
    model = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    lines = [f"- machine: {model[1] if model else '?'}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
             f"{re.search(r'MemTotal:(.*)', read('/proc/meminfo'))[1].strip()}",
             f"- clock source: {read('/sys/devices/system/clocksource/clocksource0/current_clocksource')}, "
             f"governor: {read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')}, "
             f"load average at the start: {bench.load}",
             f"- target on core {bench.args.target_core}, generator on core {bench.args.generator_core}, "
             f"{CONNECTIONS} connections, {bench.args.seconds} s a measurement, {bench.args.rounds} rounds"
             f"{', at the highest priority' if bench.args.first else ''}",
             f"- gen: {first_line(bench.args.gen, '--version')}, commit {first_line('git', '-C', ROOT, 'describe', '--always', '--dirty')}"]
    lines += [f"- {tool.name}: {first_line(tool.binary, flags.get(tool.name, '--version'))}" for tool in tools]
    return "\n".join(lines)


def write_summary(bench, tools):
    commands = "\n".join(f"    {what}\n        {command}" for what, command in bench.commands.items())
    page = (f"# Beside other tools, {bench.folder.name}\n\n{facts(bench, tools)}\n\n"
            "Medians of the rounds, the least and the greatest value in parentheses. Figures of a shared machine: compare "
            "within this page only. What is measured is in ../../README.md; every single measurement in raw.jsonl.\n\n"
            f"{summary(bench.rows)}\n## Commands\n\nMade by\n\n    {' '.join(sys.argv)}\n\n"
            f"each behind `taskset -c {bench.args.generator_core}` unless it says `--cpus`, the first of its kind:\n\n{commands}\n")
    (bench.folder / "README.md").write_text(page)


# --- arguments -----------------------------------------------------------------------------------

def named_path(text):
    name, _, path = text.partition("=")
    if not path or name not in ("wrk", "wrk2", "h2load", "oha", "vegeta", "k6"):
        raise argparse.ArgumentTypeError("expected TOOL=PATH, with wrk, wrk2, h2load, oha, vegeta or k6")
    return name, path


def comma_list(kind):
    return lambda text: [kind(word) for word in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target_dir = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    add = parser.add_argument
    add("--only", type=comma_list(str), default=SUBSETS, help="some of " + ",".join(SUBSETS))
    add("--tools", type=comma_list(str), help="some of gen,wrk,wrk2,h2load,oha,vegeta,k6 [default: all that are there]")
    add("--tool-path", type=named_path, action="append", default=[], help="where a tool is, for example wrk2=/tmp/wrk2/wrk")
    add("--rates", type=comma_list(int), help="requests a second, instead of each measurement's own")
    add("--rounds", type=int, default=5)
    add("--seconds", type=int, default=4, help="length of one measurement")
    add("--rss-seconds", type=int, default=60)
    add("--gen", default=target_dir / "release/gen", help="built with --release --no-default-features")
    add("--instrument", default=target_dir / "release/peers-instrument")
    add("--gen-set", action="append", default=[], metavar="KEY=VALUE", help="profile key for every run of gen")
    add("--target-core", type=int, default=0)
    add("--generator-core", type=int, default=1)
    add("--first", action="store_true",
        help="let target and generator go before all else on their cores, where the machine is shared (needs root)")
    add("--name", help="added to the date in the folder's name")
    add("--out", help="folder for the results [default: benches/peers/runs/<date>[-<name>]]")
    args = parser.parse_args()
    unknown = set(args.only) - set(SUBSETS)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(SUBSETS)}")
    for binary in (args.gen, args.instrument):
        if not Path(binary).exists():
            parser.error(f"{binary} is missing; README.md says how to build it")
    return args


def peers(args):
    """Tools given by path, or found: wrk2 calls its binary wrk, so it has to be given."""
    given, tools = dict(args.tool_path), []
    for name in ("wrk", "wrk2", "h2load", "oha", "vegeta", "k6"):
        binary = given.get(name) or shutil.which(name)
        if binary and (args.tools is None or name in args.tools):
            tools.append(Tool(name, binary))
    return tools


def main():
    args = arguments()
    tools = peers(args)
    bench = Bench(args)
    bench.load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    measurements = {"ceiling": ceiling, "cpu": cpu, "held": held, "deviation": deviation, "rss": rss, "startup": startup}
    try:
        for name in args.only:
            measurements[name](bench, tools)
            write_summary(bench, tools)
    except KeyboardInterrupt:
        print("interrupted; what was measured is kept", file=sys.stderr)
    finally:
        write_summary(bench, tools)
        shutil.rmtree(bench.scratch, ignore_errors=True)
    print(f"written to {bench.folder}")


if __name__ == "__main__":
    main()
