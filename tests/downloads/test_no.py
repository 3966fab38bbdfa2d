"""Each no of a download as the whole error: what came instead of the file, what to do, whether to try again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from told import told, whole

from connector_runtime.downloads.fetch import MAX_RESTARTS
from connector_runtime.errors import TransportError
from connector_runtime.steps import Fill

from .test_judged import FILE, KIND, PART, SIZE, VIDEO, WHOLE, Site

AGAIN = "list the files again"
GO_ON = "The part is kept. Download the file again to resume."
COMPRESSED = "zoom.us sent the file compressed, which was not requested."
PASSCODE = "The page may ask for a passcode or a sign-in, or the file is not ready or was deleted."
CHANGES = "The file keeps changing, or zoom.us cannot send the rest."
ELSEWHERE = (302, {"location": "https://storage.example/x"}, b"")


@pytest.mark.parametrize(
    ("answers", "size", "wanted"),
    [
        ([(200, {**WHOLE, "content-encoding": "gzip"}, VIDEO)], None, whole("api", COMPRESSED, None, status=200)),
        (
            [(200, {"content-type": "text/html"}, VIDEO)],
            None,
            whole("api", "zoom.us sent a web page instead of the file.", PASSCODE, status=200),
        ),
        (
            [(200, {"content-type": "application/json"}, VIDEO)],
            None,
            whole("api", "zoom.us sent JSON instead of the file.", None, status=200),
        ),
        ([(204, {}, b"")], None, whole("api", "zoom.us returned 204 instead of the file.", None, status=204)),
        ([(206, PART, VIDEO)], None, whole("api", "zoom.us returned 206 instead of the file.", None, status=206)),
        (
            [(200, KIND, b"")],
            None,
            whole(
                "api",
                "zoom.us sent 0 bytes.",
                f"The file may not be ready yet: {AGAIN} later.",
                status=200,
                retriable=True,
            ),
        ),
        (
            [(200, WHOLE, VIDEO)],
            999,
            whole(
                "api",
                "The vendor reported 999 bytes, but zoom.us declared 5000.",
                f"The file may have changed: {AGAIN}, or download it without its size.",
            ),
        ),
        (
            [(200, KIND, VIDEO)],
            4999,
            whole("api", "zoom.us sent more than the expected 4999 bytes.", None),
        ),
        (
            [ELSEWHERE, (403, {}, b"")],
            None,
            whole(
                "api",
                "storage.example, to which the vendor redirected, refused the file (403).",
                f"The file's URL may have expired: {AGAIN}.",
                status=403,
            ),
        ),
        (
            [(302, {"location": "/again"}, b"")],
            None,
            whole("api", "The vendor redirected more than 8 times, finally to zoom.us.", None),
        ),
    ],
)
def test_what_is_not_the_file_says_what_it_is(answers: Any, size: int | None, wanted: dict[str, Any]) -> None:
    assert told(lambda: Site(*answers).run(replace(FILE, size=size))) == wanted


def test_a_file_of_no_announced_size_is_taken_up_to_a_bound() -> None:
    what = "zoom.us is sending 5000 bytes or more, and the vendor reported no size."
    hint = "Without a size, the limit is 4999 bytes. Raise `largest` for larger files."
    assert told(lambda: Site((200, WHOLE, VIDEO)).run(largest=SIZE - 1)) == whole("api", what, hint)
    assert Site((200, WHOLE, VIDEO)).run(largest=SIZE) == VIDEO
    unknown = Site((200, KIND, VIDEO))
    assert told(lambda: unknown.run(largest=SIZE - 1)) == whole("api", what.replace("5000", "4999"), hint)
    assert [step.most for step in unknown.plays.of(Fill)] == [SIZE - 1]


def test_a_file_that_keeps_changing_is_given_up() -> None:
    site = Site((200, WHOLE, VIDEO[:1000]), (416, {}, b""), broke=TransportError("It broke.", retriable=True))
    site.answers = [each for _ in range(MAX_RESTARTS + 1) for each in [(200, WHOLE, VIDEO[:1000]), (416, {}, b"")]]
    assert told(lambda: site.run(retries=9)) == whole("api", CHANGES, "Try again later.")
    assert len(site.asked) == 2 * (MAX_RESTARTS + 1)


def test_what_waits_says_for_what() -> None:
    waiting = replace(FILE, waits="It is not ready yet; try again later.")
    what = "The file cannot be downloaded. It is not ready yet; try again later."
    assert told(lambda: Site((200, WHOLE, VIDEO)).run(waiting)) == whole("conflict", what, None, retriable=True)


def test_what_breaks_off_says_how_much_is_there() -> None:
    part = told(lambda: Site((200, KIND, VIDEO[:999])).run(replace(FILE, size=SIZE)))
    what = "The response was cut off. 999 of 5000 bytes have arrived from zoom.us."
    assert part == whole("transport", what, GO_ON, retriable=True)
    lost = TransportError("It broke.", hint="Odd.", retriable=True)
    some = told(lambda: Site((200, KIND, VIDEO[:7]), broke=lost).run())
    assert some == whole("transport", "It broke. 7 bytes have arrived from zoom.us.", GO_ON, retriable=True)
    final = TransportError("It broke.", hint="Odd.")
    assert told(lambda: Site((200, KIND, VIDEO[:7]), broke=final).run()) == whole("transport", "It broke.", "Odd.")
