"""Lotka and Volterra's equations, fitted to the pelts of hares and lynxes that the Hudson's Bay Company bought, 1900 to 1920.

The simulation is a plain Python loop that writes into an array; its gradient is another loop, which runs backwards through
it. `make demo` runs this file.

Data: thousands of pelts, E. P. Odum, Fundamentals of Ecology (1953), after D. A. MacLulich (1937). Model: log-normal
observations of the two populations, as in B. Carpenter, Predator-Prey Population Dynamics (Stan case study, 2018).
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from scipy.optimize import approx_fprime, minimize

import jitgrad as jg
from jitgrad.check import certify

YEARS = np.arange(1900, 1921)
# fmt: off
HARES = np.array([30, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22, 25.4, 27.1,
                  40.3, 57, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7])
LYNXES = np.array([4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4,
                   8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6])
# fmt: on
NAMES = ("growth of hares", "hunting", "death of lynxes", "growth of lynxes", "hares in 1900", "lynxes in 1900", "scatter")
START = np.log([0.55, 0.028, 0.8, 0.024, 30.0, 4.0, 0.3])
STEPS = 20  # a year


def simulate(p, years, steps):
    """Populations at the beginning of each year, by the classical Runge-Kutta method."""
    a, b, c, d = p[0], p[1], p[2], p[3]
    path = np.zeros((years, 2))
    hares, lynxes = p[4], p[5]
    h = 1.0 / steps
    for year in range(years):
        path[year, 0] = hares
        path[year, 1] = lynxes
        for _ in range(steps):
            u1, v1 = hares * (a - b * lynxes), lynxes * (d * hares - c)
            x, y = hares + 0.5 * h * u1, lynxes + 0.5 * h * v1
            u2, v2 = x * (a - b * y), y * (d * x - c)
            x, y = hares + 0.5 * h * u2, lynxes + 0.5 * h * v2
            u3, v3 = x * (a - b * y), y * (d * x - c)
            x, y = hares + h * u3, lynxes + h * v3
            u4, v4 = x * (a - b * y), y * (d * x - c)
            hares += h / 6.0 * (u1 + 2.0 * u2 + 2.0 * u3 + u4)
            lynxes += h / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4)
    return path


def loss(theta, hares, lynxes):
    """Minus the log-likelihood (up to a constant) of log-normal observations; theta: the logarithms of the parameters."""
    p = np.exp(theta)
    path = simulate(p, hares.shape[0], STEPS)
    r = np.log(hares / path[:, 0]), np.log(lynxes / path[:, 1])
    return (np.sum(r[0] ** 2) + np.sum(r[1] ** 2)) / (2.0 * p[6] ** 2) + 2 * hares.shape[0] * theta[6]


loss_and_slope = jg.value_and_grad(loss)
curvature = jg.hessian(loss)


def fit() -> np.ndarray:
    """The most likely parameters, by L-BFGS-B with the generated gradient."""
    print("iteration      loss")
    count = 0

    def report(theta: np.ndarray) -> None:
        nonlocal count
        count += 1
        if count % 5 == 1:
            print(f"{count:9d} {loss_and_slope(theta, HARES, LYNXES)[0]:9.4f}")

    done = minimize(loss_and_slope, START, (HARES, LYNXES), jac=True, method="L-BFGS-B", callback=report)
    print(f"{done.nit:9d} {done.fun:9.4f}   {done.message}")
    return done.x


def best_of(f, repeats: int = 5) -> float:
    """Seconds of the quickest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)


def compare_times(theta: np.ndarray) -> None:
    value = jg.jit(loss)
    value(theta, HARES, LYNXES)
    ours = best_of(lambda: loss_and_slope(theta, HARES, LYNXES))
    differences = best_of(lambda: approx_fprime(theta, lambda t: value(t, HARES, LYNXES)))
    python = best_of(lambda: loss(theta, HARES, LYNXES), 1)
    print(f"\none value and gradient:               {1e6 * ours:9.1f} us")
    print(f"differences of the compiled function: {1e6 * differences:9.1f} us")
    print(f"one value in plain Python:            {1e6 * python:9.1f} us")


def uncertainty(theta: np.ndarray) -> np.ndarray:
    """Draws from the normal distribution at the optimum whose precision is the Hessian (Laplace's approximation)."""
    covariance = np.linalg.inv(curvature(theta, HARES, LYNXES))
    print("\n                    most likely    90% interval")
    for name, t, s in zip(NAMES, theta, np.sqrt(np.diag(covariance))):
        print(f"{name:18s} {np.exp(t):12.4f}    {np.exp(t - 1.645 * s):.4f} to {np.exp(t + 1.645 * s):.4f}")
    return np.random.default_rng(0).multivariate_normal(theta, covariance, 500)


def plot(theta: np.ndarray, draws: np.ndarray, file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    run = jg.jit(simulate)
    paths = np.array([run(np.exp(d), len(YEARS), STEPS) for d in draws])
    figure, axes = plt.subplots(figsize=(8, 4))
    for k, (name, data, colour) in enumerate((("hares", HARES, "tab:green"), ("lynxes", LYNXES, "tab:red"))):
        low, high = np.quantile(paths[:, :, k], [0.05, 0.95], axis=0)
        axes.fill_between(YEARS, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(YEARS, run(np.exp(theta), len(YEARS), STEPS)[:, k], color=colour, label=name)
        axes.plot(YEARS, data, "o", color=colour, ms=4)
    axes.set(ylabel="thousands of pelts", xticks=YEARS[::4], title="Fit and 90% band of the model's path")
    axes.legend()
    figure.savefig(file, dpi=130, bbox_inches="tight")
    plt.close(figure)
    print(f"\nThe plot is in {file}.")


def compiled(folder: Path) -> None:
    """The first call traces, differentiates and compiles; what it made can be read."""
    print("compiling the gradient ...", end=" ", flush=True)
    start = time.perf_counter()
    loss_and_slope(START, HARES, LYNXES)
    seconds = time.perf_counter() - start
    folder.mkdir(exist_ok=True)
    file = folder / "hares_gradient.py"
    file.write_text(loss_and_slope.source)
    print(f"{seconds:.1f} s; its {len(loss_and_slope.source.splitlines())} lines of Python are in {file}")


def certified() -> None:
    """Against differences, forward mode, second order, and the interpreter."""
    print("\nchecking it ...\n", flush=True)

    def loss_of_theta(theta):
        return loss(theta, HARES, LYNXES)

    print(certify(loss_of_theta, START).require())


def main() -> None:
    start, folder = time.perf_counter(), Path("out")
    compiled(folder)
    certified()
    print("\nfitting by L-BFGS-B ...\n", flush=True)
    theta = fit()
    compare_times(theta)
    print("\ncompiling the Hessian and the simulation ...", flush=True)
    plot(theta, uncertainty(theta), folder / "hares.png")
    print(f"That took {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
