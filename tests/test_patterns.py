"""The regular expressions agree with what they stand for."""

from __future__ import annotations

import re
from datetime import date

from hypothesis import given, strategies as st

from connector_runtime.language import patterns

BOUND = st.one_of(st.none(), st.integers(-10_000, 10_000), st.integers(-(10**11), 10**11))


@given(low=BOUND, high=BOUND, value=st.integers(-(10**12), 10**12), near=st.integers(-2, 2))
def test_a_range_of_integers_matches_just_the_integers_in_it(
    low: int | None, high: int | None, value: int, near: int
) -> None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    pattern = patterns.whole(patterns.integers(low, high))
    for candidate in (value, (low or 0) + near, (high or 0) + near):
        inside = (low is None or candidate >= low) and (high is None or candidate <= high)
        assert bool(re.search(pattern, str(candidate))) == inside


def test_a_range_of_integers_is_exact_at_its_ends_and_where_a_digit_is_added() -> None:
    ends = [0, 1, 7, 9, 10, 11, 19, 60, 99, 100, 101, 899, 999, 1000, 1440, 9999999999, 10**10]
    near = sorted({end + step for end in ends for step in (-1, 0, 1)})
    for low in ends:
        for high in [end for end in ends if end >= low]:
            pattern = patterns.whole(patterns.integers(low, high))
            assert [n for n in near if n >= 0 and bool(re.search(pattern, str(n))) != (low <= n <= high)] == []


@given(st.dates(date(1900, 1, 1), date(2999, 12, 31)))
def test_every_day_is_a_date(day: date) -> None:
    assert re.fullmatch(patterns.DATE, day.isoformat())


@given(year=st.integers(1800, 3100), month=st.integers(0, 13), day=st.integers(0, 32))
def test_no_day_that_does_not_exist_is_a_date(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}"
    try:
        exists = 1900 <= date(year, month, day).year <= 2999
    except ValueError:
        exists = False
    assert bool(re.fullmatch(patterns.DATE, text)) == exists


def test_a_raw_path_stays_below_the_base_however_it_is_written() -> None:
    good = ["/users/me", "/users/a@b.c", "/meetings/%252Fabc/recordings", "/x?to=../y&u=http://z", "/a%20b", "/né"]
    bad = [
        "users/me",
        "//evil.example/x",
        "/%2Fevil.example",
        "https://evil.example",
        "/..",
        "/../x",
        "/users/../x",
        "/users/./x",
        "/users/%2e%2E/x",
        "/users/%252e%252e/x",
        "/users/..%2Fx",
        "/users/%2E.%252fx",
        "/a\\b",
        "/a%5cb",
        "/a%255Cb",
        "/a b",
        "/a\nb",
        "/a%0ab",
        "/a%250Ab",
        "/a\x7f",
        "/a#b",
        "/100%",
        "/users/me\n",
        "@evil.example/",
    ]
    assert [path for path in good if not re.search(patterns.RAW_PATH, path)] == []
    assert [path for path in bad if re.search(patterns.RAW_PATH, path)] == []


def test_a_header_value_is_one_line() -> None:
    assert re.search(patterns.HEADER_VALUE, "a b")
    assert not re.search(patterns.HEADER_VALUE, "a\nX-Evil: 1")
    assert not re.search(patterns.HEADER_VALUE, "a\n")
    assert not re.search(patterns.HEADER_VALUE, "a\r")


def test_an_authors_dollar_means_the_very_end() -> None:
    assert not re.search(patterns.sealed("^[0-9]{6,10}$"), "123456\n")
    assert re.search(patterns.sealed("^[0-9]{6,10}$"), "123456")
