"""What an input's drop-down offers: which list, what it depends on, page by page until something is found. Pure.

`browse` begins a request, and `choose` carries it out: it reads the pages that are not remembered from a moment ago.
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

MOST_PAGES = 5  # that one request reads while it finds nothing
SAFE_INTEGER = 2**53
_UNMARKED = str.maketrans(  # letters that look marked and that Unicode does not take apart
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}
)
NOTHING = Choices(choices=())
NONE = BoundInputs({}, ())


@dataclass(slots=True, kw_only=True, repr=False)
class Browse:
    """One request for choices. While `wants_page`, it is given the page at `cursor`; `result` is what it found."""

    subject: str
    row: Input | None  # None: a list asked for by its name
    source: ChoiceList
    search: str
    bound: BoundInputs = NONE  # the inputs of the list's action
    wheres: dict[str, str] = field(default_factory=dict)  # an input of that action -> where its value was given
    cursor: str | None = None
    wants_page: bool = False
    result: Choices = NOTHING
    _read: int = 0

    def gathered(
        self, spec: ActionSpec | None, lister: ActionSpec, given: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[Problem]]:
        """The inputs of the list's action, and what has to be filled in first."""
        inputs: dict[str, Any] = {}
        missing: list[Problem] = []
        for target, name in self.source.fills.items():
            row = spec.inputs.get(name) if spec else None
            asked = row or self.source.parameters.get(name)
            values = [given.get(each) for each in row.names] if row else [parameters.get(name)]
            value = next((value for value in values if not is_blank(lister.inputs[target], value)), None)
            if value is None and asked is not None and asked.fills_in:
                value = asked.default
            self.wheres[target] = f"{'inputs' if row else 'parameters'}.{name}"
            if value is not None:
                inputs[target] = value
            elif lister.inputs[target].required == () and not lister.inputs[target].has_default:
                label = asked.label if asked else lister.inputs[target].label
                missing.append(Problem(self.wheres[target], Sentence("fill in '{label}' first", label=label)))
        if self.search:
            for target, value in self.source.search.items():
                inputs[target] = value.replace("{}", self.search) if isinstance(value, str) else value
                self.wheres[target] = "search"
        return inputs, missing

    def key(self, granted: Mapping[str, str]) -> str:
        """What the page at `cursor` is distinct under: another connection, list, input or page has another key."""
        said = [granted, self.source.key, self.bound.values, self.cursor]
        return sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

    def read(self, page: Page) -> Choices:
        """The entries of a page as the vendor wrote them, whatever the input and the search."""
        items = page.items or []
        if self.source.items:
            found = [places.at(page.data, path) for path in self.source.items]
            items = [item for part in found if isinstance(part, list) for item in part]
        return Choices(choices=entries(self.source, items), cursor=page.cursor)

    def take(self, page: Choices) -> None:
        """Look for entries on a page; where there are none the next one is wanted, up to a bound."""
        found = fitted(page.choices, self.row)
        if not self.source.search:
            found = matching(found, self.search)
        self._read += 1
        self.cursor = page.cursor
        self.wants_page = not found and page.cursor is not None and self._read < MOST_PAGES
        self.result = Choices(choices=found, cursor=page.cursor)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """What the list's action finds wrong with its inputs is told of the inputs and parameters they came from."""
        try:
            yield
        except InputError as error:
            problems = []
            for problem in error.problems:
                place, _, rest = problem.where.partition(".")
                name, dot, inner = rest.partition(".")
                is_theirs = place == "inputs" and name in self.wheres
                problems.append(problem.replace(where=f"{self.wheres[name]}{dot}{inner}") if is_theirs else problem)
            raise _refused(self.subject, problems) from None


def browse(
    about: Profile,
    find: Callable[[str], Action],
    key: str,
    name: str | None,
    inputs: Mapping[str, Any] | None = None,
    *,
    search: str | None = None,
    cursor: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Browse:
    """Begin a request: for an input of an action, or without `name` for the list called `key`.

    Raises `InputError` for a name that is none, and for what has to be filled in first.
    """
    spec, row, source = _named(about, find, key, name)
    subject = source.key if row is None else row.label
    problems = []
    for where, told in (("inputs", inputs), ("parameters", parameters)):
        if told is not None and not isinstance(told, Mapping):
            problems.append(Problem(where, not_object(told)))
    if search is not None and not isinstance(search, str):
        problems.append(Problem("search", Sentence("must be text, not {found}", found=kind_of(search))))
    if source.action is None and cursor:
        problems.append(Problem("cursor", Sentence("leads nowhere: the whole list comes at once; leave it out")))
    if problems:
        raise _refused(subject, problems)
    begun = Browse(subject=subject, row=row, source=source, search=(search or "").strip(), cursor=cursor or None)
    if source.action is None:
        begun.take(Choices(choices=source.choices))
        return begun
    own, lacking = reads(source, spec)
    for given in parameters or ():
        if given in own:
            problems.append(Problem(f"parameters.{given}", Sentence("is an input of this action: move it to `inputs`")))
        elif given not in source.fills.values():
            meant = nearest(str(given), [row.key for row in lacking])
            problems.append(
                Problem(f"parameters.{given}", Sentence("is not a parameter of this list.{meant}", meant=meant))
            )
    lister = find(source.action)
    filled, missing = begun.gathered(spec, lister, inputs or {}, parameters or {})
    if problems or missing:
        raise _refused(subject, [*problems, *missing])
    with begun.explaining():
        begun.bound = lister.bind(filled)
    begun.wants_page = True
    return begun


def choose(asked: Browse, begin: Callable[[str, BoundInputs, str | None], Steps], seconds: float) -> Steps:
    """Carry out a request; its output are the `Choices`. `begin` begins a call of the list's action at a cursor.

    A page that was read less than `seconds` ago, for the same connection, is not read again.
    """
    granted, action = (yield Token()).granted if asked.wants_page else {}, asked.source.action
    while action is not None and asked.wants_page:
        key = asked.key(granted)
        page = yield Recall(key, seconds)
        if page is None:
            with asked.explaining():
                call = begin(action, asked.bound, asked.cursor)
                page = asked.read((yield from next_output(call)))
                call.close()
            yield Remember(key, page, seconds)
        asked.take(page)
    yield asked.result


def reads(source: ChoiceList, spec: ActionSpec | None) -> tuple[list[str], list[Input]]:
    """What a list depends on: inputs of the action that offers it, and parameters in place of those it lacks."""
    names = list(dict.fromkeys(source.fills.values()))
    here = spec.inputs if spec else {}
    lacking = [source.parameters[name] for name in names if name not in here and name in source.parameters]
    return [name for name in names if name in here], lacking


def _named(
    about: Profile, find: Callable[[str], Action], key: str, name: str | None
) -> tuple[ActionSpec | None, Input | None, ChoiceList]:
    if name is None:
        if key in about.choices:
            return None, None, about.choices[key]
        slots = {"name": key, "meant": nearest(str(key), about.choices)}
        unknown = Sentence("'{name}' is not a list of choices.{meant}", **slots)
        raise InputError(unknown, problems=[Problem("action", unknown)])
    spec = find(key)
    row = spec.by_name.get(name)
    if row is None:
        slots = {"name": name, "action": key, "meant": nearest(str(name), spec.inputs)}
        what = Sentence("'{name}' is not an input of {action}.{meant}", **slots)
    elif row.choices:
        return spec, row, ChoiceList(key=name, choices=row.choices)
    elif row.choices_from:
        return spec, row, about.choices[row.choices_from]
    else:
        able = [other.key for other in spec.inputs.values() if other.choices or other.choices_from]
        what = Sentence("'{name}' has no choices.{meant}", name=name, meant=nearest(name, able))
        if able:
            what = what.then(Sentence("Inputs of {action} that have: {names}.", action=key, names=tuple(able)))
    raise _refused(key, [Problem("input", what)])


def _refused(subject: str, problems: list[Problem]) -> InputError:
    return InputError(Sentence("The choices of '{name}' cannot be given:", name=subject), problems=problems)


# -- a page's items as entries ---------------------------------------------------------------------------------------


def entries(of: ChoiceList, items: Iterable[Json]) -> tuple[Choice, ...]:
    """What a list makes of items; those without a value are left out, values stay as the vendor wrote them."""
    found = []
    for item in items:
        at = [places.at(item, path) for path in of.value] if isinstance(item, dict) else []
        plain = [value for value in at if isinstance(value, str | int | float) and not isinstance(value, bool)]
        value = next((value for value in plain if expressions.line(value) is not None), None)
        if value is not None:
            label = _first(of.label, item) or expressions.line(value) or ""
            found.append(Choice(value=value, label=label, description=_first(of.description, item)))
    return tuple(found)


def _first(lines: tuple[str, ...], item: Json) -> str | None:
    return next((text for text in (expressions.template(line).value(item) for line in lines) if text is not None), None)


def fitted(found: Iterable[Choice], row: Input | None) -> tuple[Choice, ...]:
    """The entries with values as an input takes them, each value and each label once.

    What the input would refuse is left out. Without an input, values are text. Where an integer is above 2^53, which
    JavaScript rounds, all values are text.
    """
    cast = places.text_of if row is None else _caster(row)
    once: dict[str, Choice] = {}
    for each in found:
        value = cast(each.value)
        if value is not None:
            once.setdefault(places.text_of(value), each.replace(value=value))
    distinct = [*once.values()]
    if any(isinstance(each.value, int) and abs(each.value) >= SAFE_INTEGER for each in distinct):
        distinct = [each.replace(value=places.text_of(each.value)) for each in distinct]
    return told_apart(distinct)


def _caster(row: Input) -> Callable[[Json], Json]:
    """How a value becomes what the input takes, or None if it takes no such value; of a list or map, one entry's."""
    read, kind = reader(row), row.collection

    def cast(value: Json) -> Any:
        found = read([value] if kind == "list" else {"key": value} if kind else value)
        if isinstance(found, NoValue) or (kind and not found):
            return None
        return found[0][1] if kind == "map" else found[0] if kind else found

    return cast


def told_apart(found: Iterable[Choice]) -> tuple[Choice, ...]:
    """The entries, where several have one label with their value beside it."""
    listed = [*found]
    counts = Counter(each.label for each in listed)
    taken, apart = set(counts), []
    for each in listed:
        label = each.label
        if counts[label] > 1:
            while label in taken:
                label += f" · {places.text_of(each.value)}"
            taken.add(label)
        apart.append(each.replace(label=label))
    return tuple(apart)


def matching(found: Iterable[Choice], search: str) -> tuple[Choice, ...]:
    """The entries in which every word of a search occurs, whatever its case or accents.

    It may stand anywhere in the label or the description; in the value, which often is an id of random letters, a part
    must begin with it.
    """
    sought = plain(search).split()

    def occurs(word: str, each: Choice) -> bool:
        begins = rf"(?<![^\W_]){re.escape(word)}"
        is_told = word in plain(f"{each.label}\n{each.description or ''}")
        return is_told or re.search(begins, plain(places.text_of(each.value))) is not None

    return tuple(each for each in found if all(occurs(word, each) for word in sought))


def plain(text: str) -> str:
    """Text without case and accents: `Żółć` is `zolc`, `Straße` is `strasse`."""
    if text.isascii():
        return text.casefold()
    for _ in range(2):  # taking apart can make capitals, and lower case can make marks
        # letter by letter: to sort a long row of marks, as it is done for a whole text, takes the square of the time
        text = "".join([unicodedata.normalize("NFKD", letter) for letter in text]).casefold()
    return "".join(letter for letter in text if not unicodedata.combining(letter)).translate(_UNMARKED)
