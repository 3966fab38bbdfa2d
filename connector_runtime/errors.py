"""The errors a caller can meet, sorted by what the reader should do. A leaf: touches nothing.

What a kind of error means is said on its class and nowhere else: its name in one word, the exit code of a command, the
HTTP status of the service, a title, and the remedy. A new kind is a new class, and its line below.

ConnectorError
├── DefinitionError     fix the YAML
├── InputError          fix the inputs; raised before anything is sent
├── AuthError           reconnect
│   └── MissingScope    add the scope it names, then reconnect
├── ApiError            the vendor said no
│   ├── ValidationFailed
│   ├── NotFound
│   ├── Conflict
│   ├── PlanRequired    the account lacks a plan or a licence
│   ├── RateLimited     wait until `retry_at`
│   └── QuotaReached    wait until `retry_at`, which may be hours away
├── TransportError      no readable answer; `may_have_been_done` says whether a change may have happened
├── InternalError       a fault of the connector's own; `__cause__` is what went wrong
├── StoreError          the store of connections and events is locked, full, damaged or sealed with another key
├── SignatureError      a webhook that the vendor did not sign
└── PayloadError        a signed webhook that cannot be read
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from .structs import Struct, cut, shows

if TYPE_CHECKING:
    from datetime import datetime


MOST = 100  # problems that are told of one call; who made so many made one mistake
LONGEST = 500  # characters of a problem's place, and a quarter of its text: either may quote what a stranger sent
ERRORS: list[type[ConnectorError]] = []  # every kind, in the order of the tree


@shows("where", "what")
class Problem(Struct):
    """One thing to mend: `where` (`inputs.topic`, `actions/x.yaml:31 inputs.type.to`) and `what` (with the remedy)."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    def to_dict(self) -> dict[str, str]:
        """The problem as JSON data: `{"where", "what"}`."""
        return {"where": self.where, "what": self.what}


class ConnectorError(Exception):
    """The root of all errors. `kind` names the class in one word; `retriable`: the same call may succeed later.

    `message` says what is wrong, `hint` the remedy if there is one, and `problems` each thing to correct.
    """

    kind: str = "error"
    exit_code: int = 2
    http_status: int = 500
    title: str = "It failed"
    remedy: str = "See `message`."
    retriable: bool = False

    def __init_subclass__(cls, **said: str | int) -> None:
        """What a kind says of itself in the head of its class: `kind`, `exit_code`, `http_status`."""
        for name, value in said.items():
            setattr(cls, name, value)
        if "kind" in said:
            ERRORS.append(cls)

    def __init__(self, message: str, *, hint: str | None = None, problems: Iterable[Problem] = ()) -> None:
        self.message, self.hint, self.problems = message, hint, tuple(problems)
        super().__init__(message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({cut(self.message)})"

    def __str__(self) -> str:
        first = self.message if self.hint is None else f"{self.message} {self.hint}"
        return "\n".join([first, *(f"  {problem}" for problem in self.problems)])

    def with_message(self, message: str, *, hint: str | None = None, problems: Iterable[Problem] = ()) -> Self:
        """A copy of the error in other words; all else that is known of it stays."""
        other = copy(self)
        other.message, other.hint, other.problems, other.args = message, hint, tuple(problems), (message,)
        return other

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON data, the shape that platforms and the command line show."""
        said = {"kind": self.kind, "message": self.message, "hint": self.hint}
        problems = [problem.to_dict() for problem in self.problems]
        return {**said, "problems": problems, "retriable": self.retriable}


class DefinitionError(ConnectorError, kind="definition"):
    """A definition file is wrong; `problems` names each fault with file and line."""

    title = "A definition is faulty"
    remedy = "Mend the definition; `problems` names file and line."

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> DefinitionError:
        """The error of all these problems."""
        found = tuple(problems)
        return cls("The definition is not usable:" if len(found) == 1 else f"{len(found)} faults:", problems=found)


class InputError(ConnectorError, kind="input", http_status=422):
    """The inputs are wrong; `problems` names all of them. Nothing was sent."""

    title = "The inputs are wrong"
    remedy = "Mend what `problems` names; nothing was sent."

    @classmethod
    def of(cls, subject: str, problems: Iterable[Problem], *, is_all: bool = True) -> InputError:
        """The error of all these problems, which lists the first `MOST`; unless it `is_all`, there may be more."""
        found = tuple(problems)
        more = len(found) > MOST
        total = f"{len(found)}" if is_all or not more else f"More than {MOST}"
        count, first = "One problem" if total == "1" else f"{total} problems", f", the first {MOST}" if more else ""
        told = [Problem(each.where[:LONGEST], each.what[: LONGEST * 4]) for each in found[:MOST]]
        return cls(f"{count} with the inputs of {subject}{first}:", problems=told)


class RequestError(ConnectorError):
    """What all errors share that come from a request: what the vendor answered, if it answered.

    In the middle of a list, `items_read` is how many items came before it, `cursor` where the list can go on (None:
    only from its beginning), and `partial` the result so far where a run collected them.
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
        super().__init__(message, hint=hint, problems=problems)
        self.status, self.code, self.tracking_id = status, code, tracking_id
        self.retriable, self.retry_at, self.may_have_been_done = retriable, retry_at, may_have_been_done
        self.items_read: int | None = None
        self.cursor: str | None = None
        self.partial: Any = None

    @property
    def answered(self) -> dict[str, Any]:
        """What the vendor answered with, by parameter: `AuthError("…", **error.answered)` is about the same answer."""
        return {"status": self.status, "code": self.code, "tracking_id": self.tracking_id}

    def to_dict(self) -> dict[str, Any]:
        at = self.retry_at.isoformat().replace("+00:00", "Z") if self.retry_at else None
        more = {"may_have_been_done": self.may_have_been_done, "items_read": self.items_read, "cursor": self.cursor}
        return {**super().to_dict(), **self.answered, "retry_at": at, **more}


class AuthError(RequestError, kind="token", exit_code=3, http_status=424):
    """The vendor refused the token, or there is none."""

    title = "The connection does not work"
    remedy = "Reconnect, or get a new token."


class MissingScope(AuthError, kind="missing_scope", http_status=403):
    """The token is good but lacks a permission; `hint` names it where the vendor does."""

    title = "The app lacks a scope"
    remedy = "Add the scope that `hint` names, then reconnect."


class ApiError(RequestError, kind="api", http_status=502):
    """The vendor said no. `problems` maps its complaints to our inputs where it names fields."""

    title = "The vendor said no"
    remedy = "See `message` and `code`."


class ValidationFailed(ApiError, kind="validation", http_status=422):
    """The vendor found the request's values wrong."""

    title = "The vendor found values wrong"
    remedy = "Mend what `problems` names."


class NotFound(ApiError, kind="not_found", http_status=404):
    """What the inputs name does not exist, or is not visible to this connection."""

    title = "There is no such thing"
    remedy = "Check the id or the name; see `message`."


class Conflict(ApiError, kind="conflict", http_status=409):
    """What should be made exists already, or is being changed by somebody else."""

    title = "It exists already, or is being changed"
    remedy = "Look what is there before you try again."


class PlanRequired(ApiError, kind="plan", http_status=403):
    """The account lacks the plan, licence or role for this."""

    title = "The account lacks a plan, licence or role"
    remedy = "Do what `hint` says."


class RateLimited(ApiError, kind="rate_limit", exit_code=5, http_status=429):
    """Too many requests for now."""

    title = "Too many requests at the vendor"
    remedy = "Wait until `retry_at`."


class QuotaReached(ApiError, kind="quota", exit_code=5, http_status=429):
    """Too many requests for a longer time, often until midnight UTC."""

    title = "The vendor's quota is used up"
    remedy = "Wait until `retry_at`, which may be hours away."


class TransportError(RequestError, kind="transport", exit_code=6, http_status=502):
    """No readable answer: the network, a time-out, or an answer that is not what the API promises."""

    title = "No readable answer of the vendor"
    remedy = "Try again if `retriable`; else look what was done."


class InternalError(RequestError, kind="internal", exit_code=7, http_status=500):
    """An unexpected error: a fault of the connector or of a function that it was given; `__cause__` is the original."""

    title = "The connector failed"
    remedy = "Report it with its `__cause__`; look what was done if `may_have_been_done`."


class Guard:
    """The outer guard of calls: within it, what is no `ConnectorError` leaves as an `InternalError`.

    What ends a program (KeyboardInterrupt, a cancelled task) passes, and so does what `passes` says: an error of the
    caller's own token function. `sent` says that a change may have reached the vendor. Tests keep the guard open, so
    that it hides no fault.
    """

    is_open = False

    def __init__(self, *, passes: bool = False) -> None:
        self.sent, self.passes = False, passes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, Exception) or isinstance(error, ConnectorError) or self.passes or Guard.is_open:
            return
        while trace.tb_next is not None:
            trace = trace.tb_next
        at = f"{trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}"
        what = f"The connector failed ({type(error).__name__} in {at})."  # its own text can hold a secret
        hint = "It may have been done; look before you send it again." if self.sent else "Nothing was changed."
        raise InternalError(what, hint=hint, may_have_been_done=self.sent) from error


class StoreError(ConnectorError, kind="store", exit_code=3, http_status=503):
    """What keeps connections and events can't be read or written; nothing that was stored is lost."""

    title = "The store fails"
    remedy = "Try again later; nothing that was stored is lost."

    def __init__(self, message: str, *, hint: str | None = None, retriable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retriable = retriable


class SignatureError(ConnectorError, kind="signature", http_status=401):
    """A webhook without a valid signature: answer 401 and deliver nothing."""

    title = "The webhook is not signed by the vendor"
    remedy = "Deliver nothing; if the vendor did send it, compare the secret with the vendor's."


class PayloadError(ConnectorError, kind="payload", http_status=400):
    """A signed webhook whose body is no JSON object: answer 400 and deliver nothing."""

    title = "The webhook cannot be read"
    remedy = "Deliver nothing; the body is no JSON object."


KINDS = {  # that a refusal can be sorted into
    error.kind: error for error in ERRORS if issubclass(error, RequestError) and error is not InternalError
}
