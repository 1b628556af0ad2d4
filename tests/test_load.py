"""Loading generated text: what the disk cache promises, whatever happens to its files and to its processes."""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest

from jitgrad.emit import cache, start
from jitgrad.emit.load import Loaded, Text, load
from jitgrad.errors import InternalError

X = np.arange(6.0)

SOURCE = '''"""Generated."""
import math

import numpy as np

THIRD = 1.0 / 3.0


def total(x, y, a):
    s = 0.0
    for i in range(x.shape[0]):
        t = a * x[i] + THIRD
        y[i] = t
        s += t
    return s
'''


def text(tag: object = "", source: str = SOURCE, name: str = "total", types: str = "(f8[::1], f8[::1], f8)") -> Text:
    return Text(name, f"{source}# {tag}\n", types)


def expected(a: float = 2.0) -> float:
    return float(np.sum(a * X + 1 / 3))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---- one process ----


def test_calls_and_reports(folder):
    f = load(text("calls"))
    y = np.empty(6)
    assert f.entry(X, y, 2.0) == f(X, y, 2.0) == pytest.approx(expected())
    np.testing.assert_allclose(y, 2 * X + 1 / 3)
    assert isinstance(f, Loaded) and f.compiled and f.seconds > 0
    assert f.dispatcher is f.entry and f.entry.py_func(X, y, 2.0) == pytest.approx(expected())
    assert Path(f.file).parent == folder and Path(f.file).read_text() == f.text.source
    assert load(text("calls")) is f
    with pytest.raises(TypeError):
        f.entry(X, y)
    with pytest.raises(TypeError):  # one signature: nothing is ever compiled behind the caller's back
        f.entry("x", y, 2.0)
    assert len(f.entry.signatures) == 1


@pytest.mark.filterwarnings("ignore::numba.NumbaPerformanceWarning")
def test_the_key_covers_options_signature_and_text(folder):
    variants = [text("k"), text("k", types="(f4[::1], f8[::1], f8)"), text("k2")]
    files = {load(t).file for t in variants} | {load(variants[0], parallel=True).file}
    assert len(files) == 4


def test_nan_and_infinity_survive(folder):
    f = load(text("nan"))
    y = np.empty(2)
    assert np.isnan(f.entry(np.array([1.0, np.nan]), y, 1.0)) and np.isnan(y[1])
    assert f.entry(np.array([1.0, np.inf]), y, 1.0) == np.inf


def test_traceback_and_getsource_quote_the_text(folder):
    source = SOURCE.replace("    return s", '    raise ValueError("no")')
    for where in (folder, None):
        f = load(text(f"trace {where}", source) if where else text_in_memory(source))
        assert "THIRD" in inspect.getsource(f.entry.py_func)
        with pytest.raises(ValueError, match="no") as caught:
            f.entry.py_func(X, np.empty(6), 1.0)
        assert 'raise ValueError("no")' in "".join(traceback.format_exception(caught.value))
        with pytest.raises(ValueError, match="no"):
            f.entry(X, np.empty(6), 1.0)


def text_in_memory(source: str) -> Text:
    """A text that stays off the disk: it imports a module that has no file."""
    sys.modules.setdefault("_jitgrad_no_file", type(sys)("_jitgrad_no_file"))
    return text("memory", "import _jitgrad_no_file\n" + source)


def test_what_has_no_fingerprint_stays_off_the_disk(folder):
    f = load(text_in_memory(SOURCE))
    assert f.file.startswith("<jitgrad ") and f.entry(X, np.empty(6), 2.0) == pytest.approx(expected())
    assert cache.info().programs == 0


@pytest.mark.parametrize(
    "source, name",
    [
        (SOURCE.replace("s += t", "s += t.real_part"), "total"),
        (SOURCE.replace("THIRD = 1.0", "THIRD = ("), "total"),
        (SOURCE, "absent"),
        ("import jitgrad_absent\n" + SOURCE, "total"),
    ],
    ids=["typing", "syntax", "no such function", "no such module"],
)
def test_a_text_numba_refuses_is_an_internal_error_with_its_source(folder, source, name):
    before = cache.compilations
    with pytest.raises(InternalError, match=r"(?s)fault of jitgrad.*def total\(x, y, a\)"):
        load(text("bad", source, name))
    assert cache.compilations == before


def test_names_given_by_env(folder):
    source = SOURCE.replace("return s", "return hypot(s, 0.0)")
    f = load(Text("total", source, "(f8[::1], f8[::1], f8)", env=("math.hypot",)))
    assert f.entry(X, np.empty(6), 2.0) == pytest.approx(expected())


def test_unusual_names(folder):
    f = load(text("name", SOURCE.replace("total", "Größe" + "x" * 200), "Größe" + "x" * 200))
    assert len(Path(f.file).name) < 100 and Path(f.file).name.isascii()
    assert f.entry(X, np.empty(6), 2.0) == pytest.approx(expected())


def test_two_threads_load_once(folder):
    before = cache.compilations
    barrier = threading.Barrier(2)

    def go(_: int) -> Loaded:
        barrier.wait()
        return load(text("threads"))

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(go, range(2))
    assert a is b and cache.compilations == before + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_fork_during_a_compilation_can_compile(folder):
    thread = threading.Thread(target=lambda: [load(text(f"beside {k}")) for k in range(3)])
    thread.start()
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        os._exit(0 if load(text("child")).entry(X, np.empty(6), 2.0) == pytest.approx(expected()) else 1)
    thread.join()
    deadline = time.time() + 30
    while (status := os.waitpid(child, os.WNOHANG))[0] == 0 and time.time() < deadline:
        time.sleep(0.01)
    if status[0] == 0:
        os.kill(child, signal.SIGKILL)
    assert status == (child, 0)


def test_info_and_clear(folder):
    assert cache.info().programs == 0 and cache.directory() == folder
    f = load(text("info"))
    (folder / "notes.py").write_text("not ours")
    report = cache.info()
    assert report.programs == 1 and report.bytes > 1000 and str(folder) in str(report)
    assert cache.clear() == 1
    assert [file.name for file in folder.iterdir()] == ["notes.py"]
    assert f.entry(X, np.empty(6), 2.0) == pytest.approx(expected())
    assert "THIRD" in inspect.getsource(f.entry.py_func)


@pytest.mark.parametrize(
    "platform, environment, wanted",
    [
        ("linux", {"HOME": "/h"}, "/h/.cache/jitgrad"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/jitgrad"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "/h/.cache/jitgrad"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/jitgrad"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/jitgrad"),
        ("linux", {"HOME": "/h", "JITGRAD_CACHE_DIR": "~/mine"}, "/h/mine"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")
def test_directory_of_each_platform(monkeypatch, platform, environment, wanted):
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "JITGRAD_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert str(cache.directory()) == wanted


# ---- the files ----


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "f.bin"
    assert cache.keep(path, b"machine code") and cache.find(path) == b"machine code"
    whole = path.read_bytes()
    for damaged in [whole[:n] for n in range(len(whole))] + [bytes(len(whole)), whole + b"x"]:
        path.write_bytes(damaged)
        assert cache.find(path) is None
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache.find(path) is None
    (tmp_path / "g.bin").write_bytes(whole)  # code of another program
    assert cache.find(tmp_path / "g.bin") is None


def test_replacing_is_tried_again_where_readers_forbid_it(tmp_path, monkeypatch):
    refusals = [PermissionError(), PermissionError()]
    replace = os.replace

    def sometimes(source, target):
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", sometimes)
    assert cache.keep(tmp_path / "f.bin", b"x") and not refusals
    refusals += [PermissionError()] * 9
    assert not cache.keep(tmp_path / "f.bin", b"y")
    assert cache.find(tmp_path / "f.bin") == b"x" and len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_is_swept(tmp_path):
    old, new = tmp_path / f"{cache.TEMPORARY}a", tmp_path / f"{cache.TEMPORARY}b"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * cache.ABANDONED,) * 2)
    cache.write(tmp_path / "f.py", b"")
    assert not old.exists() and new.exists()


@pytest.mark.parametrize("suffix", [".py", ".bin"])
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: bytes(len(b)), None])
def test_damaged_files_are_replaced(folder, suffix, damage):
    f = load(text("damage"))
    file = Path(f.file).with_suffix(suffix)
    whole = file.read_bytes()
    if damage:
        file.write_bytes(damage(whole))
    else:
        file.unlink()
    before = cache.compilations
    forget()
    again = load(text("damage"))
    assert again is not f and again.entry(X, np.empty(6), 2.0) == pytest.approx(expected())
    assert again.compiled == (suffix == ".bin") == cache.compilations - before
    if suffix == ".py":
        assert file.read_bytes() == whole
    assert cache.find(file.with_suffix(".bin")) is not None


def forget() -> None:
    """Make this process load from disk again what it has loaded."""
    from jitgrad.emit import load as module

    module._loaded.clear()


def test_a_directory_that_cannot_be_written(folder, monkeypatch):
    load(text("kept"))
    monkeypatch.setattr("tempfile.mkstemp", refuse)  # also for a user whom no permission stops
    assert load(text("not kept")).file.startswith("<jitgrad ")
    forget()
    assert not load(text("kept")).compiled  # reading is enough for what is there


def refuse(*args: object, **kwargs: object) -> None:
    raise PermissionError("read-only file system")


def test_a_shortened_start_leaves_numba_whole():
    """After it, functions that Numba types through its registries and its BLAS work as they do without it."""
    start.to_compile()
    f = numba.njit(lambda a: (np.linalg.inv(a), np.vdot(a[0], a[1]), a @ a, str(3)))
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    inverse, dot, square, name = f(a)
    np.testing.assert_allclose(inverse, np.linalg.inv(a))
    np.testing.assert_allclose(square, a @ a)
    assert dot == 5.0 and name == "3"
    assert numba.np.arraymath._HAVE_BLAS and numba.np.arraymath.ensure_blas is numba.np.linalg.ensure_blas
