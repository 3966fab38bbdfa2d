"""Whether a regular expression can take far longer than its text is long, by its structure alone. Pure.

A matcher that fails has tried every way to read the text. There are few, unless one loop can read a text in two ways,
or hand over to another loop anywhere in a text that both can read. That is looked for among the states of an automaton,
of which there is one for each character of the expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, product
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]
_compiler: Any = re._compiler  # type: ignore[attr-defined]
SIGNS = [*map(chr, range(128)), "\x85", "é", "²", "中", "\u2028", "\ud800", "\U0001f600"]  # one of each kind
ALL = (1 << len(SIGNS)) - 1
LONGEST = 3000  # characters of an expression that is judged
STEPS = 3_000_000  # after which that is given up
MANY = 256  # repeats that count as without end
EMPTY: tuple[list[int], list[int], bool] = ([], [], True)


def is_slow(pattern: str, flags: int = 0) -> bool:
    """Whether to search for a pattern can take a time that grows faster than the text.

    Raises `re.error`, and `OverflowError` or `RecursionError` for one that is too large to be judged.
    """
    if len(pattern) > LONGEST:
        raise OverflowError
    return _Automaton(_parser.parse(pattern, flags), begins_anywhere=True).is_ambiguous()


class _Automaton:
    """What may stand at each state, as bits of `SIGNS`, and which states may follow."""

    def __init__(self, parsed: Any, *, begins_anywhere: bool) -> None:
        self.flags, self.has_end = parsed.state.flags, False  # whether anything is asked for after the last character
        self.reads: list[int] = []
        self.follow: list[set[int]] = []
        self.twice: list[tuple[int, int]] = []  # what follows in two ways
        self.asides: list[Any] = []
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
        """The states that an expression may begin with anywhere, those that it may end with, and if it may be empty."""
        first, last, may_be_empty = EMPTY
        for operation, given in parsed:
            if str(operation) == "AT" and "BEGINNING" in str(given):
                first, last, may_be_empty = [], [], False  # what came before has read nothing
                continue
            starts, ends, is_optional = self._part(str(operation), given)
            self.link(last, starts)
            first = first + starts if may_be_empty else first
            last = last + ends if is_optional else ends
            may_be_empty = may_be_empty and is_optional
        return first, last, may_be_empty

    def _part(self, operation: str, given: Any) -> tuple[list[int], list[int], bool]:
        match operation:
            case "AT":
                self.has_end = self.has_end or "END" in str(given)
            case "SUBPATTERN":
                outside, self.flags = self.flags, (self.flags | given[1]) & ~given[2]
                found = self.sequence(given[3])
                self.flags = outside
                return found
            case "BRANCH":
                firsts, lasts, may_be_empty = zip(*map(self.sequence, given[1]), strict=True)
                return [*chain(*firsts)], [*chain(*lasts)], any(may_be_empty)
            case "MAX_REPEAT" | "MIN_REPEAT":
                first, last, is_empty = self.sequence(given[2])
                if given[1] >= MANY and given[0] != given[1]:
                    self.link(last, first)
                return first, last, is_empty or given[0] == 0
            case "ASSERT" | "ASSERT_NOT":
                self.has_end = True
                self.asides.append(given[1])
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY":
                alone = _parser.SubPattern(_parser.State(), [(getattr(re._constants, operation), given)])  # type: ignore[attr-defined]
                fits = _compiler.compile(alone, self.flags).fullmatch
                state = self.state(sum(1 << at for at, sign in enumerate(SIGNS) if fits(sign)))
                return state, state, False
        return EMPTY

    def is_ambiguous(self) -> bool:
        """Whether a text can be read in more and more ways as it grows, and still be refused at its end."""
        done = {one for one in self.last if not self.has_end or self.reads[one] == ALL}  # from there nothing can fail
        self.follow = [set() if one in done else after - done for one, after in enumerate(self.follow)]
        reach = [self._reach([one]) for one in range(len(self.reads))]
        if any(one in reach[other] and other in self.follow[one] for one, other in self.twice):
            return True
        if any(_Automaton(each, begins_anywhere=False).is_ambiguous() for each in self.asides):
            return True
        loops = {one: {each for each in there if one in reach[each]} for one, there in enumerate(reach) if one in there}
        return any(
            other in reach[one] and self._meet(one, other, [loops[one], reach[one], loops[other]])
            for one, other in product(loops, loops)
        )

    def _reach(self, states: list[int]) -> set[int]:
        found: set[int] = set()
        while states:
            new = self.follow[states.pop()] - found
            found |= new
            states += new
        return found

    def _meet(self, one: int, other: int, within: list[set[int]]) -> bool:
        """Whether a text that leads from one state to itself also leads to the other, and from there to itself.

        If both are the same state, whether there are two ways.
        """
        left: list[tuple[tuple[int, ...], bool]] = [((one, one, other), one != other)]
        found = {*left}
        while left:
            here, apart = left.pop()
            for there in product(*map(set.intersection, map(self.follow.__getitem__, here), within)):
                self.steps += 1
                if self.steps > STEPS:
                    raise OverflowError
                at = (there, apart or there[0] != there[1])
                if self.reads[there[0]] & self.reads[there[1]] & self.reads[there[2]] and at not in found:
                    if at == ((one, other, other), True):
                        return True
                    found.add(at)
                    left.append(at)
        return False
