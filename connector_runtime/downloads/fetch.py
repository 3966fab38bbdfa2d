"""One file over time, as a generator of steps: which requests, with which token and range, until it is whole. Pure.

Its output is the size of the whole file, in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from ..calls import answer as answers, render
from ..calls.action import Action
from ..calls.credentials import Credentials, lay_out
from ..calls.exchange import Retries
from ..calls.files import File
from ..errors import ApiError, AuthError, Conflict, RequestError, TransportError
from ..language import hosts
from ..model import NOTHING, Profile, Request, Response
from ..steps import Attempt, Fill, Filled, Heard, Now, Open, Peek, Steps, Token, Wait
from . import mark as marks
from .mark import Mark

PATH = "(download)"
MOST_REDIRECTS = 8
SMALL = 4096  # bytes: such a body can be a refusal, whatever it is called
MOST_RESTARTS = 3  # of a file that changes while it is fetched
REDIRECTS = (301, 302, 303, 307, 308)
PAGES = ("text/html", "application/xhtml+xml")
FOREIGN_HEADERS = ("user-agent", "accept")  # what a host that is not the definition's may be told
URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][^\s\"<>\\]*)?")
KEPT = "".join(chr(code) for code in range(0x21, 0x7F))
GO_ON = "What has arrived is kept; download it again to go on from there."


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
    credentials: Credentials
    own_token: str | None
    is_renewed: bool = False
    restarts: int = 0
    status: int | None = None  # of the last answer

    def restart(self) -> None:
        self.have, self.mark = 0, None


def fetch(file: File, course: Course, have: int = 0, mark: Mark | None = None) -> Steps:
    """Fetch a file, of which the first `have` bytes are there, of the version that `mark` names."""
    if file.waits is not None:
        raise Conflict(f"{file.name} can't be downloaded. {file.waits}", retriable=True)
    known = mark is not None and mark.of == marks.identity(file) and file.size in (None, mark.total)
    if mark is None or not known or (mark.total is not None and have > mark.total):
        have, mark = 0, None
    elif have == mark.total:
        yield have  # all there: the program was stopped before it could say so
        return
    start = address(file.url, course.action.profile, course.base_url)
    state = _State(have, mark, (yield Token()), file.token)
    retries = Retries(most=course.retries)
    failures, best, number, waited = 0, have, 0, 0.0
    while True:
        number += 1
        began: datetime = yield Now()
        whole, failure = None, None
        try:
            whole = yield from _attempt(file, course, state, start)
        except RequestError as error:
            failure = error
        yield Heard(None, _told(file, state, number, began, (yield Now()), waited, failure), NOTHING)
        waited = 0.0
        if whole is not None:
            yield whole
            return
        if failure is None:
            continue
        if state.have > best:
            failures, best, state.is_renewed = 0, state.have, False
        if type(failure) is AuthError and (yield from _renewed(state)):
            continue
        pause = retries.pause(failures, failure, (yield Now()))
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


def _renewed(state: _State) -> Generator[Any, Any, bool]:
    """Another token after one that was refused: the connection's instead of the answer's own, then a new one, once."""
    if state.own_token is not None:
        state.own_token = None
        return True
    if state.is_renewed:
        return False
    state.is_renewed = True
    old, state.credentials = state.credentials, (yield Token(state.credentials.granted))
    return bool(state.credentials.granted != old.granted)


def _final(file: File, failure: RequestError, state: _State) -> RequestError:
    if not isinstance(failure, TransportError):
        return failure
    of = f" of {file.size or state.mark.total}" if state.mark and (file.size or state.mark.total) else ""
    return TransportError(
        f"{file.name}: {failure.message} {state.have}{of} bytes have arrived.", hint=GO_ON, retriable=True
    )


def _attempt(file: File, course: Course, state: _State, start: Address) -> Generator[Any, Any, int | None]:
    """One way from the address to the body; the size if the file is whole, None if it has to begin anew."""
    asked = marks.range_headers(state.have, state.mark)
    credentials = state.credentials
    if state.own_token is not None and course.token_name in credentials.granted:
        granted = {**credentials.granted, course.token_name: state.own_token}
        credentials = lay_out(course.action.profile, course.base_url, granted)
    place, state.status = start, None
    for _ in range(MOST_REDIRECTS):
        response: Response = yield Open(request(place, credentials, asked))
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
        yield from _is_file(file, course, place, credentials, response)
        mark, at = marks.of_answer(file, response.headers, marks.length(response.headers)), 0
    else:
        yield from _refused(course, place, credentials, response)
        raise ApiError(f"The vendor answered {response.status} instead of the file.", status=response.status)
    _check_size(file, mark.total)
    filled: Filled = yield Fill(at, mark, mark.total if mark.total is not None else file.size)
    state.have, state.mark = filled.size, mark
    return _whole(file, state, filled)


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


def _whole(file: File, state: _State, filled: Filled) -> int:
    if filled.broke is not None:
        raise filled.broke
    total = state.mark.total if state.mark else None
    wanted = file.size if total is None else total
    if wanted is not None and filled.size < wanted:
        raise TransportError("The answer broke off.", retriable=True)
    if wanted is not None and filled.size > wanted:
        state.restart()
        raise ApiError(f"{file.name}: the vendor sends more than the {wanted} bytes that are announced.")
    return filled.size


# -- requests and refusals -------------------------------------------------------------------------------------------


def request(place: Address, credentials: Credentials, asked: Mapping[str, str]) -> Request:
    """The request for a file: what the connection gives goes into headers alone, and only to the definition's hosts."""
    plain = render.Draft("GET", PATH, "", call={"response_type": "binary"})
    made = render.finish(plain, credentials)
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
    file: File, course: Course, place: Address, credentials: Credentials, response: Response
) -> Generator[Any, Any, None]:
    """Raise for what is not the file, though the status is 200: a web page, a refusal as JSON, compressed bytes."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    name = file.name.lower()
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError("The vendor sends the file compressed, though that was not asked for.", status=200)
    total = marks.length(response.headers)
    if kind == "application/json" or (total is not None and total <= SMALL):
        yield from _refused(course, place, credentials, response)
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


def _refused(course: Course, place: Address, credentials: Credentials, response: Response) -> Generator[Any, Any, None]:
    """Raise the error that an answer is, if it is one."""
    if not place.is_ours and 400 <= response.status < 500 and response.status != 429:
        raise ApiError(
            f"{place.host}, to which the vendor redirects, refuses the file ({response.status}).",
            hint="Its address may have expired: list the files again.",
            status=response.status,
        )
    content: bytes = yield Peek()
    response = response._replace(content=content)
    if answers.is_refused(course.spec.errors, answers.parse(response)):
        now: datetime = yield Now()
        raise answers.refusal(course.spec, response, "read", now, credentials.secrets)


# -- addresses -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """A URL to fetch from. Its repr and `shown` leave out all that could give access."""

    url: str
    is_ours: bool  # of the definition's hosts or the client's base URL: it may have the token

    def __repr__(self) -> str:
        return f"Address({self.shown!r}, is_ours={self.is_ours})"

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def shown(self) -> str:
        return f"{urlsplit(self.url).scheme}://{self.host}/***"


def address(url: str, about: Profile, base_url: str | None, before: Address | None = None) -> Address:
    """The address that a vendor names, in an answer or, after `before`, in a redirect.

    Once a redirect has left the definition's hosts, the token does not come back. Raises `ApiError` for what is no
    URL to fetch from: other schemes than https, users and passwords, http anywhere but on this machine.
    """
    try:
        text = urljoin(before.url, url.strip()) if before else url.strip()
        text = quote(text.partition("#")[0], safe=KEPT)  # blanks and letters beyond ASCII, as browsers do
        parts = urlsplit(text if URL.fullmatch(text) else "")
        here = hosts.origin(parts)
    except ValueError:
        parts, here = urlsplit(""), ("", None, None)
    if not parts.hostname:
        raise ApiError("The vendor names an address that is no https:// URL; nothing was fetched from it.")
    own = hosts.origin(urlsplit(base_url)) if base_url else None
    if parts.scheme == "http" and not (hosts.is_loopback(parts.hostname) and own and own[0] == "http"):
        raise ApiError(f"The file lies at http://{parts.netloc}, where anybody on the way could read it.")
    names = [host for allowed in about.base.values() for host in allowed.hosts]
    named = hosts.is_within(parts.hostname, names or [urlsplit(about.base_url).hostname or ""])
    is_ours = here == own or (named and here[0] == "https" and here[2] == hosts.PORTS["https"])
    return Address(text, is_ours and (before is None or before.is_ours))
