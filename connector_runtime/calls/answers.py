"""Reads HTTP responses as pages of data or as errors. Pure: callers pass the time."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Any

from ..errors import KINDS, ApiError, Problem, RequestError, TransportError
from ..language import conditions, datetimes, expressions, hosts, json_text, places
from ..language.places import Answer
from ..language.secrets import hide, mask
from ..model import ActionSpec, Case, Errors, Json, Page, Response
from ..sentences import Sentence

MAX_MESSAGE = 500
MAX_COMPLAINTS = 100
MAX_TYPE_LENGTH = 60  # characters of a content type quoted in a message
CHARSET = re.compile(r"charset=\"?(?!punycode|[\w-]*escape)([\w-]+)", re.IGNORECASE)  # punycode is very slow
HIDDEN = re.compile(r"(?is)<(?:script.*?(?:</script|$)|style.*?(?:</style|$)|!--.*?(?:--(?=>)|$))")  # in a page
PAGE = re.compile(rb"(?is)(?:\xef\xbb\xbf|\s|<!--(?>.*?-->))*+<(?:!doctype )?html")
MARKUP = re.compile(r"<!\[CDATA\[|\]\]>|<[^>]*>?")
BETWEEN_HINT = Sentence("Something in between responded, such as a proxy or a firewall. Ask whoever runs the network.")
ACCEPTED_HINT = Sentence("The request was accepted, so the change was probably made. Check before you send it again.")
PREVENTED_HINT = Sentence("The change was probably not made. Check before you send it again.")
FAILED_HINT = Sentence(
    "{vendor}'s server failed, but the change may still have been made. Check in {vendor} before you run this again."
)
DAY = 10  # characters in a date
MAX_NUMBERS = 5  # numbers quoted in a warning
KNOWN_STATUSES = frozenset(HTTPStatus)
Fields = list[tuple[tuple[str, ...], tuple[str, ...]]]  # paths in the request, each with the inputs that fill it


def parse(response: Response) -> Answer:
    """Parse a response's body as JSON. If parsing fails, the response's body is the `JsonError`."""
    body: Any = None
    odd: list[str] = []
    if response.content and not response.content.isspace():
        try:
            body = json_text.read(response.content, odd)
        except json_text.JsonError as error:
            body = error
    return Answer(response.status, response.headers, body, odd)


def page(spec: ActionSpec, response: Response, answer: Answer, effect: str, response_type: str) -> Page:
    """Return a successful answer as a page. Raises `TransportError` or `ApiError` if it cannot be read."""
    data, what = answer.body, None
    warnings: tuple[Problem, ...] = ()
    if response_type == "text":
        data = _decoded(response)
    elif response_type == "binary":
        match = re.search(r"filename=\"?([^\";]+)", response.headers.get("content-disposition", ""))
        filename = re.sub(r"[^\w. -]", "_", match[1]).lstrip(".") if match else None
        data = {"filename": filename, "content_type": response.headers.get("content-type")}
        data["base64"] = base64.b64encode(response.content).decode()
    elif data is None:
        data = {}
        needs_body = effect == "read" and answer.status == HTTPStatus.OK and "content-type" in answer.headers
        if needs_body or (spec.paging and answer.status != HTTPStatus.NO_CONTENT):
            what = Sentence("is empty")
    elif isinstance(data, json_text.JsonError):
        kind = response.headers.get("content-type", "no content type")
        is_cut = "json" in kind and response.content.lstrip()[:1] in (b"{", b"[")
        what = Sentence("is cut off")
        if not is_cut:
            what = Sentence("is not JSON ({type})", type=kind.partition(";")[0][:MAX_TYPE_LENGTH])
        what = data.args[0] if str(data).startswith(("is nested", "holds")) else what
    elif answer.odd:
        odd = tuple(dict.fromkeys(answer.odd[:MAX_NUMBERS]))
        text = Sentence("The response has numbers that JSON cannot hold ({odd}); they became strings.", odd=odd)
        warnings = (Problem("body", text),)
    if what is not None:
        done, hint = effect != "read", None if effect == "read" else ACCEPTED_HINT
        what = Sentence("The response ({status}) {what}.", status=answer.status, what=what)
        if is_foreign(spec.errors, response, answer):
            hint = BETWEEN_HINT.then(PREVENTED_HINT) if done else BETWEEN_HINT
        raise TransportError(what, hint=hint, status=answer.status, retriable=not done, may_have_been_done=done)
    items, missing = _items(spec.paging.items, answer) if spec.paging else (None, ())
    return Page(data=data, items=items, status=answer.status, headers=answer.headers, warnings=(*warnings, *missing))


def _decoded(response: Response) -> str:
    charset = CHARSET.search(response.headers.get("content-type", ""))
    try:
        text = response.content.decode(charset[1] if charset else "utf-8", errors="replace")
    except (LookupError, ValueError):  # an unknown charset, or one that does not support `replace`
        text = response.content.decode(errors="replace")
    return text.encode(errors="replace").decode()  # UTF-7 can contain surrogates


def _readable(text: str) -> str:
    """Return text without markup and without characters that cannot be shown."""
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        text = html.unescape(MARKUP.sub(" ", HIDDEN.sub("<", text[: 100 * MAX_MESSAGE])))
    return "".join(char if char.isprintable() and char != "\ufffd" else " " for char in text).strip()


def _items(key: str, answer: Answer) -> tuple[list[Json], tuple[Problem, ...]]:
    items = answer.body if key == "." else places.dig(answer.body, key.split("."))
    if answer.body is None and answer.status == HTTPStatus.NO_CONTENT:
        return [], ()
    if items is None and isinstance(answer.body, dict):
        what = Sentence("The response has no '{key}', so it was treated as an empty list.", key=key)
        return [], (Problem(f"body.{key}", what),)
    if not isinstance(items, list):
        what = Sentence("The response is not a list.")
        if key != ".":
            what = Sentence("'{key}' in the response is not a list.", key=key)
        raise ApiError(what, status=answer.status)
    return items, ()


def range_warnings(spec: ActionSpec, written: Mapping[str, Json], data: Json) -> Iterator[Problem]:
    """Warn if a response repeats a date or time from the query with a different value: it covers another range."""
    for key, value in written.items() if isinstance(data, dict) else ():
        row = spec.inputs[key]
        if row.type not in ("date", "datetime") or not row.to or row.to[0].kind != "query":
            continue
        ours, theirs = str(value), data.get(row.to[0].path[0])
        one, other = datetimes.instant(ours), datetimes.instant(theirs if isinstance(theirs, str) else None)
        by_day = DAY in (len(ours), len(str(theirs))) or datetimes.is_local(ours)
        if one and other and (one.date() != other.date() if by_day else one != other):
            slots = {"label": row.label, "ours": ours, "theirs": theirs}
            what = Sentence("{vendor} used a different range: '{label}' was {ours} but came back as {theirs}.", **slots)
            yield Problem(f"inputs.{row.key}", what)


def is_refused(rules: Errors, answer: Answer) -> bool:
    """Return whether a response is an error, by its status or the definition's condition `failed`."""
    if answer.status >= 300 or rules.failed is None:
        return answer.status >= 300
    return isinstance(answer.body, dict) and conditions.holds(rules.failed, partial(places.look, answer=answer))


def is_foreign(rules: Errors, response: Response, answer: Answer) -> bool:
    """Return whether a proxy or the like responded: with its own status, or a page that lacks the vendor's id."""
    is_page = "html" in response.headers.get("content-type", "").lower() or PAGE.match(response.content)
    is_ours = answer.status // 100 not in (2, 4) or answer.status == 429 or (rules.id and places.look(rules.id, answer))
    return answer.status in (407, 511) or bool(is_page and not is_ours and isinstance(answer.body, json_text.JsonError))


class RefusedResponse:
    """A refusal, read according to `errors`, with secrets masked. `path` is the request's, or None outside the API."""

    def __init__(self, rules: Errors, response: Response, secrets: Iterable[str] = (), path: str | None = None) -> None:
        self.rules = rules
        answer = parse(response)
        body = _readable(_decoded(response)) if isinstance(answer.body, json_text.JsonError) else answer.body
        headers, body = mask([{**response.headers}, body], secrets)
        steps = (path or "").partition("?")[0].split("/")[1:]
        self.answer = answer._replace(headers=headers, body=body, path=steps)
        self.is_foreign = path is not None and is_foreign(rules, response, answer)

    def look(self, name: str | None) -> Any:
        """Return the value at a place in the response; `code` stands for the place in `errors.code`."""
        source = self.rules.code if name == "code" else name
        return places.look(source, self.answer) if source else None

    def error(self, effect: str, now: datetime, spec: ActionSpec | None = None) -> RequestError:
        """Return the error to raise. If `spec` is given, the problems name that action's inputs."""
        status, code = self.answer.status, self.look("code")
        problems = self._problems(spec)
        texts = (_text(self.look(source), data=not problems) for source in self.rules.message)
        default = Sentence("{vendor} rejected some values.") if problems else ""
        message = next((text for text in texts if text), default) or self._reason() or ""
        cases = (case for case in self.rules.cases if conditions.holds(case.when, self.look))
        case = next((one for one in cases if one.text is None or re.search(one.text, message, re.IGNORECASE)), None)
        kind, hint = (case.kind, self._remedy(case, message)) if case else ("api", None)
        is_server, is_limit = status >= 500, kind in ("rate_limit", "quota")
        if hint is None and is_server:
            hint = FAILED_HINT if effect == "create" else Sentence("{vendor}'s server failed. Try again later.")
        elif hint is None and 300 <= status < 400:
            hint = Sentence("{vendor} sent a redirect. Redirects are not followed, because they would carry the token.")
            if host := hosts.parts(self.look("header.location")).hostname:
                hint = hint.then(Sentence("If {host} is not {vendor}'s, a firewall or similar responded.", host=host))
        reason = message or Sentence("{vendor} gave no reason.")
        reason = reason if re.search(r"[].!?…。！？]$", reason) else f"{reason}."
        phrase = f"{status} {HTTPStatus(status).phrase}" if status in KNOWN_STATUSES else str(status)
        slots = {"message": reason, "status": phrase}
        if self.is_foreign:
            what = Sentence("The response ({status}) is not from {vendor}.", **slots)
            says = message and Sentence("It says: {message}", **slots)
            return TransportError(what.then(says), hint=BETWEEN_HINT, status=status)
        what = Sentence("{message} ({status})", **slots)
        if code is not None:
            what = Sentence("{message} ({status}, code {code})", **slots, code=_text(code))
        error = KINDS[kind](what, hint=hint, problems=problems, status=status)
        error.code = code if isinstance(code, int) else _text(code) if isinstance(code, str) else None
        error.tracking_id = _text(self.look(self.rules.id))
        error.retriable = is_limit or (is_server and effect != "create")
        error.retry_at = self._retry_at(now) if is_server or is_limit else None
        error.may_have_been_done = is_server and effect != "read"
        return error

    def _reason(self) -> str | None:
        """Return the text of a body that has no message where the definition looks for one."""
        body = hide(self.answer.body)
        if isinstance(body, dict) and not any(isinstance(value, str) for value in body.values()):
            return None
        return _text("; ".join(map(places.text_of, body)) if isinstance(body, list) else body)

    def _remedy(self, case: Case, message: str) -> str | None:
        if case.do is None or "{scopes}" not in case.do:
            return case.do
        match = re.search(case.scopes_pattern, message) if case.scopes_pattern else None
        scopes = ", ".join(part.strip(' "') for part in match[1].split(",")) if match else None
        if case.scopes_from is not None:
            scopes = _text(self.look(case.scopes_from))
        return Sentence(case.do, scopes=scopes or Sentence("(not named)"))

    def _retry_at(self, now: datetime) -> datetime | None:
        values = (self.look(source) for source, when in self.rules.retry_at if conditions.holds(when, self.look))
        moments = (datetimes.retry_at(str(value), now) for value in values if value is not None)
        return next((moment for moment in moments if moment is not None), None)

    def _problems(self, spec: ActionSpec | None) -> list[Problem]:
        """Return the vendor's complaints about fields as problems with the inputs that fill those fields."""
        complaints = list(islice(self._complaints(self.look(self.rules.each)), MAX_COMPLAINTS))
        fields: Fields = []
        if complaints and spec:
            rows = spec.inputs.values()
            fields += [
                (place.path, (row.key,)) for row in rows for place in row.to if place.path or place.kind == "body"
            ]
            fields += [((), (row.key,)) for row in rows if "request.body" in map(str, row.to)]
            computed = ((place, expressions.expression(source)) for place, source in spec.compute.items())
            fields += [(place.path, tuple(expression.names)) for place, expression in computed]
        problems = []
        for name, says in complaints:
            wheres = [f"inputs.{key}" for key in sorted(_inputs_of(name, fields))] or [_text(name) or "request"]
            problems += [Problem(where, says or Sentence("is not accepted")) for where in wheres]
        return problems

    def _complaints(self, data: Any) -> Iterable[tuple[str, str | None]]:
        """Yield the name of each field that the vendor complains about, with the complaint."""
        key = self.rules.field_name
        if data and key:
            for entry in data if isinstance(data, list) else [data]:
                if isinstance(entry, Mapping) and (entry.get(key) or isinstance(data, list)):
                    says = (_text(entry.get(name)) for name in self.rules.field_says)
                    yield str(entry.get(key) or ""), next((text for text in says if text), None)
        elif isinstance(data, Mapping):
            for name, says in data.items():
                yield str(name), _text("; ".join(map(places.text_of, says)) if isinstance(says, list) else says)


def _text(value: Any, data: bool = True) -> str | None:
    """Return a value as one line of text; None if it is empty or, without `data`, an object."""
    if value is None or value == "" or (isinstance(value, dict) and not data):
        return None
    text = " ".join(places.text_of(value).split()).encode(errors="replace").decode()  # without surrogates
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _inputs_of(name: str, fields: Fields) -> tuple[str, ...]:
    """Return the inputs of a vendor's field: the first unique match by path, suffix, prefix, group or last part."""

    def parts(text: str) -> tuple[str, ...]:
        return tuple(part for part in re.split(r"[.\[\]]+", text) if part)

    steps = parts(name)
    if not steps:
        return ()
    paths = [(parts(".".join(path)), keys) for path, keys in fields]
    start = max((len(path) for path, _ in paths if path == steps[: len(path)]), default=0)
    for candidates in (
        [keys for path, keys in paths if path == steps],
        [keys for path, keys in paths if path[-len(steps) :] == steps],
        [(".".join((key, *steps[start:])) for key in keys) for path, keys in paths if path == steps[:start]],
        [keys for path, keys in paths if path[: len(steps)] == steps][:1],
        [keys for path, keys in paths if path and path == steps[-1:]],
    ):
        if len(candidates) == 1:
            return tuple(candidates[0])
    return ()
