"""Signs and verifies raw bytes by the recipe of a trigger's file. Pure: it is given bytes, headers and the time.

Only the bytes as they were received are ever signed or compared: JSON that was read and written again is other bytes.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, Problem, SignatureError

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
Secrets = str | Sequence[str]

ONLY = "Only the vendor's own requests are accepted."
_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a vendor signs. `message` holds texts as bytes, and the words `timestamp` and `body` as they are."""

    header: str
    field: str | None  # the header holds parts, `t=1,v1=…`; this one is the signature
    message: tuple[bytes | str, ...]
    hmac: str
    digest: str
    before: str  # what the vendor writes around the digest
    after: str
    time_header: str | None
    time_field: str | None
    per_second: int  # 1, or 1000 where the vendor counts milliseconds
    past: float | None  # seconds; None: the vendor signs no time
    future: float

    def verify(
        self, body: bytes, headers: Mapping[str, str], secrets: Secrets, now: float, window: float | None
    ) -> str:
        """The secret that signed these bytes; `headers` have small names. Raises `SignatureError`."""
        keys = usable(secrets)
        said = headers.get(self.header)
        if not said:
            raise SignatureError(f"There is no {self.header} header.", hint=ONLY)
        parts = _parts(said) if self.field else {}
        given = parts.get(self.field, ()) if self.field else (said,)
        timestamp = self._timestamp(headers, parts, now, window)
        signatures = [text.encode("utf-8", "replace") for text in given]
        for key in keys:
            expected = self.signature(body, key, timestamp).encode()
            for signature in signatures:
                if hmac.compare_digest(expected, signature):
                    return key
        raise SignatureError(
            f"The {self.header} header does not fit the body.",
            hint="Check that the secret is this app's, and that the body is passed on as the bytes that arrived.",
        )

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        """The headers that make these bytes the vendor's."""
        timestamp = str(int(now * self.per_second))
        signature = self.signature(body, usable(secret)[0], timestamp)
        if self.field:
            signature = f"{self.field}={signature}"
            return {self.header: f"{self.time_field}={timestamp},{signature}" if self.time_field else signature}
        return {self.header: signature, **({self.time_header: timestamp} if self.time_header else {})}

    def signature(self, body: bytes, secret: str, timestamp: str) -> str:
        words = {"timestamp": timestamp.encode(), "body": body}
        message = b"".join([words[part] if isinstance(part, str) else part for part in self.message])
        made = hmac.digest(secret.encode(), message, self.hmac)
        return f"{self.before}{made.hex() if self.digest == 'hex' else base64.b64encode(made).decode()}{self.after}"

    def keyed(self, text: str, secret: str) -> str:
        """The digest of a text alone, for the answer to a challenge."""
        made = hmac.digest(secret.encode(), text.encode("utf-8", "surrogatepass"), self.hmac)
        return made.hex() if self.digest == "hex" else base64.b64encode(made).decode()

    def _timestamp(
        self, headers: Mapping[str, str], parts: Mapping[str, list[str]], now: float, window: float | None
    ) -> str:
        if self.past is None:
            return ""
        where = self.time_header or f"{self.time_field} of {self.header}"
        said = headers.get(self.time_header) if self.time_header else parts.get(self.time_field or "", [None])[0]
        if not said:
            raise SignatureError(f"There is no {where}.", hint=ONLY)
        if not _NUMBER.fullmatch(said):
            raise SignatureError(f"The {where} is no number.")
        age = now - int(said) / self.per_second
        if age > (self.past if window is None else window):
            hint = "It is a replay, or this machine's clock is wrong."
            raise SignatureError(f"The {where} is {age:.0f} seconds old.", hint=hint)
        if -age > self.future:
            raise SignatureError(f"The {where} lies {-age:.0f} seconds ahead.", hint="Set this machine's clock.")
        return said


def recipe(verify: Mapping[str, Any]) -> Recipe:
    """Compile the `verify` of a trigger's file."""
    time = verify.get("time", {})
    before, _, after = verify.get("format", "{}").partition("{}")
    field = verify.get("fields", {}).get("signature")
    pieces = re.split(r"\{(body|timestamp)\}", verify["message"])
    return Recipe(
        header=verify["header"].lower(),
        field=field,
        message=tuple(text if index % 2 else text.encode() for index, text in enumerate(pieces) if text),
        hmac=verify["hmac"],
        digest=verify.get("digest", "hex"),
        before=before,
        after=after,
        time_header=time["header"].lower() if "header" in time else None,
        time_field=time.get("field"),
        per_second=1000 if time.get("unit") == "ms" else 1,
        past=time.get("past"),
        future=time.get("future", 0),
    )


def usable(secrets: Secrets) -> list[str]:
    """The secrets as a list; raises `InputError` if there is none or one is empty: everybody knows that one."""
    found = [secrets] if isinstance(secrets, str) else list(secrets or ())
    if not found or not all(isinstance(secret, str) and secret.strip() for secret in found):
        what = "is empty; with an empty secret anybody could sign. Copy it from the vendor's app settings"
        raise InputError.of("the webhook", [Problem("secrets", what)])
    return found


def picked(headers: Headers, names: frozenset[str]) -> dict[str, str]:
    """The headers of these small names, however they are written; raises `SignatureError` if one stands twice."""
    found: dict[str, str] = {}
    items = getattr(headers, "items", None)
    pairs: Iterable[tuple[str | bytes, str | bytes]] = items() if items else headers  # type: ignore[assignment]
    for raw, said in pairs:
        name = (raw.decode("latin-1") if isinstance(raw, bytes) else raw).lower()
        if name in names:
            if name in found:
                raise SignatureError(f"The {name} header stands twice.")
            found[name] = said.decode("latin-1") if isinstance(said, bytes) else said
    return found


def _parts(header: str) -> dict[str, list[str]]:
    """`t=1,v1=a,v1=b` as lists by name."""
    parts: dict[str, list[str]] = {}
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        parts.setdefault(name, []).append(value)
    return parts
