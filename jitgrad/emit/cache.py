"""The directory of compiled programs, and what a user may ask of it: `directory()`, `info()`, `clear()`.

A program is two files of one name: `<function>_<hash>.py`, the text that tracebacks and debuggers quote, and
`<function>_<hash>.bin`, the machine code. The hash covers everything the machine code depends on, so a file is
never out of date; it is merely no longer asked for. Files appear whole or not at all (written aside, then
renamed), and machine code carries a checksum, so that a process killed while writing, eight processes writing at
once or a full disk cost a compilation and nothing else. A directory that cannot be written is not an error.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("jitgrad.cache")

compilations = 0  # functions that this process compiled
loads = 0  # functions whose machine code this process found on disk

HASH_LENGTH = 20  # hexadecimal digits of the hash in a file name
OURS = re.compile(rf"\w+_[0-9a-f]{{{HASH_LENGTH}}}\.(py|bin|cpython-\w+\.pyc)|\.tmp-jitgrad-\w+", re.ASCII)
TEMPORARY = ".tmp-jitgrad-"
ABANDONED = 3600.0  # seconds after which a temporary file belongs to nobody
SEAL = b"jitgrad program 1\n"
REPLACE_WAITS = (0.0, 0.01, 0.05, 0.2)  # Windows refuses to replace a file that another process is reading


def directory() -> Path | None:
    """Where programs are kept: $JITGRAD_CACHE_DIR, else the platform's cache directory; None where there is none."""
    if chosen := os.environ.get("JITGRAD_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    try:
        return _user_cache() / "jitgrad"
    except RuntimeError:  # this user has no home directory
        return None


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache"  # the XDG standard ignores relative paths


@dataclass(frozen=True)
class Info:
    """What `info()` found; `print` it for a table."""

    path: Path | None
    programs: int
    bytes: int
    compilations: int
    loads: int

    def __str__(self) -> str:
        rows = (
            ("directory", str(self.path) if self.path else "none: programs are kept in memory only"),
            ("programs", f"{self.programs}"),
            ("size", f"{self.bytes / 1e6:.1f} MB"),
            ("this process", f"{self.compilations} compiled, {self.loads} loaded"),
        )
        return "\n".join(f"{name:<14}{value}" for name, value in rows)


def info() -> Info:
    """How much is kept, where, and what this process compiled and loaded."""
    path = directory()
    files = _files(path)
    size = 0
    for file in files:
        with suppress(FileNotFoundError):  # another process is clearing
            size += file.stat().st_size
    return Info(path, sum(file.suffix == ".bin" for file in files), size, compilations, loads)


def clear() -> int:
    """Delete every program on disk and return how many there were. Functions already loaded keep working."""
    path = directory()
    files = _files(path)
    for file in files:
        file.unlink(missing_ok=True)
    if path is not None:
        for folder in (path / "__pycache__", path):
            with suppress(OSError):  # not empty: files of somebody else; or never made
                folder.rmdir()
    return sum(file.suffix == ".bin" for file in files)


def _files(path: Path | None) -> list[Path]:
    """The files of this cache, and no other file that a user may keep in the directory they named."""
    if path is None:
        return []
    return [file for folder in (path, path / "__pycache__") for file in _listed(folder) if OURS.fullmatch(file.name)]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # absent or not to be read: nothing of ours there
        return []


def write(path: Path, data: bytes) -> bool:
    """Put `data` at `path`, whole or not at all; False where that cannot be done."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(path.parent)
        handle, aside = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    except OSError as error:
        log.debug("cannot write into %s: %s", path.parent, error)
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        _replace(aside, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(aside)
        if not isinstance(error, OSError):
            raise
        log.debug("cannot write %s: %s", path, error)
        return False
    return True


def _replace(source: str, target: Path) -> None:
    for wait in REPLACE_WAITS:
        time.sleep(wait)
        try:
            return os.replace(source, target)
        except PermissionError as error:
            refused = error
    raise refused


_swept: set[Path] = set()


def _sweep(folder: Path) -> None:
    """Remove, once in a process, what processes killed while writing have left."""
    if folder in _swept:
        return
    _swept.add(folder)
    for file in _listed(folder):
        if file.name.startswith(TEMPORARY):
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > ABANDONED:
                    file.unlink()


def keep_text(path: Path, source: str) -> bool:
    """Make sure that the file at `path` is exactly `source`."""
    wanted = source.encode()
    return _read(path) == wanted or write(path, wanted)


def keep(path: Path, payload: bytes) -> bool:
    """Store machine code under its checksum, which covers the name too."""
    return write(path, SEAL + _checksum(path, payload) + payload)


def find(path: Path) -> bytes | None:
    """What `keep` stored at `path`; None if nothing, or anything else, is there."""
    data = _read(path)
    if data is None:
        return None
    start = len(SEAL) + hashlib.sha256().digest_size
    payload = data[start:]
    if data[:start] == SEAL + _checksum(path, payload):
        return payload
    log.debug("damaged: %s", path)
    return None


def _checksum(path: Path, payload: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + b"\0" + payload).digest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.debug("cannot read %s: %s", path, error)
        return None
