"""The choices of an input's drop-down, read page by page until a page has matching entries. Pure.

`browse` prepares a request, and `choose` carries it out, reading the pages that are not cached.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ..errors import InputError, Problem
from ..inputs.bind import BoundInputs, not_object
from ..language import expressions, places
from ..language.schema_faults import kind_of, nearest
from ..model import ActionSpec, Choice, ChoiceList, Choices, Input, Json, Page, Profile
from ..sentences import Sentence
from ..steps import Recall, Remember, Steps, Token, next_output
from ..types.base import NoValue, is_blank
from ..types.registry import reader
from .action import Action

MAX_PAGES = 5  # pages per request while no entries match
SAFE_INTEGER = 2**53
_UNMARKED = str.maketrans(  # letters with marks that Unicode does not decompose
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}
)
NO_CHOICES = Choices(choices=())
NO_INPUTS = BoundInputs({}, ())


@dataclass(slots=True, kw_only=True, repr=False)
class Browse:
    """One request for choices. While `wants_page` is true, it needs the page at `cursor`. `result` has the choices."""

    subject: str
    row: Input | None  # None if the list is named directly
    source: ChoiceList
    search: str
    bound: BoundInputs = NO_INPUTS  # the inputs of the list's action
    wheres: dict[str, str] = field(default_factory=dict)  # input of the list's action -> the source of its value
    cursor: str | None = None
    wants_page: bool = False
    result: Choices = NO_CHOICES
    _read: int = 0

    def list_inputs(
        self, spec: ActionSpec | None, lister: ActionSpec, entered: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[Problem]]:
        """Return the inputs of the list's action, and a problem for each field that must be filled in first."""
        inputs, missing = dict[str, Any](), list[Problem]()
        for target, name in self.source.fills.items():
            row = spec.inputs.get(name) if spec else None
            source = row or self.source.parameters.get(name)
            values = [entered.get(key) for key in row.names] if row else [parameters.get(name)]
            value = next((value for value in values if not is_blank(lister.inputs[target], value)), None)
            if value is None and source is not None and source.fills_in:
                value = source.default
            self.wheres[target] = f"{'inputs' if row else 'parameters'}.{name}"
            if value is not None:
                inputs[target] = value
            elif lister.inputs[target].required == () and not lister.inputs[target].has_default:
                label = source.label if source else lister.inputs[target].label
                missing.append(Problem(self.wheres[target], Sentence("fill in '{label}' first", label=label)))
        if self.search:
            for target, value in self.source.search.items():
                inputs[target] = value.replace("{}", self.search) if isinstance(value, str) else value
                self.wheres[target] = "search"
        return inputs, missing

    def key(self, granted: Mapping[str, str]) -> str:
        """Return the cache key of the page at `cursor`, which includes the connection, the list and its inputs."""
        facts = [granted, self.source.key, self.bound.values, self.cursor]
        return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def read(self, page: Page) -> Choices:
        """Return the entries of a page in the vendor's form, before they are converted and filtered."""
        items = page.items or []
        if self.source.items:
            lists = [places.at(page.data, path) for path in self.source.items]
            items = [item for part in lists if isinstance(part, list) for item in part]
        return Choices(choices=entries(self.source, items), cursor=page.cursor)

    def take(self, page: Choices) -> None:
        """Use a page as the result. If none of its entries fit, request the next page, up to `MAX_PAGES`."""
        choices = fitted(page.choices, self.row)
        if not self.source.search:
            choices = matching(choices, self.search)
        self._read += 1
        self.cursor = page.cursor
        self.wants_page = not choices and page.cursor is not None and self._read < MAX_PAGES
        self.result = Choices(choices=choices, cursor=page.cursor)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Convert problems with the list's inputs to problems with the inputs and parameters that filled them."""
        try:
            yield
        except InputError as error:
            problems = []
            for problem in error.problems:
                place, _, rest = problem.where.partition(".")
                name, dot, inner = rest.partition(".")
                if place == "inputs" and name in self.wheres:
                    problem = problem.replace(where=f"{self.wheres[name]}{dot}{inner}")
                problems.append(problem)
            raise _refused(self.subject, problems) from None


def browse(
    profile: Profile,
    find_action: Callable[[str], Action],
    key: str,
    name: str | None,
    inputs: Mapping[str, Any] | None = None,
    *,
    search: str | None = None,
    cursor: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Browse:
    """Prepare a request for the input `name` of action `key`, or for the list `key`. Raises `InputError`."""
    spec, row, source = _named(profile, find_action, key, name)
    subject = source.key if row is None else row.label
    problems = []
    for where, values in (("inputs", inputs), ("parameters", parameters)):
        if values is not None and not isinstance(values, Mapping):
            problems.append(Problem(where, not_object(values)))
    if search is not None and not isinstance(search, str):
        problems.append(Problem("search", Sentence("must be text, not {found}", found=kind_of(search))))
    if source.action is None and cursor:
        problems.append(Problem("cursor", Sentence("has no effect: this list has only one page; leave it out")))
    if problems:
        raise _refused(subject, problems)
    request = Browse(subject=subject, row=row, source=source, search=(search or "").strip(), cursor=cursor or None)
    if source.action is None:
        request.take(Choices(choices=source.choices))
        return request
    own, rows = reads(source, spec)
    for parameter in parameters or ():
        where = f"parameters.{parameter}"
        if parameter in own:
            problems.append(Problem(where, Sentence("is an input of this action: move it to `inputs`")))
        elif parameter not in source.fills.values():
            meant = nearest(str(parameter), [row.key for row in rows])
            problems.append(Problem(where, Sentence("is not a parameter of this list.{meant}", meant=meant)))
    lister = find_action(source.action)
    filled, missing = request.list_inputs(spec, lister, inputs or {}, parameters or {})
    if problems or missing:
        raise _refused(subject, [*problems, *missing])
    with request.explaining():
        request.bound = lister.bind(filled)
    request.wants_page = True
    return request


def choose(request: Browse, begin: Callable[[str, BoundInputs, str | None], Steps], seconds: float) -> Steps:
    """Carry out a request and output its `Choices`. `begin` calls the list's action; pages are cached for `seconds`."""
    granted, action = (yield Token()).granted if request.wants_page else {}, request.source.action
    while action is not None and request.wants_page:
        key = request.key(granted)
        page = yield Recall(key, seconds)
        if page is None:
            with request.explaining():
                call = begin(action, request.bound, request.cursor)
                page = request.read((yield from next_output(call)))
                call.close()
            yield Remember(key, page, seconds)
        request.take(page)
    yield request.result


def reads(source: ChoiceList, spec: ActionSpec | None) -> tuple[list[str], list[Input]]:
    """Return the inputs of an action that a list depends on, and the parameters that replace missing inputs."""
    names = list(dict.fromkeys(source.fills.values()))
    inputs = spec.inputs if spec else {}
    rows = [source.parameters[name] for name in names if name not in inputs and name in source.parameters]
    return [name for name in names if name in inputs], rows


def _named(
    profile: Profile, find_action: Callable[[str], Action], key: str, name: str | None
) -> tuple[ActionSpec | None, Input | None, ChoiceList]:
    if name is None:
        if key in profile.choices:
            return None, None, profile.choices[key]
        slots = {"name": key, "meant": nearest(str(key), profile.choices)}
        unknown = Sentence("'{name}' is not a list of choices.{meant}", **slots)
        raise InputError(unknown, problems=[Problem("action", unknown)])
    spec = find_action(key)
    row = spec.by_name.get(name)
    if row is None:
        slots = {"name": name, "action": key, "meant": nearest(str(name), spec.inputs)}
        what = Sentence("'{name}' is not an input of {action}.{meant}", **slots)
    elif row.choices:
        return spec, row, ChoiceList(key=name, choices=row.choices)
    elif row.choices_from:
        return spec, row, profile.choices[row.choices_from]
    else:
        others = [other.key for other in spec.inputs.values() if other.choices or other.choices_from]
        what = Sentence("'{name}' has no choices.{meant}", name=name, meant=nearest(name, others))
        if others:
            what = what.then(Sentence("Inputs of {action} with choices: {names}.", action=key, names=tuple(others)))
    raise _refused(key, [Problem("input", what)])


def _refused(subject: str, problems: list[Problem]) -> InputError:
    return InputError(Sentence("The choices of '{name}' cannot be shown:", name=subject), problems=problems)


def entries(of: ChoiceList, items: Iterable[Json]) -> tuple[Choice, ...]:
    """Return the items of a list as choices with unconverted values, omitting items without a value."""
    choices = []
    for item in items:
        values = [places.at(item, path) for path in of.value] if isinstance(item, dict) else []
        scalars = [value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)]
        value = next((value for value in scalars if expressions.line(value) is not None), None)
        if value is not None:
            label = _first(of.label, item) or expressions.line(value) or ""
            choices.append(Choice(value=value, label=label, description=_first(of.description, item)))
    return tuple(choices)


def _first(lines: tuple[str, ...], item: Json) -> str | None:
    return next((text for text in (expressions.template(line).value(item) for line in lines) if text is not None), None)


def fitted(choices: Iterable[Choice], row: Input | None) -> tuple[Choice, ...]:
    """Return the choices with values converted for an input, and with unique values and labels.

    Values that the input would reject are omitted. All values become strings if there is no input, or if any integer is
    at least 2^53, which JavaScript would round.
    """
    cast = places.text_of if row is None else _caster(row)
    by_text: dict[str, Choice] = {}
    for choice in choices:
        value = cast(choice.value)
        if value is not None:
            by_text.setdefault(places.text_of(value), choice.replace(value=value))
    unique = [*by_text.values()]
    if any(isinstance(choice.value, int) and abs(choice.value) >= SAFE_INTEGER for choice in unique):
        unique = [choice.replace(value=places.text_of(choice.value)) for choice in unique]
    return with_distinct_labels(unique)


def _caster(row: Input) -> Callable[[Json], Json]:
    """Return a function that converts a value for the input (or for one entry of a list or map); None if invalid."""
    read, collection = reader(row), row.collection

    def cast(value: Json) -> Any:
        result = read([value] if collection == "list" else {"key": value} if collection else value)
        if isinstance(result, NoValue) or (collection and not result):
            return None
        return result[0][1] if collection == "map" else result[0] if collection else result

    return cast


def with_distinct_labels(choices: list[Choice]) -> tuple[Choice, ...]:
    """Return the choices, with the value appended to labels that occur more than once."""
    counts = Counter(choice.label for choice in choices)
    labels, distinct = set(counts), []
    for choice in choices:
        label = choice.label
        if counts[label] > 1:
            while label in labels:
                label += f" · {places.text_of(choice.value)}"
            labels.add(label)
        distinct.append(choice.replace(label=label))
    return tuple(distinct)


def matching(choices: Iterable[Choice], search: str) -> tuple[Choice, ...]:
    """Return the choices that contain every word of a search, ignoring case and accents.

    A word may occur anywhere in the label or description, but only at the start of a part of the value, often an id.
    """
    words = plain(search).split()

    def occurs(word: str, choice: Choice) -> bool:
        if word in plain(f"{choice.label}\n{choice.description or ''}"):
            return True
        return re.search(rf"(?<![^\W_]){re.escape(word)}", plain(places.text_of(choice.value))) is not None

    return tuple(choice for choice in choices if all(occurs(word, choice) for word in words))


def plain(text: str) -> str:
    """Return text without case and accents: `Żółć` becomes `zolc`, and `Straße` becomes `strasse`."""
    if text.isascii():
        return text.casefold()
    for _ in range(2):  # decomposing can create capitals, and lower case can create marks
        # one character at a time: normalizing a long run of marks in one string takes quadratic time
        text = "".join([unicodedata.normalize("NFKD", letter) for letter in text]).casefold()
    return "".join(letter for letter in text if not unicodedata.combining(letter)).translate(_UNMARKED)
