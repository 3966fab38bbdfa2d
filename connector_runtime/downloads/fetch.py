"""Downloads one file as steps, which request ranges with a token until the file is complete. Pure."""

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
from ..calls.files import MAX_FILE_BYTES, MOST_UNANNOUNCED, File, identity
from ..errors import ApiError, AuthError, Conflict, MissingScope, RequestError, TransportError
from ..language import hosts, json_text
from ..model import NOTHING, Profile, Request, Response
from ..sentences import Sentence
from ..steps import Attempt, Fill, Filled, Now, Open, Peek, Report, Steps, Token, Wait

PATH = "(download)"
MAX_REDIRECTS = 8
HEAD = 64 * 1024  # bytes to read from a response that may be a refusal
BEGINNING = 512  # bytes to read from a body that may be a web page
SMALL_BODY = 4096  # bytes; a body up to this size may be a refusal with any content type
MAX_RESTARTS = 3  # if the file changes during its download
REDIRECTS = (301, 302, 303, 307, 308)
BLANKS = b"\xef\xbb\xbf \t\r\n"  # may precede a web page
PAGES = ("text/html", "application/xhtml+xml")
FOREIGN_HEADERS = ("user-agent", "accept")  # sent to foreign hosts too
HOST = r"(?:[A-Za-z0-9_-]{1,63}\.){0,126}[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]+\]"
URL = re.compile(rf"https?://({HOST})(:[0-9]{{1,5}})?([/?][^\s\"<>\\]*)?")
UNQUOTED = "".join(chr(code) for code in range(0x21, 0x7F))
RESUME = Sentence("The part is kept. Download the file again to resume.")
TAG = re.compile(r'(W/)?"[^"]{0,200}"')
STRONG = re.compile(r'"[\x21\x23-\x7e]*"')
DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE)
AddressedResponse = tuple["Address", Response, Credentials]  # with the credentials of its request


@dataclass(slots=True, kw_only=True)
class DownloadSettings:
    """The settings of a download, from the definition and the client."""

    action: Action
    token_name: str
    base_url: str | None = None
    retries: int = 4  # consecutive retries without progress
    largest: int = MOST_UNANNOUNCED  # bytes of a file whose size is unknown


def fetch(file: File, settings: DownloadSettings, have: int = 0, version: FileVersion | None = None) -> Steps:
    """Fetch the rest of a file whose first `have` bytes are saved in `version`, and output its size in bytes.

    Errors name the cause and the host; the caller adds the name of the file.
    """
    if file.waits is not None:
        raise Conflict(f"The file cannot be downloaded. {file.waits}", retriable=True)
    is_same_file = version is not None and version.of == identity(file) and file.size in (None, version.total)
    if version is None or not is_same_file or (version.total is not None and have > version.total):
        have, version = 0, None
    elif 0 < have == version.total:
        yield have  # complete, but the program stopped before it renamed the part
        return
    elif not version.is_version:  # a change to the vendor's file would go unnoticed
        have, version = 0, None
    start = address(file.url, settings.action.profile, settings.base_url)
    yield from _Fetch(file, settings, have, version, (yield Token())).run(start)


class _Fetch:
    def __init__(
        self, file: File, settings: DownloadSettings, have: int, version: FileVersion | None, credentials: Credentials
    ) -> None:
        self.file, self.settings, self.profile = file, settings, settings.action.profile
        self.have, self.version = have, version
        self.credentials, self.own_token, self.is_renewed = credentials, file.token, False
        self.restarts = 0
        self.status: int | None = None  # of the last response
        self.host = ""  # of the last request
        self.refuses_token = False  # True if another token might work

    def run(self, start: Address) -> Steps:
        retries = Retries(most=self.settings.retries)
        failures, furthest, number, waited = 0, self.have, 0, 0.0
        while True:
            number += 1
            began: datetime = yield Now()
            size, failure = None, None
            try:
                size = yield from self.attempt(start)
            except RequestError as error:
                failure = error
            ended: datetime = yield Now()
            facts = {"action": self.file.action, "effect": "read", "method": "GET", "path": PATH, "number": number}
            id_ = failure.tracking_id if failure else None
            attempt = Attempt.of(failure, began, ended, **facts, waited=waited, status=self.status, tracking_id=id_)
            yield Report(None, attempt, NOTHING)
            waited = 0.0
            if size is not None:
                yield size
                return
            if failure is None:
                continue
            if self.have > furthest:
                failures, furthest, self.is_renewed = 0, self.have, False
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
                raise TransportError(what, hint=RESUME, retriable=True)
            failures += 1
            yield Wait(pause)
            waited = pause

    def renewed(self, failure: RequestError) -> Generator[Any, Any, bool]:
        """Switch from the file's own token to the connection's, then renew that once; return False if none is left."""
        if self.own_token is not None:
            self.own_token = None
            return True
        if self.is_renewed or isinstance(failure, MissingScope):
            return False
        self.is_renewed = True
        old, self.credentials = self.credentials, (yield Token(self.credentials.granted))
        return bool(self.credentials.granted != old.granted)

    def attempt(self, start: Address) -> Generator[Any, Any, int | None]:
        """Make one attempt, beginning at `start`. Return the size of the complete file, or None to start over."""
        file, before, self.refuses_token = self.file, self.version, False
        announced = file.size if before is None or before.total is None else before.total
        range_headers = {}
        if self.have > 0 and before is not None and (before.is_version or announced is not None):
            range_headers = {"Range": f"bytes={self.have}-"}
            range_headers |= {"If-Range": before.validator} if before.validator else {}
        target, response, credentials = yield from self.response(start, range_headers)
        is_part = bool(range_headers) and response.status == 206
        if range_headers and response.status == 416:
            self.restart()
            return None
        if response.status != 200 and not is_part:
            yield from self.refuse(target, credentials, response)
            slots = {"host": target.host, "status": response.status}
            what = Sentence("{host} returned {status} instead of the file.", **slots)
            raise ApiError(what, status=response.status)
        yield from self.check(target, credentials, response)
        version, at = version_of(file, response.headers, length(response.headers)), 0
        if is_part and before is not None:
            version, at = replace(version, total=rest(response.headers, self.have, announced)), self.have
            if version.total is None or not before.fits(version):
                self.restart()
                return None
            version = replace(before, total=version.total)
        expected = file.size if version.total is None else version.total
        if file.size not in (None, expected):
            slots = {"size": file.size, "sent": expected, "host": target.host}
            what = Sentence("{vendor} reported {size} bytes, but {host} declared {sent}.", **slots)
            hint = Sentence("The file may have changed: list the files again, or download it without its size.")
            raise ApiError(what, hint=hint)
        most = self.settings.largest if expected is None else expected
        if file.size is None and most > self.settings.largest:
            raise self.too_large(target, most)
        filled: Filled = yield Fill(at, version, most)
        self.have, self.version = filled.size, version
        if filled.size > most:
            self.have, self.version = 0, None
            if expected is None:
                raise self.too_large(target, most)
            slots = {"host": target.host, "count": expected}
            raise ApiError(Sentence("{host} sent more than the expected {count} bytes.", **slots))
        broke = filled.broke
        if expected is not None and (broke is None or not broke.retriable):  # the size shows whether it is complete
            what = Sentence("The response was cut off.")
            broke = TransportError(what, retriable=True) if filled.size < expected else None
        if broke is not None and filled.size != expected:
            raise broke
        if filled.size == 0:
            hint = Sentence("The file may not be ready yet: list the files again later.")
            what = Sentence("{host} sent 0 bytes.", host=target.host)
            raise ApiError(what, hint=hint, status=response.status, retriable=True)
        return filled.size

    def restart(self) -> None:
        """Discard the saved bytes, which do not belong to the file that the vendor now sends."""
        self.have, self.version = 0, None
        self.restarts += 1
        if self.restarts > MAX_RESTARTS:
            what = Sentence("The file keeps changing, or {host} cannot send the rest.", host=self.host)
            raise ApiError(what, hint=Sentence("Try again later."))

    def too_large(self, target: Address, size: int) -> ApiError:
        slots = {"host": target.host, "count": size}
        what = Sentence("{host} is sending {count} bytes or more, and {vendor} reported no size.", **slots)
        largest = self.settings.largest
        hint = Sentence("Without a size, the limit is {most} bytes. Raise `largest` for larger files.", most=largest)
        return ApiError(what, hint=hint)

    def response(self, start: Address, range_headers: Mapping[str, str]) -> Generator[Any, Any, AddressedResponse]:
        """Send the request, follow redirects, and return the last response with its body unread."""
        credentials, name = self.credentials, self.settings.token_name
        if self.own_token is not None and name in credentials.granted:
            granted = {**credentials.granted, name: self.own_token}
            credentials = lay_out(self.profile, self.settings.base_url, granted)
        target, self.status = start, None
        for _ in range(MAX_REDIRECTS):
            self.host = target.host
            response: Response = yield Open(request(target, credentials, range_headers))
            self.status = response.status
            location = response.headers.get("location")
            if response.status not in REDIRECTS or location is None:
                return target, response, credentials
            target = address(location, self.profile, self.settings.base_url, target)
        slots = {"most": MAX_REDIRECTS, "host": target.host}
        raise ApiError(Sentence("{vendor} redirected more than {most} times, finally to {host}.", **slots))

    def check(self, target: Address, credentials: Credentials, response: Response) -> Generator[Any, Any, None]:
        """Raise `ApiError` for a body that is not the file, such as a web page, a JSON refusal or compressed bytes."""
        status, kind = response.status, response.headers.get("content-type", "").partition(";")[0].strip().lower()
        name = self.file.name.lower()
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            what = Sentence("{host} sent the file compressed, which was not requested.", host=target.host)
            raise ApiError(what, status=status)
        total = length(response.headers)
        if kind == "application/json" or (total is not None and total <= SMALL_BODY):
            yield from self.refuse(target, credentials, response)
        head: bytes = yield Peek(BEGINNING)
        is_page = kind in PAGES or head.lstrip(BLANKS)[:9].lower().startswith((b"<!doctype", b"<html"))
        if is_page and not name.endswith((".html", ".htm")):
            self.refuses_token = True
            hint = Sentence("The page may ask for a passcode or a sign-in, or the file is not ready or was deleted.")
            what = Sentence("{host} sent a web page instead of the file.", host=target.host)
            raise ApiError(what, hint=hint, status=status)
        if kind == "application/json" and not name.endswith(".json"):
            self.refuses_token = True
            raise ApiError(Sentence("{host} sent JSON instead of the file.", host=target.host), status=status)

    def refuse(self, target: Address, credentials: Credentials, response: Response) -> Generator[Any, Any, None]:
        """Raise the error of a response if it is a refusal."""
        if not target.is_ours and 400 <= response.status < 500 and response.status != 429:
            slots = {"host": target.host, "status": response.status}
            what = Sentence("{host}, to which {vendor} redirected, refused the file ({status}).", **slots)
            hint = Sentence("The file's URL may have expired: list the files again.")
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


def request(target: Address, credentials: Credentials, range_headers: Mapping[str, str]) -> Request:
    """Return the request for a file. Credentials go only into headers, and only to the definition's hosts."""
    finished = render.finish(render.RequestDraft("GET", PATH, "", call={"response_type": "binary"}), credentials)
    headers = [pair for pair in finished.headers if pair[0].lower() != "accept-encoding"]
    if not target.is_ours:
        headers = [pair for pair in headers if pair[0].lower() in FOREIGN_HEADERS]
    headers = [*headers, ("Accept-Encoding", "identity"), *range_headers.items()]
    return finished.replace(url=target.url, shown=target.shown, headers=tuple(headers), call={})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """A file's version according to the vendor's headers. `of` identifies the file; `total` is its size in bytes."""

    of: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    @property
    def is_version(self) -> bool:
        """Whether it can distinguish versions of equal size."""
        return self.etag is not None or self.modified is not None

    @property
    def validator(self) -> str | None:
        """The value for `If-Range`: a strong ETag, otherwise the date of the last change."""
        return self.etag if self.etag and STRONG.fullmatch(self.etag) else self.modified

    def fits(self, other: FileVersion) -> bool:
        """Return whether both belong to the same file and do not contradict each other."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return self.of == other.of and all(one == two for one, two in pairs if one is not None and two is not None)

    def text(self) -> str:
        return json.dumps(asdict(self))


def read_version(text: str) -> FileVersion | None:
    """Return the version from the JSON of `FileVersion.text`; None if the text is not a version."""
    try:
        data = json_text.fields(json_text.read(text), of=str, etag=str | None, modified=str | None, total=int | None)
    except json_text.JsonError:
        return None
    total, texts = data["total"], ((data["etag"], TAG), (data["modified"], DATE))
    fits = total is None or (type(total) is int and 0 <= total <= MAX_FILE_BYTES)
    return FileVersion(**data) if fits and all(text is None or form.fullmatch(text) for text, form in texts) else None


def version_of(file: File, headers: Mapping[str, str], total: int | None) -> FileVersion:
    """Return the version of a file from the headers of a response."""
    etag = TAG.fullmatch(headers.get("etag", ""))
    modified = DATE.fullmatch(headers.get("last-modified", ""))
    return FileVersion(of=identity(file), etag=etag and etag[0], modified=modified and modified[0], total=total)


def length(headers: Mapping[str, str]) -> int | None:
    """Return the length of a response's body in bytes; None if the headers lack it."""
    text = headers.get("content-length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def rest(headers: Mapping[str, str], at: int, announced: int | None) -> int | None:
    """Return the file's size (by default `announced`) if a partial response has exactly the bytes from `at` on."""
    match: Any = RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        return None
    first, last, total = int(match[1]), int(match[2]), announced if match[3] is None else int(match[3])
    is_rest = first == at <= last and last + 1 == total and length(headers) in (None, last + 1 - at)
    return total if is_rest else None


@dataclass(frozen=True, slots=True)
class Address:
    """A URL of a file. Its repr and `shown` omit everything that could grant access."""

    url: str = field(repr=False)
    is_ours: bool  # on the definition's hosts or the client's base URL, where the token may be sent

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def shown(self) -> str:
        return f"{urlsplit(self.url).scheme}://{self.host}/***"


def address(url: str, profile: Profile, base_url: str | None, before: Address | None = None) -> Address:
    """Return the address of a file's URL, or of a redirect from the address `before`.

    After a redirect to a foreign host, the token is no longer sent, even if the next redirect leads back. Raises
    `ApiError` unless the URL uses https (or http on this machine) and has no user or password.
    """
    try:
        text = urljoin(before.url, url.strip()) if before else url.strip()
        text = quote(text.partition("#")[0], safe=UNQUOTED)  # like browsers: blanks and letters beyond ASCII
        parts = urlsplit(text if URL.fullmatch(text) else "")
        origin = hosts.origin(parts)
    except ValueError:
        parts, origin = urlsplit(""), ("", None, None)
    if not parts.hostname:
        who = f"{before.host} redirects to" if before else "The vendor gives"
        raise ApiError(f"{who} a location that is not an https:// URL; nothing was downloaded from it.")
    ours = hosts.origin(urlsplit(base_url)) if base_url else None
    if parts.scheme == "http" and not (hosts.is_loopback(parts.hostname) and ours and ours[0] == "http"):
        raise ApiError(f"The file is at http://{parts.netloc}, so it would cross the network unencrypted.")
    is_named = hosts.is_within(parts.hostname, profile.hosts or [urlsplit(profile.base_url).hostname or ""])
    is_ours = origin == ours or (is_named and origin[0] == "https" and origin[2] == hosts.PORTS["https"])
    return Address(text, is_ours and (before is None or before.is_ours))
