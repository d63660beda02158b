"""Known answers for the first lines of a trace, with nothing but Python's standard library.

    python3 known_answers.py azure_llm_2023_conv_first5000.csv

Prints the index of dispersion (variance with n - 1, over mean) of counts in whole windows from the
first event on, as it is and after each change of the timeline. What is drawn is drawn here with
Python's own generator; the mean of many seeds is printed with its standard error.
"""

import random
import statistics
import sys
from datetime import datetime, timezone

WINDOWS_S = (0.1, 1, 10, 60)
SEEDS = 100


def stamps_ns(path):
    """Reads the first column as nanoseconds since the first event."""
    times = []
    with open(path, encoding="ascii") as lines:
        next(lines)
        for line in lines:
            date, fraction = line.split(",")[0].split(".")
            second = datetime.strptime(date, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
            times.append(int(second.timestamp()) * 10**9 + int(fraction.ljust(9, "0")))
    return [time - times[0] for time in times]


def index(times, length, window_s):
    """Index of dispersion of counts in whole windows."""
    window = int(window_s * 10**9)
    counts = [0] * (length // window)
    for time in times:
        if time // window < len(counts):
            counts[time // window] += 1
    return statistics.variance(counts) / statistics.fmean(counts)


def show(name, draws, length):
    """Prints the means over the draws, and their standard errors when there are several."""
    row = []
    for window_s in WINDOWS_S:
        found = [index(times, length, window_s) for times in draws]
        error = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else 0
        row.append(f"{statistics.fmean(found):.4f} ± {error:.4f}" if error else f"{found[0]:.6f}")
    print(f"{name:24}", " | ".join(row))


def mirrored(time, length):
    """Reflects an instant at the ends of the timeline."""
    time = -1 - time if time < 0 else time
    return time if time < length else 2 * length - 1 - time


def copies(times, length, number, jitter, chance):
    """Each event, and copies of it moved by half the jitter at most."""
    return list(times) + [
        mirrored(time + int(chance.random() * jitter) - jitter // 2, length)
        for time in times
        for _ in range(number - 1)
    ]


def main():
    """Prints everything."""
    times = stamps_ns(sys.argv[1])
    length = times[-1] + 1
    gaps = [later - time for time, later in zip(times, times[1:])]
    print("events", len(times), "length_ns", length)
    print("gap cv2", statistics.variance(gaps) / statistics.fmean(gaps) ** 2)
    seconds = [0] * (length // 10**9 + 1)
    for time in times:
        seconds[time // 10**9] += 1
    print("peak", max(seconds))
    show("as it is", [times], length)
    show("compressed by 4", [[time // 4 for time in times]], -(-length // 4))
    quarter = length // 4
    shifted = [(time + k * quarter) % length for k in range(4) for time in times]
    show("overlap, 4 shifted", [shifted], length)
    chances = [random.Random(seed) for seed in range(SEEDS)]
    thinned = [[time for time in times if chance.random() < 0.25] for chance in chances]
    show("thinned to 1/4", thinned, length)
    for jitter_s in (0.5, 5):
        jitter = int(jitter_s * 10**9)
        draws = [copies(times, length, 4, jitter, chance) for chance in chances[:40]]
        show(f"4 copies, jitter {jitter_s} s", draws, length)


main()
