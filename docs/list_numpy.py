"""Writes the table of covered functions into docs/numpy.md: `python docs/list_numpy.py`."""

from __future__ import annotations

from pathlib import Path

from jitgrad.front.names import covered

PAGE = Path(__file__).with_name("numpy.md")
BEGIN, END = "<!-- covered: begin -->\n", "<!-- covered: end -->\n"
GROUPS = {
    "np.linalg.": "`np.linalg`", "np.": "`np`", "scipy.special.": "`scipy.special`", "scipy.linalg.": "`scipy.linalg`",
    "math.": "`math`", "operator.": "operators", "": "builtins",
}  # fmt: skip


def group_of(name: str) -> str:
    return next(prefix for prefix in GROUPS if name.startswith(prefix))


def table(names: list[str]) -> str:
    """One row for each library: its functions, without their prefix."""
    rows = ["| | covered |", "|---|---|"]
    for prefix, title in sorted(GROUPS.items(), key=lambda item: list(GROUPS).index(item[0])):
        mine = [n.removeprefix(prefix) for n in names if group_of(n) == prefix]
        rows.append(f"| {title} | {' '.join(f'`{n}`' for n in mine)} |")
    return "\n".join(rows) + "\n"


def page(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table(covered()) + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
