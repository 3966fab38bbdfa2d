"""Responds to requests as Zoom does: finds the endpoint, authorizes, checks, and calls the handler. Does no I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from itertools import count
from typing import Any

from . import auth, chat, checks, conditions, endpoints, meetings, recordings, registrants, users, webinars
from .account import Account
from .endpoints import Call, Endpoint, ZoomRefusal
from .hooks import Hooks
from .wire import WireRequest, WireResponse

Handler = Callable[[Account, Call], dict[str, Any] | None]

HANDLERS: dict[str, Handler] = {
    "meetingCreate": meetings.create_meeting,
    "meeting": meetings.get_meeting,
    "meetingUpdate": meetings.update_meeting,
    "meetingDelete": meetings.delete_meeting,
    "meetingInvitation": meetings.get_invitation,
    "meetings": meetings.list_meetings,
    "meetingRegistrantCreate": registrants.add_meeting_registrant,
    "meetingRegistrants": registrants.list_meeting_registrants,
    "userCreate": users.create_user,
    "user": users.get_user,
    "userUpdate": users.update_user,
    "userDelete": users.delete_user,
    "users": users.list_users,
    "webinar": webinars.get_webinar,
    "webinars": webinars.list_webinars,
    "webinarRegistrantCreate": registrants.add_webinar_registrant,
    "webinarRegistrants": registrants.list_webinar_registrants,
    "listWebinarParticipants": webinars.list_participants,
    "reportWebinarParticipants": webinars.report_participants,
    "recordingGet": recordings.get_recordings,
    "phoneUserRecordings": recordings.list_phone_recordings,
    "getChannels": chat.list_channels,
    "getChatMessages": chat.list_messages,
}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Zoom:
    """Responds to the API requests to one account."""

    def __init__(self, account: Account, tokens: auth.IssuedTokens, hooks: Hooks) -> None:
        self._account = account
        self._hooks = hooks
        self._tokens = tokens
        self._tracking = count(1)

    def answer(self, request: WireRequest, more_conditions: Collection[str] = ()) -> WireResponse:
        """Respond to any request, under the account's conditions and these; a refusal is a response too."""
        try:
            endpoint, path = self._find(request)
        except ZoomRefusal as refusal:
            return self.refuse(refusal)
        account, now = self._account, self._account.clock()
        headers: tuple[tuple[str, str], ...] = (("X-RateLimit-Category", endpoint.rate.capitalize()),)
        try:
            grant = self.authorize(request)
            headers += account.limits.take(endpoint, now)
            auth.check_scopes(grant, endpoint)
            if grant.user is not None and path.get("userId") == "me":
                path = {**path, "userId": grant.user}
            call = checks.check(endpoint, request, path, now)
            if account.conditions or more_conditions:
                conditions.refuse(account.conditions.union(more_conditions), call)
            body = self._hooks.carry_out(HANDLERS[endpoint.operation], call)
        except ZoomRefusal as refusal:
            if "refusals_in_200" in account.conditions and "webinar" in endpoint.path:
                refusal.status = 200
            return self.refuse(refusal, headers)
        content = b"" if body is None else _encode(body).encode("utf-8", "surrogatepass")
        return WireResponse(status=endpoint.success, body=content, headers=(self._track(), *headers), carried_out=True)

    def authorize(self, request: WireRequest) -> auth.Grant:
        """Return the grant of the request's token, or raise Zoom's refusal."""
        return self._tokens.authorize(request)

    def refuse(self, refusal: ZoomRefusal, headers: tuple[tuple[str, str], ...] = ()) -> WireResponse:
        """Turn a refusal into a response; its own headers replace those in `headers`."""
        body = _encode(refusal.body()).encode()
        merged = {**dict(headers), **dict(refusal.headers)}
        return WireResponse(status=refusal.status, body=body, headers=(self._track(), *merged.items()))

    def refuse_bytes(self, status: int, reason: str) -> WireResponse:
        """Respond to bytes that are not a valid request."""
        if status == 413:
            return self.refuse(auth.refusal(300, "too large"))
        return self.refuse(ZoomRefusal(status, 300, f"Bad request: {reason}."))

    def _find(self, request: WireRequest) -> tuple[Endpoint, dict[str, str]]:
        path = request.target.partition("?")[0]
        match = endpoints.find(request.method, path[3:]) if path.startswith("/v2/") else None
        if match is None:
            self.authorize(request)
            raise auth.refusal(2300, "")
        return match

    def _track(self) -> tuple[str, str]:
        return ("x-zm-trackingid", f"v=2.0;clid=us01;rid=WEB_{next(self._tracking):032x}")
