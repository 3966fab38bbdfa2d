"""One call over time, as a generator of effects: which tokens, requests and pages, in which order. Pure.

It yields effects (`connector_runtime.steps`) and is answered by its driver, and yields a `Page` for each
answer of the vendor; `fold` makes one result of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from ..errors import ApiError, RequestError
from ..inputs.bind import Bound
from ..language import places
from ..model import Page, Paging, Result
from ..steps import PLAIN, Exchange, Key, Now, Terms
from . import paging as pages_of, render
from .action import Action
from .attempts import attempts


def exchange(action: Action, bound: Bound, terms: Terms = PLAIN) -> Exchange:
    """Carry out one call. The first page carries what the inputs warn of beside its own warnings.

    Raises `InputError` for a cursor that is none of this list's, before anything is wanted.
    """
    made = render.draft(action, bound.values)
    effect = render.effect_of(action, made.method)
    paging = action.paging
    mark = pages_of.mark(made) if paging else ""
    here = pages_of.start(paging, terms.limit)
    if terms.cursor is not None:
        here = pages_of.spot_of(terms.cursor, mark, paging)
    return _exchange(action, bound, made, effect, terms, mark, here)


def _exchange(
    action: Action, bound: Bound, made: render.Draft, effect: str, terms: Terms, mark: str, here: pages_of.Spot
) -> Exchange:
    paging, limit, warnings = action.paging, terms.limit, bound.warnings
    until = (yield from _until(terms.deadline)) if terms.deadline is not None else None
    place = render.key_place(action, made)
    if place is not None:  # once a call: all its attempts carry the same key
        made = made.turn(place, terms.key or (yield Key()))
    keyed = effect == "create" and action.profile.idempotency is not None
    if paging is None:
        page, _ = yield from attempts(action, bound.values, made, effect, terms, until, keyed)
        yield page._replace(warnings=(*warnings, *page.warnings)) if warnings else page
        return
    made = pages_of.turned(paging, made, here)
    seen, count = {places.text_of(here.value)}, 0
    while True:
        try:
            page, answer = yield from attempts(action, bound.values, made, effect, terms, until, keyed)
        except RequestError as error:
            error.items_read = count
            if error.retriable or not isinstance(error, ApiError):
                error.cursor = pages_of.cursor(mark, here)
            raise
        found = page.items or []
        ahead = pages_of.onward(paging, here, answer, made, page)
        items = found[here.skip :] if limit is None else found[here.skip : here.skip + limit - count]
        count += len(items)
        read = here.skip + len(items)
        if ahead is None and read == len(found) and terms.cursor is None:
            warnings = (*warnings, *pages_of.miscounted(paging, answer, count))
        on = here._replace(skip=read) if read < len(found) else ahead
        said = (*warnings, *page.warnings) if warnings else page.warnings
        yield page._replace(items=items, warnings=said, cursor=pages_of.cursor(mark, on))
        warnings = ()
        if ahead is None or (limit is not None and count >= limit):
            return
        value = places.text_of(ahead.value)
        if value in seen:
            raise _endless(count, page.status)
        seen.add(value)
        made, here = pages_of.turned(paging, made, ahead), ahead


def _until(deadline: float) -> Any:
    now: datetime = yield Now()
    return now + timedelta(seconds=deadline)


def _endless(count: int, status: int) -> ApiError:
    error = ApiError(
        f"The list does not end: after {count} items the vendor named the same next page again.",
        hint="What was read is complete so far; start the list again.",
        status=status,
        retriable=True,
    )
    error.items_read = count
    return error


def fold(pages: Iterable[Page], paging: Paging | None) -> Result:
    """One result of all pages: the first page's object with the items of all, without the keys that are about pages.

    An error in the middle of a list carries what was read so far as its `partial` result.
    """
    said: list[Any] = []
    first: Page | None = None
    last: Page | None = None
    items: list[Any] = []
    failure: RequestError | None = None
    try:
        for page in pages:
            first, last = first or page, page
            items += page.items or ()
            said += page.warnings
    except RequestError as error:
        if first is None or last is None:
            raise
        failure = error
    assert first is not None and last is not None, "an exchange yields at least one page"
    data = first.data
    if paging is not None:
        if paging.items == ".":
            data = items
        else:
            data = {key: value for key, value in first.data.items() if key not in paging.keys}
            _replace(data, tuple(paging.items.split(".")), items)
    result = Result(data=data, status=last.status, headers=last.headers, warnings=tuple(said), cursor=last.cursor)
    if failure is not None:
        failure.partial = result
        raise failure
    return result


def _replace(data: dict[str, Any], path: tuple[str, ...], items: list[Any]) -> None:
    for step in path[:-1]:
        data[step] = dict(data.get(step) or {})
        data = data[step]
    data[path[-1]] = items
