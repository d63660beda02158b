#!/usr/bin/env python3
"""Holds the analysis of a run directory beside DuckDB and polars on the same files.

    beside.py RUN_DIR [--rounds 3] [--analyze target/release/examples/analyze] [--only READER ...]

Every reader is a process of its own; readers take turns. Of each turn one line of JSON is printed:
wall time, processor seconds and peak memory as the kernel accounts them to the child (wait4). What
the readers found is compared value by value. See README.md.
"""

import argparse
import json
import os
import subprocess
import sys
import time

LEVELS = [0.5, 0.9, 0.95, 0.99, 0.999]
SECOND_LEVELS = [0.5, 0.9, 0.95, 0.99]
CENSORED = 2**63 - 1


def warmups(run_dir):
    """Phases that do not count; the synthetic runs have one stream."""
    with open(os.path.join(run_dir, "run.json")) as file:
        manifest = json.load(file)
    phases = [phase for stream in manifest["streams"] for phase in stream["phases"]]
    return [phase["name"] for phase in phases if phase["role"] == "warmup"]


def duckdb_reader(run_dir):
    import duckdb

    names = ", ".join(f"'{name}'" for name in warmups(run_dir)) or "''"
    files = os.path.join(run_dir, "samples", "**", "*.parquet")
    source = f"read_parquet('{files}', hive_partitioning = false)"
    rank = f"case when outcome = 'ok' then response_ns else {CENSORED} end"
    count, found = duckdb.sql(
        f"select count(*), quantile_disc({rank}, {LEVELS}) "
        f"from {source} where step = 0 and phase not in ({names})"
    ).fetchall()[0]
    rows = duckdb.sql(
        f"select intended_ns // 1000000000 as t_s, count(*), count(*) filter (outcome = 'ok'), "
        f"quantile_disc(response_ns, {SECOND_LEVELS}) filter (outcome = 'ok'), "
        f"max(response_ns) filter (outcome = 'ok') "
        f"from {source} where step = 0 group by t_s order by t_s"
    ).fetchall()
    nothing = [None] * len(SECOND_LEVELS)
    seconds = [[t, n, ok, [*(times or nothing), top]] for t, n, ok, times, top in rows]
    return count, [None if value == CENSORED else value for value in found], seconds


def polars_reader(run_dir):
    import polars as pl

    files = os.path.join(run_dir, "samples", "**", "*.parquet")
    rows = pl.scan_parquet(files, hive_partitioning=False).filter(pl.col("step") == 0)
    is_ok = pl.col("outcome") == "ok"
    response = pl.col("response_ns")
    rank = pl.when(is_ok).then(response).otherwise(CENSORED)
    quantile = lambda values, level: values.quantile(level, interpolation="equiprobable")
    measured = rows.filter(~pl.col("phase").is_in(warmups(run_dir)))
    whole = measured.select(
        pl.len().alias("count"),
        *[quantile(rank, level).alias(f"q{index}") for index, level in enumerate(LEVELS)],
    ).collect(engine="streaming").row(0)
    by_second = (
        rows.group_by((pl.col("intended_ns") // 1_000_000_000).alias("t_s"))
        .agg(
            pl.len().alias("offered"),
            is_ok.sum().alias("ok"),
            *[
                quantile(response.filter(is_ok), level).alias(f"q{index}")
                for index, level in enumerate(SECOND_LEVELS)
            ],
            response.filter(is_ok).max().alias("max"),
        )
        .sort("t_s")
        .collect(engine="streaming")
    )
    number = lambda value: None if value is None else int(value)
    found = [None if value >= float(CENSORED) else int(value) for value in whole[1:]]
    seconds = [[t, n, ok, [number(value) for value in times]] for t, n, ok, *times in by_second.rows()]
    return whole[0], found, seconds


READERS = {"duckdb": duckdb_reader, "polars": polars_reader}


def spawn(command):
    """Runs a command; returns its output and what it took."""
    read, write = os.pipe()
    started = time.monotonic()
    actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)]
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    os.close(write)
    with os.fdopen(read) as pipe:
        output = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    took = {
        "wall_s": round(time.monotonic() - started, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
        "exit": os.waitstatus_to_exitcode(status),
    }
    return output, took


def parsed(output):
    """What a reader found; seconds without arrivals are left out."""
    lines = [json.loads(line) for line in output.splitlines()]
    whole, seconds = lines[0], lines[1:]
    return whole, [second for second in seconds if second[1] > 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_dir")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--analyze", default="target/release/examples/analyze")
    parser.add_argument("--only", nargs="*", default=["whole", "quantiles", "duckdb", "polars"])
    parser.add_argument("--reader", choices=READERS, help="be one of the readers")
    args = parser.parse_args()
    if args.reader:
        count, found, seconds = READERS[args.reader](args.run_dir)
        print(json.dumps({"count": count, "quantiles": found}))
        for second in seconds:
            print(json.dumps(second))
        return
    this = [sys.executable, __file__, args.run_dir, "--reader"]
    commands = {
        "whole": [args.analyze, args.run_dir],
        "quantiles": [args.analyze, "--quantiles", args.run_dir],
        "duckdb": [*this, "duckdb"],
        "polars": [*this, "polars"],
    }
    files = subprocess.run(["du", "-Lsb", os.path.join(args.run_dir, "samples")], capture_output=True)
    print(json.dumps({"samples_bytes": int(files.stdout.split()[0]), "cores": os.cpu_count()}))
    expected, is_equal = None, True
    for turn in range(args.rounds):
        for reader in args.only:
            output, took = spawn(commands[reader])
            line = {"round": turn, "reader": reader, **took}
            if reader != "whole" and took["exit"] == 0:
                found = parsed(output)
                expected = expected or found
                line["rows"] = found[0]["count"]
                line["equal"] = found == expected
                is_equal &= line["equal"]
            print(json.dumps(line), flush=True)
    sys.exit(0 if is_equal else 1)


if __name__ == "__main__":
    main()
