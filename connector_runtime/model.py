"""Compiled definitions, requests and results as immutable data. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from .sentences import Phrasebook
from .structs import Struct, shows

Json = Any
NOTHING: Mapping[str, Json] = {}
READS = ("GET", "HEAD", "OPTIONS")
BODILESS = (*READS, "DELETE")  # methods of requests without a body by default
MAX_KEYS = 8  # in a repr


def _outline(data: Json) -> str:
    """Return an outline of JSON data without values: the first keys of an object, or the length of a list."""
    if isinstance(data, dict):
        keys = ", ".join([*data][:MAX_KEYS])[:120]
        return f"{{{keys}, … {len(data)} keys}}" if len(data) > MAX_KEYS else f"{{{keys}}}"
    return f"[{len(data)} items]" if isinstance(data, list) else type(data).__name__


class Place(NamedTuple):
    """A place in a request, such as `Place("body", ("settings", "audio"))`; `spread` puts a map there key by key."""

    kind: str
    path: tuple[str, ...]
    spread: bool = False

    def __str__(self) -> str:
        return ".".join((self.kind, *self.path, *(("*",) if self.spread else ())))


class Test(NamedTuple):
    """A test that the value of `name` is one of `values` (None if absent) or, with `negate`, none of them."""

    name: str
    values: tuple[Json, ...]
    negate: bool = False


Test.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it
Condition = tuple[Test, ...]  # all must hold


class Choice(Struct):
    """One entry of a drop-down: the `value` to send, the `label` to show, and an optional `description`."""

    value: Json
    label: str
    description: str | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return the entry as JSON data: `{"value", "label", "description"}`."""
        return {"value": self.value, "label": self.label, "description": self.description}


class Warn(NamedTuple):
    """A schema whose violation causes a warning instead of an error, under a condition."""

    when: Condition
    schema: Mapping[str, Json]
    says: str


class Input(NamedTuple):
    """One row of an input table, compiled."""

    key: str
    label: str
    type: str
    collection: str | None = None
    to: tuple[Place, ...] = ()
    codecs: tuple[Any, ...] = ()
    required: Condition | None = None  # () means always
    only_when: Condition | None = None
    shown_when: Condition | None = None
    comments: str = ""
    choices: tuple[Choice, ...] = ()
    choices_from: str | None = None
    schema: Mapping[str, Json] = NOTHING
    warn: tuple[Warn, ...] = ()
    example: Json = None
    has_default: bool = False
    default: Json = None
    if_absent: Json = None
    group: str | None = None
    advanced: bool = False
    clear: tuple[Json, ...] = ()  # the value that empties the field; () if it cannot be emptied
    was: tuple[str, ...] = ()  # former names, which stored inputs may still use
    deprecated: str | None = None  # why it should no longer be used

    @property
    def names(self) -> tuple[str, ...]:
        """All names that callers may use, the current one first."""
        return (self.key, *self.was)

    @property
    def optional_default(self) -> bool:
        """True if the default is shown but not sent; the default of a required input is sent."""
        return self.has_default and self.required is None

    @property
    def is_always_needed(self) -> bool:
        return self.required == () and self.only_when is None and not self.has_default

    @property
    def fills_in(self) -> bool:
        return self.has_default and self.required is not None


class Rule(NamedTuple):
    """A rule about several inputs, of the `kind` that the definition names; a range is at most `within` days wide."""

    kind: str
    keys: tuple[str, ...]
    when: Condition
    says: str
    within: int | None = None


class Next(NamedTuple):
    """One way to get from a page of a list to the next page."""

    source: str
    to: Place | None  # None: `source` holds the next URL
    plus: int | str | None = None  # a number, or "count" for the number of items on the page
    below: str | None = None
    when: Condition = ()


class Paging(NamedTuple):
    """Where a response holds the items of a list, and how to get from page to page."""

    items: str
    size: Place | None
    max: int
    next: tuple[Next, ...]
    keys: tuple[str, ...]  # keys of the response that describe the page, not the list
    total: str | None = None  # the place of the total number of items


class Recover(NamedTuple):
    """How to find out whether a create succeeded if its response was lost."""

    action: str  # the action that lists or gets such objects
    inputs: Mapping[str, str]  # input of `action` -> input of the create
    same: Mapping[str, Place]  # field of an object -> place of the equal value in the request
    since: str | None  # the field with the creation time
    when: Condition = ()  # when `action` can find the object


class Case(NamedTuple):
    """One kind of refusal: its condition, its meaning and its remedy."""

    when: Condition
    text: str | None  # a pattern that the message must match
    kind: str
    scopes_pattern: str | None  # finds the scopes for `do` in the message
    scopes_from: str | None  # or their place in the response
    do: str | None


class Errors(NamedTuple):
    """How to read refusals: where their parts are, and the cases that tell their kinds apart."""

    failed: Condition | None
    code: str | None
    message: tuple[str, ...]
    each: str | None
    field_name: str
    field_says: tuple[str, ...]
    id: str | None
    retry_at: tuple[tuple[str, Condition], ...]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a response lists files, and how to download them. Paths start at the response or at a file's entry."""

    sources: tuple[tuple[str, ...], ...]
    url: tuple[str, ...]
    name: tuple[str, ...]  # templates; the first that is not blank is used
    was: tuple[str, ...]  # templates that earlier versions used
    type: tuple[str, ...]
    size: tuple[str, ...]
    id: tuple[str, ...]
    token: tuple[str, ...]
    ready: Condition | None
    errors: Errors  # for responses from the file servers


DAY = 86400.0
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": DAY}


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of requests in a number of seconds, written as `80/s`, `10/min` or `6000/day`."""

    count: int
    seconds: float

    @classmethod
    def of(cls, text: str) -> Self:
        count, _, unit = text.partition("/")
        return cls(int(count), SECONDS[unit])

    def __str__(self) -> str:
        unit = next((name for name, seconds in SECONDS.items() if seconds == self.seconds), f"{self.seconds:g} s")
        return f"{self.count}/{unit}"


Rates = Mapping[str, tuple[Rate, ...]]  # plan -> its rates; "" for the rates of every plan


class Label(NamedTuple):
    """The rates of one of the vendor's labels. Actions in `on` are counted here, whatever their own label."""

    rates: Rates
    on: tuple[str, ...] = ()


class SharedBudget(NamedTuple):
    """A daily budget that several labels share."""

    labels: tuple[str, ...]
    rates: Rates


class Quota(NamedTuple):
    """A daily limit for each combination of values of the inputs `per`, such as each registrant of a meeting."""

    rates: Rates
    per: tuple[str, ...]
    on: tuple[str, ...]
    when: Condition


class ReportedLimits(NamedTuple):
    """Where a response reports its label, the limit of the current window, and the requests that remain."""

    label: str | None = None
    limit: str | None = None
    remaining: str | None = None
    daily: Condition | None = None  # if it holds, the figures apply to the day

    def figures(self, headers: Mapping[str, str]) -> tuple[int, int] | None:
        """Return the limit and the remaining requests; None unless the headers (lower-case names) report both."""
        numbers = []
        for source in (self.remaining, self.limit):
            text = headers.get(source.removeprefix("header.").lower(), "").strip() if source else ""
            if not (text.isascii() and text.isdigit() and len(text) <= 15):
                return None
            numbers.append(int(text))
        return numbers[1], numbers[0]

    def is_scarce(self, headers: Mapping[str, str]) -> bool:
        """True if the headers report that less than a quarter of the limit remains."""
        figures = self.figures(headers)
        return figures is not None and figures[1] < figures[0] / 4


class Limits(NamedTuple):
    """The limits of a vendor; `per` says whether they apply to each account or to each connection."""

    key: str  # the connector's key
    per: str = "account"
    plans: tuple[str, ...] = ()
    labels: Mapping[str, Label] = NOTHING
    combined: tuple[SharedBudget, ...] = ()
    quotas: Mapping[str, Quota] = NOTHING
    reported: ReportedLimits = ReportedLimits()

    @property
    def hold_always(self) -> bool:
        """True if a label or a budget has a rate that applies to every plan."""
        limits: list[Label | SharedBudget] = [*self.labels.values(), *self.combined]
        return any("" in limit.rates for limit in limits)

    def counted_as(self, action: str, label: str | None) -> str | None:
        """Return the label under which an action's requests are counted."""
        return next((name for name, entry in self.labels.items() if action in entry.on), label)


def rates_of(rates: Rates, plan: str | None) -> tuple[Rate, ...]:
    """Return the rates of a plan (None if unknown), and the rates of all plans."""
    return (*rates.get("", ()), *(rates.get(plan, ()) if plan else ()))


class Choices(Struct):
    """Some entries of a drop-down. `cursor` is an opaque string that continues the list; None at the end."""

    choices: tuple[Choice, ...]
    cursor: str | None = None

    def __repr__(self) -> str:
        return f"Choices({len(self.choices)} choices{', and more' if self.cursor else ''})"

    def to_dict(self) -> dict[str, Json]:
        """Return the entries as JSON data: `{"choices": [{"value", "label", "description"}], "cursor"}`."""
        return {"choices": [choice.to_dict() for choice in self.choices], "cursor": self.cursor}


class ChoiceList(NamedTuple):
    """A named list in connector.yaml: fixed entries, or the items of an action's answer."""

    key: str
    choices: tuple[Choice, ...] = ()
    action: str | None = None  # None if the entries are fixed
    fills: Mapping[str, str] = NOTHING  # input of the action -> input of a form, or parameter
    parameters: Mapping[str, Input] = NOTHING  # for forms without such an input
    search: Mapping[str, Json] = NOTHING  # inputs that make the vendor search; {} stands for the search text
    items: tuple[str, ...] = ()  # paths of the items, unless the action has paging
    value: tuple[str, ...] = ()  # paths in an item; here and below, the first non-blank one is used
    label: tuple[str, ...] = ()  # paths, or templates
    description: tuple[str, ...] = ()


class Base(NamedTuple):
    """The rules for a brace in the base URL: its default, the allowed hosts and a pattern."""

    default: str | None
    hosts: tuple[str, ...]
    pattern: str | None


class CredentialField(NamedTuple):
    """One named value that a connection adds to every request."""

    name: str
    to: tuple[Place, ...]
    codecs: tuple[Any, ...]
    secret: bool
    required: bool


@shows("key")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Connection:
    """A kind of connection: what a person fills in, how to get a token, and what goes into every request."""

    key: str
    label: str
    description: str = ""
    inputs: tuple[Input, ...]
    oauth: Mapping[str, Json] | None
    grants: tuple[CredentialField, ...]
    gives: frozenset[str]  # names of all grants
    needs: frozenset[str]  # names of the required grants
    errors: Errors  # for responses from the token endpoint
    revoked_when: tuple[Condition, ...]  # token responses that end a refresh token for good
    test: Mapping[str, Json] | None
    unsupported_values: Mapping[str, Mapping[str, str]]  # input -> value -> what to do instead
    account_wide: bool | str = False  # acts for a whole account: always, or with this level's scopes


@shows("key")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Profile:
    """The settings that all actions of a connector share: connector.yaml, compiled."""

    key: str
    label: str
    description: str = ""
    version: str
    categories: tuple[str, ...]
    base_url: str
    base: Mapping[str, Base]
    headers: Mapping[str, str]
    encode: str
    idempotency: Place | None
    levels: Mapping[str, Mapping[str, str]]  # app level -> patterns of its required or possible scopes
    errors: Errors
    limits: Limits
    connections: tuple[Connection, ...]
    choices: Mapping[str, ChoiceList]
    phrasebook: Phrasebook  # the language of messages and the vendor's name

    @property
    def hosts(self) -> list[str]:
        """The hosts to which the base URL can lead once its braces are filled in."""
        return [host for allowed in self.base.values() for host in allowed.hosts]


@shows("key")
@dataclass(frozen=True, repr=False, kw_only=True)
class InputTable:
    """The rows that a person fills in, and rules about several rows."""

    key: str
    label: str
    description: str = ""
    inputs: Mapping[str, Input]
    by_name: Mapping[str, Input]  # by current and former names
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, key: str, label: str, rows: Iterable[Input], description: str = "") -> InputTable:
        inputs = {row.key: row for row in rows}
        return InputTable(key=key, label=label, description=description, inputs=inputs, by_name=inputs, rules=())

    @property
    def fields(self) -> dict[str, Input]:
        """The inputs that a person fills in; the platform chooses the connection."""
        return {key: row for key, row in self.inputs.items() if row.type != "connection"}


@dataclass(frozen=True, repr=False, kw_only=True)
class ActionSpec(InputTable):
    """The file of an action, compiled."""

    docs: str | None
    summary: str | None
    effect: str | None  # None if it follows from the method
    scopes: Mapping[str, tuple[Any, ...]]
    rate_limit: str | None
    method: str | None
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, Json]
    body: Json
    encode: str
    compute: Mapping[Place, str]
    paging: Paging | None
    errors: Errors
    output: Mapping[str, Json] | None  # schema and example of a result's data
    files: Files | None = None
    recover: Recover | None = None
    profile: Profile


class Page(Struct):
    """One page of a call, with its JSON `data`. `items` are the page's items, or None if the action is not a list.

    `headers` have lower-case names, `warnings` are `Problem`s, and `cursor` continues the list (None at the end).
    """

    data: Json
    items: list[Json] | None
    status: int
    headers: Mapping[str, str]
    warnings: tuple[Any, ...] = ()
    cursor: str | None = None

    def __repr__(self) -> str:
        items = "" if self.items is None else f", {len(self.items)} items"
        return f"Page({self.status!r}, {_outline(self.data)}{items}{', and more' if self.cursor else ''})"


class Result(Struct):
    """The result of a call: `data` (JSON; `{}` without a body), the HTTP `status`, and `headers` (lower-case names).

    `warnings` are `Problem`s. `cursor` continues a list that was cut off at a limit; it is None at the end.
    """

    data: Json
    status: int
    headers: Mapping[str, str]
    warnings: tuple[Any, ...] = ()
    cursor: str | None = None

    def __repr__(self) -> str:
        return f"Result({self.status!r}, {_outline(self.data)}{', and more' if self.cursor else ''})"


@shows("method", "template")
class Request(Struct):
    """One complete HTTP request. Fields that its repr omits may hold secrets."""

    method: str
    template: str  # the path with its braces, without personal data
    shown: str  # the URL with secrets masked
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None
    body: Json  # the content as readable data
    call: Mapping[str, Json] = field(default_factory=dict)


@shows("status")
class Response(Struct):
    """One HTTP response with decompressed content. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
