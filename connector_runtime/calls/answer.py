"""An HTTP response to data, items or the error that it is. Pure: the clock is given, never read."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from ..errors import KINDS, ApiError, Problem, RequestError, TransportError
from ..language import conditions, datetimes, expressions, json_text, places
from ..language.secrets import mask
from ..model import ActionSpec, Case, Errors, Input, Json, Page, Place, Response

UNREADABLE = object()
MAX_MESSAGE = 500
Fields = list[tuple[tuple[str, ...], tuple[str, ...]]]  # a place in the request, the inputs behind it


class Answer(NamedTuple):
    """A response with its body as JSON: None if it has none, `UNREADABLE` if it is no JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def __repr__(self) -> str:
        return f"Answer({self.status!r})"


def parse(response: Response) -> Answer:
    """Read a response's body as JSON."""
    if not response.content or response.content.isspace():
        return Answer(response.status, response.headers, None)
    try:
        body = json_text.read(response.content)
    except json_text.JsonError:
        body = UNREADABLE
    return Answer(response.status, response.headers, body)


def page(spec: ActionSpec, response: Response, answer: Answer, effect: str, wanted: str) -> Page:
    """The page that an answer is which is no refusal. Raises `TransportError` or `ApiError` for what is unreadable."""
    if wanted == "text":
        kind = response.headers.get("content-type", "")
        charset = re.search(r"charset=\"?([\w-]+)", kind)
        data: Json = _decoded(response.content, charset[1] if charset else "utf-8")
    elif wanted == "binary":
        data = _file(response)
    elif answer.body is None:
        data = {}
        listed = spec.paging and response.status != HTTPStatus.NO_CONTENT
        if listed or (effect == "read" and response.status == HTTPStatus.OK and "content-type" in response.headers):
            raise _unreadable(answer, "is empty", effect)
    elif answer.body is UNREADABLE:
        kind = response.headers.get("content-type", "no content type")
        what = "is cut off" if _cut(response) else f"is not JSON ({kind.partition(';')[0]})"
        raise _unreadable(answer, what, effect)
    else:
        data = answer.body
    items, warnings = _items(spec, answer) if spec.paging else (None, ())
    return Page(data=data, items=items, status=answer.status, headers=answer.headers, warnings=warnings)


def _items(spec: ActionSpec, answer: Answer) -> tuple[list[Json], tuple[Problem, ...]]:
    assert spec.paging is not None
    key = spec.paging.items
    found = answer.body if key == "." else places.dig(answer.body, tuple(key.split(".")))
    if answer.body is None and answer.status == HTTPStatus.NO_CONTENT:
        return [], ()
    if found is None and isinstance(answer.body, dict):
        return [], (Problem(f"body.{key}", f"The answer has no '{key}'; it was read as an empty list."),)
    if not isinstance(found, list):
        what = "The answer" if key == "." else f"The answer's '{key}'"
        raise ApiError(f"{what} is no list.", status=answer.status)
    return found, ()


def _file(response: Response) -> Json:
    named = re.search(r"filename=\"?([^\";]+)", response.headers.get("content-disposition", ""))
    return {
        "filename": re.sub(r"[^\w. -]", "_", named[1]).lstrip(".") if named else None,
        "content_type": response.headers.get("content-type"),
        "base64": base64.b64encode(response.content).decode(),
    }


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, errors="replace")
    except LookupError:
        return content.decode(errors="replace")


def _cut(response: Response) -> bool:
    return "json" in response.headers.get("content-type", "") and response.content.lstrip()[:1] in (b"{", b"[")


def _unreadable(answer: Answer, what: str, effect: str) -> TransportError:
    done = effect != "read"
    return TransportError(
        f"The answer ({answer.status}) {what}.",
        hint="It was accepted, so the change has probably been made; look before you send it again." if done else None,
        status=answer.status,
        retriable=not done,
        may_have_been_done=done,
    )


# -- refusals --------------------------------------------------------------------------------------------------------


class Refusing(Protocol):
    """What an answer may refuse: an action, or a connection at its token endpoint."""

    @property
    def errors(self) -> Errors: ...
    @property
    def inputs(self) -> Mapping[str, Input]: ...
    @property
    def compute(self) -> Mapping[Place, str]: ...


def is_refused(rules: Errors, answer: Answer) -> bool:
    """Whether an answer is an error: by its status, or by what the definition calls `failed`."""
    if answer.status >= 300:
        return True
    return (
        rules.failed is not None
        and isinstance(answer.body, dict)
        and conditions.holds(rules.failed, partial(places.look, answer=answer))
    )


def refusal(
    spec: Refusing, response: Response, effect: str, now: datetime, secrets: Iterable[str] = ()
) -> RequestError:
    """The error that a response is which is refused, without the secrets that it may repeat."""
    rules = spec.errors
    answer = parse(mask(response, secrets))
    value_of = looking(rules, answer)
    problems = _problems(spec, value_of)
    told = _told(rules, value_of, problems)
    case = next((case for case in rules.cases if _matches(case, value_of, told or "")), None)
    kind = case.kind if case else "api"
    server = answer.status >= 500
    code = value_of("code")
    hint = _remedy(case, told or "", value_of) if case else None
    if hint is None and server:
        hint = "The vendor's server failed; " + (
            "it may have been done: look before you send it again." if effect == "create" else "try again later."
        )
    elif hint is None and 300 <= answer.status < 400:
        hint = "The vendor redirects; redirects are not followed, since the token would go with them."
    status = f"{answer.status} {_phrase(answer.status)}".strip()
    return KINDS[kind](
        f"{_sentence(told or 'The vendor gave no reason.')} ({status}{f', code {code}' if code is not None else ''})",
        hint=hint,
        problems=problems,
        status=answer.status,
        code=code if isinstance(code, int | str) else None,
        tracking_id=_text(value_of(rules.id)) if rules.id else None,
        retriable=kind in ("rate_limit", "quota") or (server and effect != "create"),
        retry_at=_retry_at(rules, value_of, now) if server or kind in ("rate_limit", "quota") else None,
        may_have_been_done=server and effect != "read",
    )


def looking(rules: Errors, answer: Answer) -> Any:
    """How an error case looks at an answer; `code` stands for the place that `errors.code` names."""
    seen = answer._replace(body=None) if answer.body is UNREADABLE else answer

    def value_of(name: str) -> Any:
        if name == "code":
            return places.look(rules.code, seen) if rules.code else None
        return places.look(name, seen)

    return value_of


def _matches(case: Case, value_of: Any, told: str) -> bool:
    if case.text is not None and not re.search(case.text, told, re.IGNORECASE):
        return False
    return conditions.holds(case.when, value_of)


def _told(rules: Errors, value_of: Any, problems: list[Problem]) -> str | None:
    """What the vendor says, in the first place that says anything; an object of complaints is data, and no sentence."""
    found = [value_of(source) for source in rules.message]
    texts = [text for text in (_text(value) for value in found if not (problems and isinstance(value, dict))) if text]
    return texts[0] if texts else "The vendor does not accept some values" if problems else None


def _remedy(case: Case, told: str, value_of: Any) -> str | None:
    if case.do is None or "{names}" not in case.do:
        return case.do
    if case.names_from is not None:
        name = _text(value_of(case.names_from))
    else:
        named = re.search(case.names, told) if case.names else None
        name = named[1].strip() if named else None
    return case.do.replace("{names}", name or "it needs")


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = " ".join(places.text_of(value).split())
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", "]")) else f"{text}."


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _problems(spec: Refusing, value_of: Any) -> list[Problem]:
    """The vendor's complaints about fields, mapped back to our inputs by inverting `to`."""
    rules = spec.errors
    found = value_of(rules.each) if rules.each else None
    complaints = list(_complaints(rules, found)) if found else []
    fields: Fields = [(place.path, (row.key,)) for row in spec.inputs.values() for place in row.to if place.path]
    fields += [(place.path, tuple(expressions.expression(source).names)) for place, source in spec.compute.items()]
    problems = []
    for name, says in complaints:
        wheres = [f"inputs.{key}" for key in sorted(_inputs_of(name, fields))] or [name or "request"]
        problems += [Problem(where, says or "is not accepted") for where in wheres]
    return problems


def _complaints(rules: Errors, found: Any) -> Iterable[tuple[str, str | None]]:
    """The fields that the vendor names, each with what it says of it."""
    if rules.field_name:
        for entry in found if isinstance(found, list) else [found]:
            if isinstance(entry, Mapping) and (entry.get(rules.field_name) or isinstance(found, list)):
                says = (_text(entry.get(key)) for key in rules.field_says)
                yield str(entry.get(rules.field_name) or ""), next((text for text in says if text), None)
    elif isinstance(found, Mapping):
        for name, says in found.items():
            yield str(name), _text("; ".join(map(places.text_of, says)) if isinstance(says, list) else says)


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


def _retry_at(rules: Errors, value_of: Any, now: datetime) -> datetime | None:
    for source, when in rules.retry_at:
        value = value_of(source) if conditions.holds(when, value_of) else None
        moment = datetimes.retry_at(str(value), now) if value is not None else None
        if moment is not None:
            return moment
    return None
