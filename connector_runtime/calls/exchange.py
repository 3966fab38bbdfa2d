"""One call over time, as a generator of steps: which tokens, requests, retries and pages, in which order. Pure.

It yields a `Page` for each answer of the vendor; `fold` makes one `Result` of them. A request is retried if that is
safe (`Retries`); `recovering` looks before it sends again what may have been done.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..errors import (
    ApiError,
    AuthError,
    ConnectorError,
    Guard,
    NotFound,
    Problem,
    QuotaReached,
    RateLimited,
    RequestError,
    TransportError,
    said,
)
from ..inputs.bind import BoundInputs
from ..language import conditions, datetimes, places
from ..language.places import Answer
from ..model import NOTHING, Json, Page, Paging, Recover, Response, Result
from ..pacing.permit import permit_of
from ..sentences import Sentence
from ..steps import AskPermit, Attempt, Key, Now, Permit, Report, Send, Steps, Token, Wait, next_output
from ..structs import shows
from . import answers, pages, render
from .action import Action
from .credentials import Credentials

FIRST_PAUSE = 0.5  # seconds; doubled at each attempt
LONGEST_PAUSE = 60.0  # a vendor that asks for more is not waited for
LONGEST_PERMIT_WAIT = 900.0  # that a call without a deadline waits in line, all pauses together
LONGEST_DELAY = 86400.0  # that a call's own inputs may ask for
EMPTY_PAGES = 100  # in a row, after which a list is not believed to end
RATE_PAUSE = 1.0  # where the vendor says too fast, and not until when
TOLERANCE = timedelta(seconds=2)  # both clocks are written in whole seconds


@shows()
class CallTerms(NamedTuple):
    """On what terms a call is carried out.

    `limit` bounds the items of a list, and `cursor` is where it goes on. `retries` is how often a request is retried,
    if that is safe. `deadline` bounds the call with all its attempts and pauses, in seconds. `key` is the caller's own
    idempotency key. `account` is whose limits the call counts against: it has a `pacer` under a declared plan, else
    from the first refusal on. `observed`: somebody is told of each attempt. `caller` is as in `permit_of`.
    """

    limit: int | None = None
    cursor: str | None = None
    retries: int = 0
    deadline: float | None = None
    key: str | None = None
    account: Any = None
    observed: bool = False
    caller: str = ""


PLAIN = CallTerms()


def exchange(action: Action, bound: BoundInputs, terms: CallTerms = PLAIN) -> Steps:
    """Carry out one call. The first page carries what the inputs warn of beside its own warnings.

    Raises `InputError` for a cursor that is none of this list's, before any step.
    """
    call = _CallSteps(action, bound, terms)
    if action.paging is None:
        if terms.cursor is not None:
            pages.position_of(terms.cursor, "", None)  # raises: it is none of this call's
        return call.single()
    digest = pages.list_digest(call.made)
    begun = pages.start(action.paging, terms.limit)
    here = begun if terms.cursor is None else pages.position_of(terms.cursor, digest, action.paging)
    return call.paged(action.paging, digest, here)


class _CallSteps:
    """What all pages and attempts of a call share. `made` is the draft of the request that goes next."""

    def __init__(self, action: Action, bound: BoundInputs, terms: CallTerms) -> None:
        self.action, self.terms, self.warnings = action, terms, bound.warnings
        self.book = action.profile.phrasebook
        self.made = render.draft(action, bound.values, action.layout)
        self.effect = action.effect or render.effect_of(action, self.made.method)
        self.is_keyed = self.effect == "create" and action.profile.idempotency is not None
        self.until: datetime | None = None  # when it must have ended

    def begin(self) -> Generator[Any, Any, None]:
        if self.terms.deadline is not None:
            now: datetime = yield Now()
            self.until = now + timedelta(seconds=self.terms.deadline)
        place = render.key_place(self.action, self.made) if self.is_keyed else None
        if place is not None:  # once a call: all its attempts carry the same key
            self.made = self.made.with_value(place, self.terms.key or (yield Key()))

    def single(self) -> Steps:
        yield from self.begin()
        page, *_ = yield from self.attempts()
        warnings = (*self.warnings, *page.warnings)
        yield page.replace(warnings=said(warnings, self.book)) if warnings else page

    def paged(self, paging: Paging, digest: str, here: pages.ListPosition) -> Steps:
        yield from self.begin()
        self.made = pages.page_draft(paging, self.made, here)
        limit, warnings = self.terms.limit, self.warnings
        seen, count, empty, last = {places.text_of(here.value)}, 0, 0, None
        while True:
            try:
                page, answer, base = yield from self.attempts()
            except RequestError as error:
                error.items_read = count
                if error.retriable or not isinstance(error, ApiError):
                    error.cursor = pages.cursor(digest, here)
                raise
            found, ahead = page.items or [], None
            fault: ApiError | None = None
            try:
                ahead = pages.next_position(paging, here, answer, self.made, page, base)
            except ApiError as error:  # said when this page is out
                fault = error
            items = found[here.skip :] if limit is None else found[here.skip : here.skip + limit - count]
            count += len(items)
            read = here.skip + len(items)
            if ahead is None and fault is None and read == len(found) and self.terms.cursor is None:
                warnings = (*warnings, *pages.count_warnings(paging, answer, count))
            on = here._replace(skip=read) if read < len(found) else ahead
            told = said((*warnings, *page.warnings), self.book) if warnings or page.warnings else ()
            yield page.replace(items=items, warnings=told, cursor=pages.cursor(digest, on))
            warnings = ()
            if fault is not None:
                fault.items_read = count
                fault.speak(self.book)
                raise fault
            if ahead is None or (limit is not None and count >= limit):
                return
            value, empty = places.text_of(ahead.value), 0 if found else empty + 1
            is_stuck = found and found == last and paging.next[ahead.style or 0].plus == "count"
            if value in seen or is_stuck or empty > EMPTY_PAGES:
                is_over = value in seen or is_stuck
                endless = _endless(page, count, empty, is_over=bool(is_over), is_named=value in seen)
                endless.items_read, endless.cursor = count, None if is_over else pages.cursor(digest, ahead)
                endless.speak(self.book)
                raise endless
            seen.add(value)
            self.made, here, last = pages.page_draft(paging, self.made, ahead), ahead, found

    def attempts(self) -> Generator[Any, Any, tuple[Page, Answer, Credentials]]:
        """The page that a request gives and under which credentials, or the error of its last attempt."""
        credentials: Credentials = yield Token()
        retries, number, waited = 0, 0, 0.0
        is_renewed, doubt = False, None  # the failure of an attempt that may have been done
        try:
            while True:
                number += 1
                at, outcome = yield from self.attempt(credentials, number, waited)
                if isinstance(outcome, tuple):
                    return *outcome, credentials
                if type(outcome) is AuthError and not is_renewed:
                    renewed: Credentials = yield Token(credentials.granted)
                    if renewed.granted != credentials.granted:  # what was refused did nothing: again, with a new token
                        credentials, is_renewed, waited = renewed, True, 0.0
                        continue
                if isinstance(outcome, NotFound) and self.effect == "delete" and doubt:
                    status = outcome.status or 0  # the first one did it
                    page = Page({}, None, status, NOTHING, (Problem("status", DELETED),))
                    return page, Answer(status, NOTHING, None), credentials
                doubt = outcome if outcome.may_have_been_done else doubt
                pause = Retries.of(self.made.call, self.terms.retries, self.is_keyed).pause(retries, outcome, at)
                if pause is None or (self.until is not None and at + timedelta(seconds=pause) >= self.until):
                    raise outcome
                retries += 1
                yield Wait(pause)
                waited = pause
        except ConnectorError as error:  # what the last attempt was told does not undo the first
            error.speak(self.book)
            if doubt is None:
                raise
            if not isinstance(error, RequestError):  # a store's, which can say nothing of it
                raise doubt from error
            error.may_have_been_done = True
            raise

    def attempt(self, credentials: Credentials, number: int, waited: float) -> Generator[Any, Any, tuple[Any, Outcome]]:
        """Send a request once, when it may go: the time and what came of it.

        The clock is read only where somebody wants to know the time, or it failed.
        """
        action, made = self.action, self.made
        permit: Permit | None = None
        if self.terms.account is not None and self.terms.account.pacer is not None:
            permit = permit_of(action, made.written, caller=self.terms.caller)
            waited += yield from self.wait_for_permit(permit)
        request = render.finish(made, credentials)
        began: datetime | None = (yield Now()) if self.until or self.terms.observed else None
        at: datetime | None = None
        response: Response | None = None
        try:
            left = (self.until - began).total_seconds() if self.until and began else None
            if left is not None and left <= 0:
                what, hint = Sentence("The time allowed for the call is over."), Sentence("Nothing more was sent.")
                raise TransportError(what, hint=hint, retriable=True)
            response = yield Send(request, self.effect, left)
            answer = answers.parse(response)
            if answers.is_refused(action.errors, answer):
                at = yield Now()
                refusal = answers.RefusedResponse(action.errors, response, credentials.secrets)
                raise refusal.error(self.effect, at, action)
            wanted = made.call.get("response_type", "json")
            outcome: Outcome = answers.page(action, response, answer, self.effect, wanted), answer
            reported = action.profile.limits.reported
            is_told = (reported.remaining or "").removeprefix("header.").lower() in response.headers
            if not began and permit is None and not (is_told and reported.is_scarce(response.headers)):
                return None, outcome
        except (AuthError, ApiError, TransportError) as failure:
            outcome = failure
        ended: datetime = at or (yield Now())
        headers, told = response.headers if response else NOTHING, action.errors.id
        failed = None if isinstance(outcome, tuple) else outcome
        status, id_ = response and response.status, places.look(told, Answer(0, headers, None)) if told else None
        about = {"action": action.key, "effect": self.effect, "method": request.method, "path": request.template}
        more = {"number": number, "waited": waited, "status": status, "tracking_id": id_}
        attempt = Attempt.of(failed, began or ended, ended, **about, **more)
        yield Report(permit or permit_of(action, made.written, caller=self.terms.caller), attempt, headers)
        return ended, outcome

    def wait_for_permit(self, permit: Permit) -> Generator[Any, Any, float]:
        """Wait until the permit may go; how long that took, in seconds."""
        waited, until = 0.0, self.until
        try:
            while pause := (yield AskPermit(permit)):
                now: datetime = yield Now()
                until = until or now + timedelta(seconds=LONGEST_PERMIT_WAIT)
                if pause >= (until - now).total_seconds():
                    what = Sentence("Waiting for {vendor}'s rate limit would take longer than the time allowed.")
                    hint = Sentence("Nothing was sent. Try again later, or allow the call more time.")
                    free_at = datetimes.of_epoch(now.timestamp() + pause)
                    raise RateLimited(what, hint=hint, retriable=True, retry_at=free_at)
                yield Wait(pause)
                waited += pause
        except BaseException:  # cancelled, or too late: nobody waits behind it
            permit.gone = True
            raise
        return waited


DELETED = Sentence(
    "The first answer was lost; on the second try {vendor} had nothing to delete, so it was most likely deleted."
)


def _endless(page: Page, count: int, empty: int, *, is_over: bool, is_named: bool) -> ApiError:
    """The error of a list that leads nowhere new."""
    reason = Sentence("{vendor} gave the same page again")
    hint = Sentence("What was read so far is complete. Start the list again.")
    if is_named:
        reason = Sentence("{vendor} named the same next page again")
    elif not is_over:
        reason = Sentence("{count} pages in a row were empty", count=empty)
        hint = Sentence("What was read so far is complete. Continue from the cursor later.")
    what = Sentence("The list does not end: after {count} items, {reason}.", count=count, reason=reason)
    return ApiError(what, hint=hint, status=page.status, retriable=True)


Outcome = tuple[Page, Answer] | RequestError  # of one attempt


class Retries(NamedTuple):
    """How often a failed attempt is made again, and after which pause; time and chance are given.

    What may be repeated is said by the error: `retriable` if the same request is safe to send again. That is so for
    reads, updates and deletes, for what never reached the vendor, and for what the vendor refused for coming too fast.
    `delay` (seconds), `all_errors` and `exponential` are what a call's own inputs ask for.
    """

    most: int = 0
    keyed: bool = False  # the vendor knows a repetition when it sees one
    own: bool = False
    delay: float = 0.0
    all_errors: bool = False
    exponential: bool = False

    @classmethod
    def of(cls, call: Mapping[str, Json], most: int, keyed: bool = False) -> Retries:
        """Those that a call's own `call.retry.*` inputs ask for, else `most` by what the error says."""
        if not any(name.startswith("retry.") for name in call):
            return cls(most, keyed)
        most, delay = call.get("retry.max_count", 0), min(call.get("retry.delay_ms", 0), 1000 * LONGEST_DELAY) / 1000
        every, exponential = call.get("retry.on_all_errors", False), call.get("retry.exponential", False)
        return cls(most, own=True, delay=delay, all_errors=every, exponential=exponential)

    def pause(self, attempt: int, error: RequestError, now: datetime) -> float | None:
        """Seconds to wait before the next attempt after `attempt` retries; None to give up."""
        if self.own:
            covers = self.all_errors or isinstance(error, TransportError) or (error.status or 0) >= 500
        else:
            again = error.retriable or (self.keyed and error.may_have_been_done)
            covers = again and not isinstance(error, QuotaReached)
        if attempt >= self.most or not covers:
            return None
        doubled = 2.0 ** min(attempt, 10)  # beyond the longest pause
        if self.own:
            return min(2 * FIRST_PAUSE * doubled, LONGEST_PAUSE) if self.exponential else self.delay
        chance = now.microsecond / 1e6  # so that those who failed together do not come back together
        if error.retry_at is not None:
            pause = (error.retry_at - now).total_seconds()
            return max(0.0, pause) + chance * FIRST_PAUSE if pause <= LONGEST_PAUSE else None
        first = RATE_PAUSE if isinstance(error, RateLimited) else FIRST_PAUSE
        return min(first * doubled, LONGEST_PAUSE) * (0.5 + chance)


# -- a create whose answer was lost ------------------------------------------------------------------------------------


def recovering(action: Action, bound: BoundInputs, terms: CallTerms, other: Action) -> Steps:
    """Carry out a create; if it may have been done, look with the `other` action and send again only if it was not.

    What tells it apart is what was sent: the fields that the definition calls `same`, and that it was made since.
    """
    rule, book = action.recover, action.profile.phrasebook
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
        except ConnectorError as error:  # whatever kept it from looking, the doubt stays
            if not isinstance(error, RequestError):
                raise failure from error
            error.may_have_been_done, error.retriable = True, False
            raise
        if len(found) == 1:
            what = Sentence("The answer was lost; '{action}' shows that it was done.", action=other.label)
            warnings = said((*bound.warnings, Problem("", what)), book)
            yield Page(data=found[0], items=None, status=200, headers={}, warnings=warnings)
            return
        sendings += 1
        if found or sendings > terms.retries:
            slots = {"action": other.label, "count": len(found)}
            failure.hint = Sentence("'{action}' does not show it, so it was most likely not done.", **slots)
            if found:
                failure.hint = Sentence(
                    "'{action}' shows {count} that look like it. Check before you send it again.", **slots
                )
            failure.speak(book)
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
    made = rule.since and datetimes.instant(places.dig(item, (rule.since,)))
    if rule.since is not None and (not made or made < since):
        return False
    for name, ours in sent.items():
        theirs = places.at(item, name)
        if isinstance(theirs, str) and isinstance(ours, str):
            theirs, ours = theirs.strip().casefold(), ours.strip().casefold()
        if not conditions.same(theirs, ours):
            return False
    return True


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
    with Guard():
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
    with Guard():
        return result_of(read, paging)


def result_of(read: list[Page], paging: Paging | None) -> Result:
    first, last = read[0], read[-1]
    data = first.data
    if paging is not None:
        items = [item for page in read for item in page.items or ()]
        if paging.items == ".":
            data = items
        else:
            whole = first.data if isinstance(first.data, dict) else {}
            data = inner = {key: value for key, value in whole.items() if key not in paging.keys}
            *path, name = paging.items.split(".")
            for step in path:
                there = inner.get(step)
                inner[step] = {**there} if isinstance(there, dict) else {}
                inner = inner[step]
            inner[name] = items
    said = tuple(warning for page in read for warning in page.warnings)
    return Result(data=data, status=last.status, headers=last.headers, warnings=said, cursor=last.cursor)
