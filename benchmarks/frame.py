"""A measured row, what it is compared with and whether its target is reached, as a table and as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured of one contestant, once a round."""

    name: str
    values: tuple[float, ...]

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached: `at most` or `at least` a limit, of the ratio to the rival or of our own value.

    A ratio `at most` is what ours costs of what the rival costs; one `at least` how many times as fast it is.
    `excellent` is a limit beyond it.
    """

    sense: Literal["at most", "at least"]
    limit: float
    excellent: float | None = None

    def allows(self, figure: float, limit: float) -> bool:
        return figure <= limit if self.sense == "at most" else figure >= limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what was done, by ours and by a rival, in `unit`; `more` is better in a rate.

    The ratio is what ours costs of what the rival costs; with `speed`, or a target `at least`, how many times as fast
    it is. Without a rival the target is one of our own value.
    """

    group: str
    what: str
    unit: str
    ours: Series
    rival: Series | None = None
    more: bool = False
    speed: bool = False
    target: Target | None = None

    @property
    def faster(self) -> bool:
        """Whether the ratio says how many times as fast ours is, and not what it costs."""
        return self.more or self.speed or (self.target is not None and self.target.sense == "at least")

    @property
    def ratio(self) -> float | None:
        """Of the medians."""
        if self.rival is None:
            return None
        ours, rival = self.ours.middle, self.rival.middle
        return rival / ours if self.faster and not self.more else ours / rival

    @property
    def verdict(self) -> str:
        """`reached`, `excellent`, `missed`, or nothing where there is no target."""
        if self.target is None:
            return ""
        figure = self.ours.middle if self.ratio is None else self.ratio
        if self.target.excellent is not None and self.target.allows(figure, self.target.excellent):
            return "excellent"
        return "reached" if self.target.allows(figure, self.target.limit) else "missed"


def figure(value: float) -> str:
    """A number with three digits that count: 0.0123, 4.56, 78.9, 1,234."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if 0 < size < 0.1 else f"{value:.2f}" if size < 10 else f"{value:.1f}"


def ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    return f"{row.ratio:.2f}x{' as fast' if row.faster else ''}"


def target(row: Row) -> str:
    if row.target is None:
        return ""
    sign = "≤" if row.target.sense == "at most" else "≥"
    unit = f" {row.unit}" if row.rival is None else "x as fast" if row.faster else "x"
    return f"{sign} {row.target.limit:g}{unit}"


def table(rows: Iterable[Row]) -> str:
    """For a terminal: two lines a row, ours and the rival's."""
    lines = []
    for group, found in groupby(rows, lambda row: row.group):
        lines += [f"\n{group}", f"  {'':<50}{'':<34}{'min':>9}{'median':>9}{'max':>9}"]
        for row in found:
            end = f"   {ratio(row):<14} {target(row):<14} {row.verdict}" if row.target or row.rival else ""
            lines.append(f"  {row.what:<50}{_line(row.ours, row)}{'' if row.rival else end}".rstrip())
            if row.rival:
                lines.append(f"  {'':<50}{_line(row.rival, row)}{end}".rstrip())
    return "\n".join(lines).lstrip("\n")


def _line(series: Series, row: Row) -> str:
    figures = "".join(f"{figure(value):>9}" for value in (series.low, series.middle, series.high))
    return f"{series.name:<34}{figures} {row.unit:<8}"


def markdown(rows: Sequence[Row], about: Sequence[tuple[str, str]]) -> str:
    """The same as a page, with what it was measured on."""
    lines = ["# What `make bench` measured", ""]
    lines += [f"* {name}: {value}" for name, value in about]
    lines += ["", f"{summary(rows)} Only ratios within one run mean anything; ±5 % is a tie.", ""]
    for group, found in groupby(rows, lambda row: row.group):
        lines += [f"## {group}", "", "| what | ours | against | ratio | target | |", "|---|---|---|---|---|---|"]
        for row in found:
            rival = _cell(row.rival, row) if row.rival else ""
            cells = (row.what, _cell(row.ours, row), rival, ratio(row), target(row), row.verdict)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(series: Series, row: Row) -> str:
    name = f"{series.name}: " if series.name else ""
    return f"{name}{figure(series.middle)} {row.unit} ({figure(series.low)} … {figure(series.high)})"


def summary(rows: Iterable[Row]) -> str:
    """How many targets are reached, and which are missed."""
    aimed = [row for row in rows if row.target]
    missed = [f"{row.what} ({row.group})" for row in aimed if row.verdict == "missed"]
    said = f"{len(aimed) - len(missed)} of {len(aimed)} targets reached."
    return f"{said} Missed: {'; '.join(missed)}." if missed else said
