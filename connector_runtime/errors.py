"""The errors a caller can meet, sorted by what the reader should do. A leaf: touches nothing.

ConnectorError
├── DefinitionError     fix the YAML
├── InputError          fix the inputs; raised before anything is sent
├── AuthError           reconnect
│   └── MissingScope    add the scope it names, then reconnect
├── ApiError            the vendor said no
│   ├── NotFound
│   ├── Conflict
│   ├── PlanRequired    the account lacks a plan or a licence
│   ├── RateLimited     wait until `retry_at`
│   └── QuotaReached    wait until `retry_at`, which may be hours away
├── TransportError      no readable answer; `may_have_been_done` says whether a change may have happened
├── StoreError          the store of connections and events is locked, full, damaged or sealed with another key
├── SignatureError      a webhook that the vendor did not sign
└── PayloadError        a signed webhook that cannot be read
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Problem(NamedTuple):
    """One thing to mend: `where` (`inputs.topic`, `actions/x.yaml:31 inputs.type.to`) and `what` (with the remedy)."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConnectorError(Exception):
    """The root. `kind` names the class in one word; `retriable` says whether the same call may succeed later."""

    kind: ClassVar[str] = "error"
    retriable: bool = False

    def __init__(self, message: str, *, hint: str | None = None, problems: Iterable[Problem] = ()) -> None:
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
        super().__init__(message)

    def __str__(self) -> str:
        first = self.message if self.hint is None else f"{self.message} {self.hint}"
        return "\n".join([first, *(f"  {problem}" for problem in self.problems)])

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON data, the shape that platforms and the command line show."""
        return {
            "kind": self.kind,
            "message": self.message,
            "hint": self.hint,
            "problems": [{"where": problem.where, "what": problem.what} for problem in self.problems],
            "retriable": self.retriable,
        }


class DefinitionError(ConnectorError):
    """A definition file is wrong; `problems` names each fault with file and line."""

    kind = "definition"

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> DefinitionError:
        found = tuple(problems)
        return cls("The definition is not usable:" if len(found) == 1 else f"{len(found)} faults:", problems=found)


class InputError(ConnectorError):
    """The inputs are wrong; `problems` names all of them. Nothing was sent."""

    kind = "input"

    @classmethod
    def of(cls, subject: str, problems: Iterable[Problem]) -> InputError:
        found = tuple(problems)
        count = "One problem" if len(found) == 1 else f"{len(found)} problems"
        return cls(f"{count} with the inputs of {subject}:", problems=found)


class RequestError(ConnectorError):
    """What all errors share that come from a request: what the vendor answered, if it answered.

    In the middle of a list, `items_read` is how many items came before it, `cursor` where the list can go on (None:
    only from its beginning), and `partial` the result so far where a run collected them.
    """

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
        self.status = status
        self.code = code
        self.tracking_id = tracking_id
        self.retriable = retriable
        self.retry_at = retry_at
        self.may_have_been_done = may_have_been_done
        self.items_read: int | None = None
        self.cursor: str | None = None
        self.partial: Any = None

    def to_dict(self) -> dict[str, Any]:
        at = self.retry_at
        return {
            **super().to_dict(),
            "status": self.status,
            "code": self.code,
            "tracking_id": self.tracking_id,
            "retry_at": at.isoformat().replace("+00:00", "Z") if at else None,
            "may_have_been_done": self.may_have_been_done,
            "items_read": self.items_read,
            "cursor": self.cursor,
        }


class AuthError(RequestError):
    """The vendor refused the token, or there is none."""

    kind = "token"


class MissingScope(AuthError):
    """The token is good but lacks a permission; `hint` names it where the vendor does."""

    kind = "missing_scope"


class ApiError(RequestError):
    """The vendor said no. `problems` maps its complaints to our inputs where it names fields."""

    kind = "api"


class ValidationFailed(ApiError):
    """The vendor found the request's values wrong."""

    kind = "validation"


class NotFound(ApiError):
    """What the inputs name does not exist, or is not visible to this connection."""

    kind = "not_found"


class Conflict(ApiError):
    """What should be made exists already, or is being changed by somebody else."""

    kind = "conflict"


class PlanRequired(ApiError):
    """The account lacks the plan, licence or role for this."""

    kind = "plan"


class RateLimited(ApiError):
    """Too many requests for now."""

    kind = "rate_limit"


class QuotaReached(ApiError):
    """Too many requests for a longer time, often until midnight UTC."""

    kind = "quota"


class TransportError(RequestError):
    """No readable answer: the network, a time-out, or an answer that is not what the API promises."""

    kind = "transport"


class StoreError(ConnectorError):
    """What keeps connections and events can't be read or written; nothing that was stored is lost."""

    kind = "store"

    def __init__(self, message: str, *, hint: str | None = None, retriable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retriable = retriable


class SignatureError(ConnectorError):
    """A webhook without a valid signature: answer 401 and deliver nothing."""

    kind = "signature"


class PayloadError(ConnectorError):
    """A signed webhook whose body is no JSON object: answer 400 and deliver nothing."""

    kind = "payload"


KINDS: dict[str, type[RequestError]] = {
    error.kind: error
    for error in (
        AuthError,
        MissingScope,
        ApiError,
        ValidationFailed,
        NotFound,
        Conflict,
        PlanRequired,
        RateLimited,
        QuotaReached,
        TransportError,
    )
}
