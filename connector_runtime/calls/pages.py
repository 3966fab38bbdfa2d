"""Finds the next page of a list, and encodes its position as a cursor. Pure."""

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
from .credentials import Credentials
from .render import RequestDraft, next_query

MAX_LENGTH = 4096  # characters of the value that identifies a next page
LONGEST_CURSOR = 6 * MAX_LENGTH  # a four-byte character takes up to six in base64
SURROGATE = re.compile("[\ud800-\udfff]")  # an unpaired surrogate, which cannot be sent


@shows()
class ListPosition(NamedTuple):
    """The position of a page in a list: the index of the paging style (None for the first page) and its value.

    The first `skip` items of the page have already been returned. All pages of a list have the same `size`.
    """

    size: int = 0
    style: int | None = None
    value: Any = None
    skip: int = 0


def start(paging: Paging) -> ListPosition:
    """Return the position of the first page, at the maximum page size.

    Even a call with a small limit reads a large page, because a page token works only with the page size it was issued
    for: large pages keep the number of requests low when the list is continued.
    """
    return ListPosition(0 if paging.size is None else paging.max)


def page_draft(paging: Paging, draft: RequestDraft, position: ListPosition) -> RequestDraft:
    """Return a draft of the request for the page at a position."""
    if paging.size is not None:
        draft = draft.with_value(paging.size, position.size)
    return draft if position.style is None else draft.with_value(paging.next[position.style].to, position.value)


def next_position(
    paging: Paging, position: ListPosition, answer: Answer, draft: RequestDraft, page: Page, credentials: Credentials
) -> ListPosition | None:
    """Return the position of the next page, or None at the end of the list.

    A list keeps the first paging style that finds a next page. Only the query of a next-page URL is used, so a response
    cannot redirect the read elsewhere. Raises `ApiError` if the next page cannot be requested.
    """
    numbers = range(len(paging.next)) if position.style is None else (position.style,)
    for number in numbers:
        value = _value(paging.next[number], answer, draft, page)
        if value is None:
            continue
        text = places.text_of(value)
        value = value if isinstance(value, str | int) else text  # types that a cursor can hold
        if not _is_sendable(text):
            what = Sentence("The response points to a next page that cannot be requested.")
            raise ApiError(what, status=answer.status)
        if paging.next[number].to is None:
            value = next_query(draft, credentials, text)
        return ListPosition(position.size, number, value)
    return None


def _value(style: Next, answer: Answer, draft: RequestDraft, page: Page) -> Any:
    if style.when and not conditions.holds(style.when, lambda name: places.look(name, answer)):
        return None
    value: Any
    if style.source.startswith("items."):
        value = places.at(page.items, style.source.partition(".")[2])
    elif style.source.startswith("query."):
        value = dict(draft.query).get(style.source.partition(".")[2], 0)
    else:
        value = places.look(style.source, answer)
    if value is None or value == "":
        return None
    if style.plus is None:
        return value
    step = len(page.items or ()) if style.plus == "count" else int(style.plus)
    try:
        current = int(value)
        reached = current + step if style.plus == "count" else current
        is_over = step == 0 or (style.below is not None and reached >= int(places.look(style.below, answer)))
    except (TypeError, ValueError, OverflowError):
        return None
    return None if is_over else current + step


def _is_sendable(text: str) -> bool:
    return len(text) <= MAX_LENGTH and not SURROGATE.search(text)


def count_warnings(paging: Paging, answer: Answer, count: int) -> tuple[Problem, ...]:
    """Return a warning if the vendor reported a different number of items than it sent."""
    total = places.look(paging.total, answer) if paging.total else None
    if isinstance(total, bool) or not re.fullmatch("[0-9]{1,15}", str(total)) or int(str(total)) == count:
        return ()
    what = Sentence("{vendor} reported {total} items but sent {count}.", total=total, count=count)
    return (Problem(paging.total or "", what),)


def list_digest(draft: RequestDraft) -> str:
    """Return a short digest of a list's request, used to recognise and reject another list's cursors."""
    text = json.dumps([draft.method, draft.path, sorted(draft.query), draft.body], sort_keys=True, default=str)
    return blake2s(text.encode(), digest_size=6).hexdigest()


def cursor(list_digest: str, position: ListPosition | None) -> str | None:
    """Return a position as an opaque, URL-safe string."""
    if position is None:
        return None
    text = json.dumps([list_digest, *position], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(text: str, list_digest: str, paging: Paging | None) -> ListPosition:
    """Decode a cursor for this list. Raises `InputError` for any other string, including other lists' cursors."""
    try:
        if len(text) > LONGEST_CURSOR:
            raise ValueError
        fields = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        digest, size, style, value, skip = fields
        position = ListPosition(size, style, value, skip)
        is_valid = all(type(number) is int and 0 <= number < 2**31 for number in (size, skip, style or 0))
        is_valid = is_valid and isinstance(value, str | int | None) and (style is None) is (value is None)
        is_valid = is_valid and _is_sendable(places.text_of(value))
    except (ValueError, TypeError, RecursionError):
        is_valid = False
    if not is_valid:
        raise _wrong_cursor(Sentence("is not a valid cursor; omit it to start from the beginning"))
    if digest != list_digest or paging is None or (style or 0) >= len(paging.next) or not 0 <= size <= paging.max:
        raise _wrong_cursor(Sentence("belongs to another list or inputs; use it with the list and inputs it came from"))
    if style is not None and paging.next[style].to is None and re.match("https?:|/", str(value)):
        raise _wrong_cursor(Sentence("is not a cursor for this list; omit it to start from the beginning"))
    return position


def _wrong_cursor(what: str) -> InputError:
    return InputError.of(Sentence("the list"), [Problem("cursor", what)])
