"""Text of a generated module -> compiled function, through the directory of compiled programs (`emit/cache.py`).

    Text --- file name: hash of all that the machine code depends on ---> machine code on disk, or compiled and kept

The text becomes a real module, `jitgrad_generated.<function>_<hash>`, in a real file: tracebacks and
`inspect.getsource` quote it, a debugger steps in it, and whatever was pickled with a reference to it can import
it. Where no file can be written the module lives in memory, under a name that only looks like one.

Numba's own disk cache is not used: it keeps an index apart from the code, checks neither options nor helpers, and
trusts what it reads. Here one file holds one signature, its name is the key, and its contents are sealed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import linecache
import logging
import pickle
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache as cache_for_ever
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from jitgrad.emit import cache, start
from jitgrad.emit.compiler import Compiler
from jitgrad.errors import InternalError

log = logging.getLogger("jitgrad.cache")

PACKAGE = "jitgrad_generated"

# Sums may be reassociated; NaN, infinity and division by zero mean what they mean in NumPy.
OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": ("contract", "nsz", "reassoc"),
    "nogil": True,
    "boundscheck": False,
}

# Of a module with parallel loops, these alone are: Numba looks for nothing else to share among threads, and joins no loops.
PARALLEL = {
    "prange": True, "comprehension": False, "reduction": False, "inplace_binop": False, "setitem": False, "numpy": False,
    "stencil": False, "fusion": False,
}  # fmt: skip

# Settings of Numba that change machine code and are not part of a function's options.
SETTINGS = (
    *("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "ENABLE_AVX", "CPU_NAME"),
    *("CPU_FEATURES", "LLVM_REFPRUNE_PASS", "LLVM_REFPRUNE_FLAGS", "NRT_STATS"),
)

# Imports whose meaning the version numbers in the hash fix; any other import is a helper whose source is hashed.
VERSIONED = {"numba", "numpy", "llvmlite", "scipy"} | set(sys.stdlib_module_names)


@dataclass(frozen=True)
class Text:
    """The text of a module that defines one function, and the types of that function's arguments.

    `signature` is in Numba's words, "(float64[::1], float64)". `env` lists dotted names, "package.module.name",
    that are bound as `name` before the text runs, for what the text cannot import itself.
    """

    name: str
    source: str
    signature: str
    env: tuple[str, ...] = ()


class Loaded:
    """A compiled function. `entry` is Numba's dispatcher: calling that puts no Python frame in between."""

    __slots__ = ("compiled", "entry", "file", "parallel", "seconds", "text")

    def __init__(self, text: Text, parallel: bool, entry: Any, file: str, compiled: bool, seconds: float):
        self.text = text
        self.parallel = parallel
        self.entry = entry
        self.file = file  # of the module; "<jitgrad ...>" where it lives in memory
        self.compiled = compiled  # by this process; False: the machine code was on disk
        self.seconds = seconds  # that loading took

    @property
    def dispatcher(self) -> Any:
        return self.entry

    def __call__(self, *args: Any) -> Any:
        return self.entry(*args)

    def __repr__(self) -> str:
        return f"<{'compiled' if self.compiled else 'loaded'} {self.text.name}{self.text.signature} from {self.file}>"

    def __reduce__(self) -> tuple[Callable[..., Loaded], tuple[Text, bool]]:
        return _reload, (self.text, self.parallel)


def _reload(text: Text, parallel: bool) -> Loaded:
    return load(text, parallel=parallel)


_loaded: dict[tuple[Text, bool, Path | None], Loaded] = {}


def load(text: Text, *, parallel: bool = False) -> Loaded:
    """The compiled function of `text`: from this process, else from disk, else compiled and put on disk."""
    folder = cache.directory()
    known = _loaded.get((text, parallel, folder))
    if known is not None:
        return known
    began = time.perf_counter()
    options = {**OPTIONS, "parallel": PARALLEL if parallel else False}
    helpers = _helpers(text)
    stem = f"{re.sub(r'[^A-Za-z0-9_]', '_', text.name)[:60]}_{_key(text, options, helpers)}"
    file, binary = _place(folder, stem, text.source, all(helpers.values()))
    module = _module(stem, file, text)
    # One lock for all: Numba's own. A thread that compiles a user's function may come here holding it.
    with global_compiler_lock:
        known = _loaded.get((text, parallel, folder))
        if known is not None:
            return known
        sys.modules[module.__name__] = module
        entry, compiled = _compile(text, getattr(module, text.name), options, binary)
        loaded = Loaded(text, parallel, entry, file, compiled, time.perf_counter() - began)
        _loaded[text, parallel, folder] = loaded
    return loaded


# ---- the key ----


def _key(text: Text, options: dict[str, Any], helpers: dict[str, str]) -> str:
    parts = (
        (text.name, text.source, text.signature, text.env),
        sorted(options.items()),
        sorted(helpers.items()),
        _world(),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[: cache.HASH_LENGTH]


@cache_for_ever
def _world() -> tuple[object, ...]:
    """Everything outside a program that its machine code depends on."""
    return (
        getattr(sys.modules.get("jitgrad"), "__version__", ""),
        [module.__version__ for module in (numba, llvmlite, numpy)],
        (platform.python_implementation(), sys.version_info[:2], getattr(sys, "abiflags", "")),
        (platform.machine(), sys.byteorder, sys.maxsize),
        start.target().codegen().magic_tuple(),
        start.LLVM_OPTIONS,
        [(name, getattr(config, name, None)) for name in SETTINGS],
    )


def _helpers(text: Text) -> dict[str, str]:
    """Fingerprints of the modules that the text uses, and of the modules that they use; "" where there is none.

    The compiler is one of them.
    """
    found: dict[str, str] = {}
    waiting = [Compiler.__module__, *_imports(text.source, ""), *(name.rpartition(".")[0] for name in text.env)]
    while waiting:
        name = waiting.pop()
        if name not in found and name.partition(".")[0] not in VERSIONED:
            helper = _helper(name)
            if helper is not None:
                found[name], more = helper
                waiting += more
    return found


_BORN = time.time()


@cache_for_ever
def _helper(name: str) -> tuple[str, tuple[str, ...]] | None:
    """The fingerprint of a module's source and what it imports; None if `name` is not a module.

    A module whose file is younger than this process may run here in an older version than its file's: it has no
    fingerprint, and what uses it stays off the disk.
    """
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):  # a name inside a module, or a module that says nothing
        spec = None
    if spec is None:
        return ("", ()) if name in sys.modules else None
    if spec.origin is None or not spec.has_location:
        return "", ()
    file = Path(spec.origin)
    if not file.is_file() or file.stat().st_mtime >= _BORN:  # not a file: it is in a zip archive
        return "", ()
    data = file.read_bytes()
    source = importlib.util.decode_source(data) if file.suffix == ".py" else ""
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    return hashlib.sha256(data).hexdigest(), tuple(_imports(source, package))


IMPORT = re.compile(r"^[ \t]*((?:from|import)\b(?:[^\n(\\]|\\\n)*(?:\([^)]*\))?)", re.MULTILINE)


def _imports(source: str, package: str) -> Iterator[str]:
    """Names of modules that `source` imports, and, since `from a import b` does not tell, of what may be modules.

    Only the lines that look like imports are parsed: a helper of four hundred lines costs no time at every start.
    """
    for line in IMPORT.findall(source):
        try:
            (statement,) = ast.parse(line).body
        except (SyntaxError, ValueError):  # a sentence of a docstring
            continue
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = importlib.util.resolve_name("." * statement.level + (statement.module or ""), package or None)
            yield base
            yield from (f"{base}.{alias.name}" for alias in statement.names if alias.name != "*")


# ---- the module ----


def _place(folder: Path | None, stem: str, source: str, lasting: bool) -> tuple[str, Path | None]:
    """Where the text is to be found, and where its machine code, if anywhere."""
    if folder is not None and lasting:
        _package(folder)
        if cache.keep_text(folder / f"{stem}.py", source):
            return str(folder / f"{stem}.py"), folder / f"{stem}.bin"
    log.debug("%s is kept in memory only", stem)
    return f"<jitgrad {stem}>", None


def _package(folder: Path) -> None:
    """Generated modules can be imported from their folder: pickles made by Numba, or by a user, may refer to them."""
    package = sys.modules.get(PACKAGE)
    if package is None:
        spec = importlib.machinery.ModuleSpec(PACKAGE, None, is_package=True)
        package = sys.modules.setdefault(PACKAGE, importlib.util.module_from_spec(spec))
    if str(folder) not in package.__path__:
        package.__path__ = [*package.__path__, str(folder)]


def _module(stem: str, file: str, text: Text) -> ModuleType:
    module = ModuleType(f"{PACKAGE}.{stem}")
    module.__file__ = file
    # No time of change: the lines stay true when the cache is cleared, and are all there is if there is no file.
    linecache.cache[file] = (len(text.source), None, text.source.splitlines(keepends=True), file)
    try:
        for name in text.env:
            owner, _, attribute = name.rpartition(".")
            setattr(module, attribute, getattr(importlib.import_module(owner), attribute))
        exec(compile(text.source, file, "exec", dont_inherit=True), module.__dict__)
        getattr(module, text.name)
    except Exception as error:
        raise _fault(text, "running the generated module", error) from error
    return module


# ---- the machine code ----


def _compile(text: Text, function: Any, options: dict[str, Any], binary: Path | None) -> tuple[Any, bool]:
    start.to_load()
    others = options["parallel"], *(getattr(config, name, 0) for name in ("BOUNDSCHECK", "DEBUGINFO_DEFAULT"))
    short = {} if any(others) else {"pipeline_class": Compiler, "no_cfunc_wrapper": True}
    # Numba takes the options apart: they are copied.
    copies = {"fastmath": set(options["fastmath"]), "parallel": options["parallel"] and {**options["parallel"]}}
    entry = numba.njit(**{**options, **short, **copies})(function)
    if not hasattr(entry, "compile"):  # NUMBA_DISABLE_JIT=1: njit returns the function itself
        return entry, False
    shelf = entry._cache = _Shelf(binary)
    try:
        entry.compile(text.signature)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        raise _fault(text, "compiling", error) from error
    entry.disable_compile()
    cache.compilations += not shelf.hit
    cache.loads += shelf.hit
    return entry, not shelf.hit


class _Shelf(_Cache):
    """Numba's view of the one file that holds the machine code of one function."""

    def __init__(self, binary: Path | None):
        self.binary = binary
        self.hit = False

    @property
    def cache_path(self) -> str | None:
        return None if self.binary is None else str(self.binary.parent)

    def load_overload(self, sig: object, target_context: Any) -> Any:
        state = None if self.binary is None else self._state(self.binary)
        if state is None:
            start.to_compile()
            return None
        self.hit = True
        return CompileResult._rebuild(target_context, *state)

    def _state(self, binary: Path) -> tuple[Any, ...] | None:
        data = cache.find(binary)
        try:
            return None if data is None else pickle.loads(data)
        except Exception as error:  # whole, but it names what this installation has not: compiled anew
            log.debug("cannot use %s: %r", binary, error)
            return None

    def save_overload(self, sig: object, data: Any) -> None:
        if self.binary is None:
            return
        if data.lifted or data.library.has_dynamic_globals:
            log.debug("%s refers to addresses of this process: not kept", self.binary)
            return
        # Numba would write down the types of all names, line by line of the text: nobody asks for them.
        cache.keep(self.binary, dumps(data._replace(type_annotation="")._reduce()))

    def enable(self) -> None:
        """There is nothing to switch."""

    disable = flush = enable


def _fault(text: Text, doing: str, error: Exception) -> InternalError:
    numbered = "\n".join(f"{n:5d}  {line}" for n, line in enumerate(text.source.splitlines(), 1))
    return InternalError(
        f"{doing} {text.name}{text.signature} failed; this is a fault of jitgrad, please report it.\n"
        f"{type(error).__name__}: {error}\n\n{numbered}"
    )


if (_folder := cache.directory()) is not None:
    _package(_folder)
