"""The errors that callers can meet, sorted by what the reader should do. Pure.

Each class defines its `kind`, the exit code of commands, the HTTP status of the service, a title and the remedy. To add
a kind, add a class and a line here:

ConnectorError
├── DefinitionError     fix the YAML
├── InputError          fix the inputs; raised before anything is sent
├── AuthError           reconnect
│   └── MissingScope    add the scope that it names, then reconnect
├── ApiError            the vendor rejected the request
│   ├── ValidationFailed
│   ├── NotFound
│   ├── Conflict
│   ├── PlanRequired    the account lacks a plan or a licence
│   ├── RateLimited     wait until `retry_at`
│   └── QuotaReached    wait until `retry_at`, which may be hours away
├── TransportError      no readable response; `may_have_been_done` if a change may have happened
├── InternalError       a fault of the connector itself; `__cause__` is the original exception
├── StoreError          the store of connections and events is locked, full, damaged or sealed with another key
├── SignatureError      a webhook that the vendor did not sign
└── PayloadError        a signed webhook that cannot be read
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from .sentences import Phrasebook, Sentence
from .structs import Struct, cut, shows

if TYPE_CHECKING:
    from datetime import datetime


MOST = 100  # problems that an error lists; more of them usually share one cause
LONGEST = 500  # characters of a problem's place; its text may be four times as long. Both may quote strangers
CHECK = Sentence("The change may have been made. Check in {vendor} before you send it again.")
ERRORS: list[type[ConnectorError]] = []  # every kind, in the order of the tree


@shows("where", "what")
class Problem(Struct):
    """One problem: `where` (`inputs.topic`, `actions/x.yaml:31 inputs.type.to`) and `what`, including the remedy."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    def to_dict(self) -> dict[str, str]:
        """Return the problem as JSON data: `{"where", "what"}`."""
        return {"where": self.where, "what": self.what}


def said(problems: Iterable[Problem], book: Phrasebook) -> tuple[Problem, ...]:
    """Translate problems into the language of a connector."""
    return tuple(problem.replace(what=book.say(problem.what)) for problem in problems)


class ConnectorError(Exception):
    """The base of all errors. `kind` names the class in one word; if `retriable`, the same call may succeed later.

    `message` is what is wrong, `hint` the remedy (or None), `problems` a tuple of `Problem`s.
    """

    kind: str = "error"
    exit_code: int = 2
    http_status: int = 500
    title: str = Sentence("It failed")
    remedy: str = Sentence("See `message`.")

    def __init_subclass__(cls, **attributes: str | int) -> None:
        """Set the attributes given as keywords of the class: `kind`, `exit_code`, `http_status`."""
        for name, value in attributes.items():
            setattr(cls, name, value)
        if "kind" in attributes:
            ERRORS.append(cls)

    def __init__(
        self, message: str, *, hint: str | None = None, problems: Iterable[Problem] = (), retriable: bool = False
    ) -> None:
        self.message, self.hint, self.problems, self.retriable = message, hint, tuple(problems), retriable
        super().__init__(message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({cut(self.message)})"

    def __str__(self) -> str:
        first = self.message if self.hint is None else f"{self.message} {self.hint}"
        return "\n".join([first, *(f"  {problem}" for problem in self.problems if problem.what != self.message)])

    def with_message(self, message: str, *, hint: str | None = None, problems: Iterable[Problem] = ()) -> Self:
        """Return a copy with another message, hint and problems, and otherwise the same facts."""
        error = copy(self)
        error.message, error.hint, error.problems, error.args = message, hint, tuple(problems), (message,)
        return error

    def speak(self, book: Phrasebook) -> None:
        """Translate the error into a connector's language, and fill in the vendor's name."""
        self.message, self.hint = book.say(self.message), book.say(self.hint)
        self.problems = said(self.problems, book)
        self.args = (self.message,)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON data, as platforms and the command line show it."""
        texts = {"kind": self.kind, "message": self.message, "hint": self.hint}
        problems = [problem.to_dict() for problem in self.problems]
        return {**texts, "problems": problems, "retriable": self.retriable}


class DefinitionError(ConnectorError, kind="definition"):
    """A definition file is wrong; `problems` lists each fault with file and line."""

    title = Sentence("A definition file has faults")
    remedy = Sentence("Correct the definition; `problems` names file and line.")

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> DefinitionError:
        """Return one error with all these problems."""
        every = tuple(problems)
        return cls("The definition is not usable:" if len(every) == 1 else f"{len(every)} faults:", problems=every)


class InputError(ConnectorError, kind="input", http_status=422):
    """The inputs are wrong; `problems` lists the faults. Nothing was sent."""

    title = Sentence("Some inputs are not valid")
    remedy = Sentence("Correct the fields in `problems`; nothing was sent.")

    @classmethod
    def of(cls, subject: str, problems: Iterable[Problem], *, is_all: bool = True) -> InputError:
        """Return an error with the first `MOST` of these problems; unless `is_all`, there may be others."""
        every = tuple(problems)
        count = len(every)
        total = Sentence("One problem") if count == 1 else Sentence("{count} problems", count=count)
        if count > MOST and not is_all:
            total = Sentence("More than {most} problems", most=MOST)
        message = Sentence("{total} with the inputs of {subject}:", total=total, subject=subject)
        if count > MOST:
            message = Sentence("{total} with the inputs of {subject}, the first {most}:", most=MOST, **message.slots)
        shown, longest = every[:MOST], LONGEST * 4
        listed = [Problem(p.where[:LONGEST], p.what if len(p.what) <= longest else p.what[:longest]) for p in shown]
        return cls(message, problems=listed)


class RequestError(ConnectorError):
    """The base of errors of a request, with the vendor's `status`, `code` and `tracking_id`, None if it gave none.

    `retry_at` is a `datetime` in UTC or None; `may_have_been_done` means that the change may have been made. If a list
    failed midway, `items_read` counts the items before the error, `cursor` continues the list (None: start again), and
    `partial` is the `Result` so far, if `run` collected one.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        problems: Iterable[Problem] = (),
        status: int | None = None,
        code: int | str | None = None,
        tracking_id: str | None = None,
        retriable: bool = False,
        retry_at: datetime | None = None,
        may_have_been_done: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, problems=problems, retriable=retriable)
        self.status, self.code, self.tracking_id = status, code, tracking_id
        self.retry_at, self.may_have_been_done = retry_at, may_have_been_done
        self.items_read: int | None = None
        self.cursor: str | None = None
        self.partial: Any = None

    @property
    def answered(self) -> dict[str, Any]:
        """The facts of the vendor's response, for another error about it: `AuthError("…", **error.answered)`."""
        return {"status": self.status, "code": self.code, "tracking_id": self.tracking_id}

    def to_dict(self) -> dict[str, Any]:
        at = self.retry_at.isoformat().replace("+00:00", "Z") if self.retry_at else None
        progress = {"may_have_been_done": self.may_have_been_done, "items_read": self.items_read, "cursor": self.cursor}
        return {**super().to_dict(), **self.answered, "retry_at": at, **progress}


class AuthError(RequestError, kind="token", exit_code=3, http_status=424):
    """The vendor rejected the token, or there is no token."""

    title = Sentence("The connection does not work")
    remedy = Sentence("Reconnect, or get a new token.")


class MissingScope(AuthError, kind="missing_scope", http_status=403):
    """The token is valid but lacks a scope; `hint` names it if the vendor does."""

    title = Sentence("The app lacks a scope")
    remedy = Sentence("Add the scope that `hint` names, then reconnect.")


class ApiError(RequestError, kind="api", http_status=502):
    """The vendor rejected the request. If it named fields, `problems` names the inputs behind them."""

    title = Sentence("{vendor} rejected the request")
    remedy = Sentence("See `message` and `code`.")


class ValidationFailed(ApiError, kind="validation", http_status=422):
    """The vendor rejected values of the request."""

    title = Sentence("{vendor} rejected some values")
    remedy = Sentence("Correct the fields in `problems`.")


class NotFound(ApiError, kind="not_found", http_status=404):
    """The inputs name something that does not exist, or that this connection cannot see."""

    title = Sentence("Not found")
    remedy = Sentence("Check the ID or the name; see `message`.")


class Conflict(ApiError, kind="conflict", http_status=409):
    """The object exists already, or is being changed by someone else."""

    title = Sentence("It already exists, or is being changed")
    remedy = Sentence("Check what exists before you try again.")


class PlanRequired(ApiError, kind="plan", http_status=403):
    """The account lacks the plan, licence or role for this."""

    title = Sentence("The account lacks a plan, licence or role")
    remedy = Sentence("Do what `hint` says.")


class RateLimited(ApiError, kind="rate_limit", exit_code=5, http_status=429):
    """Too many requests in a short time; `retry_at` is when to try again, if the vendor reports it."""

    title = Sentence("Too many requests to {vendor}")
    remedy = Sentence("Wait until `retry_at`.")


class QuotaReached(ApiError, kind="quota", exit_code=5, http_status=429):
    """A limit over a longer period is reached, often until midnight UTC; `retry_at` is when it ends, if known."""

    title = Sentence("{vendor}'s limit is reached")
    remedy = Sentence("Wait until `retry_at`, which may be hours away.")


class TransportError(RequestError, kind="transport", exit_code=6, http_status=502):
    """No readable response: a network failure, a time-out, or a response that the API does not document."""

    title = Sentence("No readable response from {vendor}")
    remedy = Sentence("Retry if `retriable`; if not, first check whether the change was made.")


class InternalError(RequestError, kind="internal", exit_code=7, http_status=500):
    """An unexpected error in the connector, or in a function passed to it; `__cause__` is the original."""

    title = Sentence("The connector failed")
    remedy = Sentence("Report it with its `__cause__`; if `may_have_been_done`, check whether the change was made.")


class Guard:
    """The outer guard of calls, which turns unexpected exceptions into an `InternalError` and translates errors.

    Exceptions that end a program (KeyboardInterrupt, a cancelled task) pass through. With `passes`, so do all others,
    which come from the caller's own token function. `sent` means that a change may have reached the vendor. Tests open
    the guard, so it hides no faults.
    """

    is_open = False

    def __init__(self, book: Phrasebook | None = None, *, passes: bool = False) -> None:
        self.book, self.sent, self.passes = book, False, passes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ConnectorError) and self.book is not None:
            error.speak(self.book)
        if not isinstance(error, Exception) or isinstance(error, ConnectorError) or self.passes or Guard.is_open:
            return
        while trace.tb_next is not None:
            trace = trace.tb_next
        at = f"{trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}"
        name = type(error).__name__  # its message may hold a secret
        what = Sentence("The connector failed ({error} in {place}).", error=name, place=at)
        hint = CHECK if self.sent else Sentence("Nothing was changed.")
        raise InternalError(what, hint=hint, may_have_been_done=self.sent) from error


class StoreError(ConnectorError, kind="store", exit_code=3, http_status=503):
    """The store of connections and events cannot be read or written; nothing that was stored is lost."""

    title = Sentence("The store does not work")
    remedy = Sentence("Try again later; nothing that was stored is lost.")


class SignatureError(ConnectorError, kind="signature", http_status=401):
    """A webhook without a valid signature: respond with 401 and deliver nothing."""

    title = Sentence("The webhook is not signed by {vendor}")
    remedy = Sentence("Deliver nothing; if {vendor} sent it, compare the trigger's secret with that in {vendor}'s app.")


class PayloadError(ConnectorError, kind="payload", http_status=400):
    """A signed webhook that cannot be read: acknowledge it and deliver nothing, as a repeat would not help."""

    title = Sentence("The webhook cannot be read")
    remedy = Sentence("Deliver nothing; the body is not a JSON object.")


KINDS = {  # of refusals
    error.kind: error for error in ERRORS if issubclass(error, RequestError) and error is not InternalError
}
