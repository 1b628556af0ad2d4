"""The examples run as they stand, and find what is known."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_misra1a(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "misra1a.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert "def rss_grad(b, X, Y):" in out and "rss: certified" in out
    assert (tmp_path / "out" / "misra1a.png").stat().st_size > 10_000


# The optimum by SciPy's Nelder-Mead on the same likelihood, written in NumPy, from the same start.
HARES = (0.5402, 0.0272, 0.7964, 0.0237, 34.60, 5.844, 0.2192)


def test_hares(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    example = runpy.run_path(str(EXAMPLES / "hares.py"))
    example["main"]()
    out = capsys.readouterr().out
    assert "loss_of_theta: certified" in out and "CONVERGENCE" in out and "That took" in out
    lines = {name: next(x for x in out.splitlines() if x.startswith(name)) for name in example["NAMES"]}
    found = [float(line[len(name) :].split()[0]) for name, line in lines.items()]
    assert found == pytest.approx(HARES, rel=2e-3)
    assert "def loss_grad(theta, hares, lynxes):" in (tmp_path / "out" / "hares_gradient.py").read_text()
    assert (tmp_path / "out" / "hares.png").stat().st_size > 10_000


def test_misra1a_asks_for_eight_digits():
    example = runpy.run_path(str(EXAMPLES / "misra1a.py"))
    found, _ = example["fit"]()
    for name, reference in example["CERTIFIED"].items():
        assert found[name] == pytest.approx(reference, rel=1e-8)
        assert example["digits"](reference * (1 + 1e-7), reference) == pytest.approx(7.0, abs=0.01)
