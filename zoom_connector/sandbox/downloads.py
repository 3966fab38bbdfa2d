"""Serves recording files, whole or in ranges, to authorized clients. It reads the account and does no I/O.

The Authorization header of a request must contain an access token of the account or the `download_access_token` of the
file's meeting. With storage, the sandbox redirects downloads to a signed URL on a second port. Like the storage that
Zoom uses, that port refuses requests that also carry a token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

from .account import Account
from .auth import IssuedTokens, bearer
from .contents import RecordedFile
from .endpoints import ZoomRefusal
from .wire import WireRequest, WireResponse

STORAGE = "/storage"  # prefix of the paths on the second port
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_TYPES = {"MP4": "video/mp4", "M4A": "audio/mp4", "MP3": "audio/mpeg", "VTT": "text/vtt", "TXT": "text/plain"}


class Downloads:
    """The downloads of an account; `storage` returns the origin of the second port, or "" without storage."""

    def __init__(self, account: Account, tokens: IssuedTokens, storage: Callable[[], str]) -> None:
        self._account = account
        self._tokens = tokens
        self._storage = storage

    def serves(self, request: WireRequest) -> bool:
        """True if there is a file at this path."""
        return request.target.partition("?")[0] in self._account.files

    def answer(self, request: WireRequest) -> WireResponse:
        """Respond to a request for a file at the URL that the API returned."""
        file = self._account.files[request.target.partition("?")[0]]
        if request.method not in ("GET", "HEAD"):
            return _refuse(405, "Method not allowed")
        if not self._may_read(file, request):
            return _refuse(401, "Forbidden")
        if self._storage():
            signed = f"{self._storage()}{STORAGE}{file.path}?key={self._key(file)}"
            return WireResponse(status=302, headers=(("location", signed),), carried_out=True)
        return serve(file, request)

    def answer_in_storage(self, request: WireRequest) -> WireResponse:
        """Respond to a request for a file at the URL that a download was redirected to."""
        path, _, query = request.target.partition("?")
        file = self._account.files.get(path.removeprefix(STORAGE)) if path.startswith(STORAGE) else None
        if file is None or query != f"key={self._key(file)}":
            return _refuse(403, "The URL is not signed.")
        if request.header("authorization") is not None:
            return _refuse(400, "Only one way to authorize is allowed: the URL or a header.")
        return serve(file, request)

    def _key(self, file: RecordedFile) -> str:
        return hmac.new(self._account.tokens.secret, file.path.encode(), hashlib.sha256).hexdigest()

    def _may_read(self, file: RecordedFile, request: WireRequest) -> bool:
        if token_is_valid(self._account, bearer(request), file.meeting):
            return True
        try:
            self._tokens.authorize(request)
        except ZoomRefusal:
            return False
        return True


def issue(account: Account, meeting: int, expires: int) -> str:
    """Return a `download_access_token` for one meeting's files, valid until `expires` (seconds since the epoch)."""
    content = f"{meeting}.{expires}".encode()
    return base64.urlsafe_b64encode(_sign(account, content) + content).decode().rstrip("=")


def token_is_valid(account: Account, token: str, meeting: int) -> bool:
    """True if `token` was issued for the files of this meeting and has not expired."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return False
    signature, content = raw[:16], raw[16:]
    if not meeting or not hmac.compare_digest(signature, _sign(account, content)):
        return False
    number, _, expires = content.decode().partition(".")
    return int(number) == meeting and account.clock() < int(expires)


def _sign(account: Account, content: bytes) -> bytes:
    return hashlib.blake2b(b"download " + content, key=account.tokens.secret, digest_size=16).digest()


def serve(file: RecordedFile, request: WireRequest) -> WireResponse:
    """Respond with a whole file or with the requested range."""
    headers = (
        ("accept-ranges", "bytes"),
        ("etag", file.tag),
        ("content-disposition", f'attachment; filename="Recording.{file.extension.lower()}"'),
    )
    kind = _TYPES.get(file.extension, "application/octet-stream")
    span = _span(file, request)
    if span is None:
        return WireResponse(status=200, body=file.content(), headers=headers, content_type=kind, carried_out=True)
    first, last = span
    if first >= last:
        return WireResponse(status=416, headers=(("content-range", f"bytes */{file.size}"),))
    ranged = (*headers, ("content-range", f"bytes {first}-{last - 1}/{file.size}"))
    return WireResponse(status=206, body=file.content(first, last), headers=ranged, content_type=kind, carried_out=True)


def _span(file: RecordedFile, request: WireRequest) -> tuple[int, int] | None:
    """Read `Range` (RFC 9110, section 14.2): None for the whole file, an empty span for a range beyond its end."""
    match = _RANGE.fullmatch((request.header("range") or "").strip())
    if match is None or match[0] == "bytes=-" or request.header("if-range") not in (None, file.tag):
        return None
    first, last = match.groups()
    if not first:
        return (max(0, file.size - int(last)), file.size)
    if last and int(last) < int(first):
        return None
    return (int(first), min(int(last) + 1, file.size) if last else file.size)


def _refuse(status: int, message: str) -> WireResponse:
    return WireResponse(
        status=status,
        body=b'{"status":false,"errorCode":%d,"errorMessage":"%s","result":null}' % (status, message.encode()),
    )
