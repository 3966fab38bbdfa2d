"""One request, however many attempts it takes: its turn, its token, its retries, all within the deadline. Pure."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..errors import ApiError, AuthError, NotFound, Problem, RateLimited, RequestError, TransportError
from ..language import places
from ..model import Page, Request, Response
from ..pacing.claim import claim_of
from ..steps import Attempt, Claim, Effect, Heard, Now, Send, Terms, Token, Turn, Wait
from . import answer as answers, render, retry
from .action import Action
from .answer import Answer

NOTHING: Mapping[str, str] = {}


def attempts(
    action: Action,
    values: Mapping[str, Any],
    made: render.Draft,
    effect: str,
    terms: Terms,
    until: datetime | None,
    keyed: bool,
) -> Generator[Effect, Any, tuple[Page, Answer]]:
    """The page that a request gives, or the error of its last attempt. `until` is when the call must have ended."""
    policy = retry.of(made.call, terms.retries, keyed)
    wanted = made.call.get("response_type", "json")
    granted: Mapping[str, str] = yield Token()
    retries, number, waited = 0, 0, 0.0
    is_renewed = is_in_doubt = False
    try:
        while True:
            claim = claim_of(action, values)
            waited += yield from _turn(claim, until)
            request = render.finish(made, action.profile, terms.base_url, granted)
            secrets = render.secrets_of(action.profile, granted)  # looked for only where something is wrong
            number += 1
            began: datetime = yield Now()
            response: Response | None = None
            failure: RequestError | None = None
            try:
                response = yield Send(request, effect, _left(began, until))
                now: datetime = yield Now()
                page, answer = answers.page(action, response, effect, wanted, now, secrets)
            except (AuthError, ApiError, TransportError) as error:
                failure = error
            if response is None:
                now = yield Now()
            attempt = _attempt(action, request, effect, number, began, now, waited, response, failure)
            yield Heard(claim, attempt, response.headers if response else NOTHING)
            if failure is None:
                return page, answer
            if type(failure) is AuthError and not is_renewed:
                renewed: Mapping[str, str] = yield Token(granted)
                if renewed != granted:  # what was refused did nothing, so it may go again with another token, once
                    granted, is_renewed, waited = renewed, True, 0.0
                    continue
            if isinstance(failure, NotFound) and effect == "delete" and is_in_doubt:
                return _deleted(failure)
            is_in_doubt |= failure.may_have_been_done
            pause = policy.pause(retries, failure, now)
            if pause is None or (until is not None and now + timedelta(seconds=pause) >= until):
                raise failure
            retries += 1
            yield Wait(pause)
            waited = pause
    except RequestError as error:  # what the last attempt was told does not undo the first
        error.may_have_been_done |= is_in_doubt
        raise


def _attempt(
    action: Action,
    request: Request,
    effect: str,
    number: int,
    began: datetime,
    now: datetime,
    waited: float,
    response: Response | None,
    failure: RequestError | None,
) -> Attempt:
    told = action.errors.id
    return Attempt(
        action=action.key,
        effect=effect,
        method=request.method,
        path=request.template,
        number=number,
        at=began,
        seconds=max(0.0, (now - began).total_seconds()),
        waited=waited,
        status=response.status if response else None,
        kind=failure.kind if failure else None,
        code=failure.code if failure else None,
        tracking_id=places.look(told, Answer(0, response.headers, None)) if told and response else None,
        retry_at=failure.retry_at if failure else None,
    )


def _turn(claim: Claim, until: datetime | None) -> Generator[Effect, Any, float]:
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


def _left(now: datetime, until: datetime | None) -> float | None:
    if until is None:
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
