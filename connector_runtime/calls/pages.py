"""How a list goes on: from a page to the next, and from a cursor that a page gave. Pure."""

from __future__ import annotations

import base64
import json
import re
from hashlib import blake2s
from typing import Any, NamedTuple

from ..errors import ApiError, InputError, Problem
from ..language import conditions, places
from ..language.places import Answer
from ..model import Next, Page, Paging
from ..sentences import Sentence
from ..structs import shows
from . import render
from .credentials import Credentials

LONGEST = 4096  # characters by which a next page may be named
LONGEST_CURSOR = 6 * LONGEST  # each may be four bytes, which base64 writes as six characters
HALF = re.compile("[\ud800-\udfff]")  # of a character: no request can carry it


@shows()
class ListPosition(NamedTuple):
    """Where in a list a page begins: the style that led there (None: the list's beginning) and its value.

    `skip` items of the page were handed out already. All pages of a list have the same `size`.
    """

    size: int = 0
    style: int | None = None
    value: Any = None
    skip: int = 0


def start(paging: Paging, limit: int | None) -> ListPosition:
    """Where a list begins: with a page as large as it may be and no larger than needed."""
    size = paging.max if limit is None else max(1, min(paging.max, limit))
    return ListPosition(0 if paging.size is None else size)


def page_draft(paging: Paging, made: render.RequestDraft, position: ListPosition) -> render.RequestDraft:
    """The draft of the page that begins there."""
    if paging.size is not None:
        made = made.with_value(paging.size, position.size)
    return made if position.style is None else made.with_value(paging.next[position.style].to, position.value)


def next_position(
    paging: Paging, here: ListPosition, answer: Answer, made: render.RequestDraft, page: Page, given: Credentials
) -> ListPosition | None:
    """Where the next page begins; None at the end. The style that yielded first is kept for the whole list.

    Of a next page's URL only the query is kept: it leads on in the list, and nowhere else. Raises `ApiError` for a next
    page that cannot be asked for.
    """
    numbers = range(len(paging.next)) if here.style is None else (here.style,)
    for number in numbers:
        value = _value(paging.next[number], answer, made, page)
        if value is None:
            continue
        text = places.text_of(value)
        value = value if isinstance(value, str | int) else text  # as a cursor can hold it
        if not _is_sendable(text):
            raise ApiError(Sentence("The answer names a next page that cannot be asked for."), status=answer.status)
        return ListPosition(
            here.size, number, render.next_query(made, given, text) if paging.next[number].to is None else value
        )
    return None


def _value(style: Next, answer: Answer, made: render.RequestDraft, page: Page) -> Any:
    if style.when and not conditions.holds(style.when, lambda name: places.look(name, answer)):
        return None
    value: Any
    if style.source.startswith("items."):
        value = places.at(page.items, style.source.partition(".")[2])
    elif style.source.startswith("query."):
        value = dict(made.query).get(style.source.partition(".")[2], 0)
    else:
        value = places.look(style.source, answer)
    if value is None or value == "":
        return None
    if style.plus is None:
        return value
    step = len(page.items or ()) if style.plus == "count" else int(style.plus)
    try:
        here = int(value)
        is_over = step == 0 or (style.below is not None and here >= int(places.look(style.below, answer)))
    except (TypeError, ValueError, OverflowError):
        return None
    return None if is_over else here + step


def _is_sendable(text: str) -> bool:
    return len(text) <= LONGEST and not HALF.search(text)


def count_warnings(paging: Paging, answer: Answer, count: int) -> tuple[Problem, ...]:
    """A warning if the vendor announced another number of items than it gave."""
    total = places.look(paging.total, answer) if paging.total else None
    if isinstance(total, bool) or not re.fullmatch("[0-9]{1,15}", str(total)) or int(str(total)) == count:
        return ()
    what = Sentence("{vendor} announced {total} items and gave {count}.", total=total, count=count)
    return (Problem(paging.total or "", what),)


def list_digest(made: render.RequestDraft) -> str:
    """A short text that differs for lists that differ: a cursor of one must not lead on in another."""
    said = json.dumps([made.method, made.path, sorted(made.query), made.body], sort_keys=True, default=str)
    return blake2s(said.encode(), digest_size=6).hexdigest()


def cursor(list_digest: str, position: ListPosition | None) -> str | None:
    """The spot as an opaque text that is safe in a URL."""
    if position is None:
        return None
    said = json.dumps([list_digest, *position], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def position_of(text: str, list_digest: str, paging: Paging | None) -> ListPosition:
    """The spot that a cursor names; raises `InputError` for a text that is none, or is another list's."""
    try:
        if len(text) > LONGEST_CURSOR:
            raise ValueError
        said = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        theirs, size, style, value, skip = said
        position = ListPosition(size, style, value, skip)
        known = all(type(number) is int and 0 <= number < 2**31 for number in (size, skip, style or 0))
        known = known and isinstance(value, str | int | None) and (style is None) is (value is None)
        known = known and _is_sendable(places.text_of(value))
    except (ValueError, TypeError, RecursionError):
        known = False
    if not known:
        raise _wrong_cursor(Sentence("is not a cursor that a page gave; leave it out to start from the beginning"))
    if theirs != list_digest or paging is None or (style or 0) >= len(paging.next) or not 0 <= size <= paging.max:
        raise _wrong_cursor(Sentence("belongs to another list or other inputs; use the inputs that it came with"))
    if style is not None and paging.next[style].to is None and re.match("https?:|/", str(value)):
        raise _wrong_cursor(Sentence("is not a cursor of this list; leave it out to start from the beginning"))
    return position


def _wrong_cursor(what: str) -> InputError:
    return InputError.of(Sentence("the list"), [Problem("cursor", what)])
