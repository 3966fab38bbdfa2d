"""Regular expressions for JSON Schema: numbers in a range, dates, headers, paths. A leaf; pure.

They use only syntax that Python and ECMAScript share. No two loops in sequence can read the same string, so a mismatch
takes no longer than a match.
"""

from __future__ import annotations

import re

BLANK = r"^\s*$"
END = r"(?![\s\S])"  # the very end; Python's $ also matches before a final line break

_LEAP = "(?:19|2[0-9])(?:0[48]|[2468][048]|[13579][26])|2[048]00"
DATE = (  # exactly the days from 1900 to 2999
    "(?:(?:19|2[0-9])[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    f"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:{_LEAP})-02-29)"
)
TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?"
ZONE = "(?:[Zz]|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])"
LOCAL = f"{DATE}[Tt ]{TIME}"
INSTANT = f"{LOCAL}{ZONE}"
MOMENT = f"{INSTANT}|{LOCAL}"

INTEGER = "-?(?:0|[1-9][0-9]*)"
is_integer = re.compile(INTEGER).fullmatch
NUMBER = rf"{INTEGER}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
BASE64 = (  # in long steps, because a matcher stores each position to which it could backtrack
    r"^(?=((?:[A-Za-z0-9+/]{1024})*))\1(?:[A-Za-z0-9+/]{4}){0,255}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?" + END
)

HEADER_VALUE = r"^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?" + END  # httpx refuses leading and trailing blanks
CONTENT_TYPE = r"^[\x21-\x2e\x30-\x7e]+/(?:[\x20-\x7e]*[\x21-\x7e])?" + END
HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+" + END

_DOT, _SLASH = "(?:\\.|%(?:25)*2[eE])", "(?:/|%(?:25)*2[fF])"
RAW_PATH = (  # a path under the base URL: no host, no `..`, nothing hidden by (repeated) encoding
    r"^(?![^?]*%(?:25)*(?:[01][0-9a-fA-F]|7[fF]|5[cC]))"
    rf"(?![^?]*{_SLASH}{_DOT}{{1,2}}(?:{_SLASH}|\?|$))"
    rf"(?!{_SLASH}{{2}})"
    rf"/(?:[^\x00-\x20\x7f\\%#]|%[0-9a-fA-F]{{2}})*{END}"
)


def whole(inner: str, *, blank: bool = False) -> str:
    """Return a pattern for `inner` with optional blanks around it; with `blank`, blanks alone also match."""
    return rf"^\s*(?:(?:{inner})\s*)?$" if blank else rf"^\s*(?:{inner})\s*$"


def sealed(pattern: str) -> str:
    """Return an author's pattern with a final `$` that matches only at the very end."""
    return f"{pattern[:-1]}{END}" if pattern.endswith("$") and not pattern.endswith("\\$") else pattern


def any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter.lower()}]" if letter.isalpha() else letter for letter in word)


def spelled_integer(value: int) -> str:
    """Return a pattern that matches every decimal spelling of an integer: 8, 08, 8.0."""
    return rf"{'-' if value < 0 else ''}0*{abs(value)}(?:\.0+)?"


def integers(low: int | None, high: int | None) -> str:
    """Return a pattern that matches every decimal spelling of the integers from `low` to `high`; None: no limit."""
    return rf"(?:{_range(low, high)})(?:\.0+)?"


def _range(low: int | None, high: int | None) -> str:
    if low is None and high is None:
        return "-?[0-9]+"
    if high is not None and high < 0:
        return f"-(?:{_range(-high, None if low is None else -low)})"
    if low is None or low < 0:
        return f"-(?:{_range(0, None if low is None else -low)})|{_range(0, high)}"
    if high is None:
        return rf"{_range(low, 10 ** len(str(low)) - 1)}|0*[1-9][0-9]{{{len(str(low))},}}"
    spans = []
    for length in range(len(str(low)), len(str(high)) + 1):
        bottom = max(low, 10 ** (length - 1) if length > 1 else 0)
        spans.append(_same_length(str(bottom), str(min(high, 10**length - 1))))
    return f"0*(?:{'|'.join(spans)})"


def _same_length(low: str, high: str) -> str:
    if not low:
        return ""
    rest = len(low) - 1
    if low[0] == high[0]:
        return low[0] + _same_length(low[1:], high[1:])
    if set(low[1:]) <= {"0"} and set(high[1:]) <= {"9"}:
        return f"[{low[0]}-{high[0]}]{f'[0-9]{{{rest}}}' if rest else ''}"
    parts = [low[0] + _same_length(low[1:], "9" * rest), high[0] + _same_length("0" * rest, high[1:])]
    if int(high[0]) - int(low[0]) > 1:
        parts.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}][0-9]{{{rest}}}")
    return f"(?:{'|'.join(parts)})"
