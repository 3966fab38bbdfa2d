"""One file over time, as a generator of steps: which requests, with which token and range, until it is whole. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from ..calls import answers, render
from ..calls.action import Action
from ..calls.credentials import Credentials, lay_out
from ..calls.exchange import Retries
from ..calls.files import LARGEST, MOST_UNANNOUNCED, File, identity
from ..errors import ApiError, AuthError, Conflict, MissingScope, RequestError, TransportError
from ..language import hosts
from ..model import NOTHING, Profile, Request, Response
from ..sentences import Sentence
from ..steps import Attempt, Fill, Filled, Now, Open, Peek, Report, Steps, Token, Wait

PATH = "(download)"
MOST_REDIRECTS = 8
HEAD = 64 * 1024  # bytes of an answer that are looked at to see whether it is a refusal
BEGINNING = 512  # bytes that show a web page
SMALL = 4096  # bytes: such a body can be a refusal, whatever it is called
MOST_RESTARTS = 3  # of a file that changes while it is fetched
REDIRECTS = (301, 302, 303, 307, 308)
BLANKS = b"\xef\xbb\xbf \t\r\n"  # what may come before a page
PAGES = ("text/html", "application/xhtml+xml")
FOREIGN_HEADERS = ("user-agent", "accept")  # what a host that is not the definition's may be told
HOST = r"(?:[A-Za-z0-9_-]{1,63}\.){0,126}[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]+\]"
URL = re.compile(rf"https?://({HOST})(:[0-9]{{1,5}})?([/?][^\s\"<>\\]*)?")
UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F))
GO_ON = Sentence("What has arrived is kept. Download it again to resume.")
TAG = re.compile(r'(W/)?"[^"]{0,200}"')
STRONG = re.compile(r'"[\x21\x23-\x7e]*"')
DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE)
Found = tuple["Address", Response, Credentials]  # from where an answer came, and asked with what


@dataclass(slots=True, kw_only=True)
class DownloadSettings:
    """What the definition and the client lay down for a download."""

    action: Action
    token_name: str
    base_url: str | None = None
    retries: int = 4  # without progress
    largest: int = MOST_UNANNOUNCED  # bytes of a file whose size the vendor does not announce


def fetch(file: File, settings: DownloadSettings, have: int = 0, version: FileVersion | None = None) -> Steps:
    """Fetch a file whose first `have` bytes are there, of the version that `version` names. Its output: the whole size.

    Its errors say what is wrong and with which host; which file it is knows the caller.
    """
    if file.waits is not None:
        raise Conflict(f"It can't be downloaded. {file.waits}", retriable=True)
    known = version is not None and version.of == identity(file) and file.size in (None, version.total)
    if version is None or not known or (version.total is not None and have > version.total):
        have, version = 0, None
    elif 0 < have == version.total:
        yield have  # all there: the program was stopped before it could say so
        return
    elif not version.is_version:  # nothing would show that the vendor's file has changed since that run
        have, version = 0, None
    start = address(file.url, settings.action.profile, settings.base_url)
    yield from _Fetch(file, settings, have, version, (yield Token())).whole(start)


class _Fetch:
    """How far a file is: the `have` bytes that are there, their version, and with what token the rest is asked for."""

    def __init__(
        self, file: File, settings: DownloadSettings, have: int, version: FileVersion | None, credentials: Credentials
    ) -> None:
        self.file, self.settings, self.profile = file, settings, settings.action.profile
        self.have, self.version = have, version
        self.credentials, self.own_token, self.is_renewed = credentials, file.token, False
        self.restarts = 0
        self.status: int | None = None  # of the last answer
        self.host = ""  # that was asked last
        self.refuses_token = False  # whether that answer may be the file for another token

    def whole(self, start: Address) -> Steps:
        retries = Retries(most=self.settings.retries)
        failures, best, number, waited = 0, self.have, 0, 0.0
        while True:
            number += 1
            began: datetime = yield Now()
            whole, failure = None, None
            try:
                whole = yield from self.attempt(start)
            except RequestError as error:
                failure = error
            ended: datetime = yield Now()
            asked = {"action": self.file.action, "effect": "read", "method": "GET", "path": PATH}
            more = {"number": number, "waited": waited, "status": self.status}
            id_ = failure.tracking_id if failure else None
            attempt = Attempt.of(failure, began, ended, **asked, **more, tracking_id=id_)
            yield Report(None, attempt, NOTHING)
            waited = 0.0
            if whole is not None:
                yield whole
                return
            if failure is None:
                continue
            if self.have > best:
                failures, best, self.is_renewed = 0, self.have, False
            if (self.refuses_token or isinstance(failure, AuthError)) and (yield from self.renewed(failure)):
                continue
            pause = retries.pause(failures, failure, (yield Now()))
            if pause is None:
                if not isinstance(failure, TransportError) or not failure.retriable:
                    raise failure
                total = self.version and (self.file.size or self.version.total)
                slots = {"reason": failure.message, "have": self.have, "total": total, "host": self.host}
                what = Sentence("{reason} {have} bytes have arrived from {host}.", **slots)
                if total:
                    what = Sentence("{reason} {have} of {total} bytes have arrived from {host}.", **slots)
                raise TransportError(what, hint=GO_ON, retriable=True)
            failures += 1
            yield Wait(pause)
            waited = pause

    def renewed(self, failure: RequestError) -> Generator[Any, Any, bool]:
        """Another token after a refusal: the connection's instead of the answer's own, then a new one, once."""
        if self.own_token is not None:
            self.own_token = None
            return True
        if self.is_renewed or isinstance(failure, MissingScope):
            return False
        self.is_renewed = True
        old, self.credentials = self.credentials, (yield Token(self.credentials.granted))
        return bool(self.credentials.granted != old.granted)

    def attempt(self, start: Address) -> Generator[Any, Any, int | None]:
        """One way from the address to the body; the size if the file is whole, None if it has to begin anew."""
        file, before, self.refuses_token = self.file, self.version, False
        announced = file.size if before is None or before.total is None else before.total
        asked = {}
        if self.have > 0 and before is not None and (before.is_version or announced is not None):
            asked = {"Range": f"bytes={self.have}-"}
            asked |= {"If-Range": before.validator} if before.validator else {}
        place, response, credentials = yield from self.answer(start, asked)
        is_part = bool(asked) and response.status == 206
        if asked and response.status == 416:
            self.anew()
            return None
        if response.status != 200 and not is_part:
            yield from self.refuse(place, credentials, response)
            slots = {"host": place.host, "status": response.status}
            what = Sentence("{host} answered {status} instead of the file.", **slots)
            raise ApiError(what, status=response.status)
        yield from self.check(place, credentials, response)
        version, at = version_of(file, response.headers, length(response.headers)), 0
        if is_part and before is not None:
            version, at = replace(version, total=rest(response.headers, self.have, announced)), self.have
            if version.total is None or not before.fits(version):
                self.anew()
                return None
            version = replace(before, total=version.total)
        wanted = file.size if version.total is None else version.total
        if file.size not in (None, wanted):
            slots = {"size": file.size, "sent": wanted, "host": place.host}
            what = Sentence("{vendor} announced {size} bytes and sends {sent}, from {host}.", **slots)
            hint = Sentence("It may have changed: list the files again, or download it without its size.")
            raise ApiError(what, hint=hint)
        most = self.settings.largest if wanted is None else wanted
        if file.size is None and most > self.settings.largest:
            raise self.too_large(place, most)
        filled: Filled = yield Fill(at, version, most)
        self.have, self.version = filled.size, version
        if filled.size > most:
            self.have, self.version = 0, None
            if wanted is None:
                raise self.too_large(place, most)
            slots = {"host": place.host, "count": wanted}
            raise ApiError(Sentence("{host} sends more than the {count} bytes that were announced.", **slots))
        broke = filled.broke
        if wanted is not None and (broke is None or not broke.retriable):  # the size says enough
            broke = (
                TransportError(Sentence("The answer was cut off."), retriable=True) if filled.size < wanted else None
            )
        if broke is not None and filled.size != wanted:
            raise broke
        if filled.size == 0:
            hint = Sentence("It may not be ready yet: list the files again later.")
            raise ApiError(
                Sentence("{host} sends 0 bytes.", host=place.host), hint=hint, status=response.status, retriable=True
            )
        return filled.size

    def anew(self) -> None:
        """Begin again: what is there is no part of what the vendor sends now."""
        self.have, self.version = 0, None
        self.restarts += 1
        if self.restarts > MOST_RESTARTS:
            what = Sentence("It changes while it is downloaded, or {host} cannot send the rest of it.", host=self.host)
            raise ApiError(what, hint=Sentence("Try again later."))

    def too_large(self, place: Address, size: int) -> ApiError:
        slots = {"host": place.host, "count": size}
        what = Sentence("{host} sends {count} bytes or more, and {vendor} announced no size.", **slots)
        largest = self.settings.largest
        hint = Sentence("At most {most} bytes are taken then. Raise `largest` for larger files.", most=largest)
        return ApiError(what, hint=hint)

    def answer(self, start: Address, asked: Mapping[str, str]) -> Generator[Any, Any, Found]:
        """What answers in the end, its body still to come: after all redirects, from where, and asked with what."""
        credentials, name = self.credentials, self.settings.token_name
        if self.own_token is not None and name in credentials.granted:
            granted = {**credentials.granted, name: self.own_token}
            credentials = lay_out(self.profile, self.settings.base_url, granted)
        place, self.status = start, None
        for _ in range(MOST_REDIRECTS):
            self.host = place.host
            response: Response = yield Open(request(place, credentials, asked))
            self.status = response.status
            target = response.headers.get("location")
            if response.status not in REDIRECTS or target is None:
                return place, response, credentials
            place = address(target, self.profile, self.settings.base_url, place)
        slots = {"most": MOST_REDIRECTS, "host": place.host}
        raise ApiError(Sentence("{vendor} redirects more than {most} times, at last to {host}.", **slots))

    def check(self, place: Address, credentials: Credentials, response: Response) -> Generator[Any, Any, None]:
        """Raise for what is not the file, whole or in part: a web page, a refusal as JSON, compressed bytes."""
        status, kind = response.status, response.headers.get("content-type", "").partition(";")[0].strip().lower()
        name = self.file.name.lower()
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            what = Sentence("{host} sends the file compressed, which was not asked for.", host=place.host)
            raise ApiError(what, status=status)
        total = length(response.headers)
        if kind == "application/json" or (total is not None and total <= SMALL):
            yield from self.refuse(place, credentials, response)
        head: bytes = yield Peek(BEGINNING)
        is_page = kind in PAGES or head.lstrip(BLANKS)[:9].lower().startswith((b"<!doctype", b"<html"))
        if is_page and not name.endswith((".html", ".htm")):
            self.refuses_token = True
            hint = Sentence("It may ask for a passcode or a sign-in there, or the file is not ready or gone.")
            what = Sentence("{host} answered a web page instead of the file.", host=place.host)
            raise ApiError(what, hint=hint, status=status)
        if kind == "application/json" and not name.endswith(".json"):
            self.refuses_token = True
            raise ApiError(Sentence("{host} answered JSON instead of the file.", host=place.host), status=status)

    def refuse(self, place: Address, credentials: Credentials, response: Response) -> Generator[Any, Any, None]:
        """Raise the error that an answer is, if it is one."""
        if not place.is_ours and 400 <= response.status < 500 and response.status != 429:
            slots = {"host": place.host, "status": response.status}
            what = Sentence("{host}, to which {vendor} redirects, refuses the file ({status}).", **slots)
            hint = Sentence("Its address may have expired: list the files again.")
            raise ApiError(what, hint=hint, status=response.status)
        content: bytes = yield Peek(HEAD)
        response = response.replace(content=content)
        action = self.settings.action
        assert action.files is not None
        if answers.is_refused(action.files.errors, answers.parse(response)):
            refusal = answers.RefusedResponse(action.files.errors, response, credentials.secrets)
            error = refusal.error("read", (yield Now()), action)
            self.refuses_token = response.status in (401, 403) or (response.status < 300 and type(error) is ApiError)
            raise error


def request(place: Address, credentials: Credentials, asked: Mapping[str, str]) -> Request:
    """The request for a file: what the connection gives goes into headers alone, and only to the definition's hosts."""
    made = render.finish(render.RequestDraft("GET", PATH, "", call={"response_type": "binary"}), credentials)
    headers_left = [pair for pair in made.headers if pair[0].lower() != "accept-encoding"]
    if not place.is_ours:
        headers_left = [pair for pair in headers_left if pair[0].lower() in FOREIGN_HEADERS]
    headers = (*headers_left, ("Accept-Encoding", "identity"), *asked.items())
    return made.replace(url=place.url, shown=place.shown, headers=headers, call={})


# -- versions and ranges ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """Which version of which file a part belongs to, as the vendor named it; `total` is its size in bytes."""

    of: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    @property
    def is_version(self) -> bool:
        """Whether it tells this version of the file from others of the same size."""
        return self.etag is not None or self.modified is not None

    @property
    def validator(self) -> str | None:
        """What `If-Range` can carry: an ETag that stands for exactly these bytes, else the date of the change."""
        return self.etag if self.etag and STRONG.fullmatch(self.etag) else self.modified

    def fits(self, other: FileVersion) -> bool:
        """Whether nothing that both say is different."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return self.of == other.of and all(one == two for one, two in pairs if one is not None and two is not None)

    def text(self) -> str:
        return json.dumps(asdict(self))


def read_version(text: str) -> FileVersion | None:
    """A version from its text; None if it is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or set(data) != {"of", "etag", "modified", "total"}:
        return None
    of, total = data["of"], data["total"]
    texts = ((data["etag"], TAG), (data["modified"], DATE))
    fits = isinstance(of, str) and (total is None or (type(total) is int and 0 <= total <= LARGEST))
    fits = fits and all(text is None or (isinstance(text, str) and form.fullmatch(text)) for text, form in texts)
    return FileVersion(**data) if fits else None


def version_of(file: File, headers: Mapping[str, str], total: int | None) -> FileVersion:
    """What an answer says of the file's version."""
    etag = TAG.fullmatch(headers.get("etag", ""))
    modified = DATE.fullmatch(headers.get("last-modified", ""))
    return FileVersion(of=identity(file), etag=etag and etag[0], modified=modified and modified[0], total=total)


def length(headers: Mapping[str, str]) -> int | None:
    """The size of a whole answer's body in bytes; None if it does not say."""
    text = headers.get("content-length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def rest(headers: Mapping[str, str], at: int, announced: int | None) -> int | None:
    """The size of the whole file, where a partial answer is all of it from `at` on; None if it is not, or may not be.

    `announced` counts where the answer itself does not say.
    """
    said: Any = RANGE.fullmatch(headers.get("content-range", "").strip())
    if said is None:
        return None
    first, last, total = int(said[1]), int(said[2]), announced if said[3] is None else int(said[3])
    is_rest = first == at <= last and last + 1 == total and length(headers) in (None, last + 1 - at)
    return total if is_rest else None


# -- addresses -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """A URL to fetch from. Its repr and `shown` leave out all that could give access."""

    url: str = field(repr=False)
    is_ours: bool  # of the definition's hosts or the client's base URL: it may have the token

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
        text = quote(text.partition("#")[0], safe=UNQUOTED)  # blanks and letters beyond ASCII, as browsers do
        parts = urlsplit(text if URL.fullmatch(text) else "")
        here = hosts.origin(parts)
    except ValueError:
        parts, here = urlsplit(""), ("", None, None)
    if not parts.hostname:
        who = f"{before.host} redirects to" if before else "The vendor names"
        raise ApiError(f"{who} an address that is no https:// URL; nothing was fetched from it.")
    own = hosts.origin(urlsplit(base_url)) if base_url else None
    if parts.scheme == "http" and not (hosts.is_loopback(parts.hostname) and own and own[0] == "http"):
        raise ApiError(f"The file lies at http://{parts.netloc}, where anybody on the way could read it.")
    named = hosts.is_within(parts.hostname, about.hosts or [urlsplit(about.base_url).hostname or ""])
    is_ours = here == own or (named and here[0] == "https" and here[2] == hosts.PORTS["https"])
    return Address(text, is_ours and (before is None or before.is_ours))
