"""A nonlinear least-squares fit with exact derivatives: NIST's data set Misra1a, y = b1 (1 - exp(-b2 x)).

Shows the derivative that was generated, certifies it, fits by SciPy, compares with the certified values, and draws the fit.
Data and certified values: NIST Statistical Reference Datasets, https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml
"""

from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

import jitgrad as jg
from jitgrad.check import certify

# Pressure and volume of a monomolecular adsorption, in dental research (D. Misra, 1978).
X = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
Y = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
START = np.array([500.0, 0.0001])
CERTIFIED = {"b1": 2.3894212918e02, "b2": 5.5015643181e-04, "RSS": 1.2455138894e-01}
DIGITS = 8
PLOT = Path("out/misra1a.png")


def model(b, x):
    return b[0] * (1 - np.exp(-b[1] * x))


def residual(b):
    return model(b, X) - Y


def rss(b):
    return np.sum(residual(b) ** 2)


def fit():
    """The parameters and the sum of squares. SciPy steps; the derivatives are ours."""
    found = least_squares(residual, START, jac=jg.jacobian(residual), x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return {"b1": found.x[0], "b2": found.x[1], "RSS": rss(found.x)}, found.nfev


def digits(value, reference):
    """How many decimal digits agree."""
    return min(15.0, -np.log10(max(abs(value / reference - 1), 1e-16)))


def draw(b, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    x = np.linspace(0, 800, 200)
    fig, (above, below) = plt.subplots(2, 1, sharex=True, height_ratios=[3, 1], layout="constrained")
    above.plot(X, Y, "o", label="data")
    above.plot(x, model(b, x), label=f"{b[0]:.2f} (1 - exp(-{b[1]:.3e} x))")
    above.set(title="Misra1a", ylabel="volume")
    above.legend()
    below.axhline(0, color="gray", lw=0.8)
    below.plot(X, -residual(b), "o")
    below.set(xlabel="pressure", ylabel="data - fit")
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=120)


def main():
    gradient = jg.grad(rss)
    gradient(START)
    print("The gradient of the sum of squares, as it was generated:\n")
    print(gradient.source)
    print(certify(rss, START).require(), "\n")

    found, evaluations = fit()
    print(f"Fit in {evaluations} evaluations from {START}:\n")
    print(f"      {'found':>20} {'certified by NIST':>20}   digits")
    for name, reference in CERTIFIED.items():
        print(f"{name:<5} {found[name]:>20.10e} {reference:>20.10e}   {digits(found[name], reference):.1f}")
        if digits(found[name], reference) < DIGITS:
            raise SystemExit(f"{name} agrees to fewer than {DIGITS} digits")

    draw((found["b1"], found["b2"]), PLOT)
    print(f"\nThe plot is in {PLOT}")


if __name__ == "__main__":
    main()
