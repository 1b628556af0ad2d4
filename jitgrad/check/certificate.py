"""The result of a check: rows, and how they are shown.

A row compares one number that jitgrad found with a reference, within a tolerance. A status is one of

    ok             they agree
    FAIL           they do not
    kink           the function has no derivative here; what was found lies between the slopes of its two sides
    not checked    the reference does not exist or says too little; the note says why
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape

from ..errors import NotCertified

OK, FAIL, KINK, NOT_CHECKED = "ok", "FAIL", "kink", "not checked"


@dataclass(frozen=True)
class Row:
    """`check`: by what; `of`: the input. The numbers are those of the worst of the comparisons that the row stands for."""

    check: str
    of: str
    found: float | None
    reference: float | None
    tolerance: float | None
    status: str
    note: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.found is None or self.reference is None else abs(self.found - self.reference)

    def texts(self) -> tuple[str, ...]:
        number = lambda x, form: "" if x is None else format(x, form)
        numbers = number(self.found, ".10g"), number(self.reference, ".10g")
        errors = number(self.difference, ".1e"), number(self.tolerance, ".1e")
        return (self.check, self.of, *numbers, *errors, self.status, self.note)


HEADS = ("check", "of", "found", "reference", "difference", "tolerance", "", "")
LEFT = (True, True, False, False, False, False, True, True)


@dataclass(frozen=True)
class Certificate:
    """What was compared at one point. `ok`: nothing disagreed; `complete`: and everything could be checked."""

    name: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return all(r.status != FAIL for r in self.rows) and any(r.status == OK for r in self.rows)

    @property
    def complete(self) -> bool:
        return all(r.status == OK for r in self.rows)

    def failures(self) -> list[Row]:
        return [r for r in self.rows if r.status == FAIL]

    def headline(self) -> str:
        count = Counter(r.status for r in self.rows)
        told = ", ".join(f"{count[s]} {s}" for s in (OK, FAIL, KINK, NOT_CHECKED) if count[s])
        return f"{self.name}: {'certified' if self.ok else 'NOT certified'} ({told})"

    def __str__(self) -> str:
        lines = [HEADS, *[r.texts() for r in self.rows]]
        widths = [max(len(line[k]) for line in lines) for k in range(len(HEADS))]
        cell = lambda text, k: text.ljust(widths[k]) if LEFT[k] else text.rjust(widths[k])
        table = ["  ".join(cell(text, k) for k, text in enumerate(line)).rstrip() for line in lines]
        return "\n".join([self.headline(), "", *table])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(h)}</th>" for h in HEADS)
        body = "".join("<tr>" + "".join(f"<td>{escape(t)}</td>" for t in r.texts()) + "</tr>" for r in self.rows)
        return f"<p>{escape(self.headline())}</p><table><tr>{head}</tr>{body}</table>"

    def require(self) -> Certificate:
        """The certificate itself; raises NotCertified where something disagreed."""
        if not self.ok:
            raise NotCertified(str(self))
        return self


__all__ = ["FAIL", "KINK", "NOT_CHECKED", "OK", "Certificate", "Row"]
