"""The session that both clients share: a connector under one connection, with the options of its calls.

It returns each call as a generator of steps, and handles the steps for tokens, pacing, observers and caches.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from sys import maxsize
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from .calls.action import Action
from .calls.credentials import Credentials, check_base_url, checked, lay_out, refuse_values
from .calls.exchange import CallTerms, exchange, recovering
from .definitions.connector import Connector
from .errors import AuthError, Guard, InputError, Problem
from .inputs.bind import BoundInputs
from .language.patterns import HEADER_VALUE
from .pacing import accounts
from .pacing.permit import Pacing
from .perform import HANDLERS, Handlers
from .sentences import Sentence
from .steps import LONGEST_WAIT, AskPermit, Attempt, Recall, Remember, Report, Steps, Token
from .transport import Http
from .types.base import HEADER_LINE

if TYPE_CHECKING:
    from .calls.files import File
    from .downloads.download import DownloadPlan

RETRIES = 4
TTL = 60.0  # seconds, for a page of choices in the cache
logger = logging.getLogger("connector_runtime.calls")

Grants = Callable[[Mapping[str, str] | None], Any]
Folder = str | os.PathLike[str]
Observer = Callable[[Attempt], object]


class ClientOptions(TypedDict, total=False):
    """The options of a client, all optional.

    `retries` is the maximum number of retries of a request (4), made only when safe; 0 suits platforms that retry calls
    themselves. `deadline` bounds each call, in seconds. `pacing` is a `Pacer` that knows the account's plan, or False
    to send without pacing; by default, a pacer follows the vendor's reports from the first refusal on. `observe` is
    called with an `Attempt` for each request. `http` sets proxy, certificates and timeouts.
    """

    retries: int
    deadline: float | None
    pacing: Pacing | Literal[False] | None
    observe: Observer | None
    http: Http


class CallOptions(TypedDict, total=False):
    """The options of a single call, all optional.

    `clear` lists the inputs whose fields should be cleared. `extra` sets fields of the request that no input reaches,
    by their place: `{"body.settings.x": true, "query.y": 1}`. `cursor`, from a page, a result or an error, continues a
    list. `deadline` bounds the call with its attempts and pauses, in seconds. With `recover`, the client looks for the
    object before it repeats a create whose response was lost; the definition must support this. `idempotency_key` is
    sent to the vendor, which must accept one. `locale` is the language of warnings and errors. `largest` bounds
    the items of a list in bytes of JSON; the first item is always returned, and `cursor` continues the list.
    """

    clear: Iterable[str]
    extra: Mapping[str, Any] | None
    cursor: str | None
    deadline: float | None
    recover: bool
    idempotency_key: str | None
    locale: str | None
    largest: int | None


class ChoicesOptions(TypedDict, total=False):
    """The options of a request for choices, all optional.

    `search` narrows the list, and `cursor` continues it after earlier choices. `parameters` supplies, by name, values
    that the list needs but that are not inputs of the action. Pages are cached per connection for `ttl` seconds (60).
    `locale` is the language of labels and errors (by default, the connector's).
    """

    search: str | None
    cursor: str | None
    parameters: Mapping[str, Any] | None
    ttl: float
    locale: str | None


class DownloadOptions(TypedDict, total=False):
    """The options of a download, all optional.

    `parallel` is the maximum number of simultaneous downloads (3). With `overwrite`, existing files are replaced.
    `progress` is called with the file, the bytes saved so far and the total (None if unknown), by `Client` possibly
    from several threads. `largest` bounds, in bytes, a file whose size the vendor does not report (10 GiB).
    """

    parallel: int
    overwrite: bool
    progress: Callable[[File, int, int | None], object] | None
    largest: int


class Session:
    """A connector under one connection. `handlers` handle every step except `Send`; a pause blocks the thread."""

    def __init__(
        self,
        connector: Connector,
        token: Any,
        base_url: str | None,
        connection: Any,
        *,
        retries: int = RETRIES,
        deadline: float | None = None,
        pacing: Pacing | Literal[False] | None = None,
        observe: Observer | None = None,
        http: Http | None = None,
    ) -> None:
        if base_url is not None:
            check_base_url(base_url)
        problems = [*_option_problems(deadline, retries)]
        if token is not None and connection is not None:
            problems.append(Problem("token", Sentence("is given together with a connection; choose one")))
        if pacing and not (hasattr(pacing, "ask") and hasattr(pacing, "report")):
            what = Sentence("must be False, or a pacer with the methods `ask` and `report`")
            problems.append(Problem("pacing", what))
        if problems:
            raise InputError.of(Sentence("the client"), problems)
        self.connector = connector
        self.is_open = True
        self.http = http or Http()
        self.grants = _grants(connector, token, connection)
        self._kind = getattr(connection, "kind", None)  # a stored connection knows its kind
        self._base_url, self._retries, self._deadline, self._observe = base_url, retries, deadline, observe
        self._credentials: Credentials | None = None
        self._limits = limits = connector.profile.limits
        name = getattr(connection, limits.per, None)  # a stored connection knows its account
        self._caller = getattr(connection, "connection", "")
        self._account: accounts.AccountPacing | None = None
        if pacing is None and name:
            self._account = accounts.account_pacing(limits, name)
        elif pacing is not False:
            self._account = accounts.AccountPacing(limits, pacer=pacing)
        memory = ValueCache()
        call_handlers: Handlers = {Token: self._token, AskPermit: self._ask_permit, Report: self._report}
        self.handlers: Handlers = {**HANDLERS, **call_handlers, Recall: memory.recall, Remember: memory.remember}

    def call(
        self,
        key: str,
        inputs: Mapping[str, Any] | BoundInputs,
        limit: int | None = None,
        *,
        clear: Iterable[str] = (),
        extra: Mapping[str, Any] | None = None,
        cursor: str | None = None,
        deadline: float | None = None,
        recover: bool = False,
        idempotency_key: str | None = None,
        locale: str | None = None,
        largest: int | None = None,
    ) -> tuple[Action, Steps]:
        """Return an action and the steps of a call, which output `Page`s. Raises `InputError`."""
        self._check_open()
        connector = self._localized(locale)
        action = connector.action(key)
        problems = [] if deadline is None else [*_option_problems(deadline)]
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= maxsize):
            problems.append(Problem("limit", Sentence("must be a whole number of at least 1")))
        is_keyed = action.profile.idempotency is not None and action.effect in ("create", None)
        if idempotency_key is not None and not is_keyed:
            what = Sentence("has no effect: {vendor} accepts no idempotency key for this action; omit it")
            problems.append(Problem("idempotency_key", what))
        is_line = isinstance(idempotency_key, str) and idempotency_key and re.search(HEADER_VALUE, idempotency_key)
        if idempotency_key is not None and not is_line:
            problems.append(Problem("idempotency_key", HEADER_LINE))
        if recover and action.recover is None:
            problems.append(Problem("recover", Sentence("has no effect for this action; omit it")))
        with Guard(connector.phrasebook):
            if problems:
                raise InputError.of(key, problems)
            bound = inputs if isinstance(inputs, BoundInputs) else action.bind(inputs, clear, extra)
            refuse_values(self._kind, key, bound.values)
            seconds = self._deadline if deadline is None else deadline
            is_observed = self._observe is not None or logger.isEnabledFor(logging.DEBUG)
            shared = (self._account, is_observed, self._caller, largest)
            terms = CallTerms(limit, cursor, self._retries, seconds, idempotency_key, *shared)
            if recover and action.recover is not None:
                return action, recovering(action, bound, terms, connector.action(action.recover.action))
            return action, exchange(action, bound, terms)

    def choices(
        self,
        action: str,
        input: str | None,
        inputs: Any,
        *,
        search: str | None = None,
        cursor: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        ttl: float = TTL,
        locale: str | None = None,
    ) -> Steps:
        """Return the steps of a request for choices, which output one `Choices`. Raises `InputError`."""
        from .calls import choices

        self._check_open()
        connector = self._localized(locale)
        with Guard(connector.phrasebook):
            options: dict[str, Any] = {"search": search, "cursor": cursor, "parameters": parameters}
            query = choices.browse(connector.profile, connector.action, action, input, inputs, **options)
            return choices.choose(query, lambda key, bound, at: self.call(key, bound, cursor=at, locale=locale)[1], ttl)

    def _localized(self, locale: str | None) -> Connector:
        return self.connector if locale is None else self.connector.localized(locale)

    def _check_open(self) -> None:
        if not self.is_open:
            raise RuntimeError("this client is closed")

    def action_with_files(self, key: str) -> Action:
        """Return the action with this key, which must offer files. Raises `InputError`."""
        action = self.connector.action(key)
        if action.files is None:
            raise InputError.of(key, [Problem("action", Sentence("offers no files"))])
        return action

    def download_plan(
        self, files: File | Iterable[File], to: Folder, **options: Unpack[DownloadOptions]
    ) -> DownloadPlan:
        """Return the plan for a download. Raises `InputError` with every problem at once."""
        from .downloads.download import DownloadPlan
        from .downloads.fetch import DownloadSettings

        self._check_open()

        def settings(file: File) -> DownloadSettings:
            action, name = self.action_with_files(file.action), self.connector.token_name
            return DownloadSettings(action=action, token_name=name, base_url=self._base_url, retries=self._retries)

        return DownloadPlan(files, to, settings, **options)

    def credentials(self, granted: Mapping[str, str]) -> Credentials:
        """Return the connection's values, laid out for requests; the last layout is cached."""
        last = self._credentials
        if last is None or granted != last.granted:
            strings = [*granted, *granted.values()] if isinstance(granted, Mapping) else [None]
            if not all(isinstance(string, str) for string in strings):
                what = "The connection function must return a mapping of names to strings."
                raise AuthError(what, hint="Return the connection's values by name, or raise an error.")
            last = self._credentials = lay_out(self.connector.profile, self._base_url, granted)
        return last

    def _token(self, step: Token) -> Credentials:
        return self.credentials(self.grants(step.rejected))

    def _ask_permit(self, step: AskPermit) -> Any:
        pacer = self._account and self._account.pacer
        return pacer.ask(step.permit) if pacer else 0.0

    def _report(self, step: Report) -> Any:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", step.attempt)
        if self._observe is not None:
            try:
                self._observe(step.attempt)
            except Exception:  # an observer must not break the call
                logger.exception("the observer failed")
        if step.permit is None or self._account is None:
            return None
        status, kind, retry_at = step.attempt.status, step.attempt.kind, step.attempt.retry_at
        refusal = kind if kind in ("rate_limit", "quota") else None
        if self._account.pacer is None and not refusal and not self._limits.reported.is_scarce(step.headers):
            return None
        return self._account.wake().report(step.permit, status, step.headers, retry_at, refusal)


class ValueCache:
    """A short-lived cache of at most `capacity` values, so opening a form again costs no requests. Thread-safe."""

    def __init__(self, capacity: int = 100) -> None:
        self._capacity = capacity
        self._values: dict[str, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def recall(self, step: Recall) -> Any:
        with self._lock:
            at, value = self._values.get(step.key, (0.0, None))
        return value if time.monotonic() - at < step.seconds else None

    def remember(self, step: Remember) -> None:
        with self._lock:
            self._values.pop(step.key, None)
            if step.seconds > 0:
                self._values[step.key] = (time.monotonic(), step.value)
                if len(self._values) > self._capacity:
                    del self._values[next(iter(self._values))]  # the oldest


def _option_problems(deadline: float | None, retries: int = 0) -> Iterator[Problem]:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        yield Problem("retries", Sentence("must be a whole number, 0 for none"))
    is_number = isinstance(deadline, int | float) and not isinstance(deadline, bool)
    if deadline is not None and not (is_number and 0 < deadline <= LONGEST_WAIT):
        most = f"{LONGEST_WAIT:,}"
        yield Problem("deadline", Sentence("must be a number of seconds, more than 0 and at most {most}", most=most))


def _grants(connector: Connector, token: Any, connection: Any) -> Grants:
    """Return the function that supplies the connection's values, perhaps as an awaitable, from a client's arguments."""
    if callable(connection):

        def guarded(rejected: Mapping[str, str] | None) -> Any:
            with Guard():  # because a stored connection's bugs are the connector's, unlike those of a caller's function
                return connection(rejected)

        return connection if getattr(connection, "kind", None) is None else guarded
    if connection is not None:
        values = checked(connector.profile, connection)
        return lambda rejected: values
    name = connector.token_name

    def by_name(text: Any) -> Mapping[str, str]:
        if not isinstance(text, str) or not text.strip():
            hint = Sentence("Pass one to the client, or connect an account.")
            raise AuthError(Sentence("There is no access token."), hint=hint)
        return {name: text.strip()}

    async def awaited(text: Awaitable[Any]) -> Mapping[str, str]:
        return by_name(await text)

    if not callable(token):
        if isinstance(token, str) and token.strip():
            checked(connector.profile, {name: token})  # raises if the connection needs more than a token
        return lambda rejected: by_name(token)
    from inspect import signature  # slow to import, and only needed for functions

    takes_rejected = bool(signature(token).parameters)

    def granted(rejected: Mapping[str, str] | None) -> Any:
        arguments = (rejected.get(name) if rejected else None,) if takes_rejected else ()
        text = token(*arguments)
        return awaited(text) if hasattr(text, "__await__") else by_name(text)

    return granted
