"""One worker beside two, all on one core, at the same rates: prints rate, workers, CPU µs a request,
voluntary and other switches and exit status of each run, then the medians."""
import os, resource, shutil, statistics, subprocess, sys, time

GEN = sys.argv[1]
quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
target = subprocess.Popen(["taskset", "-c", "0", GEN, "target", "--instant", "--listen", "127.0.0.1:18080"], **quiet)
time.sleep(0.5)
results = {}
try:
    for round_ in range(5):
        for rate in (20000, 40000, 60000):
            for workers in (1, 2) if round_ % 2 == 0 else (2, 1):
                shutil.rmtree("out", ignore_errors=True)
                run = subprocess.Popen(
                    ["taskset", "-c", "1", GEN, "--profile", "lag.toml", "--set", f"phase.steady.rate={rate}",
                     "--set", "phase.steady.arrival=constant", "--pacing", "efficient", "--workers", str(workers),
                     "--no-analysis", "--live", "none", "--out", "out"], **quiet)
                _, status, used = os.wait4(run.pid, 0)
                us = (used.ru_utime + used.ru_stime) * 1e6 / (rate * 5)
                results.setdefault((rate, workers), []).append((us, used.ru_nvcsw, used.ru_nivcsw))
                print(rate, workers, round(us, 2), used.ru_nvcsw, used.ru_nivcsw, status, flush=True)
finally:
    target.terminate()
    target.wait()
for key, values in sorted(results.items()):
    print(key, [round(statistics.median(column), 2) for column in zip(*values)])
