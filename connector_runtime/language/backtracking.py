"""Detects regular expressions whose matching time can grow faster than the input, from their structure alone. Pure.

Before a matcher fails, it tries every way to read the input. The number of ways grows quickly only if one loop can read
a string in two ways, or if two loops in sequence can both read a string and split it anywhere. The search for such
loops runs over an automaton with one state for each character of the expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, product
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]
_compiler: Any = re._compiler  # type: ignore[attr-defined]
SAMPLE_CHARS = [*map(chr, range(128)), "\x85", "é", "²", "中", "\u2028", "\ud800", "\U0001f600"]  # for each class
ALL = (1 << len(SAMPLE_CHARS)) - 1
MAX_LENGTH = 3000  # characters of an expression; longer ones raise OverflowError
MAX_STEPS = 3_000_000  # of the search; more raise OverflowError
UNLIMITED = 256  # a limit of at least this many repeats is treated as none
EMPTY: tuple[list[int], list[int], bool] = ([], [], True)


def is_slow(pattern: str, flags: int = 0) -> bool:
    """True if a search for the pattern can take time that grows faster than the input.

    Raises `re.error`, and `OverflowError` or `RecursionError` if the pattern is too large to examine.
    """
    if len(pattern) > MAX_LENGTH:
        raise OverflowError
    return _Automaton(_parser.parse(pattern, flags), begins_anywhere=True).is_ambiguous()


class _Automaton:
    """The characters that each state reads, as bits of `SAMPLE_CHARS`, and the states that may follow it."""

    def __init__(self, parsed: Any, *, begins_anywhere: bool) -> None:
        self.flags, self.has_end = parsed.state.flags, False  # `has_end`: a condition follows the last character
        self.reads: list[int] = []
        self.follow: list[set[int]] = []
        self.twice: list[tuple[int, int]] = []  # pairs of states that are linked in two ways
        self.lookarounds: list[Any] = []
        self.steps = 0
        first, self.last, _ = self.sequence(parsed)
        if begins_anywhere and first:
            before = self.state(ALL)
            self.link(before, before + first)

    def state(self, reads: int) -> list[int]:
        self.reads.append(reads)
        self.follow.append(set())
        return [len(self.reads) - 1]

    def link(self, before: Iterable[int], after: Iterable[int]) -> None:
        for one, other in product(before, after):
            self.twice += [(one, other)] if other in self.follow[one] else []
            self.follow[one].add(other)

    def sequence(self, parsed: Any) -> tuple[list[int], list[int], bool]:
        """Return the states in which an expression may begin and may end, and whether it may be empty."""
        first, last, may_be_empty = EMPTY
        for operation, argument in parsed:
            if str(operation) == "AT" and "BEGINNING" in str(argument):
                first, last, may_be_empty = [], [], False  # nothing can have been read before `^`
                continue
            starts, ends, is_optional = self._part(str(operation), argument)
            self.link(last, starts)
            first = first + starts if may_be_empty else first
            last = last + ends if is_optional else ends
            may_be_empty = may_be_empty and is_optional
        return first, last, may_be_empty

    def _part(self, operation: str, argument: Any) -> tuple[list[int], list[int], bool]:
        match operation:
            case "AT":
                self.has_end = self.has_end or "END" in str(argument)
            case "SUBPATTERN":
                outer_flags, self.flags = self.flags, (self.flags | argument[1]) & ~argument[2]
                group = self.sequence(argument[3])
                self.flags = outer_flags
                return group
            case "BRANCH":
                firsts, lasts, are_optional = zip(*map(self.sequence, argument[1]), strict=True)
                return [*chain(*firsts)], [*chain(*lasts)], any(are_optional)
            case "MAX_REPEAT" | "MIN_REPEAT":
                first, last, may_be_empty = self.sequence(argument[2])
                if argument[1] >= UNLIMITED and argument[0] != argument[1]:
                    self.link(last, first)
                return first, last, may_be_empty or argument[0] == 0
            case "ASSERT" | "ASSERT_NOT":
                self.has_end = True
                self.lookarounds.append(argument[1])
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY":
                single = _parser.SubPattern(_parser.State(), [(getattr(re._constants, operation), argument)])  # type: ignore[attr-defined]
                matches = _compiler.compile(single, self.flags).fullmatch
                state = self.state(sum(1 << bit for bit, char in enumerate(SAMPLE_CHARS) if matches(char)))
                return state, state, False
        return EMPTY

    def is_ambiguous(self) -> bool:
        """True if the number of ways to read an input can grow with it, and the input can still fail to match."""
        done = {one for one in self.last if not self.has_end or self.reads[one] == ALL}  # no match can fail after these
        self.follow = [set() if one in done else after - done for one, after in enumerate(self.follow)]
        reach = [self._reach([one]) for one in range(len(self.reads))]
        if any(one in reach[other] and other in self.follow[one] for one, other in self.twice):
            return True
        if any(_Automaton(parsed, begins_anywhere=False).is_ambiguous() for parsed in self.lookarounds):
            return True
        looping = [one for one, after in enumerate(reach) if one in after]
        loops = {one: {other for other in reach[one] if one in reach[other]} for one in looping}
        return any(
            other in reach[one] and self._meet(one, other, [loops[one], reach[one], loops[other]])
            for one, other in product(loops, loops)
        )

    def _reach(self, states: list[int]) -> set[int]:
        reached: set[int] = set()
        while states:
            new = self.follow[states.pop()] - reached
            reached |= new
            states += new
        return reached

    def _meet(self, one: int, other: int, within: list[set[int]]) -> bool:
        """True if one string can lead from `one` to itself, from `one` to `other`, and from `other` to itself.

        If both are the same state, true if a string can lead from it back to itself in two ways.
        """
        queue: list[tuple[tuple[int, ...], bool]] = [((one, one, other), one != other)]
        visited = {*queue}
        while queue:
            states, have_parted = queue.pop()
            for after in product(*map(set.intersection, map(self.follow.__getitem__, states), within)):
                self.steps += 1
                if self.steps > MAX_STEPS:
                    raise OverflowError
                node = (after, have_parted or after[0] != after[1])
                if self.reads[after[0]] & self.reads[after[1]] & self.reads[after[2]] and node not in visited:
                    if node == ((one, other, other), True):
                        return True
                    visited.add(node)
                    queue.append(node)
        return False
