"""What was compiled, why, and how long each station took: a table when printed."""

from __future__ import annotations

from typing import Any

STATIONS = ("trace", "transform", "schedule", "print", "numba")


class Programs(tuple):
    """The programs of a function."""

    def __repr__(self) -> str:
        head = ["arguments", "why", "calls", *[f"{s} ms" for s in STATIONS]]
        rows = [[arguments(p), p.why, str(p.calls), *[f"{1e3 * stations(p)[s]:.1f}" for s in STATIONS]] for p in self]
        return table([head, *rows])

    def _repr_html_(self) -> str:
        return f"<pre>{self!r}</pre>"


def arguments(program: Any) -> str:
    return ", ".join(f"{p.hint}: {p.type}" for p in program.fn.params)


def stations(program: Any) -> dict[str, float]:
    """The seconds of a program by station; the passes are one."""
    out = dict.fromkeys(STATIONS, 0.0)
    for name, seconds in program.seconds.items():
        out[name if name in out else "transform"] += seconds
    return out


def table(rows: list[list[str]]) -> str:
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)
