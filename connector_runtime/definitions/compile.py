"""Definitions that passed `check` to frozen models. Pure: it is given data, and a function for shared schemas.

Nothing is judged here; a fault is `check`'s to find. What is said once in connector.yaml is laid under each action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..calls.action import Action
from ..language import codecs, conditions, places
from ..model import (
    Base,
    Case,
    Choice,
    Condition,
    Connection,
    Errors,
    Files,
    Grant,
    Input,
    Json,
    Next,
    Paging,
    Profile,
    Recover,
    Rule,
    Warn,
)
from .choice_lists import choice_list
from .limits import limits
from .shared import inline

if TYPE_CHECKING:
    from ..triggers.webhook import Trigger

Shared = Callable[[str], Json]  # a file name of schemas/ -> its data
Codecs = Mapping[str, Callable[[Any], Any]]


def profile(data: dict[str, Any], connections: tuple[Connection, ...], shared: Shared) -> Profile:
    """Compile connector.yaml."""
    request = data.get("request", {})
    return Profile(
        key=data["key"],
        label=data["label"],
        description=data.get("description", ""),
        version=data.get("version", "0"),
        categories=tuple(data.get("categories", ())),
        base_url=data["base_url"],
        base={
            name: Base(default=base.get("default"), hosts=tuple(base["hosts"]), pattern=base.get("pattern"))
            for name, base in data.get("base", {}).items()
        },
        headers=_headers(f"{data['key']}-connector/{data.get('version', '0')}", request.get("headers", {})),
        encode=request.get("encode", "json"),
        idempotency=places.place(data["idempotency"]["to"]) if "idempotency" in data else None,
        levels=data.get("levels", {}),
        errors=_errors(data.get("errors", {}), {}),
        limits=limits(data["key"], data.get("limits", {})),
        connections=connections,
        choices={name: choice_list(name, entry, shared) for name, entry in data.get("choices", {}).items()},
        language=data.get("language", "en"),
    )


def _headers(agent: str, own: dict[str, str]) -> dict[str, str]:
    """The headers of every request; a User-Agent of the connector's own, in any case, takes the place of ours."""
    return own if any(name.lower() == "user-agent" for name in own) else {"User-Agent": agent, **own}


def action(data: dict[str, Any], common: dict[str, Any], about: Profile, shared: Shared, codecs: Codecs) -> Action:
    """Compile one file of actions/; `common` is connector.yaml's data, `about` its profile."""
    request = data["request"]
    inputs = {key: row(key, raw, shared, codecs) for key, raw in data["inputs"].items()}
    return Action(
        key=data["key"],
        label=data["label"],
        description=data.get("description", ""),
        docs=data.get("docs"),
        summary=data.get("summary"),
        effect=data.get("effect"),
        scopes={kind: tuple(scopes) for kind, scopes in data.get("scopes", {}).items()},
        rate_limit=data.get("rate_limit"),
        method=request.get("method"),
        path=request.get("path", ""),
        headers=request.get("headers", {}),
        query=request.get("query", {}),
        body=request.get("body"),
        encode=request.get("encode", about.encode),
        inputs=inputs,
        by_name={name: entry for entry in inputs.values() for name in entry.names},
        compute={places.place(to): source for to, source in data.get("compute", {}).items()},
        rules=tuple(_rule(raw) for raw in data.get("rules", ())),
        paging=_paging({**common.get("paging", {}), **data["paging"]}) if "paging" in data else None,
        errors=_errors(common.get("errors", {}), data.get("errors", {})),
        output=inline(data["output"], shared) if "output" in data else None,
        files=_files(data["files"], common.get("errors", {}), data.get("errors", {})) if "files" in data else None,
        recover=_recover(data["recover"]) if "recover" in data else None,
        profile=about,
    )


def connection(data: dict[str, Any], shared: Shared, codecs: Codecs) -> Connection:
    """Compile one file of connection/."""
    inputs = tuple(row(key, raw, shared, codecs) for key, raw in data["inputs"].items())
    given = [
        Grant(name=item.key, to=item.to, codecs=item.codecs, secret=item.type == "secret", required=item.required == ())
        for item in inputs
        if item.to and item.to[0].kind in ("header", "query", "base", "basic")
    ]
    granted = [
        Grant(
            name=name,
            to=(places.place(raw["to"], name),),
            codecs=_codecs(raw, codecs),
            secret=places.place(raw["to"], name).kind != "base",
            required=places.place(raw["to"], name).kind != "base",
        )
        for name, raw in data.get("token", {}).items()
    ]
    grants = (*given, *granted)
    return Connection(
        key=data["key"],
        label=data["label"],
        description=data.get("description", ""),
        inputs=inputs,
        oauth=data.get("oauth"),
        grants=grants,
        gives=frozenset(grant.name for grant in grants),
        needs=frozenset(grant.name for grant in grants if grant.required),
        errors=_errors(data.get("oauth", {}).get("errors", {}), {}),
        over=tuple(conditions.parse(raw) for raw in data.get("oauth", {}).get("dead_when", ())),
        test=data.get("test"),
        forbids=data.get("forbid_values", {}),
    )


def trigger(data: dict[str, Any], shared: Shared, codecs: Codecs, beside: Shared) -> Trigger:
    """Compile one file of triggers/; `beside` reads the data files that lie there."""
    from ..triggers.events import FilterRow, sources  # what most commands do not need
    from ..triggers.webhook import Trigger

    reply = data.get("reply", {})
    file = data["events"]["file"] if "events" in data else None
    return Trigger(
        key=data["key"],
        label=data["label"],
        description=data.get("description", ""),
        inputs=tuple(row(key, raw, shared, codecs) for key, raw in data["inputs"].items()),
        verify_with=data["verify"],
        challenge_with=data.get("challenge"),
        event=data["event"],
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


def row(key: str, raw: dict[str, Any], shared: Shared, codecs: Codecs) -> Input:
    """Compile one row of an input table."""
    required = raw.get("required")
    return Input(
        key=key,
        label=raw["label"],
        type=raw["type"],
        collection=raw.get("collection"),
        to=(places.place(raw["to"], key),) if "to" in raw else (),
        codecs=_codecs(raw, codecs),
        required=None if required is None else () if required is True else conditions.parse(required),
        only_when=_condition(raw, "only_when"),
        shown_when=_condition(raw, "shown_when"),
        comments=raw.get("comments", ""),
        choices=tuple(_choice(choice) for choice in raw.get("choices", ())),
        choices_from=raw.get("choices_from"),
        schema=inline(raw.get("schema", {}), shared),
        warn=tuple(
            Warn(
                when=_condition(warn, "when") or (),
                schema=inline(warn["schema"], shared),
                says=warn["says"],
            )
            for warn in raw.get("warn", ())
        ),
        example=raw.get("example"),
        has_default="default" in raw,
        default=raw.get("default"),
        if_absent=raw.get("if_absent"),
        group=raw.get("group"),
        advanced=raw.get("advanced", False),
        clear=(raw["clear"],) if "clear" in raw else (),
        was=several(raw.get("was", ())),
        deprecated=raw.get("deprecated"),
    )


def _condition(raw: dict[str, Any], word: str) -> Condition | None:
    return conditions.parse(raw[word]) if word in raw else None


def _codecs(raw: dict[str, Any], more: Codecs) -> tuple[codecs.Codec, ...]:
    names = raw.get("as", [])
    steps = [codecs.codec(name, more) for name in ([names] if isinstance(names, str) else names)]
    return tuple(step for step in steps if step is not None)


def _choice(raw: Any) -> Choice:
    return Choice(**raw) if isinstance(raw, dict) else Choice(value=raw, label=str(raw))


def _rule(raw: dict[str, Any]) -> Rule:
    kind = next(word for word in ("at_least_one", "at_most_one", "together") if word in raw)
    return Rule(kind=kind, keys=tuple(raw[kind]), when=_condition(raw, "when") or (), says=raw.get("says", ""))


def _paging(raw: dict[str, Any]) -> Paging:
    styles = raw.get("next", [])
    return Paging(
        items=raw["items"],
        size=places.place(raw["size"]["to"]) if "size" in raw else None,
        max=raw["size"]["max"] if "size" in raw else 0,
        next=tuple(_next(style) for style in ([styles] if isinstance(styles, dict) else styles)),
        keys=tuple(raw.get("keys", ())),
        total=raw.get("total"),
    )


def _recover(raw: dict[str, Any]) -> Recover:
    same = raw["same"] if isinstance(raw["same"], dict) else {name: f"body.{name}" for name in raw["same"]}
    return Recover(
        action=raw["action"],
        inputs=raw.get("with", {}),
        same={name: places.place(to) for name, to in same.items()},
        since=raw.get("since"),
        when=_condition(raw, "when") or (),
    )


def _next(raw: dict[str, Any]) -> Next:
    return Next(
        source=raw["from"],
        to=None if raw["to"] == "url" else places.place(raw["to"]),
        plus=raw.get("plus"),
        below=raw.get("below"),
        when=_condition(raw, "while") or (),
    )


def _files(raw: dict[str, Any], common: dict[str, Any], own: dict[str, Any]) -> Files:
    def path(word: str) -> tuple[str, ...]:
        return tuple(raw[word].split(".")) if word in raw else ()

    return Files(
        sources=tuple((".",) if text == "." else tuple(text.split(".")) for text in several(raw["from"])),
        url=path("url"),
        name=several(raw["name"]),
        type=path("type"),
        size=path("size"),
        id=path("id"),
        token=path("token"),
        ready=_condition(raw, "ready"),
        errors=_errors({**common, **raw.get("errors", {})}, own),
    )


def _moments(raw: Any) -> tuple[tuple[str, Condition], ...]:
    entries = raw if isinstance(raw, list | tuple) else (raw,)
    return tuple((at, ()) if isinstance(at, str) else (at["from"], conditions.parse(at["when"])) for at in entries)


def _errors(common: dict[str, Any], own: dict[str, Any]) -> Errors:
    fields = common.get("fields", {})
    failed = own.get("failed", common.get("failed", False))
    return Errors(
        failed=conditions.parse(failed) if failed else None,
        code=common.get("code"),
        message=several(common.get("message", ())),
        each=fields.get("each"),
        field_name=fields.get("name", ""),
        field_says=several(fields.get("says", ())),
        id=common.get("id"),
        retry_at=_moments(common.get("retry_at", ())),
        cases=tuple(
            Case(
                when=conditions.parse(raw["when"]),
                text=raw.get("text"),
                kind=raw["kind"],
                names=raw["names"] if isinstance(raw.get("names"), str) else None,
                names_from=raw["names"]["from"] if isinstance(raw.get("names"), dict) else None,
                do=raw.get("do"),
            )
            for raw in (*own.get("cases", ()), *common.get("cases", ()))
        ),
    )


def several(raw: Any) -> tuple[str, ...]:
    """What may be one text or a list of them."""
    return (raw,) if isinstance(raw, str) else tuple(raw)
