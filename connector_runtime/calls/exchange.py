"""One call as a generator of steps: its tokens, requests, retries and pages, in order. Pure.

It yields a `Page` for each successful response, and `fold` combines the pages into one `Result`. `Retries` decides
which requests are retried. If the response to a create is lost, `recovering` looks for the object before sending again.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
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
from ..language import conditions, datetimes, json_text, places
from ..language.places import Answer
from ..model import NOTHING, Json, Page, Paging, Recover, Response, Result
from ..pacing.bucket import midnight
from ..pacing.permit import permit_of
from ..sentences import Sentence
from ..steps import AskPermit, Attempt, Key, Now, Permit, Report, Send, Steps, Token, Wait, next_output
from ..structs import shows
from . import answers, pages, render
from .action import Action
from .credentials import Credentials

FIRST_PAUSE = 0.5  # seconds, doubled at each attempt
LONGEST_PAUSE = 60.0  # seconds; the call fails if the vendor asks for more
LONGEST_PERMIT_WAIT = 900.0  # seconds in total for a call without a deadline
LONGEST_DELAY = 86400.0  # seconds that an input may set
EMPTY_PAGES = 100  # in a row, after which a list is treated as endless
RATE_PAUSE = 1.0  # seconds after a rate-limit refusal that gives no time
TOLERANCE = timedelta(seconds=2)  # both clocks may be rounded to seconds


@shows()
class CallTerms(NamedTuple):
    """The terms of a call, from the options of the client and of the call.

    `limit` is the maximum number of items of a list, and `cursor` continues the list. `retries` is the maximum number
    of retries per request. `deadline` limits the whole call, in seconds. `key` is the caller's idempotency key.
    `account` is the account whose limits apply; it has a `pacer` if its plan is declared, or after the first refusal.
    `observed` is true if an observer gets each attempt. `caller` is for `permit_of`. `largest` bounds a list in bytes.
    """

    limit: int | None = None
    cursor: str | None = None
    retries: int = 0
    deadline: float | None = None
    key: str | None = None
    account: Any = None
    observed: bool = False
    caller: str = ""
    largest: int | None = None


PLAIN = CallTerms()


def exchange(action: Action, bound: BoundInputs, terms: CallTerms = PLAIN) -> Steps:
    """Return one call as steps; its first page has the input warnings. Raises `InputError` for an invalid cursor."""
    call = _CallSteps(action, bound, terms)
    if action.paging is None:
        if terms.cursor is not None:
            pages.position_of(terms.cursor, "", None)  # always raises: the action has no cursors
        return call.single()
    digest, position = pages.list_digest(call.draft), pages.start(action.paging)
    if terms.cursor is not None:
        position = pages.position_of(terms.cursor, digest, action.paging)
    return call.paged(action.paging, digest, position)


class _CallSteps:
    """The state that all pages and attempts of a call share. `draft` is the draft of the next request."""

    def __init__(self, action: Action, bound: BoundInputs, terms: CallTerms) -> None:
        self.action, self.terms, self.warnings = action, terms, bound.warnings
        self.book = action.profile.phrasebook
        self.draft = render.draft(action, bound.values, action.layout, bound.extra)
        self.effect = action.effect or render.effect_of(action, self.draft.method)
        self.is_keyed = self.effect == "create" and action.profile.idempotency is not None
        self.until: datetime | None = None  # the deadline

    def begin(self) -> Generator[Any, Any, None]:
        if self.terms.deadline is not None:
            now: datetime = yield Now()
            self.until = now + timedelta(seconds=self.terms.deadline)
        place = render.key_place(self.action, self.draft) if self.is_keyed else None
        if place is not None:  # generated once, so all attempts carry the same key
            self.draft = self.draft.with_value(place, self.terms.key or (yield Key()))

    def single(self) -> Steps:
        yield from self.begin()
        page, *_ = yield from self.attempts()
        warnings = (*self.warnings, *page.warnings, *answers.range_warnings(self.action, self.draft.written, page.data))
        yield page.replace(warnings=said(warnings, self.book)) if warnings else page

    def paged(self, paging: Paging, digest: str, position: pages.ListPosition) -> Steps:
        yield from self.begin()
        self.draft = pages.page_draft(paging, self.draft, position)
        limit, room, warnings = self.terms.limit, self.terms.largest, self.warnings
        visited, count, empty, last = {places.text_of(position.value)}, 0, 0, None
        while True:
            try:
                page, answer, credentials = yield from self.attempts()
            except RequestError as error:
                error.items_read = count
                if error.retriable or not isinstance(error, ApiError):
                    error.cursor = pages.cursor(digest, position)
                raise
            page_items, following = page.items or [], None
            if last is None:
                warnings = (*warnings, *answers.range_warnings(self.action, self.draft.written, page.data))
            paging_error: ApiError | None = None
            try:
                following = pages.next_position(paging, position, answer, self.draft, page, credentials)
            except ApiError as error:  # raised after this page is yielded
                paging_error = error
            items = page_items[position.skip : None if limit is None else position.skip + limit - count]
            if room is not None:
                ends = [*accumulate(len(json_text.write(item)) + 1 for item in items)]
                items = items[: sum(end <= room for end in ends) or not count]
                room -= ends[len(items) - 1] if items else 0
            count += len(items)
            read = position.skip + len(items)
            if following is None and paging_error is None and read == len(page_items) and self.terms.cursor is None:
                warnings = (*warnings, *pages.count_warnings(paging, answer, count))
            rest = position._replace(skip=read) if read < len(page_items) else following
            translated = said((*warnings, *page.warnings), self.book) if warnings or page.warnings else ()
            yield page.replace(items=items, warnings=translated, cursor=pages.cursor(digest, rest))
            warnings = ()
            if paging_error is not None:
                paging_error.items_read = count
                paging_error.speak(self.book)
                raise paging_error
            if following is None or read < len(page_items) or (limit is not None and count >= limit):
                return
            value, empty = places.text_of(following.value), 0 if page_items else empty + 1
            is_stuck = page_items and page_items == last and paging.next[following.style or 0].plus == "count"
            if value in visited or is_stuck or empty > EMPTY_PAGES:
                is_over = value in visited or is_stuck
                endless = _endless(page, count, empty, is_over=bool(is_over), is_named=value in visited)
                endless.items_read, endless.cursor = count, None if is_over else pages.cursor(digest, following)
                endless.speak(self.book)
                raise endless
            visited.add(value)
            self.draft, position, last = pages.page_draft(paging, self.draft, following), following, page_items

    def attempts(self) -> Generator[Any, Any, tuple[Page, Answer, Credentials]]:
        """Send a request until it succeeds; return page, answer and credentials. Raises the last attempt's error."""
        credentials: Credentials = yield Token()
        retries, number, waited = 0, 0, 0.0
        is_renewed, doubt = False, None  # the last failure after which the change may have been made
        try:
            while True:
                number += 1
                at, outcome = yield from self.attempt(credentials, number, waited)
                if isinstance(outcome, tuple):
                    return *outcome, credentials
                if type(outcome) is AuthError and not is_renewed:
                    renewed: Credentials = yield Token(credentials.granted)
                    if renewed.granted != credentials.granted:  # the refused request did nothing, so repeating is safe
                        credentials, is_renewed, waited = renewed, True, 0.0
                        continue
                if isinstance(outcome, NotFound) and self.effect == "delete" and doubt:
                    status = outcome.status or 0  # an earlier attempt deleted it
                    page = Page({}, None, status, NOTHING, (Problem("status", DELETED),))
                    return page, Answer(status, NOTHING, None), credentials
                doubt = outcome if outcome.may_have_been_done else doubt
                pause = Retries.of(self.draft.call, self.terms.retries, self.is_keyed).pause(retries, outcome, at)
                if pause is None or (self.until is not None and at + timedelta(seconds=pause) >= self.until):
                    raise outcome
                retries += 1
                yield Wait(pause)
                waited = pause
        except ConnectorError as error:  # the last failure does not settle whether an earlier attempt succeeded
            error.speak(self.book)
            if doubt is None:
                raise
            if not isinstance(error, RequestError):  # an error of the store has no `may_have_been_done`
                raise doubt from error
            error.may_have_been_done = True
            raise

    def attempt(self, credentials: Credentials, number: int, waited: float) -> Generator[Any, Any, tuple[Any, Outcome]]:
        """Obtain a permit and send a request once; return the end time and the outcome.

        The time is None unless the attempt failed, or a deadline, a pacer or an observer needs it.
        """
        action, draft = self.action, self.draft
        permit: Permit | None = None
        if self.terms.account is not None and self.terms.account.pacer is not None:
            permit = permit_of(action, draft.written, self.terms.caller)
            waited += yield from self.wait_for_permit(permit)
        request = render.finish(draft, credentials)
        began: datetime | None = (yield Now()) if self.until or self.terms.observed else None
        at: datetime | None = None
        response: Response | None = None
        try:
            left = (self.until - began).total_seconds() if self.until and began else None
            if left is not None and left <= 0:
                what, hint = Sentence("The time allowed for the call has run out."), Sentence("Nothing more was sent.")
                raise TransportError(what, hint=hint, retriable=True)
            response = yield Send(request, self.effect, left)
            answer = answers.parse(response)
            if answers.is_refused(action.errors, answer):
                at = yield Now()
                refusal = answers.RefusedResponse(action.errors, response, credentials.secrets, draft.path)
                raise refusal.error(self.effect, at, action)
            response_type = draft.call.get("response_type", "json")
            outcome: Outcome = answers.page(action, response, answer, self.effect, response_type), answer
            reported = action.profile.limits.reported
            is_reported = (reported.remaining or "").removeprefix("header.").lower() in response.headers
            if not began and permit is None and not (is_reported and reported.is_scarce(response.headers)):
                return None, outcome
        except (AuthError, ApiError, TransportError) as failure:
            outcome = failure
        ended: datetime = at or (yield Now())
        headers, place = response.headers if response else NOTHING, action.errors.id
        failed = None if isinstance(outcome, tuple) else outcome
        status, id_ = response and response.status, places.look(place, Answer(0, headers, None)) if place else None
        endpoint = {"action": action.key, "effect": self.effect, "method": request.method, "path": request.template}
        facts = {**endpoint, "number": number, "waited": waited, "status": status, "tracking_id": id_}
        attempt = Attempt.of(failed, began or ended, ended, **facts)
        yield Report(permit or permit_of(action, draft.written, self.terms.caller), attempt, headers)
        if isinstance(failed, QuotaReached) and failed.retry_at is None:  # the daily allowance resets at midnight
            failed.retry_at = datetimes.of_epoch(midnight(ended.timestamp()))
        return ended, outcome

    def wait_for_permit(self, permit: Permit) -> Generator[Any, Any, float]:
        """Wait until the request may be sent; return the number of seconds."""
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
        except BaseException:  # cancelled or too late, so later permits must not queue behind this one
            permit.gone = True
            raise
        return waited


DELETED = Sentence(
    "One attempt got no clear answer; a later one found nothing to delete in {vendor}, so it was probably deleted."
)


def _endless(page: Page, count: int, empty: int, *, is_over: bool, is_named: bool) -> ApiError:
    reason = Sentence("{vendor} sent the same page again")
    hint = Sentence("The items read so far are complete. Start the list again.")
    if is_named:
        reason = Sentence("{vendor} pointed to the same next page again")
    elif not is_over:
        reason = Sentence("{count} pages in a row were empty", count=empty)
        hint = Sentence("The items read so far are complete. Continue from the cursor later.")
    what = Sentence("The list does not end: after {count} items, {reason}.", count=count, reason=reason)
    return ApiError(what, hint=hint, status=page.status, retriable=True)


Outcome = tuple[Page, Answer] | RequestError  # of one attempt


class Retries(NamedTuple):
    """The policy for sending a failed request again: up to `most` times, with pauses.

    A request is safe to repeat (its error is `retriable`) if it is a read, update or delete, if it never reached the
    vendor, or if a rate limit refused it. With `own`, the policy comes from the call's inputs, which then also set
    `delay` (in seconds), `all_errors` and `exponential`.
    """

    most: int = 0
    keyed: bool = False  # the vendor recognises a repeated request
    own: bool = False
    delay: float = 0.0
    all_errors: bool = False
    exponential: bool = False

    @classmethod
    def of(cls, call: Mapping[str, Json], most: int, keyed: bool = False) -> Retries:
        """Return the policy in a call's inputs (`call.retry.*`) or, without such inputs, up to `most` retries."""
        if not any(name.startswith("retry.") for name in call):
            return cls(most, keyed)
        most, delay = call.get("retry.max_count", 0), min(call.get("retry.delay_ms", 0), 1000 * LONGEST_DELAY) / 1000
        every, exponential = call.get("retry.on_all_errors", False), call.get("retry.exponential", False)
        return cls(most, own=True, delay=delay, all_errors=every, exponential=exponential)

    def pause(self, attempt: int, error: RequestError, now: datetime) -> float | None:
        """Return the seconds to wait before the next retry, after `attempt` retries; None to give up."""
        if self.own:
            covers = self.all_errors or isinstance(error, TransportError) or (error.status or 0) >= 500
        else:
            again = error.retriable or (self.keyed and error.may_have_been_done)
            covers = again and not isinstance(error, QuotaReached)
        if attempt >= self.most or not covers:
            return None
        doubled = 2.0 ** min(attempt, 10)  # more would exceed the longest pause anyway
        if self.own:
            return min(2 * FIRST_PAUSE * doubled, LONGEST_PAUSE) if self.exponential else self.delay
        chance = now.microsecond / 1e6  # a random share, so calls that failed together do not retry together
        if error.retry_at is not None:
            pause = (error.retry_at - now).total_seconds()
            return max(0.0, pause) + chance * FIRST_PAUSE if pause <= LONGEST_PAUSE else None
        first = RATE_PAUSE if isinstance(error, RateLimited) else FIRST_PAUSE
        return min(first * doubled, LONGEST_PAUSE) * (0.5 + chance)


def recovering(action: Action, bound: BoundInputs, terms: CallTerms, other: Action) -> Steps:
    """Carry out a create. If its response is lost, look for the object with the action `other` before resending.

    The object is recognised by the fields listed under `same` in the definition, and by its creation time.
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
            draft = render.draft(action, bound.values, action.layout, bound.extra)
            sent = {name: places.dig(draft.body, place.path) for name, place in rule.same.items()}  # None if not sent
            is_recognizable = None not in sent.values() and conditions.holds(rule.when, bound.values.get)
            if not (error.may_have_been_done and is_recognizable):
                raise
            failure = error
        now: datetime = yield Now()
        pause = retries.pause(sendings, failure, now) or 0.0
        left = None if terms.deadline is None else terms.deadline - (now - began).total_seconds() - pause
        if left is not None and left <= 0:
            raise failure
        yield Wait(pause)
        inputs = {name: bound.values[ours] for name, ours in rule.inputs.items() if ours in bound.values}
        own = terms._replace(limit=None, cursor=None, key=None, deadline=left, largest=None)
        looking = exchange(other, other.bind(inputs), own)
        try:
            matches = yield from _matches(looking, rule, sent, began)
        except ConnectorError as error:  # it is still unknown whether the object exists
            if not isinstance(error, RequestError):
                raise failure from error
            error.may_have_been_done, error.retriable = True, False
            raise
        if len(matches) == 1:
            text = Sentence("The response was lost, but '{action}' shows that the change was made.", action=other.label)
            warnings = said((*bound.warnings, Problem("", text)), book)
            yield Page(data=matches[0], items=None, status=200, headers={}, warnings=warnings)
            return
        sendings += 1
        if matches or sendings > terms.retries:
            slots = {"action": other.label, "count": len(matches)}
            failure.hint = Sentence("'{action}' does not show it, so the change was most likely not made.", **slots)
            if matches:
                text = Sentence("'{action}' shows {count} similar objects. Check before you send it again.", **slots)
                failure.hint = text
            failure.speak(book)
            raise failure


def _matches(looking: Steps, rule: Recover, sent: dict[str, Json], began: datetime) -> Generator[Any, Any, list[Json]]:
    """Return the items from `looking` that match the request and were created after `began`."""
    matches: list[Json] = []
    try:
        while page := (yield from next_output(looking)):
            now: datetime = yield Now()
            theirs = datetimes.http_date(page.headers.get("date"))  # the vendor's clock may differ from ours
            since = began + (theirs - now if theirs else timedelta()) - TOLERANCE
            items = [page.data] if page.items is None else page.items
            matches += [item for item in items if _is_same(item, rule, sent, since)]
    except NotFound:
        return []
    return matches


def _is_same(item: Json, rule: Recover, sent: dict[str, Json], since: datetime) -> bool:
    created = rule.since and datetimes.instant(places.dig(item, (rule.since,)))
    if rule.since is not None and (not created or created < since):
        return False
    for name, ours in sent.items():
        theirs = places.at(item, name)
        if isinstance(theirs, str) and isinstance(ours, str):
            theirs, ours = theirs.strip().casefold(), ours.strip().casefold()
        if not conditions.same(theirs, ours):
            return False
    return True


def fold(pages: Iterable[Page], paging: Paging | None) -> Result:
    """Combine all pages into one result: the first page's data without paging keys, with the items of all pages.

    An error after the first page carries the result so far as `partial`.
    """
    all_pages: list[Page] = []
    try:
        for page in pages:
            all_pages.append(page)
    except RequestError as error:
        error.partial = result_of(all_pages, paging) if all_pages else None
        raise
    with Guard():
        return result_of(all_pages, paging)


async def fold_async(pages: AsyncIterable[Page], paging: Paging | None) -> Result:
    """`fold` for asyncio."""
    all_pages: list[Page] = []
    try:
        async for page in pages:
            all_pages.append(page)
    except RequestError as error:
        error.partial = result_of(all_pages, paging) if all_pages else None
        raise
    with Guard():
        return result_of(all_pages, paging)


def result_of(all_pages: list[Page], paging: Paging | None) -> Result:
    first, last = all_pages[0], all_pages[-1]
    data = first.data
    if paging is not None:
        items = [item for page in all_pages for item in page.items or ()]
        if paging.items == ".":
            data = items
        else:
            envelope = first.data if isinstance(first.data, dict) else {}
            data = target = {key: value for key, value in envelope.items() if key not in paging.keys}
            *path, name = paging.items.split(".")
            for step in path:
                nested = target.get(step)
                target[step] = {**nested} if isinstance(nested, dict) else {}
                target = target[step]
            target[name] = items
    all_warnings = tuple(warning for page in all_pages for warning in page.warnings)
    return Result(data=data, status=last.status, headers=last.headers, warnings=all_warnings, cursor=last.cursor)
