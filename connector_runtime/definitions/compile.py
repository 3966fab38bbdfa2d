"""Definitions that passed `check` to frozen models. Pure: it is given data, and a function for shared schemas.

Nothing is judged here; a fault is `check`'s to find. What is said once in connector.yaml is laid under each action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import model
from ..calls.action import Action
from ..language import codecs, conditions, places
from ..model import Json

if TYPE_CHECKING:
    from ..triggers.webhook import Trigger

Raw = Mapping[str, Any]
Shared = Callable[[str], Json]  # a file name of schemas/ -> its data
Codecs = Mapping[str, Callable[[Any], Any]]

ROW_WORDS = (  # words of a row that mean what they say
    "label", "type", "collection", "comments", "choices_from", "example", "default", "if_absent", "group", "advanced",
    "deprecated",
)  # fmt: skip
PLAN_WORDS = ("on", "labels", "per", "when", "rate")  # words beside which a plan's name stands


def profile(data: Raw, connections: tuple[model.Connection, ...], shared: Shared) -> model.Profile:
    """Compile connector.yaml."""
    request, version = data.get("request", {}), data.get("version", "0")
    return model.Profile(
        **_names(data),
        version=version,
        categories=tuple(data.get("categories", ())),
        base_url=data["base_url"],
        base={
            name: model.Base(hosts=tuple(base["hosts"]), **_words(base, "default", "pattern"))
            for name, base in data.get("base", {}).items()
        },
        headers=_headers(f"{data['key']}-connector/{version}", request.get("headers", {})),
        encode=request.get("encode", "json"),
        idempotency=places.place(data["idempotency"]["to"]) if "idempotency" in data else None,
        levels=data.get("levels", {}),
        errors=_errors(data.get("errors", {}), {}),
        limits=_limits(data["key"], data.get("limits", {})),
        connections=connections,
        choices={name: choice_list(name, entry, shared) for name, entry in data.get("choices", {}).items()},
        language=data.get("language", "en"),
    )


def action(data: Raw, common: Raw, about: model.Profile, shared: Shared, codecs: Codecs) -> Action:
    """Compile one file of actions/; `common` is connector.yaml's data, `about` its profile."""
    request, errors, usual = data["request"], data.get("errors", {}), common.get("errors", {})
    inputs = rows(data, shared, codecs)
    return Action(
        **_names(data),
        **_words(data, "docs", "summary", "effect", "rate_limit"),
        **_words(request, "method", "body"),
        scopes={kind: tuple(scopes) for kind, scopes in data.get("scopes", {}).items()},
        path=request.get("path", ""),
        headers=request.get("headers", {}),
        query=request.get("query", {}),
        encode=request.get("encode", about.encode),
        inputs=inputs,
        by_name={name: entry for entry in inputs.values() for name in entry.names},
        compute={places.place(to): source for to, source in data.get("compute", {}).items()},
        rules=tuple(_rule(raw) for raw in data.get("rules", ())),
        paging=_paging({**common.get("paging", {}), **data["paging"]}) if "paging" in data else None,
        errors=_errors(usual, errors),
        output=inline(data["output"], shared) if "output" in data else None,
        files=_files(data["files"], usual, errors) if "files" in data else None,
        recover=_recover(data["recover"]) if "recover" in data else None,
        profile=about,
    )


def connection(data: Raw, shared: Shared, codecs: Codecs) -> model.Connection:
    """Compile one file of connection/."""
    inputs, oauth = tuple(rows(data, shared, codecs).values()), data.get("oauth", {})
    grants: list[model.Grant] = []
    for row in inputs:
        if row.to and row.to[0].kind in ("header", "query", "base", "basic"):
            grants.append(model.Grant(row.key, row.to, row.codecs, row.type == "secret", required=row.required == ()))
    for name, raw in data.get("token", {}).items():
        place = places.place(raw["to"], name)
        secret = place.kind != "base"
        grants.append(model.Grant(name, (place,), _codecs(raw, codecs), secret, required=secret))
    return model.Connection(
        **_names(data),
        **_words(data, "oauth", "test"),
        inputs=inputs,
        grants=tuple(grants),
        gives=frozenset(grant.name for grant in grants),
        needs=frozenset(grant.name for grant in grants if grant.required),
        errors=_errors(oauth.get("errors", {}), {}),
        over=tuple(conditions.parse(raw) for raw in oauth.get("dead_when", ())),
        forbids=data.get("forbid_values", {}),
    )


def trigger(data: Raw, shared: Shared, codecs: Codecs, beside: Shared) -> Trigger:
    """Compile one file of triggers/; `beside` reads the data files that lie there."""
    from ..triggers.webhook import FilterRow, Recipe, Trigger, sources  # what most commands do not need

    reply, challenge = data.get("reply", {}), data.get("challenge", {})
    file = data["events"]["file"] if "events" in data else None
    return Trigger(
        **_names(data),
        inputs=tuple(rows(data, shared, codecs).values()),
        recipe=Recipe(data["verify"]),
        challenge_when=_condition(challenge, "when"),
        challenge_answer=challenge.get("answer", {}),
        event={name: sources(raw) for name, raw in data["event"].items()},
        filters={
            key: FilterRow(
                key=key,
                label=raw["label"],
                comments=raw.get("comments", ""),
                sources=sources(raw["from"]),
                codecs=_codecs(raw, codecs),
            )
            for key, raw in data.get("filters", {}).items()
        },
        disconnect_when=_condition(data, "disconnect_when"),
        reply_status=reply.get("status", 200),
        reply_within=float(reply.get("within", "10s").removesuffix("s")),
        load_events=None if file is None else lambda: beside(file),
    )


def rows(data: Raw, shared: Shared, codecs: Codecs) -> dict[str, model.Input]:
    """Compile the input table of a file."""
    return {key: row(key, raw, shared, codecs) for key, raw in data["inputs"].items()}


def row(key: str, raw: Raw, shared: Shared, codecs: Codecs) -> model.Input:
    """Compile one row of an input table."""
    required = raw.get("required")
    return model.Input(
        key=key,
        **{word: raw[word] for word in ROW_WORDS if word in raw},
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
            model.Warn(when=_condition(warn, "when") or (), schema=inline(warn["schema"], shared), says=warn["says"])
            for warn in raw.get("warn", ())
        ),
        has_default="default" in raw,
        clear=(raw["clear"],) if "clear" in raw else (),
        was=several(raw.get("was", ())),
    )


def choice_list(key: str, raw: Raw, shared: Shared) -> model.ChoiceList:
    """Compile one list of `choices`; raises `LookupError` or `TypeError` where a `list` leads to none."""
    if "list" in raw:
        name, _, pointer = raw["list"].partition("#")
        found = places.dig(shared(name.rpartition("/")[2]), tuple(pointer.strip("/").split("/")))["oneOf"]
        return model.ChoiceList(key, tuple(model.Choice(one["const"], one["title"]) for one in found))
    return model.ChoiceList(
        key=key,
        action=raw["action"],
        fills=raw.get("with", {}),
        parameters={name: _parameter(name, entry, shared) for name, entry in raw.get("parameters", {}).items()},
        search=search(raw),
        items=several(raw.get("items", ())),
        value=several(raw["value"]),
        label=several(raw["label"]),
        description=several(raw.get("description", ())),
    )


def _parameter(name: str, raw: Raw, shared: Shared) -> model.Input:
    """A parameter as a row of a form: a default is filled in, so that the list opens with it."""
    required = {"required": True} if "default" in raw else {}
    return row(name, {"type": "string", **raw, **required}, shared, {})


def search(raw: Raw) -> Mapping[str, Json]:
    """The inputs by which the vendor searches a list; `{}` in them stands for what is searched for."""
    said = raw.get("search", {})
    return {said: "{}"} if isinstance(said, str) else said


# -- parts -----------------------------------------------------------------------------------------------------------


def inline(schema: Any, shared: Shared, file: str = "") -> Any:
    """A schema with every `$ref` replaced by what it names, so that it can stand alone."""
    if isinstance(schema, list):
        return [inline(item, shared, file) for item in schema]
    if not isinstance(schema, dict):
        return schema
    here = {key: inline(value, shared, file) for key, value in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return here
    name, _, pointer = schema["$ref"].partition("#")
    name = name or file
    there = inline(places.dig(shared(name), tuple(pointer.strip("/").split("/")) if pointer else ()), shared, name)
    if "properties" in there and "properties" in here:  # what is said beside a $ref adds to it
        here["properties"] = {**there["properties"], **here["properties"]}
    return {**there, **here}


def several(raw: Any) -> tuple[str, ...]:
    """What may be one text or a list of them."""
    return (raw,) if isinstance(raw, str) else tuple(raw)


def _names(data: Raw) -> dict[str, Any]:
    return {"key": data["key"], "label": data["label"], "description": data.get("description", "")}


def _words(raw: Raw, *words: str) -> dict[str, Any]:
    """What is said under words that mean what they say; None where nothing is."""
    return {word: raw.get(word) for word in words}


def _headers(agent: str, own: dict[str, str]) -> dict[str, str]:
    """The headers of every request; a User-Agent of the connector's own, in any case, takes the place of ours."""
    return own if any(name.lower() == "user-agent" for name in own) else {"User-Agent": agent, **own}


def _condition(raw: Raw, word: str) -> model.Condition | None:
    return conditions.parse(raw[word]) if word in raw else None


def _codecs(raw: Raw, more: Codecs) -> tuple[codecs.Codec, ...]:
    steps = [codecs.codec(name, more) for name in several(raw.get("as", ()))]
    return tuple(step for step in steps if step is not None)


def _rule(raw: Raw) -> model.Rule:
    kind = next(word for word in ("at_least_one", "at_most_one", "together") if word in raw)
    return model.Rule(kind=kind, keys=tuple(raw[kind]), when=_condition(raw, "when") or (), says=raw.get("says", ""))


def _paging(raw: Raw) -> model.Paging:
    styles = raw.get("next", [])
    return model.Paging(
        items=raw["items"],
        size=places.place(raw["size"]["to"]) if "size" in raw else None,
        max=raw["size"]["max"] if "size" in raw else 0,
        next=tuple(
            model.Next(
                source=style["from"],
                to=None if style["to"] == "url" else places.place(style["to"]),
                when=_condition(style, "while") or (),
                **_words(style, "plus", "below"),
            )
            for style in ([styles] if isinstance(styles, dict) else styles)
        ),
        keys=tuple(raw.get("keys", ())),
        total=raw.get("total"),
    )


def _recover(raw: Raw) -> model.Recover:
    return model.Recover(
        action=raw["action"],
        inputs=raw.get("with", {}),
        same={name: places.place(to) for name, to in sent_as(raw["same"]).items()},
        since=raw.get("since"),
        when=_condition(raw, "when") or (),
    )


def sent_as(same: Any) -> Mapping[str, str]:
    """The fields of `recover` that must be the same, with the places where they were sent."""
    return same if isinstance(same, dict) else {name: f"body.{name}" for name in same}


def _files(raw: Raw, common: Raw, own: Raw) -> model.Files:
    paths = {
        word: tuple(raw[word].split(".")) if word in raw else () for word in ("url", "type", "size", "id", "token")
    }
    return model.Files(
        sources=tuple((".",) if text == "." else tuple(text.split(".")) for text in several(raw["from"])),
        name=several(raw["name"]),
        ready=_condition(raw, "ready"),
        errors=_errors({**common, **raw.get("errors", {})}, own),
        **paths,
    )


def _errors(common: Raw, own: Raw) -> model.Errors:
    fields, moments = common.get("fields", {}), common.get("retry_at", [])
    moments = moments if isinstance(moments, list) else [moments]
    failed = own.get("failed", common.get("failed", False))
    return model.Errors(
        failed=conditions.parse(failed) if failed else None,
        message=several(common.get("message", ())),
        each=fields.get("each"),
        field_name=fields.get("name", ""),
        field_says=several(fields.get("says", ())),
        retry_at=tuple(
            (at, ()) if isinstance(at, str) else (at["from"], conditions.parse(at["when"])) for at in moments
        ),
        cases=tuple(_case(raw) for raw in (*own.get("cases", ()), *common.get("cases", ()))),
        **_words(common, "code", "id"),
    )


def _case(raw: Raw) -> model.Case:
    names = raw.get("names")
    pattern, source = (None, names["from"]) if isinstance(names, dict) else (names, None)
    when = conditions.parse(raw["when"])
    return model.Case(when=when, kind=raw["kind"], names=pattern, names_from=source, **_words(raw, "text", "do"))


def _limits(key: str, raw: Raw) -> model.Limits:
    reported = raw.get("reported", {})
    return model.Limits(
        key=key,
        per=raw.get("per", "account"),
        plans=tuple(raw.get("plans", ())),
        labels={
            name: model.Label(rates=rates(entry), on=tuple(entry.get("on", ())) if isinstance(entry, dict) else ())
            for name, entry in raw.get("labels", {}).items()
        },
        combined=tuple(
            model.Combined(labels=tuple(entry["labels"]), rates=rates(entry)) for entry in raw.get("combined", ())
        ),
        quotas={
            name: model.Quota(
                rates=rates(entry["rate"]),
                per=several(entry.get("per", ())),
                on=tuple(entry["on"]),
                when=_condition(entry, "when") or (),
            )
            for name, entry in raw.get("quotas", {}).items()
        },
        reported=model.Reported(daily=_condition(reported, "daily"), **_words(reported, "label", "limit", "remaining")),
    )


def rates(raw: Any) -> model.Rates:
    """The rates of an entry of `limits`, by plan."""
    by_plan = raw if isinstance(raw, dict) else {"": raw}
    return {
        plan: tuple(model.Rate.of(text) for text in several(said))
        for plan, said in by_plan.items()
        if plan not in PLAN_WORDS
    }
