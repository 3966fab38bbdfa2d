"""One file over time, as a generator of effects: which requests, with which token and range, until it is whole. Pure.

It yields `Token`, `Now` and `Wait` as an exchange does; `Open` and is answered with a `Response` whose body is still
to come, or thrown a `TransportError`; `Peek` for the beginning of that body; `Store` for it to be put into the part
of the file, answered with `Stored`; and tells an observer of each `Attempt`. It returns the size of the whole file.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..calls import answer as answers, render, retry
from ..calls.action import Action
from ..calls.files import File
from ..errors import ApiError, AuthError, Conflict, RequestError, TransportError
from ..model import Request, Response
from ..steps import Attempt, Now, Token, Wait
from . import mark as marks
from .address import Address, address
from .mark import Mark

PATH = "(download)"
MOST_REDIRECTS = 8
SMALL = 4096  # bytes: such a body can be a refusal, whatever it is called
MOST_RESTARTS = 3  # of a file that changes while it is fetched
REDIRECTS = (301, 302, 303, 307, 308)
PAGES = ("text/html", "application/xhtml+xml")
FOREIGN_HEADERS = ("user-agent", "accept")  # what a host that is not the definition's may be told
GO_ON = "What has arrived is kept; download it again to go on from there."


@dataclass(frozen=True, slots=True)
class Open:
    """Wanted: the answer to a request, its body still to come."""

    request: Request


@dataclass(frozen=True, slots=True)
class Peek:
    """Wanted: the beginning of the body, which stays to be stored."""


@dataclass(frozen=True, slots=True)
class Store:
    """Wanted: the body in the part of the file, from `at` on, and nothing behind it; `most` bytes are expected."""

    at: int
    mark: Mark
    most: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """How much there is now, and what broke the body off."""

    size: int
    broke: TransportError | None = None


Effect = Token | Now | Wait | Open | Peek | Store | Attempt
Fetch = Generator[Effect, Any, int]


@dataclass(slots=True, kw_only=True)
class Course:
    """What the definition and the client lay down for a download."""

    action: Action
    token_name: str
    base_url: str | None = None
    retries: int = 4  # without progress
    spec: Action = field(init=False)

    def __post_init__(self) -> None:
        assert self.action.files is not None
        self.spec = replace(self.action, errors=self.action.files.errors, paging=None)


@dataclass(slots=True)
class _State:
    have: int
    mark: Mark | None
    granted: Mapping[str, str]
    own_token: str | None
    is_renewed: bool = False
    restarts: int = 0
    status: int | None = None  # of the last answer

    def restart(self) -> None:
        self.have, self.mark = 0, None


def fetch(file: File, course: Course, have: int = 0, mark: Mark | None = None) -> Fetch:
    """Fetch a file, of which the first `have` bytes are there, of the version that `mark` names."""
    if file.waits is not None:
        raise Conflict(f"{file.name} can't be downloaded. {file.waits}", retriable=True)
    known = mark is not None and mark.of == marks.identity(file) and file.size in (None, mark.total)
    if mark is None or not known or (mark.total is not None and have > mark.total):
        have, mark = 0, None
    elif have == mark.total:
        return have  # all there: the program was stopped before it could say so
    start = address(file.url, course.action.profile, course.base_url)
    state = _State(have, mark, (yield Token()), file.token)
    policy = retry.Policy(most=course.retries)
    failures, best, number, waited = 0, have, 0, 0.0
    while True:
        number += 1
        began: datetime = yield Now()
        whole, failure = None, None
        try:
            whole = yield from _attempt(file, course, state, start)
        except RequestError as error:
            failure = error
        yield _told(file, state, number, began, (yield Now()), waited, failure)
        waited = 0.0
        if whole is not None:
            return whole
        if failure is None:
            continue
        if state.have > best:
            failures, best, state.is_renewed = 0, state.have, False
        if type(failure) is AuthError and (yield from _renewed(state)):
            continue
        pause = policy.pause(failures, failure, (yield Now()))
        if pause is None:
            raise _final(file, failure, state)
        failures += 1
        yield Wait(pause)
        waited = pause


def _told(
    file: File, state: _State, number: int, began: datetime, now: datetime, waited: float, error: RequestError | None
) -> Attempt:
    return Attempt(
        action=file.action,
        effect="read",
        method="GET",
        path=PATH,
        number=number,
        at=began,
        seconds=max(0.0, (now - began).total_seconds()),
        waited=waited,
        status=state.status,
        kind=error.kind if error else None,
        code=error.code if error else None,
        tracking_id=error.tracking_id if error else None,
        retry_at=error.retry_at if error else None,
    )


def _renewed(state: _State) -> Generator[Effect, Any, bool]:
    """Another token after one that was refused: the connection's instead of the answer's own, then a new one, once."""
    if state.own_token is not None:
        state.own_token = None
        return True
    if state.is_renewed:
        return False
    state.is_renewed = True
    old, state.granted = state.granted, (yield Token(state.granted))
    return bool(state.granted != old)


def _final(file: File, failure: RequestError, state: _State) -> RequestError:
    if not isinstance(failure, TransportError):
        return failure
    of = f" of {file.size or state.mark.total}" if state.mark and (file.size or state.mark.total) else ""
    return TransportError(
        f"{file.name}: {failure.message} {state.have}{of} bytes have arrived.", hint=GO_ON, retriable=True
    )


def _attempt(file: File, course: Course, state: _State, start: Address) -> Generator[Effect, Any, int | None]:
    """One way from the address to the body; the size if the file is whole, None if it has to begin anew."""
    asked = marks.range_headers(state.have, state.mark)
    granted = dict(state.granted)
    if state.own_token is not None and course.token_name in granted:
        granted[course.token_name] = state.own_token
    place, state.status = start, None
    for _ in range(MOST_REDIRECTS):
        response: Response = yield Open(request(course, place, granted, asked))
        state.status = response.status
        target = response.headers.get("location")
        if response.status not in REDIRECTS or target is None:
            break
        place = address(target, course.action.profile, course.base_url, place)
    else:
        raise ApiError(f"The vendor redirects more than {MOST_REDIRECTS} times.")
    if asked and response.status in (206, 416):
        found = marks.extent(response.headers) if response.status == 206 else None
        said = marks.of_answer(file, response.headers, found[1] if found else None)
        if found is None or found[0] != state.have or state.mark is None or not state.mark.fits(said):
            _begin_anew(file, state)
            return None
        mark, at = replace(state.mark, total=state.mark.total or said.total), state.have
    elif response.status == 200:
        yield from _is_file(file, course, place, granted, response)
        mark, at = marks.of_answer(file, response.headers, marks.length(response.headers)), 0
    else:
        yield from _refused(course, place, granted, response)
        raise ApiError(f"The vendor answered {response.status} instead of the file.", status=response.status)
    _check_size(file, mark.total)
    stored: Stored = yield Store(at, mark, mark.total if mark.total is not None else file.size)
    state.have, state.mark = stored.size, mark
    return _whole(file, state, stored)


def _begin_anew(file: File, state: _State) -> None:
    state.restart()
    state.restarts += 1
    if state.restarts > MOST_RESTARTS:
        raise ApiError(f"{file.name} keeps changing while it is downloaded.", hint="Try again later.")


def _check_size(file: File, total: int | None) -> None:
    if total is not None and file.size not in (None, total):
        raise ApiError(
            f"{file.name}: {file.size} bytes are announced, and the vendor sends {total}.",
            hint="It may have changed or not be ready: list the files again, or download it without its size.",
        )


def _whole(file: File, state: _State, stored: Stored) -> int:
    if stored.broke is not None:
        raise stored.broke
    total = state.mark.total if state.mark else None
    wanted = file.size if total is None else total
    if wanted is not None and stored.size < wanted:
        raise TransportError("The answer broke off.", retriable=True)
    if wanted is not None and stored.size > wanted:
        state.restart()
        raise ApiError(f"{file.name}: the vendor sends more than the {wanted} bytes that are announced.")
    return stored.size


# -- requests and refusals -------------------------------------------------------------------------------------------


def request(course: Course, place: Address, granted: Mapping[str, str], asked: Mapping[str, str]) -> Request:
    """The request for a file: what the connection gives goes into headers alone, and only to the definition's hosts."""
    plain = render.Draft("GET", PATH, "", call={"response_type": "binary"})
    made = render.finish(plain, course.action.profile, course.base_url, granted)
    kept = [
        (name, value)
        for name, value in made.headers
        if name.lower() != "accept-encoding" and (place.is_ours or name.lower() in FOREIGN_HEADERS)
    ]
    return made._replace(
        url=place.url,
        shown=place.shown,
        headers=(*kept, ("Accept-Encoding", "identity"), *asked.items()),
        call={},
    )


def _is_file(
    file: File, course: Course, place: Address, granted: Mapping[str, str], response: Response
) -> Generator[Effect, Any, None]:
    """Raise for what is not the file, though the status is 200: a web page, a refusal as JSON, compressed bytes."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    name = file.name.lower()
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError("The vendor sends the file compressed, though that was not asked for.", status=200)
    total = marks.length(response.headers)
    if kind == "application/json" or (total is not None and total <= SMALL):
        yield from _refused(course, place, granted, response)
    head = b"" if kind else (yield Peek())
    is_page = kind in PAGES or head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html"))
    if is_page and not name.endswith((".html", ".htm")):
        raise ApiError(
            "The vendor answered a web page instead of the file.",
            hint="It may ask for a passcode or a sign-in there, or the file is not ready or gone.",
            status=200,
        )
    if kind == "application/json" and not name.endswith(".json"):
        raise ApiError("The vendor answered JSON instead of the file.", status=200)


def _refused(
    course: Course, place: Address, granted: Mapping[str, str], response: Response
) -> Generator[Effect, Any, None]:
    """Raise the error that an answer is, if it is one."""
    if not place.is_ours and 400 <= response.status < 500 and response.status != 429:
        raise ApiError(
            f"{place.host}, to which the vendor redirects, refuses the file ({response.status}).",
            hint="Its address may have expired: list the files again.",
            status=response.status,
        )
    secrets = [*render.secrets_of(course.action.profile, granted)]
    content: bytes = yield Peek()
    now: datetime = yield Now()
    answers.page(course.spec, response._replace(content=content), "read", "binary", now, secrets)
