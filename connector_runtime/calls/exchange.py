"""One call over time, as a generator of effects: which tokens, requests and pages, in which order. Pure.

It yields `Token` and is answered with what the connection gives, yields `Send` and is answered with a `Response` or
thrown a `TransportError`, asks `Now` for the time, `Wait` for a pause and `Key` for a new idempotency key, and yields a
`Page` for each answer. A driver performs the effects; `fold` makes one result.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .. import conditions, words
from ..errors import ApiError, AuthError, TransportError
from ..inputs.bind import Bound
from ..model import Next, Page, Paging, Place, Request, Response, Result
from . import answer as answers, render, retry
from .action import Action
from .answer import Answer


@dataclass(frozen=True, slots=True)
class Token:
    """Wanted: what the connection gives to requests, by name. `rejected` is what the vendor has just refused."""

    rejected: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Wanted: the answer to a request."""

    request: Request
    effect: str
    seconds: float | None = None  # what the call's deadline leaves


@dataclass(frozen=True, slots=True)
class Now:
    """Wanted: the time."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wanted: a pause of so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Key:
    """Wanted: a text that no call had before, by which the vendor knows a repetition of this one."""


Effect = Token | Send | Now | Wait | Key
Exchange = Generator[Effect | Page, Any, None]


def exchange(action: Action, bound: Bound, *, limit: int | None = None, base_url: str | None = None) -> Exchange:
    """Carry out one call. `limit` bounds the items of a list; no page is asked for beyond it.

    The first page carries what the inputs warn of beside its own warnings.
    """
    made = render.draft(action, bound.values)
    effect = render.effect_of(action, made.method)
    key_place = render.key_place(action, made)
    if key_place is not None:  # once a call: all its attempts carry the same key
        made = made.turn(key_place, (yield Key()))
    paging = action.paging
    if paging and paging.size:
        made = made.turn(paging.size, paging.max if limit is None else max(1, min(paging.max, limit)))
    styles = paging.next if paging else ()
    seen: set[str] = set()
    count = 0
    warnings = bound.warnings
    while True:
        page, answer = yield from _attempts(action, made, effect, base_url)
        items = page.items
        if items is not None and limit is not None:
            page = replace(page, items=items[: limit - count])
        if warnings:
            page, warnings = replace(page, warnings=(*warnings, *page.warnings)), ()
        count += len(items or ())
        yield page
        if limit is not None and count >= limit:
            return
        styles, place, value = _onward(styles, answer, made, page)
        if value is None:
            return
        token = words.text_of(value)
        if token in seen:
            raise ApiError(
                f"The list does not end: after {count} items the vendor named the same next page again.",
                hint="What was read is complete so far; start the list again.",
                status=page.status,
                retriable=True,
            )
        seen.add(token)
        made = made.turn(place, value)


def _attempts(
    action: Action, made: render.Draft, effect: str, base_url: str | None
) -> Generator[Effect, Any, tuple[Page, Answer]]:
    """One page, however many attempts it takes: again with another token where one was refused, and by the policy."""
    policy = retry.of(made.call)
    wanted = made.call.get("response_type", "json")
    granted: Mapping[str, str] = yield Token()
    attempt, is_renewed = 0, False
    while True:
        request = render.finish(made, action.profile, base_url, granted)
        secrets = render.secrets_of(action.profile, granted)
        try:
            response: Response = yield Send(request, effect)
            now: datetime = yield Now()
            return answers.page(action, response, effect, wanted, now, secrets)
        except (AuthError, ApiError, TransportError) as error:
            failure = error
        if type(failure) is AuthError and not is_renewed:
            renewed: Mapping[str, str] = yield Token(granted)
            if renewed != granted:  # a refused token did nothing, so the request may go again with another one, once
                granted, is_renewed = renewed, True
                continue
        pause = policy.pause(attempt, failure)
        if pause is None:
            raise failure
        attempt += 1
        yield Wait(pause)


def _onward(
    styles: tuple[Next, ...], answer: Answer, made: render.Draft, page: Page
) -> tuple[tuple[Next, ...], Place | None, Any]:
    """The style that yields, alone from now on, with where its value goes; no value at the end of the list."""
    for style in styles:
        value = _value(style, answer, made, page)
        if value is not None:
            return (style,), style.to, value
    return styles, None, None


def _value(style: Next, answer: Answer, made: render.Draft, page: Page) -> Any:
    if style.when and not conditions.holds(style.when, lambda name: words.look(name, answer)):
        return None
    value: Any
    if style.source.startswith("items."):
        value = words.dig(page.items, tuple(style.source.split(".")[1:]))
    elif style.source.startswith("query."):
        value = dict(made.query).get(style.source.partition(".")[2], 0)
    else:
        value = words.look(style.source, answer)
    if value is None or value == "":
        return None
    if style.plus is None:
        return value
    step = len(page.items or ()) if style.plus == "count" else int(style.plus)
    try:
        here = int(value)
        below = None if style.below is None else int(words.look(style.below, answer))
    except (TypeError, ValueError):
        return None
    if step == 0 or (below is not None and here >= below):
        return None
    return here + step


def fold(pages: Iterable[Page], paging: Paging | None) -> Result:
    """One result of all pages: the first page's object with the items of all, without the keys that are about pages."""
    said: list[Any] = []
    first: Page | None = None
    last: Page | None = None
    items: list[Any] = []
    for page in pages:
        first, last = first or page, page
        items += page.items or ()
        said += page.warnings
    assert first is not None and last is not None, "an exchange yields at least one page"
    data = first.data
    if paging is not None:
        if paging.items == ".":
            data = items
        else:
            data = {key: value for key, value in first.data.items() if key not in paging.keys}
            _replace(data, tuple(paging.items.split(".")), items)
    return Result(data=data, status=last.status, headers=last.headers, warnings=tuple(said))


def _replace(data: dict[str, Any], path: tuple[str, ...], items: list[Any]) -> None:
    for step in path[:-1]:
        data[step] = dict(data.get(step) or {})
        data = data[step]
    data[path[-1]] = items
