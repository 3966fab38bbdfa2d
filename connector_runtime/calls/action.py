"""An action that can be asked: what it accepts, and which request given inputs become. Pure; nothing is sent."""

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
    """One action: what it accepts, the request that given inputs become, and what its answer holds."""

    @cached_property
    def accepts(self) -> CompiledInputs:
        """The input table compiled, which reads the inputs of a call."""
        return CompiledInputs(self)

    @cached_property
    def layout(self) -> render.Layout:
        """The parts of the request that no input changes."""
        return render.layout(self)

    @property
    def input_schema(self) -> dict[str, Json]:
        """JSON Schema 2020-12 of the inputs: it accepts exactly what `preview` accepts.

        The one thing that a schema cannot look into is text that holds JSON, where `contentSchema` says what it holds.
        """
        return input_schema(self)

    @property
    def secrets(self) -> list[str]:
        """Where secrets lie in what a run gives: `start_url`, `recording_files.*.download_url`."""
        return secrets.secrets(self._output_schema)

    def hide(self, data: Json) -> Json:
        """A run's data, to show or to log: a copy with `***` in place of each secret that the output schema marks."""
        return secrets.hide(data, self._output_schema)

    @property
    def _output_schema(self) -> Json:
        return self.output.get("schema", {}) if self.output else {}

    def files_in(self, data: Json, token: str | None = None) -> list[File]:
        """The files that an answer offers, or a webhook's payload of the same shape: give them to `Client.download`.

        `token` is used for them instead of the connection's; if the answer has one of its own, that is taken.
        """
        with Guard(self.profile.phrasebook):
            return files_of(self, data, token)

    def bind(self, inputs: Mapping[str, Any], clear: Iterable[str] = ()) -> BoundInputs:
        """The typed values to send; raises `InputError` with every problem at once."""
        try:
            bound = bind(self.accepts, inputs, clear)
        except InputError as error:
            error.speak(self.profile.phrasebook)
            raise
        return bound._replace(warnings=said(bound.warnings, self.profile.phrasebook)) if bound.warnings else bound

    def preview(
        self, inputs: Mapping[str, Any], *, clear: Iterable[str] = (), base_url: str | None = None
    ) -> dict[str, Json]:
        """The request that a run would send (for a list: its first page), without sending it or needing a connection.

        `{"method", "url", "headers", "body", "warnings"}`: `url` complete and encoded, every header that the connector
        sets (HTTP itself adds Host and Content-Length) with secrets as `***`, `body` a JSON value or None.
        Raises `InputError` with every problem at once.
        """
        with Guard(self.profile.phrasebook):
            bound = self.bind(inputs, clear)
            if base_url is not None:
                check_base_url(base_url)
            made = render.draft(self, bound.values, self.layout)
            if self.paging:
                made = pages.page_draft(self.paging, made, pages.start(self.paging, None))
            place = render.key_place(self, made)
            if place is not None:
                made = made.with_value(place, secrets.MASK)  # a run makes a key of its own
            request = render.finish(made, lay_out(self.profile, base_url, None))
            sent, warnings = request.headers, [problem.to_dict() for problem in bound.warnings]
            headers = {name: ", ".join(value for each, value in sent if each == name) for name, _ in sent}
            shown = {"method": request.method, "url": request.shown, "headers": headers, "body": request.body}
            return {**shown, "warnings": warnings}
