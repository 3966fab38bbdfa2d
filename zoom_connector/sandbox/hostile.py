"""Names the answers that would hurt a trusting reader: too large, too slow, too deep, or not what they say they are.

None of them comes by chance unless a random plan names it. Those that change the true answer are `edits.EDITS`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache

from .faults import Fault, FaultKind, has_body, is_api
from .wire import WireRequest

MEGABYTE = 1 << 20
_OPEN = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_RATE = b'{"code":429,"message":"You have reached the maximum per-second rate limit for this API. Try again later."}'


@cache
def bomb() -> bytes:
    """About 1 MB of gzip that unpacks to 1 GB and then breaks off."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = bytes(MEGABYTE)
    start = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # stands for itself, so it can be repeated
    return start + block * 1023


def _is_download(request: WireRequest) -> bool:
    return "/download/" in request.target


def _is_answered(request: WireRequest) -> bool:
    return has_body(request) and is_api(request)


def _kind(
    says: str, make: Callable[[], Fault], fits: Callable[[WireRequest], bool] = lambda request: True
) -> FaultKind:
    return FaultKind(says=says, draw=lambda draw, longest: make(), fits=fits, by_chance=False)


def _edit(name: str, says: str) -> FaultKind:
    return _kind(f"the true answer, but {says}", lambda: Fault(edit=name), _is_answered)


def _retry(after: str) -> Fault:
    return Fault(status=429, body=_RATE, headers=(("retry-after", after),))


def _headed(head: str) -> Fault:
    """The true answer behind a head that does not fit it."""
    return Fault(head=f"{head}\r\n".encode("latin-1"))


HOSTILE: dict[str, FaultKind] = {
    "gzip_bomb": _kind(
        "1 MB of gzip that unpacks to 1 GB; carried out",
        lambda: Fault(status=200, carry_out=True, body=bomb(), headers=(("content-encoding", "gzip"),)),
    ),
    "no_gzip": _kind(
        "the true answer, which says that it is gzip and is not",
        lambda: _headed(f"{_OPEN}content-encoding: gzip\r\n"),
        has_body,
    ),
    "endless_body": _kind(
        "a body that never ends; carried out",
        lambda: Fault(status=200, carry_out=True, body=b'{"topic":"and so on"},' * 1000, endless=True),
    ),
    "drip": _kind(
        "the true answer, so slowly that it takes an hour",
        lambda: Fault(takes=3600.0),
        has_body,
    ),
    "no_numbers": _edit("no_numbers", "every number is NaN, Infinity or 1e400"),
    "long_numbers": _edit("long_numbers", "every number has 5,000 digits"),
    "deep": _edit("deep", "beside 100,000 levels of lists"),
    "half_characters": _edit("half_characters", "every text ends with half of a surrogate pair"),
    "escapes": _edit("escapes", "every text would steer a terminal, and ends with a zero byte"),
    "twice": _edit("twice", "every key comes twice, the second time with null"),
    "no_lists": _edit("no_lists", "a text stands where a list should"),
    "odd_items": _edit("odd_items", "the items of its lists are null, numbers, texts and lists"),
    "no_object": _edit("no_object", "in a list"),
    "far_dates": _edit("far_dates", "every date is in the year 99999"),
    "endless_list": _edit("endless_list", "it leads on to another page, always"),
    "charset": _edit("charset", "in UTF-16, which it does not say"),
    "long_lifetime": _edit("long_lifetime", "a token in it lives for 1e300 seconds"),
    "no_lifetime": _edit("no_lifetime", "a token in it ended a billion seconds ago"),
    "huge_header": _kind(
        "the true answer behind a header of 1 MB", lambda: _headed(f"{_OPEN}x-huge: {'x' * MEGABYTE}\r\n")
    ),
    "many_headers": _kind("the true answer behind 20,000 headers", lambda: _headed(_OPEN + "x-many: x\r\n" * 20_000)),
    "cookies": _kind(
        "the true answer behind 1,000 cookies for this and other hosts",
        lambda: _headed(_OPEN + "".join(f"set-cookie: c{n}=x; domain=.zoom.us; path=/\r\n" for n in range(1000))),
    ),
    "odd_reason": _kind(
        "the true answer behind a reason phrase that would steer a terminal",
        lambda: _headed("HTTP/1.1 200 \x1b]0;owned\x07\x00\r\ncontent-type: application/json\r\n"),
    ),
    "early_hints": _kind(
        "the true answer behind 1,000 answers with 103",
        lambda: _headed("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 1000 + _OPEN),
    ),
    "body_in_204": _kind(
        "204 with a body; carried out", lambda: _headed("HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n")
    ),
    "long_length": _kind(
        "the true answer, which announces a million bytes more than it has",
        lambda: _headed(f"{_OPEN}content-length: 1{'0' * 9}\r\n"),
    ),
    "short_length": _kind(
        "the true answer, which announces five bytes", lambda: _headed(f"{_OPEN}content-length: 5\r\n"), has_body
    ),
    "odd_length": _kind(
        "the true answer, which announces less than nothing", lambda: _headed(f"{_OPEN}content-length: -1\r\n")
    ),
    "no_http": _kind("something that is no HTTP; carried out", lambda: _headed("220 smtp.example ESMTP\r\n")),
    "redirect": _kind(
        "302 to another host; not carried out",
        lambda: Fault(status=302, headers=(("location", "http://attacker.invalid/take?token="),)),
    ),
    "retry_in_ages": _kind("429 with Retry-After: 999999999999", lambda: _retry("999999999999")),
    "retry_long_ago": _kind("429 with Retry-After: -5", lambda: _retry("-5")),
    "retry_in_words": _kind("429 with Retry-After: in a while", lambda: _retry("in a while")),
    "retry_in_99999": _kind("429 with Retry-After in the year 99999", lambda: _retry("99999-12-31T23:59:59Z")),
    "retry_of_5000_digits": _kind("429 with Retry-After of 5,000 digits", lambda: _retry("9" * 5_000)),
    "html_206": _kind(
        "206 with an HTML page as the range that was asked for",
        lambda: Fault(
            status=206,
            body=b"<!doctype html><title>Sign in</title>",
            headers=(("content-range", "bytes 0-36/37"),),
            content_type="text/html",
        ),
        _is_download,
    ),
    "empty_file": _kind(
        "200 with a file of 0 bytes", lambda: Fault(status=200, content_type="video/mp4"), _is_download
    ),
    "wrong_range": _kind(
        "206 with another range than was asked for",
        lambda: Fault(
            status=206,
            body=bytes(1000),
            headers=(("content-range", "bytes 5-9/10"),),
            content_type="video/mp4",
        ),
        _is_download,
    ),
}
