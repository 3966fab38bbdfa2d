"""One call over time, as a generator of steps: which tokens, requests, retries and pages, in which order. Pure.

It yields a `Page` for each answer of the vendor; `fold` makes one `Result` of them. A request goes again only where
that can do no harm (`retry`), with a renewed token where the vendor refused the old one, and all within the deadline.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from ..errors import ApiError, AuthError, NotFound, Problem, RateLimited, RequestError, TransportError
from ..inputs.bind import Bound
from ..language import places
from ..model import NOTHING, Page, Paging, Reported, Request, Response, Result
from ..pacing.claim import claim_of
from ..steps import Attempt, Claim, Heard, Key, Now, Send, Steps, Token, Turn, Wait
from . import answer as answers, paging as pages, render, retry
from .action import Action
from .answer import Answer
from .credentials import Credentials


class Account(Protocol):
    """Whose limits the calls count against: it has a pacer under a declared plan, else from the first refusal on."""

    @property
    def pacer(self) -> object | None: ...


class Unlimited:
    """An account whose calls are never paced."""

    pacer = None


class Terms(NamedTuple):
    """On what terms a call is carried out.

    `limit` bounds the items of a list, and `cursor` is where it goes on. `retries` is how often a page is asked for
    again where that can do no harm. `deadline` bounds the call with all its attempts and pauses, in seconds. `key` is
    the caller's own idempotency key. `observed`: somebody is told of each attempt.
    """

    limit: int | None = None
    cursor: str | None = None
    retries: int = 0
    deadline: float | None = None
    key: str | None = None
    account: Account = Unlimited()
    observed: bool = False


PLAIN = Terms()


class Call(NamedTuple):
    """What all attempts of a call share."""

    action: Action
    effect: str
    terms: Terms
    until: datetime | None  # when it must have ended
    keyed: bool  # the vendor knows a repetition when it sees one


class Outcome(NamedTuple):
    """What came of one attempt at the time `at`: a page, or a failure."""

    at: datetime | None
    page: Page | None = None
    answer: Answer | None = None
    failure: RequestError | None = None


def exchange(action: Action, bound: Bound, terms: Terms = PLAIN) -> Steps:
    """Carry out one call. The first page carries what the inputs warn of beside its own warnings.

    Raises `InputError` for a cursor that is none of this list's, before any step.
    """
    made = render.draft(action, bound.values, action.layout)
    if action.paging is None:
        if terms.cursor is not None:
            pages.spot_of(terms.cursor, "", None)  # raises: it is none of this call's
        return _single(action, made, terms, bound.warnings)
    mark = pages.mark(made)
    here = pages.start(action.paging, terms.limit)
    if terms.cursor is not None:
        here = pages.spot_of(terms.cursor, mark, action.paging)
    return _list(action, action.paging, made, terms, bound.warnings, mark, here)


def _begin(action: Action, made: render.Draft, terms: Terms) -> Generator[Any, Any, tuple[Call, render.Draft]]:
    until = None
    if terms.deadline is not None:
        now: datetime = yield Now()
        until = now + timedelta(seconds=terms.deadline)
    effect = action.effect or render.effect_of(action, made.method)
    keyed = effect == "create" and action.profile.idempotency is not None
    place = render.key_place(action, made) if keyed else None
    if place is not None:  # once a call: all its attempts carry the same key
        made = made.turn(place, terms.key or (yield Key()))
    return Call(action, effect, terms, until, keyed), made


def _single(action: Action, made: render.Draft, terms: Terms, warnings: tuple[Problem, ...]) -> Steps:
    call, made = yield from _begin(action, made, terms)
    page, _ = yield from _attempts(call, made)
    yield page._replace(warnings=(*warnings, *page.warnings)) if warnings else page


def _list(
    action: Action,
    paging: Paging,
    made: render.Draft,
    terms: Terms,
    warnings: tuple[Problem, ...],
    mark: str,
    here: pages.Spot,
) -> Steps:
    call, made = yield from _begin(action, made, terms)
    made = pages.turned(paging, made, here)
    limit = terms.limit
    seen, count = {places.text_of(here.value)}, 0
    while True:
        try:
            page, answer = yield from _attempts(call, made)
        except RequestError as error:
            error.items_read = count
            if error.retriable or not isinstance(error, ApiError):
                error.cursor = pages.cursor(mark, here)
            raise
        found = page.items or []
        ahead = pages.onward(paging, here, answer, made, page)
        items = found[here.skip :] if limit is None else found[here.skip : here.skip + limit - count]
        count += len(items)
        read = here.skip + len(items)
        if ahead is None and read == len(found) and terms.cursor is None:
            warnings = (*warnings, *pages.miscounted(paging, answer, count))
        on = here._replace(skip=read) if read < len(found) else ahead
        said = (*warnings, *page.warnings) if warnings else page.warnings
        yield page._replace(items=items, warnings=said, cursor=pages.cursor(mark, on))
        warnings = ()
        if ahead is None or (limit is not None and count >= limit):
            return
        value = places.text_of(ahead.value)
        if value in seen:
            raise _endless(count, page.status)
        seen.add(value)
        made, here = pages.turned(paging, made, ahead), ahead


def _endless(count: int, status: int) -> ApiError:
    error = ApiError(
        f"The list does not end: after {count} items the vendor named the same next page again.",
        hint="What was read is complete so far; start the list again.",
        status=status,
        retriable=True,
    )
    error.items_read = count
    return error


# -- one request, however many attempts it takes ---------------------------------------------------------------------


def _attempts(call: Call, made: render.Draft) -> Generator[Any, Any, tuple[Page, Answer]]:
    """The page that a request gives, or the error of its last attempt."""
    _, effect, terms, until, keyed = call
    credentials: Credentials = yield Token()
    retries, number, waited = 0, 0, 0.0
    is_renewed = is_in_doubt = False
    try:
        while True:
            number += 1
            at, page, answer, failure = yield from _attempt(call, made, credentials, number, waited)
            if page is not None and answer is not None:
                return page, answer
            assert failure is not None and at is not None
            if type(failure) is AuthError and not is_renewed:
                renewed: Credentials = yield Token(credentials.granted)
                if (
                    renewed.granted != credentials.granted
                ):  # what was refused did nothing: once more, with another token
                    credentials, is_renewed, waited = renewed, True, 0.0
                    continue
            if isinstance(failure, NotFound) and effect == "delete" and is_in_doubt:
                return _deleted(failure)
            is_in_doubt |= failure.may_have_been_done
            pause = retry.of(made.call, terms.retries, keyed).pause(retries, failure, at)
            if pause is None or (until is not None and at + timedelta(seconds=pause) >= until):
                raise failure
            retries += 1
            yield Wait(pause)
            waited = pause
    except RequestError as error:  # what the last attempt was told does not undo the first
        error.may_have_been_done |= is_in_doubt
        raise


def _attempt(
    call: Call, made: render.Draft, credentials: Credentials, number: int, waited: float
) -> Generator[Any, Any, Outcome]:
    """Send a request once, when it may go. The clock is read only where somebody wants to know the time."""
    action, effect, terms, until, _ = call
    claim: Claim | None = None
    if terms.account.pacer is not None:
        claim = claim_of(action, made.written)
        waited += yield from _turn(claim, until)
    request = render.finish(made, credentials)
    began: datetime | None = (yield Now()) if until or terms.observed else None
    at = None
    response: Response | None = None
    outcome = None
    try:
        response = yield Send(request, effect, _left(began, until))
        answer = answers.parse(response)
        if answers.is_refused(action.errors, answer):
            at = yield Now()
            raise answers.refusal(action, response, effect, at, credentials.secrets)
        page = answers.page(action, response, answer, effect, made.call.get("response_type", "json"))
        if not began and claim is None and not _is_scarce(action.profile.limits.reported, response.headers):
            return Outcome(None, page, answer)
        outcome = Outcome((yield Now()), page, answer)
    except (AuthError, ApiError, TransportError) as failure:
        outcome = Outcome(at or (yield Now()), failure=failure)
    attempt = _record(call, request, number, began, waited, response, outcome)
    yield Heard(claim or claim_of(action, made.written), attempt, response.headers if response else NOTHING)
    return outcome


def _record(
    call: Call,
    request: Request,
    number: int,
    began: datetime | None,
    waited: float,
    response: Response | None,
    outcome: Outcome,
) -> Attempt:
    told, failure, at = call.action.errors.id, outcome.failure, outcome.at
    assert at is not None
    return Attempt(
        action=call.action.key,
        effect=call.effect,
        method=request.method,
        path=request.template,
        number=number,
        at=began or at,
        seconds=max(0.0, (at - began).total_seconds()) if began else 0.0,
        waited=waited,
        status=response.status if response else None,
        kind=failure.kind if failure else None,
        code=failure.code if failure else None,
        tracking_id=places.look(told, Answer(0, response.headers, None)) if told and response else None,
        retry_at=failure.retry_at if failure else None,
    )


def _is_scarce(reported: Reported, headers: Mapping[str, str]) -> bool:
    """Whether the vendor says that little remains of what it allows: then it is time to pace."""
    source = reported.remaining
    return source is not None and source.removeprefix("header.").lower() in headers and reported.is_scarce(headers)


def _turn(claim: Claim, until: datetime | None) -> Generator[Any, Any, float]:
    """Wait until the claim may go; how long that took, in seconds."""
    waited = 0.0
    try:
        while pause := (yield Turn(claim)):
            if until is not None:
                now: datetime = yield Now()
                if now + timedelta(seconds=pause) >= until:
                    raise RateLimited(
                        "The deadline leaves no time to wait for a turn under the vendor's limits.",
                        hint="Nothing was sent; try again later, or give the call more time.",
                        retriable=True,
                        retry_at=now + timedelta(seconds=pause),
                    )
            yield Wait(pause)
            waited += pause
    except BaseException:  # cancelled, or too late: nobody waits behind it
        claim.gone = True
        raise
    return waited


def _left(now: datetime | None, until: datetime | None) -> float | None:
    if until is None or now is None:
        return None
    left = (until - now).total_seconds()
    if left <= 0:
        raise TransportError("The call's deadline has passed.", hint="Nothing more was sent.", retriable=True)
    return left


def _deleted(failure: RequestError) -> tuple[Page, Answer]:
    """What a delete gives that is repeated after a lost answer, and finds nothing: the first one did it."""
    said = Problem("status", "The answer was lost; asked again, the vendor no longer knows what was to be deleted.")
    status = failure.status or 0
    page = Page(data={}, items=None, status=status, headers=NOTHING, warnings=(said,))
    return page, Answer(status, NOTHING, None)


# -- one result of all pages -----------------------------------------------------------------------------------------


def fold(pages: Iterable[Page], paging: Paging | None) -> Result:
    """One result of all pages: the first page's object with the items of all, without the keys that are about pages.

    An error in the middle of a list carries what was read so far as its `partial` result.
    """
    read: list[Page] = []
    try:
        for page in pages:
            read.append(page)
    except RequestError as error:
        error.partial = result_of(read, paging) if read else None
        raise
    return result_of(read, paging)


async def fold_async(pages: AsyncIterable[Page], paging: Paging | None) -> Result:
    """`fold` for asyncio."""
    read: list[Page] = []
    try:
        async for page in pages:
            read.append(page)
    except RequestError as error:
        error.partial = result_of(read, paging) if read else None
        raise
    return result_of(read, paging)


def result_of(read: list[Page], paging: Paging | None) -> Result:
    first, last = read[0], read[-1]
    data = first.data
    if paging is not None:
        items = [item for page in read for item in page.items or ()]
        data = items if paging.items == "." else _with_items(first.data, paging, items)
    said = tuple(warning for page in read for warning in page.warnings)
    return Result(data=data, status=last.status, headers=last.headers, warnings=said, cursor=last.cursor)


def _with_items(data: dict[str, Any], paging: Paging, items: list[Any]) -> dict[str, Any]:
    whole = inner = {key: value for key, value in data.items() if key not in paging.keys}
    *path, last = paging.items.split(".")
    for step in path:
        inner[step] = dict(inner.get(step) or {})
        inner = inner[step]
    inner[last] = items
    return whole
