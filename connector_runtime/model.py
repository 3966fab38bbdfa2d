"""What a compiled definition says, as frozen data without behaviour.

What nothing inherits from is a NamedTuple: to define a frozen dataclass takes seven times as long, at every start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from .sentences import Phrasebook
from .structs import Struct, shows

Json = Any
NOTHING: Mapping[str, Json] = {}
SHOWN = 8  # keys that a repr names


def _outline(data: Json) -> str:
    """What JSON data is, without its values: the first keys of an object, the number of items of a list."""
    if isinstance(data, dict):
        shown = ", ".join([*data][:SHOWN])[:120]
        return f"{{{shown}, … {len(data)} keys}}" if len(data) > SHOWN else f"{{{shown}}}"
    return f"[{len(data)} items]" if isinstance(data, list) else type(data).__name__


class Place(NamedTuple):
    """Where a value goes: `Place("body", ("settings", "audio"))`; with `spread` a map lands there key by key."""

    kind: str
    path: tuple[str, ...]
    spread: bool = False

    def __str__(self) -> str:
        return ".".join((self.kind, *self.path, *(("*",) if self.spread else ())))


class Test(NamedTuple):
    """One name must have one of `values` (None: not given), or none of them if `negate`."""

    name: str
    values: tuple[Json, ...]
    negate: bool = False


Test.__test__ = False  # type: ignore[attr-defined]  # it is not a test of pytest's
Condition = tuple[Test, ...]  # all must hold


class Choice(Struct):
    """One entry of a drop-down: what is sent, what is shown, and a line that says more."""

    value: Json
    label: str
    description: str | None = None

    def to_dict(self) -> dict[str, Json]:
        """The entry as JSON data: `{"value", "label", "description"}`."""
        return {"value": self.value, "label": self.label, "description": self.description}


class Warn(NamedTuple):
    """A schema that warns instead of refusing, under a condition."""

    when: Condition
    schema: Mapping[str, Json]
    says: str


class Input(NamedTuple):
    """One row of an input table."""

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
    clear: tuple[Json, ...] = ()  # () if it can't be emptied, else the one value that empties it
    was: tuple[str, ...] = ()  # names under which saved inputs may still give it
    deprecated: str | None = None  # why it should not be given any more

    @property
    def names(self) -> tuple[str, ...]:
        """Every name under which it may be given, today's first."""
        return (self.key, *self.was)

    @property
    def optional_default(self) -> bool:
        """A default that is shown and not sent; a required input's default is filled in instead."""
        return self.has_default and self.required is None

    @property
    def is_always_needed(self) -> bool:
        """Whether it must be given whatever else is."""
        return self.required == () and self.only_when is None and not self.has_default

    @property
    def fills_in(self) -> bool:
        return self.has_default and self.required is not None


class Rule(NamedTuple):
    """A rule about a group: `at_least_one`, `at_most_one` or `together`."""

    kind: str
    keys: tuple[str, ...]
    when: Condition
    says: str


class Next(NamedTuple):
    """One style of getting to the next page."""

    source: str
    to: Place | None  # None: the source is the next URL
    plus: int | str | None = None  # a number, or "count": the items of this page
    below: str | None = None
    when: Condition = ()


class Paging(NamedTuple):
    """Where a list's items lie and what leads on."""

    items: str
    size: Place | None
    max: int
    next: tuple[Next, ...]
    keys: tuple[str, ...]  # keys of the answer that are about the page, not the list
    total: str | None = None  # where the vendor says how many items the whole list has


class Recover(NamedTuple):
    """How to look whether a create whose answer was lost has been done."""

    action: str  # the action that lists, or gets, what would have been made
    inputs: Mapping[str, str]  # its inputs -> ours
    same: Mapping[str, Place]  # fields of what it finds -> what was sent there
    since: str | None  # the field that says when it was made
    when: Condition = ()  # where looking can find it at all


class Case(NamedTuple):
    """What one kind of refusal means and what the user can do."""

    when: Condition
    text: str | None  # a pattern on the message
    kind: str
    scopes_pattern: str | None  # a pattern on the message for the scopes that `do` may name
    scopes_from: str | None  # or the place in the answer where they stand
    do: str | None


class Errors(NamedTuple):
    """How refusals look: where their parts lie, and which case is which kind."""

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
    """Where an answer offers files, and how they are downloaded. Paths lead from the answer or from an entry."""

    sources: tuple[tuple[str, ...], ...]
    url: tuple[str, ...]
    name: tuple[str, ...]  # texts with slots: the first that is not blank
    was: tuple[str, ...]  # the same, as it was in earlier versions
    type: tuple[str, ...]
    size: tuple[str, ...]
    id: tuple[str, ...]
    token: tuple[str, ...]
    ready: Condition | None
    errors: Errors  # of the addresses


DAY = 86400.0
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": DAY}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds; written `80/s`, `10/min`, `6000/day`."""

    count: int
    seconds: float

    @classmethod
    def of(cls, text: str) -> Self:
        count, _, unit = text.partition("/")
        return cls(int(count), SECONDS[unit])

    def __str__(self) -> str:
        unit = next((name for name, seconds in SECONDS.items() if seconds == self.seconds), f"{self.seconds:g} s")
        return f"{self.count}/{unit}"


Rates = Mapping[str, tuple[Rate, ...]]  # plan -> its rates; "" for what every plan has


class Label(NamedTuple):
    """What one of the vendor's labels allows. `on`: actions that are counted here whatever their own label is."""

    rates: Rates
    on: tuple[str, ...] = ()


class SharedBudget(NamedTuple):
    """A daily budget that several labels share."""

    labels: tuple[str, ...]
    rates: Rates


class Quota(NamedTuple):
    """What a day allows for each value of some inputs: of the host, of the registrant and the meeting."""

    rates: Rates
    per: tuple[str, ...]
    on: tuple[str, ...]
    when: Condition


class ReportedLimits(NamedTuple):
    """Where an answer tells its label, the limit of the current window and what remains of it.

    `daily`: the answers whose figures are of the day.
    """

    label: str | None = None
    limit: str | None = None
    remaining: str | None = None
    daily: Condition | None = None

    def figures(self, headers: Mapping[str, str]) -> tuple[int, int] | None:
        """The limit and what remains of it, where an answer's headers (in lower case) tell both."""
        found = []
        for source in (self.remaining, self.limit):
            text = headers.get(source.removeprefix("header.").lower(), "").strip() if source else ""
            if not (text.isascii() and text.isdigit() and len(text) <= 15):
                return None
            found.append(int(text))
        return found[1], found[0]

    def is_scarce(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer tells that less than a quarter of the limit remains."""
        figures = self.figures(headers)
        return figures is not None and figures[1] < figures[0] / 4


class Limits(NamedTuple):
    """What a vendor allows. All connections to one account share it, or (`per`) each connection has its own."""

    key: str  # the connector's
    per: str = "account"
    plans: tuple[str, ...] = ()
    labels: Mapping[str, Label] = NOTHING
    combined: tuple[SharedBudget, ...] = ()
    quotas: Mapping[str, Quota] = NOTHING
    reported: ReportedLimits = ReportedLimits()

    @property
    def hold_always(self) -> bool:
        """Whether there is a rate for labels that holds whatever the plan."""
        rates = [*(label.rates for label in self.labels.values()), *(both.rates for both in self.combined)]
        return any("" in each for each in rates)

    def counted_as(self, action: str, label: str | None) -> str | None:
        """The label under which an action's calls are counted."""
        return next((name for name, entry in self.labels.items() if action in entry.on), label)


def rates_of(rates: Rates, plan: str | None) -> tuple[Rate, ...]:
    """The rates of a plan (None: it is not known) with those that every plan has."""
    return (*rates.get("", ()), *(rates.get(plan, ()) if plan else ()))


class Choices(Struct):
    """Some entries of a drop-down; `cursor` is an opaque text that leads on to more, None at the end."""

    choices: tuple[Choice, ...]
    cursor: str | None = None

    def __repr__(self) -> str:
        return f"Choices({len(self.choices)} choices{', and more' if self.cursor else ''})"

    def to_dict(self) -> dict[str, Json]:
        """The entries as JSON data, the shape that platforms and the command line show."""
        return {"choices": [each.to_dict() for each in self.choices], "cursor": self.cursor}


class ChoiceList(NamedTuple):
    """A named list of connector.yaml: entries of its own, or what an action answers."""

    key: str
    choices: tuple[Choice, ...] = ()
    action: str | None = None  # None: the entries are its own
    fills: Mapping[str, str] = NOTHING  # input of the action -> input of a form, or parameter
    parameters: Mapping[str, Input] = NOTHING  # asked for where a form lacks the input
    search: Mapping[str, Json] = NOTHING  # inputs by which the vendor searches; {} is what for
    items: tuple[str, ...] = ()  # where the items lie, if the action's paging does not say it
    value: tuple[str, ...] = ()  # paths in an item; of each of these three the first that is not blank counts
    label: tuple[str, ...] = ()  # paths, or texts with expressions
    description: tuple[str, ...] = ()


class Base(NamedTuple):
    """What may stand in a brace of the base URL, and the only hosts it may lead to."""

    default: str | None
    hosts: tuple[str, ...]
    pattern: str | None


class CredentialField(NamedTuple):
    """One value that a connection gives to every request, by name."""

    name: str
    to: tuple[Place, ...]
    codecs: tuple[Any, ...]
    secret: bool
    required: bool


@shows("key")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Connection:
    """A kind of connection: what a person fills in, how a token is got, what every request is given."""

    key: str
    label: str
    description: str = ""
    inputs: tuple[Input, ...]
    oauth: Mapping[str, Json] | None
    grants: tuple[CredentialField, ...]
    gives: frozenset[str]  # the names of all grants
    needs: frozenset[str]  # and of those that are required
    errors: Errors  # of the token endpoint
    revoked_when: tuple[Condition, ...]  # the token endpoint's answers by which a refresh token is over for good
    test: Mapping[str, Json] | None
    unsupported_values: Mapping[str, Mapping[str, str]]  # input -> value -> what to do instead
    account_wide: bool | str = False  # acts for a whole account; a text: where it has scopes of that level


@shows("key")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Profile:
    """What all actions of a connector share."""

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
    levels: Mapping[str, Mapping[str, str]]  # level of an app -> the pattern of the scopes that it must or may have
    errors: Errors
    limits: Limits
    connections: tuple[Connection, ...]
    choices: Mapping[str, ChoiceList]
    phrasebook: Phrasebook  # the language that the texts are in, and the vendor's name

    @property
    def hosts(self) -> list[str]:
        """The hosts that the base URL may lead to where its braces are filled in."""
        return [host for allowed in self.base.values() for host in allowed.hosts]


@shows("key")
@dataclass(frozen=True, repr=False, kw_only=True)
class InputTable:
    """An input table: the rows that a person fills in, with the rules between them."""

    key: str
    label: str
    description: str = ""
    inputs: Mapping[str, Input]
    by_name: Mapping[str, Input]  # the inputs under today's names and their old ones
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, key: str, label: str, rows: Iterable[Input], description: str = "") -> InputTable:
        """The table of some rows that have no old names, and no rules between them."""
        inputs = {row.key: row for row in rows}
        return InputTable(key=key, label=label, description=description, inputs=inputs, by_name=inputs, rules=())

    @property
    def fields(self) -> dict[str, Input]:
        """The inputs that a person fills in: the connection is the platform's to choose."""
        return {key: row for key, row in self.inputs.items() if row.type != "connection"}


@dataclass(frozen=True, repr=False, kw_only=True)
class ActionSpec(InputTable):
    """What an action's file says."""

    docs: str | None
    summary: str | None
    effect: str | None  # None: it follows from the method
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
    output: Mapping[str, Json] | None  # schema and example of what a run gives
    files: Files | None = None
    recover: Recover | None = None
    profile: Profile


class Page(Struct):
    """One answer of a call. `items` is the page's part of a list, None where the call is no list.

    `cursor` is by what the list goes on after this page; None at its end.
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
    """What a call gave: `data` (JSON; `{}` without a body), `status`, `headers` (lower-case names), `warnings`.

    `cursor` is by what a list that was cut at a limit goes on; None at its end.
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
    """One HTTP request, complete. What its repr leaves out can hold secrets."""

    method: str
    template: str  # the path with its braces: names the endpoint without naming anybody
    shown: str  # the URL with secrets masked
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes | None
    body: Json  # the content as data, for a person to read
    call: Mapping[str, Json] = NOTHING


@shows("status")
class Response(Struct):
    """One HTTP answer, read to its end. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
