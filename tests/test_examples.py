"""The examples run as they stand, and find what is known."""

from __future__ import annotations

import importlib
import runpy
import sys
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


# ---- the training scripts: `import jitgrad.eager as torch`, side by side with PyTorch from the same weights


@pytest.fixture
def example(monkeypatch):
    """Imports an example by name, with those that it imports."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module
    for name in ("side_by_side", "linear_regression", "digits", "license_lm"):
        sys.modules.pop(name, None)


# Epoch: loss, by PyTorch 2.13.
LINE = {1: 94.75, 2: 7.881398, 50: 0.09723397, 100: 0.05545868, 500: 6.2113e-4, 1000: 2.2635e-06}


def test_linear_regression(example, monkeypatch, capsys):
    script, shared = example("linear_regression"), example("side_by_side")
    found = shared.curves(script.train, script.network, epochs=1000, peer=False)["jitgrad"]
    for epoch, loss in LINE.items():
        assert found.losses[epoch - 1] == pytest.approx(loss, rel=1e-3)
    assert found.result["Linear.weight"] == pytest.approx(2.0004, abs=1e-4)
    monkeypatch.setattr(sys, "argv", ["linear_regression.py", "--epochs", "3"])
    script.main()
    assert "epoch" in capsys.readouterr().out


def test_digits_learns(example):
    pytest.importorskip("sklearn")
    script, shared = example("digits"), example("side_by_side")
    found = shared.curves(script.train, script.start, epochs=2, peer=False)["jitgrad"]
    assert found.losses == pytest.approx([2.204422, 1.526402], abs=1e-4) and found.result > 0.7


def test_digits_says_what_is_missing(example, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit, match="scikit-learn"):
        example("digits").digits()


def test_the_licence_is_there(example):
    text = example("license_lm").licence()
    assert text.startswith("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2") and len(text) == 2400


def test_license_lm_learns(example):
    script, shared = example("license_lm"), example("side_by_side")
    found = shared.curves(script.train, script.start, epochs=2, peer=False)["jitgrad"]
    assert found.losses == pytest.approx([3.912249, 3.333295], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name, epochs, accuracy", [("linear_regression", 999, 0), ("digits", 20, 0.97), ("license_lm", 40, 0.9)])
def test_the_curves_are_pytorchs(example, name, epochs, accuracy):
    pytest.importorskip("torch")
    if name == "digits":
        pytest.importorskip("sklearn")
    script, shared = example(name), example("side_by_side")
    start = script.network if name == "linear_regression" else script.start
    found = shared.curves(script.train, start, epochs=epochs, peer=True)
    assert shared.difference(found) < 1e-4
    if accuracy:
        for curve in found.values():
            assert (curve.result if name == "digits" else curve.result[0]) >= accuracy
