"""A create that is looked for before it is sent again, where an answer was lost. Pure.

What tells it apart is what was sent: the fields that the definition calls `same`, and that it was made since.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

from ..errors import NotFound, Problem, RequestError
from ..inputs.bind import Bound
from ..language import conditions, datetimes, places
from ..model import Json, Page, Recover
from ..steps import Now, Steps, Wait, next_output
from . import render
from .action import Action
from .exchange import Retries, Terms, exchange

TOLERANCE = timedelta(seconds=2)  # both clocks are written in whole seconds


def recovering(action: Action, bound: Bound, terms: Terms, other: Action) -> Steps:
    """Carry out a create; if it may have been done, look with the `other` action and send again only if it was not."""
    rule = action.recover
    assert rule is not None
    retries = Retries(most=max(1, terms.retries), keyed=True)
    sendings = 0
    began: datetime = yield Now()
    while True:
        try:
            yield from exchange(action, bound, terms)
            return
        except RequestError as error:
            made = render.draft(action, bound.values, action.layout)
            sent = {name: places.dig(made.body, place.path) for name, place in rule.same.items()}  # None: nothing was
            known = None not in sent.values() and conditions.holds(rule.when, bound.values.get)
            if not (error.may_have_been_done and known):
                raise
            failure = error
        now: datetime = yield Now()
        pause = retries.pause(sendings, failure, now) or 0.0
        left = None if terms.deadline is None else terms.deadline - (now - began).total_seconds() - pause
        if left is not None and left <= 0:
            raise failure
        yield Wait(pause)
        inputs = {name: bound.values[ours] for name, ours in rule.inputs.items() if ours in bound.values}
        looking = exchange(other, other.bind(inputs), terms._replace(limit=None, cursor=None, key=None, deadline=left))
        try:
            found = yield from _found(looking, rule, sent, began)
        except RequestError as error:  # whatever kept it from looking, the doubt stays
            error.may_have_been_done, error.retriable = True, False
            raise
        if len(found) == 1:
            said = f"The answer was lost; {other.key} found that it had been done, and gave this."
            yield Page(data=found[0], items=None, status=200, headers={}, warnings=(*bound.warnings, Problem("", said)))
            return
        sendings += 1
        if found or sendings > terms.retries:
            failure.hint = (
                f"{len(found)} that look like it were found by {other.key}; look before you send it again."
                if found
                else f"{other.key} did not find it, so it was most likely not done."
            )
            raise failure


def _found(looking: Steps, rule: Recover, sent: dict[str, Json], began: datetime) -> Generator[Any, Any, list[Json]]:
    """What the look finds that is the same."""
    found: list[Json] = []
    try:
        while page := (yield from next_output(looking)):
            now: datetime = yield Now()
            theirs = datetimes.http_date(page.headers.get("date"))  # their clock may be ahead of ours
            since = began + (theirs - now if theirs else timedelta()) - TOLERANCE
            items = [page.data] if page.items is None else page.items
            found += [item for item in items if _is_same(item, rule, sent, since)]
    except NotFound:
        return []
    return found


def _is_same(item: Json, rule: Recover, sent: dict[str, Json], since: datetime) -> bool:
    if rule.since is not None:
        made = datetimes.instant(places.dig(item, (rule.since,)))
        if made is None or made < since:
            return False
    return all(_equal(places.dig(item, tuple(name.split("."))), value) for name, value in sent.items())


def _equal(theirs: Json, ours: Json) -> bool:
    if isinstance(theirs, str) and isinstance(ours, str):
        return theirs.strip().casefold() == ours.strip().casefold()
    return conditions.same(theirs, ours)
