"""Compiled actions: input schemas, request previews, and the files and secrets in responses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import Guard, InputError, said
from ..inputs.bind import BoundInputs, CompiledInputs, bind
from ..inputs.schema import input_schema
from ..language import secrets
from ..model import ActionSpec, Json
from . import pages, render
from .credentials import check_base_url, lay_out
from .files import File, files_of


@dataclass(frozen=True, repr=False, kw_only=True)
class Action(ActionSpec):
    """A compiled action of a connector: its input schema, request previews, and the files in its responses."""

    @cached_property
    def accepts(self) -> CompiledInputs:
        """The compiled input table."""
        return CompiledInputs(self)

    @cached_property
    def layout(self) -> render.Layout:
        """The places in the request where its inputs go."""
        return render.layout_of(self)

    @property
    def input_schema(self) -> dict[str, Json]:
        """JSON Schema 2020-12 of what `preview` accepts. JSON inside a string is described only by `contentSchema`."""
        return input_schema(self)

    @property
    def secrets(self) -> list[str]:
        """The paths of secrets in a result's data, such as `start_url` and `recording_files.*.download_url`."""
        return secrets.secrets(self._output_schema)

    def hide(self, data: Json) -> Json:
        """Return a copy of a result's data that is safe to log, with `***` for each secret that the schema marks."""
        return secrets.hide(data, self._output_schema)

    @property
    def _output_schema(self) -> Json:
        return self.output.get("schema", {}) if self.output else {}

    def files_in(self, data: Json, token: str | None = None) -> list[File]:
        """Return the downloadable files in a result's data, or in a webhook's payload of the same shape.

        Downloads use `token`; by default, the token in the data or, without one, the connection's token.
        """
        with Guard(self.profile.phrasebook):
            return files_of(self, data, token)

    def bind(
        self, inputs: Mapping[str, Any], clear: Iterable[str] = (), extra: Mapping[str, Json] | None = None
    ) -> BoundInputs:
        """Return the typed values to send. Raises `InputError` with every problem.

        `clear` names inputs to empty. `extra` sets fields of the request that no input reaches, by their place:
        `{"body.settings.x": true, "query.y": 1}`.
        """
        try:
            bound = bind(self.accepts, inputs, clear, extra)
        except InputError as error:
            error.speak(self.profile.phrasebook)
            raise
        return bound._replace(warnings=said(bound.warnings, self.profile.phrasebook)) if bound.warnings else bound

    def preview(
        self,
        inputs: Mapping[str, Any],
        *,
        clear: Iterable[str] = (),
        extra: Mapping[str, Json] | None = None,
        base_url: str | None = None,
    ) -> dict[str, Json]:
        """Return the request that a run would send (for a list, the request for its first page). Uses no connection.

        The keys are `method`, `url` (complete and encoded), `headers` (all headers that the connector sets, with
        secrets as `***`, but not Host and Content-Length), `body` (a JSON value or None) and `warnings` (each with
        `where` and `what`). Raises `InputError` with every problem.
        """
        with Guard(self.profile.phrasebook):
            bound = self.bind(inputs, clear, extra)
            if base_url is not None:
                check_base_url(base_url)
            draft = render.draft(self, bound.values, self.layout, bound.extra)
            if self.paging:
                draft = pages.page_draft(self.paging, draft, pages.start(self.paging))
            place = render.key_place(self, draft)
            if place is not None:
                draft = draft.with_value(place, secrets.MASK)  # every run generates a new key
            request = render.finish(draft, lay_out(self.profile, base_url, None))
            pairs, warnings = request.headers, [problem.to_dict() for problem in bound.warnings]
            headers = {name: ", ".join(value for other, value in pairs if other == name) for name, _ in pairs}
            facts = {"method": request.method, "url": request.shown, "headers": headers, "body": request.body}
            return {**facts, "warnings": warnings}
