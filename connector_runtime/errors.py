"""The errors a caller can meet, sorted by what the reader should do. Pure.

What a kind of error means is said on its class and nowhere else: its name in one word, the exit code of a command, the
HTTP status of the service, a title, and the remedy. A new kind is a new class, and its line below.

ConnectorError
├── DefinitionError     fix the YAML
├── InputError          fix the inputs; raised before anything is sent
├── AuthError           reconnect
│   └── MissingScope    add the scope it names, then reconnect
├── ApiError            the vendor rejected the request
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

from .sentences import Phrasebook, Sentence
from .structs import Struct, cut, shows

if TYPE_CHECKING:
    from datetime import datetime


MOST = 100  # problems that are told of one call; who made so many made one mistake
LONGEST = 500  # characters of a problem's place, and a quarter of its text: either may quote what a stranger sent
CHECK = Sentence("It may have been done; check in {vendor} before you send it again.")
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


def said(problems: Iterable[Problem], book: Phrasebook) -> tuple[Problem, ...]:
    """Problems in the words of a connector."""
    return tuple(each.replace(what=book.say(each.what)) for each in problems)


class ConnectorError(Exception):
    """The root of all errors. `kind` names the class in one word; `retriable`: the same call may succeed later.

    `message` says what is wrong, `hint` the remedy if there is one, and `problems` each thing to correct.
    """

    kind: str = "error"
    exit_code: int = 2
    http_status: int = 500
    title: str = Sentence("It failed")
    remedy: str = Sentence("See `message`.")
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

    def speak(self, book: Phrasebook) -> None:
        """Put the error into the words of a connector: its language, and the vendor's name."""
        self.message, self.hint = book.say(self.message), book.say(self.hint)
        self.problems = said(self.problems, book)
        self.args = (self.message,)

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON data, the shape that platforms and the command line show."""
        said = {"kind": self.kind, "message": self.message, "hint": self.hint}
        problems = [problem.to_dict() for problem in self.problems]
        return {**said, "problems": problems, "retriable": self.retriable}


class DefinitionError(ConnectorError, kind="definition"):
    """A definition file is wrong; `problems` names each fault with file and line."""

    title = Sentence("A definition file has faults")
    remedy = Sentence("Correct the definition; `problems` names file and line.")

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> DefinitionError:
        """The error of all these problems."""
        found = tuple(problems)
        return cls("The definition is not usable:" if len(found) == 1 else f"{len(found)} faults:", problems=found)


class InputError(ConnectorError, kind="input", http_status=422):
    """The inputs are wrong; `problems` names all of them. Nothing was sent."""

    title = Sentence("Some inputs are not valid")
    remedy = Sentence("Correct the fields in `problems`; nothing was sent.")

    @classmethod
    def of(cls, subject: str, problems: Iterable[Problem], *, is_all: bool = True) -> InputError:
        """The error of all these problems, which lists the first `MOST`; unless it `is_all`, there may be more."""
        found = tuple(problems)
        count = len(found)
        total = Sentence("One problem") if count == 1 else Sentence("{count} problems", count=count)
        if count > MOST and not is_all:
            total = Sentence("More than {most} problems", most=MOST)
        message = Sentence("{total} with the inputs of {subject}:", total=total, subject=subject)
        if count > MOST:
            message = Sentence("{total} with the inputs of {subject}, the first {most}:", most=MOST, **message.slots)
        longest = LONGEST * 4
        first = [each.replace(where=each.where[:LONGEST]) for each in found[:MOST]]
        first = [each if len(each.what) <= longest else each.replace(what=each.what[:longest]) for each in first]
        return cls(message, problems=first)


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

    title = Sentence("The connection does not work")
    remedy = Sentence("Reconnect, or get a new token.")


class MissingScope(AuthError, kind="missing_scope", http_status=403):
    """The token is good but lacks a permission; `hint` names it where the vendor does."""

    title = Sentence("The app lacks a scope")
    remedy = Sentence("Add the scope that `hint` names, then reconnect.")


class ApiError(RequestError, kind="api", http_status=502):
    """The vendor rejected the request. `problems` maps its complaints to our inputs where it names fields."""

    title = Sentence("{vendor} rejected the request")
    remedy = Sentence("See `message` and `code`.")


class ValidationFailed(ApiError, kind="validation", http_status=422):
    """The vendor rejected values of the request."""

    title = Sentence("{vendor} rejected some values")
    remedy = Sentence("Correct the fields in `problems`.")


class NotFound(ApiError, kind="not_found", http_status=404):
    """What the inputs name does not exist, or is not visible to this connection."""

    title = Sentence("Not found")
    remedy = Sentence("Check the ID or the name; see `message`.")


class Conflict(ApiError, kind="conflict", http_status=409):
    """What should be made exists already, or is being changed by somebody else."""

    title = Sentence("It already exists, or is being changed")
    remedy = Sentence("Check what exists before you try again.")


class PlanRequired(ApiError, kind="plan", http_status=403):
    """The account lacks the plan, licence or role for this."""

    title = Sentence("The account lacks a plan, licence or role")
    remedy = Sentence("Do what `hint` says.")


class RateLimited(ApiError, kind="rate_limit", exit_code=5, http_status=429):
    """Too many requests for now."""

    title = Sentence("Too many requests to {vendor}")
    remedy = Sentence("Wait until `retry_at`.")


class QuotaReached(ApiError, kind="quota", exit_code=5, http_status=429):
    """Too many requests for a longer time, often until midnight UTC."""

    title = Sentence("{vendor}'s limit is reached")
    remedy = Sentence("Wait until `retry_at`, which may be hours away.")


class TransportError(RequestError, kind="transport", exit_code=6, http_status=502):
    """No readable answer: the network, a time-out, or an answer that is not what the API promises."""

    title = Sentence("No readable answer from {vendor}")
    remedy = Sentence("Try again if `retriable`; otherwise check first whether it was done.")


class InternalError(RequestError, kind="internal", exit_code=7, http_status=500):
    """An unexpected error: a fault of the connector or of a function that it was given; `__cause__` is the original."""

    title = Sentence("The connector failed")
    remedy = Sentence("Report it with its `__cause__`; if `may_have_been_done`, check whether it was done.")


class Guard:
    """The outer guard of calls: within it, what is no `ConnectorError` leaves as an `InternalError`.

    What ends a program (KeyboardInterrupt, a cancelled task) passes, and so does what `passes` says: an error of the
    caller's own token function. `sent` says that a change may have reached the vendor. An error that leaves is put
    into the words of `book`. Tests keep the guard open, so that it hides no fault.
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
        name = type(error).__name__  # its own text can hold a secret
        what = Sentence("The connector failed ({error} in {place}).", error=name, place=at)
        hint = CHECK if self.sent else Sentence("Nothing was changed.")
        raise InternalError(what, hint=hint, may_have_been_done=self.sent) from error


class StoreError(ConnectorError, kind="store", exit_code=3, http_status=503):
    """What keeps connections and events can't be read or written; nothing that was stored is lost."""

    title = Sentence("The store does not work")
    remedy = Sentence("Try again later; nothing that was stored is lost.")

    def __init__(self, message: str, *, hint: str | None = None, retriable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retriable = retriable


class SignatureError(ConnectorError, kind="signature", http_status=401):
    """A webhook without a valid signature: answer 401 and deliver nothing."""

    title = Sentence("The webhook is not signed by {vendor}")
    remedy = Sentence("Deliver nothing; if {vendor} did send it, compare the two secrets.")


class PayloadError(ConnectorError, kind="payload", http_status=400):
    """A signed webhook whose body is no JSON object: answer 400 and deliver nothing."""

    title = Sentence("The webhook cannot be read")
    remedy = Sentence("Deliver nothing; the body is not a JSON object.")


KINDS = {  # that a refusal can be sorted into
    error.kind: error for error in ERRORS if issubclass(error, RequestError) and error is not InternalError
}
