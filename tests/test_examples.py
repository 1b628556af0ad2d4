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


def test_misra1a_asks_for_eight_digits():
    example = runpy.run_path(str(EXAMPLES / "misra1a.py"))
    found, _ = example["fit"]()
    for name, reference in example["CERTIFIED"].items():
        assert found[name] == pytest.approx(reference, rel=1e-8)
        assert example["digits"](reference * (1 + 1e-7), reference) == pytest.approx(7.0, abs=0.01)
