#!/usr/bin/env python3
"""Replays a slice of a trace at a recording target and tells how faithful that was.

The target runs on one core, the worker on another. Three timelines are compared: the trace itself (read from the
timeline file and sliced and scaled here, independently of `gen`), what `gen` intended (its sample files), and what
reached the server (the target's recording). README.md says what is measured.

Python 3.9 or later on Linux with polars and numpy.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

QUANTILES = (0.5, 0.99, 0.999)


def go_first():
    """Asks for the core before everybody else on it, where that is allowed."""
    os.setsid()
    try:
        Path("/proc/self/autogroup").write_text("-20")
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except OSError:
        pass


def start_target(args, folder):
    record = folder / "seen.parquet"
    command = ["taskset", "-c", args.target_core, args.gen, "target", "--instant", "--busy", "--listen", "127.0.0.1:0",
               "--record", str(record)]
    target = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=go_first)
    url = target.stderr.readline().strip().removeprefix("listening on ")
    return target, url, record


def replay(args, url, folder):
    out = folder / "run"
    profile = folder / "replay.toml"
    end = f'to = "{args.to_s}s"\n' if args.to_s is not None else ""
    profile.write_text(
        f'name = "fidelity"\nseed = 1\n[target]\nurl = "{url}"\n[connection]\nmax_connections = {args.connections}\n'
        f'[[scenario]]\nname = "get"\nrequest = {{ path = "/{{{{seq()}}}}" }}\n'
        f'[trace]\nfile = "{Path(args.trace).resolve()}"\nfrom = "{args.from_s}s"\n{end}speed = {args.speed}\n'
        'methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]\n')
    command = [args.gen, "--profile", str(profile), "--out", str(out), "--workers", "1", "--cpus", args.worker_core,
               "--live", "none", "--no-analysis", "--yes", "--quiet"]
    subprocess.run(command, check=True, preexec_fn=go_first)
    manifest = json.loads((out / "run.json").read_text())
    rows = pl.read_parquet(str(out / "samples/**/*.parquet")).sort("intended_ns", "seq")
    return manifest, rows


def planned(args):
    """The slice of the trace, scaled: exact, in whole nanoseconds."""
    events = pl.read_parquet(args.trace, columns=["t_ns", "target"])
    first, last = int(float(args.from_s) * 1e9), None
    if args.to_s is not None:
        last = int(float(args.to_s) * 1e9)
    kept = events.filter(pl.col("t_ns") >= first)
    if last is not None:
        kept = kept.filter(pl.col("t_ns") < last)
    times = (kept["t_ns"].to_numpy() - first) // args.speed
    return times, kept["target"]


def dispersion(times_ns, window_s):
    windows = int((times_ns[-1] - times_ns[0]) // int(window_s * 1e9))
    if windows < 2:
        return None
    inside = (times_ns - times_ns[0]) // int(window_s * 1e9)
    counts = np.bincount(inside[inside < windows], minlength=windows)
    return float(counts.var(ddof=1) / counts.mean()) if counts.mean() > 0 else None


def curve(times_ns, seconds):
    return np.bincount(np.clip(times_ns // 1_000_000_000, 0, seconds - 1), minlength=seconds)


def slope(times_s, error_us):
    """Least squares with the interval of 30 batch means: errors of neighbours are alike."""
    slopes = [np.polyfit(times, error, 1)[0] for times, error in zip(np.array_split(times_s, 10), np.array_split(error_us, 10))]
    whole = np.polyfit(times_s, error_us, 1)[0]
    means_t = np.array([part.mean() for part in np.array_split(times_s, 30)])
    means_e = np.array([part.mean() for part in np.array_split(error_us, 30)])
    fitted = np.polyfit(means_t, means_e, 1)
    left = means_e - np.polyval(fitted, means_t)
    spread = np.sqrt((left ** 2).sum() / (len(means_t) - 2) / ((means_t - means_t.mean()) ** 2).sum())
    del slopes
    return float(whole), float(fitted[0]), float(2.05 * spread)


def ks(first, second):
    both = np.sort(np.concatenate([first, second]))
    one = np.searchsorted(np.sort(first), both, side="right") / len(first)
    two = np.searchsorted(np.sort(second), both, side="right") / len(second)
    return float(np.abs(one - two).max())


def measure(args):
    with tempfile.TemporaryDirectory(prefix="openload-fidelity-") as folder:
        folder = Path(folder)
        target, url, record = start_target(args, folder)
        try:
            manifest, rows = replay(args, url, folder)
            time.sleep(0.2)
        finally:
            target.send_signal(signal.SIGINT)
            target.wait(20)
        seen = pl.read_parquet(str(record)).sort("received_unix_ns", maintain_order=True)
        # The recording's own name for the column may carry less.
        received = seen["received_unix_ns"].to_numpy() - manifest["start_unix_ns"]
        paths = seen["target"]
    times, recorded_paths = planned(args)
    intended = rows["intended_ns"].to_numpy()
    sent = rows["sent_ns"].to_numpy() / 1e3
    result = {"trace": Path(args.trace).name, "from_s": args.from_s, "to_s": args.to_s, "speed": args.speed,
              "events_planned": len(times), "rows": len(rows), "received": len(received),
              "intended_equal_trace": bool(len(times) == len(intended) and (times == intended).all())}
    if recorded_paths.str.len_bytes().max():
        wanted = recorded_paths.to_list()
        got = paths.to_list()
        moved = [place for place, (one, two) in enumerate(zip(wanted, got)) if one != two]
        result["paths_out_of_order"] = len(moved)
        result["gaps_there_us"] = sorted(round(float(times[place + 1] - times[place]) / 1e3, 1)
                                         for place in moved if place + 1 < len(times))[:20]
        order = np.arange(len(received))
    else:
        # The path is the number of the sample.
        numbers = {number: place for place, number in enumerate(rows["seq"].to_list())}
        order = np.array([numbers[int(path[1:])] for path in paths.to_list()])
    at_server = (received - intended[order]) / 1e3
    seconds = int(intended[-1] // 1_000_000_000) + 1
    sent_at = np.sort(intended + rows["sent_ns"].to_numpy())
    plan_curve, sent_curve, seen_curve = (curve(one, seconds) for one in (intended, sent_at, received))
    result["sent_error_us"] = {str(q): round(float(np.quantile(sent, q)), 1) for q in QUANTILES}
    result["server_error_us"] = {str(q): round(float(np.quantile(at_server, q)), 1) for q in QUANTILES}
    whole, drift, half = slope(intended / 1e9, sent)
    result["drift_us_per_s"] = {"all": round(whole, 4), "batches": round(drift, 4), "interval": round(half, 4),
                                "is_zero_inside": abs(drift) <= half}
    result["last_event_error_us"] = round(float(sent[-1]), 1)
    result["seconds_with_equal_counts"] = {
        "sent": round(float((plan_curve == sent_curve).mean()), 4), "received": round(float((plan_curve == seen_curve).mean()), 4)}
    result["rate_nrmse"] = round(float(np.sqrt(((seen_curve - plan_curve) ** 2).mean()) / plan_curve.mean()), 6)
    result["dispersion"] = {f"{window} s": [dispersion(intended, window), dispersion(np.sort(received), window)]
                            for window in (0.1, 1, 10, 60)}
    gaps = np.diff(intended), np.diff(np.sort(received))
    result["gap_ks"] = round(ks(*gaps), 5)
    # Gaps shorter than the wake-up of a machine count as one length.
    result["gap_ks_from_50_us"] = round(ks(*(np.maximum(gap, 50_000) for gap in gaps)), 5)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", help="timeline, as gen trace import writes it")
    parser.add_argument("--from-s", default="0")
    parser.add_argument("--to-s")
    parser.add_argument("--speed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--gen", default="target/release/gen")
    parser.add_argument("--target-core", default="0")
    parser.add_argument("--worker-core", default="1")
    parser.add_argument("--out", help="file that gets a JSON line for each round")
    args = parser.parse_args()
    for _ in range(args.rounds):
        line = json.dumps(measure(args))
        print(line, flush=True)
        if args.out:
            with open(args.out, "a") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
