"""Compiles definitions that passed `check` into frozen models, and reports no faults itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from .. import model
from ..calls.action import Action
from ..language import codecs, conditions, places
from ..model import Json
from ..sentences import Phrasebook

if TYPE_CHECKING:
    from ..triggers.webhook import Trigger

T = TypeVar("T")
Raw = Mapping[str, Any]
Shared = Callable[[str], Json]  # a file name of schemas/ -> its data
Codecs = Mapping[str, Callable[[Any], Any]]

RULES = ("at_least_one", "at_most_one", "together", "in_order", "ignored")
FILE_WORDS = ("url", "type", "size", "id", "token")  # each of these keys names a key of a file's entry in the response
PLAN_WORDS = ("on", "labels", "per", "when", "rate")  # keys of a limit that are not plans


def record(kind: Callable[..., T], raw: Raw, **fields: Any) -> T:
    """Create a record from `fields`; other fields take the definition's value or, without one, a default or None."""
    words = {name: raw.get(name) for name, has_default in _fields(kind) if name in raw or not has_default}
    return kind(**words | fields)


@cache
def _fields(kind: Any) -> list[tuple[str, bool]]:
    """Return the fields of a record, and whether each has a default."""
    if issubclass(kind, tuple):
        return [(name, name in kind._field_defaults) for name in kind._fields]
    return [(field.name, field.default is not MISSING) for field in fields(kind)]


def profile(data: Raw, connections: tuple[model.Connection, ...], shared: Shared) -> model.Profile:
    request, version = data.get("request", {}), data.get("version", "0")
    headers = request.get("headers", {})
    own_agent = any(name.lower() == "user-agent" for name in headers)
    return record(
        model.Profile,
        data,
        version=version,
        categories=tuple(data.get("categories", ())),
        base={name: record(model.Base, raw, hosts=tuple(raw["hosts"])) for name, raw in data.get("base", {}).items()},
        headers=headers if own_agent else {"User-Agent": f"{data['key']}-connector/{version}", **headers},
        encode=request.get("encode", "json"),
        idempotency=places.place(data["idempotency"]["to"]) if "idempotency" in data else None,
        levels=data.get("levels", {}),
        errors=_errors(data.get("errors", {}), {}),
        limits=_limits(data["key"], data.get("limits", {})),
        connections=connections,
        choices={name: choice_list(name, entry, shared) for name, entry in data.get("choices", {}).items()},
        phrasebook=Phrasebook(data.get("language", "en"), data.get("vendor") or data["label"]),
    )


def action(data: Raw, common: Raw, profile: model.Profile, shared: Shared, codecs: Codecs) -> Action:
    """Compile a file of actions/; `common` is connector.yaml's data, and `profile` is the same data compiled."""
    request, errors, common_errors = data["request"], data.get("errors", {}), common.get("errors", {})
    inputs, recover, files = rows(data, shared, codecs), None, None
    if raw := data.get("files"):
        paths = {word: tuple(raw[word].split(".")) if word in raw else () for word in FILE_WORDS}
        sources = tuple((".",) if text == "." else tuple(text.split(".")) for text in several(raw["from"]))
        ready, failed = _condition(raw, "ready"), _errors({**common_errors, **raw.get("errors", {})}, errors)
        names = {word: several(raw.get(word, ())) for word in ("name", "was")}
        files = model.Files(sources=sources, ready=ready, errors=failed, **names, **paths)
    if raw := data.get("recover"):
        same = {name: places.place(to) for name, to in sent_as(raw["same"]).items()}
        when = _condition(raw, "when") or ()
        recover = record(model.Recover, raw, inputs=raw.get("with", {}), same=same, when=when)
    return record(
        Action,
        {"path": "", "headers": {}, "query": {}, "encode": profile.encode, **request, **data},
        scopes={kind: tuple(scopes) for kind, scopes in data.get("scopes", {}).items()},
        inputs=inputs,
        by_name={name: entry for entry in inputs.values() for name in entry.names},
        compute={places.place(to): source for to, source in data.get("compute", {}).items()},
        rules=tuple(
            model.Rule(kind, tuple(raw[kind]), _condition(raw, "when") or (), raw.get("says", ""), raw.get("within"))
            for raw in data.get("rules", ())
            for kind in RULES
            if kind in raw
        ),
        paging=_paging({**common.get("paging", {}), **data["paging"]}) if "paging" in data else None,
        errors=_errors(common_errors, errors),
        output=inline(data["output"], shared) if "output" in data else None,
        files=files,
        recover=recover,
        profile=profile,
    )


def connection(data: Raw, shared: Shared, codecs: Codecs) -> model.Connection:
    inputs, oauth = tuple(rows(data, shared, codecs).values()), data.get("oauth", {})
    grants: list[model.CredentialField] = []
    for row in inputs:
        if row.to and row.to[0].kind in ("header", "query", "base", "basic"):
            secret, required = row.type == "secret", row.required == ()
            grants.append(model.CredentialField(row.key, row.to, row.codecs, secret, required))
    for name, raw in data.get("token", {}).items():
        place = places.place(raw["to"], name)
        secret = place.kind != "base"
        grants.append(model.CredentialField(name, (place,), _codecs(raw, codecs), secret, required=secret))
    return record(
        model.Connection,
        data,
        inputs=inputs,
        grants=tuple(grants),
        gives=frozenset(grant.name for grant in grants),
        needs=frozenset(grant.name for grant in grants if grant.required),
        errors=_errors(oauth.get("errors", {}), {}),
        revoked_when=tuple(conditions.parse(raw) for raw in oauth.get("revoked_when", ())),
        unsupported_values=data.get("unsupported_values", {}),
    )


def trigger(data: Raw, shared: Shared, codecs: Codecs, json: Shared) -> Trigger:
    """Compile a file of triggers/; `json` reads a JSON file of the folder by its path."""
    from ..triggers.webhook import FilterRow, SignatureScheme, Trigger, sources  # slow to load, and rarely needed

    reply, challenge = data.get("reply", {}), data.get("challenge", {})
    file = data["events"]["file"] if "events" in data else None
    return record(
        Trigger,
        data,
        inputs=tuple(rows(data, shared, codecs).values()),
        recipe=SignatureScheme(data["verify"]),
        challenge_when=_condition(challenge, "when"),
        challenge_answer=challenge.get("answer", {}),
        event={name: sources(raw) for name, raw in data["event"].items()},
        filters={
            key: record(FilterRow, raw, key=key, sources=sources(raw["from"]), codecs=_codecs(raw, codecs))
            for key, raw in data.get("filters", {}).items()
        },
        disconnect_when=_condition(data, "disconnect_when"),
        reply_status=reply.get("status", 200),
        reply_within=float(reply.get("within", "10s").removesuffix("s")),
        load_events=None if file is None else lambda: json(f"triggers/{file}"),
    )


def rows(data: Raw, shared: Shared, codecs: Codecs) -> dict[str, model.Input]:
    return {key: row(key, raw, shared, codecs) for key, raw in data["inputs"].items()}


def row(key: str, raw: Raw, shared: Shared, codecs: Codecs) -> model.Input:
    required = raw.get("required")
    return record(
        model.Input,
        raw,
        key=key,
        to=(places.place(raw["to"], key),) if "to" in raw else (),
        codecs=_codecs(raw, codecs),
        required=None if required is None else () if required is True else conditions.parse(required),
        only_when=_condition(raw, "only_when"),
        shown_when=_condition(raw, "shown_when"),
        choices=tuple(
            model.Choice(**choice) if isinstance(choice, dict) else model.Choice(value=choice, label=str(choice))
            for choice in raw.get("choices", ())
        ),
        schema=inline(raw.get("schema", {}), shared),
        warn=tuple(
            model.Warn(_condition(warn, "when") or (), inline(warn.get("schema", {"not": {}}), shared), warn["says"])
            for warn in raw.get("warn", ())
        ),
        has_default="default" in raw,
        clear=(raw["clear"],) if "clear" in raw else (),
        was=several(raw.get("was", ())),
    )


def choice_list(key: str, raw: Raw, shared: Shared) -> model.ChoiceList:
    """Compile one list of `choices`. Raises `LookupError` or `TypeError` if its `list` does not exist."""
    if "list" in raw:
        name, _, pointer = raw["list"].partition("#")
        entries = places.dig(shared(name.rpartition("/")[2]), tuple(pointer.strip("/").split("/")))["oneOf"]
        return model.ChoiceList(key, tuple(model.Choice(entry["const"], entry["title"]) for entry in entries))
    parameters = {}
    for name, entry in raw.get("parameters", {}).items():  # a default is sent only if the row is required
        required = {"required": True} if "default" in entry else {}
        parameters[name] = row(name, {"type": "string", **entry, **required}, shared, {})
    paths = {word: several(raw.get(word, ())) for word in ("items", "value", "label", "description")}
    fills = raw.get("with", {})
    return record(model.ChoiceList, raw, key=key, fills=fills, parameters=parameters, search=search(raw), **paths)


def search(raw: Raw) -> Mapping[str, Json]:
    """Return the inputs that make the vendor search; in their values, the search text replaces `{}`."""
    words = raw.get("search", {})
    return {words: "{}"} if isinstance(words, str) else words


def inline(schema: Any, shared: Shared, file: str = "") -> Any:
    """Return a schema with every `$ref` replaced by its target; `LookupError` or `TypeError` if there is none."""
    if isinstance(schema, list):
        return [inline(item, shared, file) for item in schema]
    if not isinstance(schema, dict):
        return schema
    own = {key: inline(value, shared, file) for key, value in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return own
    name, _, pointer = schema["$ref"].partition("#")
    name = name or file
    target = inline(places.dig(shared(name), tuple(pointer.strip("/").split("/")) if pointer else ()), shared, name)
    if "properties" in target and "properties" in own:  # keywords next to a $ref extend its target
        own["properties"] = {**target["properties"], **own["properties"]}
    return {**target, **own}


def several(raw: Any) -> tuple[str, ...]:
    """Return a string, or a list of strings, as a tuple."""
    return (raw,) if isinstance(raw, str) else tuple(raw)


def _condition(raw: Raw, word: str) -> model.Condition | None:
    return conditions.parse(raw[word]) if word in raw else None


def _codecs(raw: Raw, custom: Codecs) -> tuple[codecs.Codec, ...]:
    known = (codecs.codec(name, custom) for name in several(raw.get("as", ())))
    return tuple(codec for codec in known if codec is not None)


def _paging(raw: Raw) -> model.Paging:
    size, styles = raw.get("size"), raw.get("next", [])
    compiled = []
    for style in [styles] if isinstance(styles, dict) else styles:
        to = None if style["to"] == "url" else places.place(style["to"])
        compiled.append(record(model.Next, style, source=style["from"], to=to, when=_condition(style, "while") or ()))
    return record(
        model.Paging,
        raw,
        size=places.place(size["to"]) if size else None,
        max=size["max"] if size else 0,
        next=tuple(compiled),
        keys=tuple(raw.get("keys", ())),
    )


def sent_as(same: Any) -> Mapping[str, str]:
    """Return the fields that `recover` compares, each with the place of the request that its value went to."""
    return same if isinstance(same, dict) else {name: f"body.{name}" for name in same}


def _errors(common: Raw, own: Raw) -> model.Errors:
    fields, moments = common.get("fields", {}), common.get("retry_at", [])
    failed = own.get("failed", common.get("failed", False))
    cases = (*own.get("cases", ()), *common.get("cases", ()))
    return record(
        model.Errors,
        common,
        failed=conditions.parse(failed) if failed else None,
        message=several(common.get("message", ())),
        each=fields.get("each"),
        field_name=fields.get("name", ""),
        field_says=several(fields.get("says", ())),
        retry_at=tuple(
            (at, ()) if isinstance(at, str) else (at["from"], conditions.parse(at["when"]))
            for at in (moments if isinstance(moments, list) else [moments])
        ),
        cases=tuple(record(model.Case, raw, when=conditions.parse(raw["when"])) for raw in cases),
    )


def _limits(key: str, raw: Raw) -> model.Limits:
    labels, quotas, reported = {}, {}, raw.get("reported", {})
    for name, entry in raw.get("labels", {}).items():
        labels[name] = model.Label(rates(entry), tuple(entry.get("on", ())) if isinstance(entry, dict) else ())
    for name, entry in raw.get("quotas", {}).items():
        per, when = several(entry.get("per", ())), _condition(entry, "when") or ()
        quotas[name] = model.Quota(rates(entry["rate"]), per, tuple(entry["on"]), when)
    return record(
        model.Limits,
        raw,
        key=key,
        plans=tuple(raw.get("plans", ())),
        labels=labels,
        combined=tuple(model.SharedBudget(tuple(entry["labels"]), rates(entry)) for entry in raw.get("combined", ())),
        quotas=quotas,
        reported=record(model.ReportedLimits, reported, daily=_condition(reported, "daily")),
    )


def rates(raw: Any) -> model.Rates:
    """Return the rates of an entry of `limits` by plan; the key "" stands for every plan."""
    by_plan = raw if isinstance(raw, dict) else {"": raw}
    texts = {plan: several(by_plan[plan]) for plan in by_plan if plan not in PLAN_WORDS}
    return {plan: tuple(map(model.Rate.of, rates)) for plan, rates in texts.items()}
