"""The package as it is installed and imported."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import jitgrad


def test_the_version_has_one_source():
    assert metadata.version("jitgrad") == jitgrad.__version__
    assert (Path(jitgrad.__file__).parent / "py.typed").exists()


def test_importing_jitgrad_leaves_the_heavy_packages_alone():
    """SciPy and SymPy take most of a second; Numba's first compilation needs the one, the tests the other."""
    code = "import sys, jitgrad; print([m for m in ('scipy.linalg', 'scipy.special', 'sympy', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
