#!/usr/bin/env python3
"""Makes statistics.json: what numpy 2 and scipy 1.17 say of seeded series, for analysis/src/golden.rs.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install numpy==2.4.6 scipy==1.17.1
    /tmp/golden/bin/python analysis/golden/make.py
"""

import json
from pathlib import Path

import numpy as np
from scipy import optimize, stats

random = np.random.default_rng(20261125)


def series():
    """Short and long, with and without ties, trending and heavy-tailed; rounded so that JSON holds them whole."""
    ar = [0.0]
    for step in random.normal(size=239):
        ar.append(0.6 * ar[-1] + step)
    yield "normal", random.normal(10, 2, 100)
    yield "exponential", random.exponential(5, 1_001)
    yield "lognormal", random.lognormal(1, 1.5, 317)
    yield "tied", random.integers(0, 6, 60).astype(float)
    yield "trend", 3 + 0.05 * np.arange(120) + random.normal(0, 1, 120)
    yield "autoregressive", np.array(ar)
    yield "few", random.normal(0, 1, 7)


def of_series(name, values):
    values = np.round(values, 6)
    times = np.arange(len(values), dtype=float)
    slopes = [(values[j] - values[i]) / (j - i) for i in range(len(values)) for j in range(i + 1, len(values))]
    slope = float(np.median(slopes))
    centred = values - values.mean()
    _, counts = np.unique(values, return_counts=True)
    n = len(values)
    weight = lambda n: n * (n - 1) * (2 * n + 5)
    score = int(sum(np.sign(values[j] - values[i]) for i in range(n) for j in range(i + 1, n)))
    variance = (weight(n) - sum(weight(int(count)) for count in counts)) / 18
    z = (score - np.sign(score)) / np.sqrt(variance)
    theil = stats.theilslopes(values, times, method="joint")
    assert abs(theil.slope - slope) < 1e-12
    return {
        "name": name,
        "values": values.tolist(),
        "quantiles": {str(p): float(np.quantile(values, p, method="inverted_cdf"))
                      for p in (0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)},
        "variance": float(np.var(values, ddof=1)),
        "median": float(np.median(values)),
        "robust_sd": float(1.4826 * stats.median_abs_deviation(values)),
        "autocorrelation_1": float((centred[:-1] * centred[1:]).sum() / (centred ** 2).sum()),
        "ranks": stats.rankdata(values).tolist(),
        "theil_sen": {"slope": theil.slope, "intercept": theil.intercept},
        "mann_kendall": {"score": score, "variance": variance, "p": float(2 * stats.norm.sf(abs(z)))},
        "line_squares": float(((values - np.polyval(np.polyfit(times, values, 1), times)) ** 2).sum()),
    }


def uniform(count, power):
    """Distance of values from U(0,1) and its exact p-value."""
    values = np.sort(np.round(random.random(count) ** power, 9))
    test = stats.kstest(values, "uniform", mode="exact")
    return {"values": values.tolist(), "distance": float(test.statistic), "p": float(test.pvalue)}


def usl():
    """Throughput with noise, fitted with the weights of the linear form."""
    law = lambda n, rate, alpha, beta: rate * n / (1 + alpha * (n - 1) + beta * n * (n - 1))
    n = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55], dtype=float)
    x = np.round(law(n, 800, 0.03, 0.0004) * (1 + random.normal(0, 0.01, len(n))), 3)
    design = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1)
    weights = x / n
    solution, *_ = np.linalg.lstsq(design * weights[:, None], n / x * weights, rcond=None)
    direct, _ = optimize.curve_fit(law, n, x, p0=(700, 0.02, 0.001), sigma=x)
    return {"n": n.tolist(), "x": x.tolist(), "lambda": 1 / solution[0], "alpha": solution[1] / solution[0],
            "beta": solution[2] / solution[0], "direct": direct.tolist()}


golden = {
    "versions": {"numpy": np.__version__, "scipy": __import__("scipy").__version__},
    "series": [of_series(name, values) for name, values in series()],
    "binomial": [
        {"n": n, "p": p, "low": int(stats.binom.ppf(0.025, n, p)), "high": int(stats.binom.ppf(0.975, n, p)) + 1}
        for n in (10, 100, 368, 1_000, 3_688, 10_000, 1_000_000) for p in (0.5, 0.9, 0.95, 0.99, 0.999)
    ],
    "wilson": [
        {"failed": k, "n": n, **dict(zip(("low", "high"), map(float, stats.binomtest(k, n).proportion_ci(method="wilson"))))}
        for k, n in ((0, 50), (1, 50), (3, 1_000), (500, 1_000), (50, 50), (12, 250_000))
    ],
    "kolmogorov": [uniform(count, power) for count, power in ((50, 1.0), (400, 1.0), (400, 1.15), (2_000, 1.05))],
    "scalability": usl(),
}
path = Path(__file__).with_name("statistics.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes", golden["versions"])
