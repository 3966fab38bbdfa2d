"""An HTTP response to data, items or the error that it is. Pure: the clock is given, never read."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Any

from ..errors import KINDS, ApiError, Problem, RequestError, TransportError
from ..language import conditions, datetimes, expressions, json_text, places
from ..language.places import Answer
from ..language.secrets import mask
from ..model import ActionSpec, Case, Errors, Json, Page, Response
from ..sentences import Sentence

MAX_MESSAGE = 500
MAX_COMPLAINTS = 100
SHOWN = 60  # characters of a name that a message quotes
CHARSET = re.compile(r"charset=\"?(?!punycode|[\w-]*escape)([\w-]+)", re.IGNORECASE)  # punycode can take for ever
ACCEPTED = Sentence("The request was accepted, so the change was probably made. Check before you send it again.")
FAILED = Sentence(
    "{vendor}'s server failed, and the change may have been made all the same. "
    "Check in {vendor} before you run this again."
)
SOME = 5  # odd numbers that a warning names
KNOWN = frozenset(HTTPStatus)
Fields = list[tuple[tuple[str, ...], tuple[str, ...]]]  # a place in the request, the inputs behind it


def parse(response: Response) -> Answer:
    """Read a response's body as JSON; what keeps it from being read is the body then, a `JsonError`."""
    body: Any = None
    odd: list[str] = []
    if response.content and not response.content.isspace():
        try:
            body = json_text.read(response.content, odd)
        except json_text.JsonError as error:
            body = error
    return Answer(response.status, response.headers, body, odd)


def page(spec: ActionSpec, response: Response, answer: Answer, effect: str, wanted: str) -> Page:
    """The page that an answer is which is no refusal. Raises `TransportError` or `ApiError` for what is unreadable."""
    data, what = answer.body, None
    warnings: tuple[Problem, ...] = ()
    if wanted == "text":
        charset = CHARSET.search(response.headers.get("content-type", ""))
        try:
            data = response.content.decode(charset[1] if charset else "utf-8", errors="replace")
        except (LookupError, ValueError):  # there is no such charset, or none that replaces what it cannot read
            data = response.content.decode(errors="replace")
        data = data.encode(errors="replace").decode()  # UTF-7 can hold half characters
    elif wanted == "binary":
        named = re.search(r"filename=\"?([^\";]+)", response.headers.get("content-disposition", ""))
        filename = re.sub(r"[^\w. -]", "_", named[1]).lstrip(".") if named else None
        data = {"filename": filename, "content_type": response.headers.get("content-type")}
        data["base64"] = base64.b64encode(response.content).decode()
    elif data is None:
        data = {}
        is_whole = effect == "read" and answer.status == HTTPStatus.OK and "content-type" in answer.headers
        if is_whole or (spec.paging and answer.status != HTTPStatus.NO_CONTENT):
            what = Sentence("is empty")
    elif isinstance(data, json_text.JsonError):
        kind = response.headers.get("content-type", "no content type")
        is_cut = "json" in kind and response.content.lstrip()[:1] in (b"{", b"[")
        what = Sentence("is cut off")
        if not is_cut:
            what = Sentence("is not JSON ({type})", type=kind.partition(";")[0][:SHOWN])
        what = data.args[0] if str(data).startswith(("is nested", "holds")) else what
    elif answer.odd:
        odd = tuple(dict.fromkeys(answer.odd[:SOME]))
        told = Sentence("The answer has numbers that JSON cannot hold ({odd}); they are given as text.", odd=odd)
        warnings = (Problem("body", told),)
    if what is not None:
        done, hint = effect != "read", None
        what = Sentence("The answer ({status}) {what}.", status=answer.status, what=what)
        if done:
            hint = ACCEPTED
        raise TransportError(what, hint=hint, status=answer.status, retriable=not done, may_have_been_done=done)
    items, lacks = _items(spec.paging.items, answer) if spec.paging else (None, ())
    return Page(data=data, items=items, status=answer.status, headers=answer.headers, warnings=(*warnings, *lacks))


def _items(key: str, answer: Answer) -> tuple[list[Json], tuple[Problem, ...]]:
    found = answer.body if key == "." else places.dig(answer.body, key.split("."))
    if answer.body is None and answer.status == HTTPStatus.NO_CONTENT:
        return [], ()
    if found is None and isinstance(answer.body, dict):
        what = Sentence("The answer has no '{key}'; it was read as an empty list.", key=key)
        return [], (Problem(f"body.{key}", what),)
    if not isinstance(found, list):
        what = Sentence("The answer is not a list.")
        if key != ".":
            what = Sentence("'{key}' in the answer is not a list.", key=key)
        raise ApiError(what, status=answer.status)
    return found, ()


def is_refused(rules: Errors, answer: Answer) -> bool:
    """Whether an answer is an error: by its status, or by what the definition calls `failed`."""
    if answer.status >= 300 or rules.failed is None:
        return answer.status >= 300
    return isinstance(answer.body, dict) and conditions.holds(rules.failed, partial(places.look, answer=answer))


class RefusedResponse:
    """A response that is refused, by the words of a definition's `errors`; without the secrets that it may repeat."""

    def __init__(self, rules: Errors, response: Response, secrets: Iterable[str] = ()) -> None:
        self.rules = rules
        answer = parse(response)
        body = None if isinstance(answer.body, json_text.JsonError) else answer.body
        headers, body = mask([{**response.headers}, body], secrets)
        self.answer = answer._replace(headers=headers, body=body)

    def look(self, name: str | None) -> Any:
        """What stands at a place of the answer; `code` stands for the place that `errors.code` names."""
        source = self.rules.code if name == "code" else name
        return places.look(source, self.answer) if source else None

    def error(self, effect: str, now: datetime, spec: ActionSpec | None = None) -> RequestError:
        """The error that it is, of the action that was asked, if any."""
        status, code = self.answer.status, self.look("code")
        problems = self._problems(spec)
        texts = (_text(self.look(source), data=not problems) for source in self.rules.message)
        silent = Sentence("{vendor} does not accept some values.") if problems else ""
        said = next((text for text in texts if text), silent)
        cases = (case for case in self.rules.cases if conditions.holds(case.when, self.look))
        case = next((each for each in cases if each.text is None or re.search(each.text, said, re.IGNORECASE)), None)
        kind, hint = (case.kind, self._remedy(case, said)) if case else ("api", None)
        is_server, is_limit = status >= 500, kind in ("rate_limit", "quota")
        if hint is None and is_server:
            hint = FAILED if effect == "create" else Sentence("{vendor}'s server failed. Try again later.")
        elif hint is None and 300 <= status < 400:
            hint = Sentence("{vendor} redirects. Redirects are not followed, because the token would go with them.")
        said = said or Sentence("{vendor} gave no reason.")
        said = said if said.endswith((".", "!", "?", "…", "]")) else f"{said}."
        phrase = f"{status} {HTTPStatus(status).phrase}" if status in KNOWN else str(status)
        whole = Sentence("{said} ({status})", said=said, status=phrase)
        if code is not None:
            whole = Sentence("{said} ({status}, code {code})", said=said, status=phrase, code=_text(code))
        error = KINDS[kind](whole, hint=hint, problems=problems, status=status)
        error.code = code if isinstance(code, int) else _text(code) if isinstance(code, str) else None
        error.tracking_id = _text(self.look(self.rules.id))
        error.retriable = is_limit or (is_server and effect != "create")
        error.retry_at = self._retry_at(now) if is_server or is_limit else None
        error.may_have_been_done = is_server and effect != "read"
        return error

    def _remedy(self, case: Case, said: str) -> str | None:
        if case.do is None or "{scopes}" not in case.do:
            return case.do
        match = re.search(case.scopes_pattern, said) if case.scopes_pattern else None
        scopes = match[1].strip() if match else None
        if case.scopes_from is not None:
            scopes = _text(self.look(case.scopes_from))
        return Sentence(case.do, scopes=scopes or Sentence("(not named)"))

    def _retry_at(self, now: datetime) -> datetime | None:
        values = (self.look(source) for source, when in self.rules.retry_at if conditions.holds(when, self.look))
        moments = (datetimes.retry_at(str(value), now) for value in values if value is not None)
        return next((moment for moment in moments if moment is not None), None)

    def _problems(self, spec: ActionSpec | None) -> list[Problem]:
        """The vendor's complaints about fields, mapped back to our inputs by inverting `to`."""
        complaints = list(islice(self._complaints(self.look(self.rules.each)), MAX_COMPLAINTS))
        fields: Fields = []
        if complaints and spec:
            fields += [(place.path, (row.key,)) for row in spec.inputs.values() for place in row.to if place.path]
            computed = ((place, expressions.expression(source)) for place, source in spec.compute.items())
            fields += [(place.path, tuple(expression.names)) for place, expression in computed]
        problems = []
        for name, says in complaints:
            wheres = [f"inputs.{key}" for key in sorted(_inputs_of(name, fields))] or [_text(name) or "request"]
            problems += [Problem(where, says or Sentence("is not accepted")) for where in wheres]
        return problems

    def _complaints(self, found: Any) -> Iterable[tuple[str, str | None]]:
        """The fields that the vendor names, each with what it says of it."""
        key = self.rules.field_name
        if found and key:
            for entry in found if isinstance(found, list) else [found]:
                if isinstance(entry, Mapping) and (entry.get(key) or isinstance(found, list)):
                    says = (_text(entry.get(name)) for name in self.rules.field_says)
                    yield str(entry.get(key) or ""), next((text for text in says if text), None)
        elif isinstance(found, Mapping):
            for name, says in found.items():
                yield str(name), _text("; ".join(map(places.text_of, says)) if isinstance(says, list) else says)


def _text(value: Any, data: bool = True) -> str | None:
    """A value as one line of text; without `data` an object of complaints is none."""
    if value is None or value == "" or (isinstance(value, dict) and not data):
        return None
    text = " ".join(places.text_of(value).split()).encode(errors="replace").decode()  # without half characters
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _inputs_of(name: str, fields: Fields) -> tuple[str, ...]:
    """The inputs behind a field as the vendor writes it: whole, without its envelope, or by its last part."""

    def parts(text: str) -> tuple[str, ...]:
        return tuple(part for part in re.split(r"[.\[\]]+", text) if part)

    steps = parts(name)
    paths = [(parts(".".join(path)), keys) for path, keys in fields]
    for close in (
        [keys for path, keys in paths if path == steps],
        [keys for path, keys in paths if steps and path[-len(steps) :] == steps],
        [keys for path, keys in paths if path and path == steps[-1:]],
        [keys for path, keys in paths if path and path == steps[: len(path)]],
    ):
        if len(close) == 1:
            return close[0]
    return ()
