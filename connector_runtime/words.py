"""The small vocabulary of definitions: places (`to`, `from`), codecs (`as`) and the one Jinja2 line. Pure.

A place says where a value goes in a request (`body.settings.audio`) or comes from in an answer (`header.link`).
A codec says how a value is written; each is a total function on the texts that it `takes`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol
from urllib.parse import quote

from . import patterns
from .model import Place

# -- places in a request ---------------------------------------------------------------------------------------------

BARE_KINDS = ("path", "query", "header", "body", "part", "request", "call", "base")
CALL_KNOBS = {
    "response_type": "json, text or binary",
    "timeout": "milliseconds one attempt may take",
    "debug": "log the attempt, secrets redacted",
    "file_names": "names for the files of a multipart body",
    "retry.max_count": "how many retries at most",
    "retry.delay_ms": "milliseconds between retries",
    "retry.on_all_errors": "retry whatever the answer is, not only 5xx and network errors",
    "retry.exponential": "grow the pauses instead of the fixed delay",
}


def place(text: str, key: str = "") -> Place:
    """Parse a `to`; a bare kind means "the same key": `body` on the input `topic` is `body.topic`."""
    kind, _, rest = text.partition(".")
    if not rest:
        return Place(kind, (key,)) if kind in BARE_KINDS else Place(kind, ())
    if rest == "*":
        return Place(kind, (), spread=True)
    if kind != "body":
        return Place(kind, (rest,))
    steps = tuple(rest.split("."))
    return Place(kind, steps[:-1], spread=True) if steps[-1] == "*" else Place(kind, steps)


# -- places in an answer ---------------------------------------------------------------------------------------------


class Answered(Protocol):
    """What a `from` can look at."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> Any: ...


def look(source: str, answer: Answered) -> Any:
    """What stands at a place of an answer: `status`, `header.x`, `body.a.0`, `link.next`; None if nothing does."""
    kind, rest, steps = _parts(source)
    if kind == "status":
        return answer.status
    if kind == "header":
        return answer.headers.get(rest.lower())
    if kind == "link":
        return links(answer.headers.get("link", "")).get(rest)
    return dig(answer.body, steps) if rest else answer.body


@cache
def _parts(source: str) -> tuple[str, str, tuple[str, ...]]:
    kind, _, rest = source.partition(".")
    return kind, rest, tuple(rest.split("."))


def dig(data: Any, steps: tuple[str, ...]) -> Any:
    """Follow keys and indexes into JSON data; None where the way ends."""
    for step in steps:
        if isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, list) and re.fullmatch(r"-?[0-9]+", step) and -len(data) <= int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data


def links(header: str) -> dict[str, str]:
    """The URLs of a Link header (RFC 8288) by their `rel`."""
    found: dict[str, str] = {}
    url = ""
    for target, name, value in re.findall(r'<([^>]*)>|;\s*([^=,;"\s]+)\s*=\s*("[^"]*"|[^",;\s]+)', header):
        url = url if name else target
        if name.lower() == "rel":
            found.update({rel.lower(): url for rel in value.strip('"').split()})
    return found


# -- codecs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Codec:
    """How a value is written. `takes` is a pattern of the texts it can write (None: any), `like` an example of one."""

    write: Callable[[Any], Any]
    takes: str | None = None
    like: str = ""
    joins: bool = False  # writes a list as one text; otherwise a list is written item by item


def _moment(value: Any) -> Any:
    """`2026-11-01 09:00:00.5+01:00` as `2026-11-01T08:00:00Z`; a local time keeps its hour, other text stays."""
    text = str(value).strip()
    if not re.fullmatch(patterns.MOMENT, text) or (len(text) == 20 and text[10] + text[19] == "TZ"):
        return text  # no moment, or written so already
    zone = re.search(f"{patterns.ZONE}$", text[10:])
    local = datetime.fromisoformat(f"{text[:10]}T{text[11:19] if text[16:17] == ':' else text[11:16]}")
    if zone is None:
        return local.isoformat()
    offset = zone[0].replace(":", "")
    if offset not in "Zz":
        hours, minutes = int(offset[1:3]), int(offset[3:5])
        local -= timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    return local.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def _digits(value: Any) -> Any:
    """`812 7943-2123` as `81279432123`; anything else than digits, blanks and dashes stays as it is."""
    bare = re.sub(r"[\s\u2010-\u2015-]", "", str(value))
    return bare if re.fullmatch("[0-9]+", bare) else value


def _slash_twice(value: Any) -> Any:
    """One encoding more for an id that starts with `/` or holds `//`, which servers would otherwise take apart."""
    text = str(value)
    return quote(text, safe="") if text.startswith("/") or "//" in text else value


def _csv(value: Any) -> str:
    return ",".join(text_of(item) for item in value) if isinstance(value, list) else text_of(value)


CODECS: dict[str, Codec] = {
    "csv": Codec(_csv, joins=True),
    "json": Codec(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")), joins=True),
    "base64": Codec(lambda value: base64.b64encode(text_of(value).encode()).decode()),
    "digits": Codec(_digits),
    "slash_twice": Codec(_slash_twice),
    "utc": Codec(_moment, patterns.INSTANT, "2026-11-01T09:00:00Z"),
    "local_or_utc": Codec(_moment, patterns.MOMENT, "2026-11-01T09:00:00 or 2026-11-01T09:00:00Z"),
    "date_or_utc": Codec(_moment, f"{patterns.DATE}|{patterns.INSTANT}", "2026-11-01 or 2026-11-01T09:00:00Z"),
}


def codec(name: str, more: Mapping[str, Callable[[Any], Any]] | None = None) -> Codec | None:
    """The codec of an `as`: of the closed list, given to `load`, or a text with one `{}`; None if it is none."""
    if more and name in more:
        return Codec(more[name])
    if name.count("{}") == 1:
        return Codec(lambda value: name.replace("{}", text_of(value)))
    return CODECS.get(name)


def encode(codecs: tuple[Codec, ...], value: Any) -> Any:
    """Write a value by its codecs in turn."""
    for step in codecs:
        value = (
            [step.write(item) for item in value] if isinstance(value, list) and not step.joins else step.write(value)
        )
    return value


def text_of(value: Any) -> str:
    """A value as text in a URL, a header or a form: `true`, `8`, `1.5`; lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# -- the one Jinja2 line ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expression:
    """A definition's expression and the names it needs."""

    value: Callable[[Mapping[str, Any]], Any]
    names: frozenset[str]


@cache
def expression(source: str) -> Expression:
    """Compile an expression of a definition (`compute`); nothing a user gives ever comes here.

    A plain name is a lookup and does not touch Jinja2. Raises `ValueError` for what is no expression.
    """
    if source.isidentifier():
        return Expression(lambda names: names.get(source), frozenset([source]))
    from jinja2 import TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment()
    environment.filters["moment"] = moment
    try:
        compiled = environment.compile_expression(source)
        names = meta.find_undeclared_variables(environment.parse(f"{{{{ {source} }}}}"))
    except TemplateSyntaxError as error:
        raise ValueError(error.message) from None
    return Expression(lambda given: compiled(dict(given)), frozenset(names))


@cache
def template(text: str) -> Expression:
    """Compile a line of a drop-down: a text with `{{ expressions }}` in it, or the path of a field (`host.email`).

    It gives one line of text, or None where any part of it is blank. An expression that fails on what a vendor sent
    counts as blank. Raises `ValueError` for what is no expression.
    """
    if "{{" not in text:
        steps = tuple(text.split("."))
        return Expression(lambda item: line(dig(item, steps)), frozenset(steps[:1]))
    parts = re.split(r"\{\{(.*?)\}\}", text)
    holes = [expression(part.strip()) for part in parts[1::2]]

    def written(item: Mapping[str, Any]) -> str | None:
        filled = [line(_tried(hole, item)) for hole in holes]
        if None in filled:
            return None
        return line("".join(part for pair in zip(parts[::2], [*filled, ""], strict=True) for part in pair if part))

    return Expression(written, frozenset().union(*(hole.names for hole in holes)))


def moment(value: Any) -> str:
    """`2026-11-01T09:00:00Z` as people read it, `2026-11-01 09:00 UTC`; other text stays. A filter of expressions."""
    found = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.[0-9]+)?(.*)", str(value))
    if found is None:
        return str(value)
    day, hour, second, zone = found.groups()
    return f"{day} {hour}{'' if second in (None, ':00') else second} {'UTC' if zone == 'Z' else zone}".rstrip()


def line(value: Any) -> str | None:
    """A value as one line of text; None if it is blank."""
    return None if value is None else " ".join(text_of(value).split()) or None


def _tried(hole: Expression, item: Mapping[str, Any]) -> Any:
    try:
        return hole.value({name: value for name, value in item.items() if value is not None})
    except Exception:  # an author's expression can fail in any way on data that nobody foresaw
        return None
