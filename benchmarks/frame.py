"""Rows of measurements with their rivals and targets, as a table for terminals and as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True)
class Series:
    """The measurements of one contestant, one for each round."""

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
    """A target: `at most` or `at least` a limit, for the ratio to the rival or for our own value.

    With `at most`, the ratio is our cost divided by the rival's; with `at least`, how many times as fast we are.
    `excellent` is a stricter limit.
    """

    sense: Literal["at most", "at least"]
    limit: float
    excellent: float | None = None

    def allows(self, figure: float, limit: float) -> bool:
        return figure <= limit if self.sense == "at most" else figure >= limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table: the same work by the connector and by a rival, in `unit`; `more` marks rates.

    The ratio is our cost divided by the rival's; for rates, with `speed`, or with a target `at least`, it says how many
    times as fast the connector is. Without a rival the target applies to our own value.
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
        """True if the ratio says how many times as fast the connector is, not what it costs."""
        return self.more or self.speed or (self.target is not None and self.target.sense == "at least")

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians."""
        if self.rival is None:
            return None
        ours, rival = self.ours.middle, self.rival.middle
        return rival / ours if self.faster and not self.more else ours / rival

    @property
    def verdict(self) -> str:
        """`reached`, `excellent` or `missed`; "" without a target."""
        if self.target is None:
            return ""
        figure = self.ours.middle if self.ratio is None else self.ratio
        if self.target.excellent is not None and self.target.allows(figure, self.target.excellent):
            return "excellent"
        return "reached" if self.target.allows(figure, self.target.limit) else "missed"


def figure(value: float) -> str:
    """Write a number with about three significant digits: 0.012, 4.56, 78.9, 1,234."""
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
    """Return the rows for a terminal: two lines for each row, ours and the rival's."""
    lines = []
    for group, members in groupby(rows, lambda row: row.group):
        lines += [f"\n{group}", f"  {'':<50}{'':<34}{'min':>9}{'median':>9}{'max':>9}"]
        for row in members:
            end = f"   {ratio(row):<14} {target(row):<14} {row.verdict}" if row.target or row.rival else ""
            lines.append(f"  {row.what:<50}{_line(row.ours, row)}{'' if row.rival else end}".rstrip())
            if row.rival:
                lines.append(f"  {'':<50}{_line(row.rival, row)}{end}".rstrip())
    return "\n".join(lines).lstrip("\n")


def _line(series: Series, row: Row) -> str:
    figures = "".join(f"{figure(value):>9}" for value in (series.low, series.middle, series.high))
    return f"{series.name:<34}{figures} {row.unit:<8}"


def markdown(rows: Sequence[Row], about: Sequence[tuple[str, str]]) -> str:
    """Return the rows as a Markdown page, headed by the facts about the run."""
    lines = ["# Results of `make bench`", ""]
    lines += [f"* {name}: {value}" for name, value in about]
    lines += ["", f"{summary(rows)} Only ratios within one run are meaningful; ±5 % is a tie.", ""]
    for group, members in groupby(rows, lambda row: row.group):
        lines += [f"## {group}", "", "| what | ours | against | ratio | target | |", "|---|---|---|---|---|---|"]
        for row in members:
            rival = _cell(row.rival, row) if row.rival else ""
            cells = (row.what, _cell(row.ours, row), rival, ratio(row), target(row), row.verdict)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(series: Series, row: Row) -> str:
    name = f"{series.name}: " if series.name else ""
    return f"{name}{figure(series.middle)} {row.unit} ({figure(series.low)} … {figure(series.high)})"


def summary(rows: Iterable[Row]) -> str:
    """Count the reached targets and name the missed ones, in one sentence or two."""
    targeted = [row for row in rows if row.target]
    missed = [f"{row.what} ({row.group})" for row in targeted if row.verdict == "missed"]
    count = f"{len(targeted) - len(missed)} of {len(targeted)} targets reached."
    return f"{count} Missed: {'; '.join(missed)}." if missed else count
