"""Kinds of faults that would harm a trusting client: responses too large, too slow, too deep, or mislabelled.

A random plan draws them only if it names them. `edits.EDITS` has the functions that alter the real response.
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
    """Return about 1 MB of gzip that unpacks to 1 GB and then breaks off."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = bytes(MEGABYTE)
    start = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # self-contained, so it can be repeated
    return start + block * 1023


def _is_download(request: WireRequest) -> bool:
    return "/download/" in request.target


def _is_answered(request: WireRequest) -> bool:
    return has_body(request) and is_api(request)


def _kind(
    description: str, make: Callable[[], Fault], fits: Callable[[WireRequest], bool] = lambda request: True
) -> FaultKind:
    return FaultKind(description=description, draw=lambda draw, longest: make(), fits=fits, by_chance=False)


def _edit(name: str, change: str) -> FaultKind:
    return _kind(f"the real response, but {change}", lambda: Fault(edit=name), _is_answered)


def _retry(after: str) -> Fault:
    return Fault(status=429, body=_RATE, headers=(("retry-after", after),))


def _headed(head: str) -> Fault:
    """Return a fault that sends the body of the real response after this head."""
    return Fault(head=f"{head}\r\n".encode("latin-1"))


HOSTILE: dict[str, FaultKind] = {
    "gzip_bomb": _kind(
        "1 MB of gzip that unpacks to 1 GB; carried out",
        lambda: Fault(status=200, carry_out=True, body=bomb(), headers=(("content-encoding", "gzip"),)),
    ),
    "no_gzip": _kind(
        "the real response, labelled as gzip but not compressed",
        lambda: _headed(f"{_OPEN}content-encoding: gzip\r\n"),
        has_body,
    ),
    "endless_body": _kind(
        "a body that never ends; carried out",
        lambda: Fault(status=200, carry_out=True, body=b'{"topic":"and so on"},' * 1000, endless=True),
    ),
    "drip": _kind(
        "the real response, sent over an hour",
        lambda: Fault(takes=3600.0),
        has_body,
    ),
    "no_numbers": _edit("no_numbers", "every number is NaN, Infinity or 1e400"),
    "long_numbers": _edit("long_numbers", "every number has 5,000 digits"),
    "deep": _edit("deep", "with 100,000 nested lists next to its data"),
    "half_characters": _edit("half_characters", "every string ends with a lone surrogate"),
    "escapes": _edit("escapes", "every string contains terminal escape sequences and ends with a zero byte"),
    "twice": _edit("twice", "every key is duplicated, the second time with null"),
    "no_lists": _edit("no_lists", "with a string in place of every list"),
    "odd_items": _edit("odd_items", "the items of its lists are null, numbers, strings and lists"),
    "no_object": _edit("no_object", "wrapped in a list"),
    "far_dates": _edit("far_dates", "every date is in the year 99999"),
    "endless_list": _edit("endless_list", "every page leads to another page"),
    "charset": _edit("charset", "in UTF-16, labelled as UTF-8"),
    "long_lifetime": _edit("long_lifetime", "its token lives for 1e300 seconds"),
    "no_lifetime": _edit("no_lifetime", "its token expired a billion seconds ago"),
    "huge_header": _kind(
        "the real response with a header of 1 MB", lambda: _headed(f"{_OPEN}x-huge: {'x' * MEGABYTE}\r\n")
    ),
    "many_headers": _kind("the real response with 20,000 headers", lambda: _headed(_OPEN + "x-many: x\r\n" * 20_000)),
    "cookies": _kind(
        "the real response with 1,000 cookies for this and other hosts",
        lambda: _headed(_OPEN + "".join(f"set-cookie: c{n}=x; domain=.zoom.us; path=/\r\n" for n in range(1000))),
    ),
    "odd_reason": _kind(
        "the real response with terminal escape sequences in its reason phrase",
        lambda: _headed("HTTP/1.1 200 \x1b]0;owned\x07\x00\r\ncontent-type: application/json\r\n"),
    ),
    "early_hints": _kind(
        "the real response after 1,000 responses with 103",
        lambda: _headed("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 1000 + _OPEN),
    ),
    "body_in_204": _kind(
        "204 with a body; carried out", lambda: _headed("HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n")
    ),
    "long_length": _kind(
        "the real response, declared to be a gigabyte long",
        lambda: _headed(f"{_OPEN}content-length: 1{'0' * 9}\r\n"),
    ),
    "short_length": _kind(
        "the real response, declared to be five bytes long", lambda: _headed(f"{_OPEN}content-length: 5\r\n"), has_body
    ),
    "odd_length": _kind("the real response, with a negative length", lambda: _headed(f"{_OPEN}content-length: -1\r\n")),
    "no_http": _kind("bytes that are not HTTP; carried out", lambda: _headed("220 smtp.example ESMTP\r\n")),
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
        "206 with an HTML page as the requested range",
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
        "206 with a range other than the requested one",
        lambda: Fault(
            status=206,
            body=bytes(1000),
            headers=(("content-range", "bytes 5-9/10"),),
            content_type="video/mp4",
        ),
        _is_download,
    ),
}
