"""Reads a run directory of gen: run.json and the Parquet files, nothing else.

The definitions are those of the report. A percentile is the value at rank ceil(n * p) of the
sorted response times, which count from the intended start; arrivals that did not end ok rank as
infinitely slow; phases of role warmup are left out.
"""

import json
import math
from pathlib import Path

import altair
import polars as pl

# Runs have more rows than a chart in a page can carry: draw what is aggregated.
altair.data_transformers.disable_max_rows()


class Run:
    """One run: its manifest, and its samples as a lazy frame."""

    def __init__(self, folder):
        self.folder = Path(folder)
        manifest = self.folder / "run.json"
        if not manifest.exists():
            raise SystemExit(f"{manifest} is not there: give the directory of a run")
        self.manifest = json.loads(manifest.read_text())
        self.samples = pl.scan_parquet(
            str(self.folder / "samples" / "**" / "*.parquet"), hive_partitioning=False
        ).with_columns(
            pl.col("stream", "phase", "scenario", "request", "outcome").cast(pl.String),
            (pl.col("intended_ns") / 1e9).alias("t_s"),
            ranked_ms().alias("ranked_ms"),
        )

    @property
    def phases(self):
        """Phases of all streams, in order."""
        rows = [
            {
                "stream": stream["name"],
                "phase": phase["name"],
                "role": phase["role"],
                "start_s": phase["start_ns"] / 1e9,
                "end_s": phase["end_ns"] / 1e9,
            }
            for stream in self.manifest["streams"]
            for phase in stream["phases"]
        ]
        return pl.DataFrame(rows)

    def phase_of(self, role):
        """The first phase of a role; None when there is none."""
        found = self.phases.filter(pl.col("role") == role)
        return found.row(0, named=True) if len(found) else None

    @property
    def measured(self):
        """Arrivals of the measured phases: no warm-up, no follow-up steps."""
        keys = self.phases.filter(pl.col("role") != "warmup").select("stream", "phase")
        arrivals = self.samples.filter(pl.col("step") == 0)
        return arrivals.join(keys.lazy(), on=["stream", "phase"], how="semi")


def ranked_ms():
    """Response time in ms, with failures as infinitely slow."""
    is_ok = pl.col("outcome").cast(pl.String) == "ok"
    return pl.when(is_ok).then(pl.col("response_ns") / 1e6).otherwise(float("inf"))


def quantile(values, level):
    """The value at rank ceil(n * p); None of nothing."""
    ordered = values.sort()
    count = len(ordered)
    if count == 0:
        return None
    rank = math.ceil(count * level - 1e-9)
    return ordered[min(max(rank, 1), count) - 1]


def at_rank(column, level):
    """The same as an expression, for use in an aggregation."""
    rank = (pl.len() * level - 1e-9).ceil().cast(pl.Int64).clip(1)
    return pl.col(column).sort().get(rank - 1)


def by_window(frame, width_s):
    """Counts and percentiles by windows of the intended start."""
    window = (pl.col("t_s") / width_s).floor() * width_s
    return (
        frame.group_by(window.alias("window_s"))
        .agg(
            (pl.len() / width_s).alias("offered"),
            ((pl.col("outcome") != "ok").sum() / pl.len()).alias("failed"),
            at_rank("ranked_ms", 0.5).alias("p50"),
            at_rank("ranked_ms", 0.95).alias("p95"),
            at_rank("ranked_ms", 0.99).alias("p99"),
        )
        .sort("window_s")
        .collect()
    )


def lines(frame, columns, x, title):
    """A chart of columns over x."""
    tall = frame.unpivot(on=columns, index=x, variable_name="series", value_name="value")
    finite = tall.filter(pl.col("value").is_finite())
    return (
        altair.Chart(finite, title=title, width=700, height=220)
        .mark_line()
        .encode(x=f"{x}:Q", y="value:Q", color="series:N", strokeDash="series:N")
    )


def check(**figures):
    """Prints figures as one line of JSON, for the test that compares them with summary.json."""
    print("check " + json.dumps(figures))
