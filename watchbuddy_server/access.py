"""Who comes in: every route of ours asks here, and asks for a token where one is needed.

    request ── Host, Origin ── how often ── token, or ticket ── whose session ── the route
                  403            429              401                 404

A session that was created with a token is reached with that token, and is not there for anybody
else. One that was created without is reached by whoever knows its id, on a server that needs no
tokens.

A route says otherwise in its `opt`: `public` is for everybody, however often, `ticket` names
what a ticket may stand in for, and `internal` is for programs that the route itself looks at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard, Scope

from watchbuddy_core.commons import Commons
from watchbuddy_core.errors import SessionNotFound, Unauthorized
from watchbuddy_core.storage import SessionRecord, Store
from watchbuddy_core.tickets import Tickets
from watchbuddy_core.wire import TicketPurpose
from watchbuddy_server.security import Admission
from watchbuddy_server.tokens import BY_TOKEN, Tokens
from watchbuddy_server.traffic import Traffic, address_of

Need = Literal["always", "forwarded", "never"]
"""When a token has to be shown. `forwarded`: where a request says that a proxy passed it on, to
a server that knows of none, and so believed that no other machine reaches it."""

PUBLIC: dict[str, Any] = {"public": True}
"""The `opt` of a route that needs no token, and tells nothing that would be worth one."""

_FORWARDED = (
    *("forwarded", "via", "x-real-ip"),
    *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
)
_PASSED_ON = (
    "A proxy has passed this on to a server that knows of none, so it needs a token:"
    " `Authorization: Bearer wb_…`. Its operator can open it all the same: --open."
)
_CALLER = "watchbuddy_caller"
_Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking."""

    name: str
    """`token:…` where they have shown one, else their address; see `SessionRecord.caller`."""
    only_own: bool
    """Whether what was created without a token is nothing to them."""

    @property
    def has_token(self) -> bool:
        return self.name.startswith(BY_TOKEN)

    def reaches(self, record: SessionRecord) -> bool:
        """Whether this session is there for them."""
        if record.caller.startswith(BY_TOKEN) or self.only_own:
            return record.caller == self.name
        return True


class Access:
    """The rule of a server; `guard_of` applies it to routes.

    Args:
        tokens: those that are good. None: tokens are no matter of ours, and what a request
            shows is for the application that the routes are part of.
        store: where sessions are kept, with whose they are.
        commons: what tickets are signed with, and which were used.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        tokens: Tokens | None,
        need: Need,
        store: Store,
        commons: Commons,
    ) -> None:
        self.admission = admission
        self.tickets = Tickets(commons)
        self._tokens = tokens
        self._need = need
        self._store = store

    async def admit(self, connection: _Connection, ticket: TicketPurpose | None = None) -> Caller:
        """Who is asking; and the session that the address names, if any, is there for them.

        Args:
            ticket: what a ticket in the address may stand in for.

        Raises:
            Unauthorized: a token is missing, or what was shown is no good one. Says nothing of
                whether there is such a session.
            SessionNotFound: it is not there, or not for them.
            StoreFailed: nobody can tell.
        """
        session_id: str | None = connection.path_params.get("session_id")
        shown = connection.query_params.get("ticket") if ticket else None
        if ticket and shown is not None and session_id is not None and not _bearer(connection):
            return await self._admit_ticket(connection, shown, ticket, session_id)
        caller = self._caller(connection)
        if session_id is not None and not caller.reaches(await self._store.get(session_id)):
            raise SessionNotFound
        return caller

    def still_admits(self, caller: Caller) -> bool:
        """Whether the token of somebody who was let in is still good. Cheap."""
        return not caller.has_token or self._tokens is None or self._tokens.knows(caller.name)

    async def _admit_ticket(
        self, connection: _Connection, shown: str, purpose: TicketPurpose, session_id: str
    ) -> Caller:
        """A ticket speaks for whoever created the session, as long as their token is good."""
        if not await self.tickets.take(shown, purpose, session_id):
            raise Unauthorized
        owner = (await self._store.get(session_id)).caller
        caller = Caller(owner or _address(connection), only_own=self._needs_token(connection))
        if not self.still_admits(caller):
            raise Unauthorized
        return caller

    def _caller(self, connection: _Connection) -> Caller:
        is_needed = self._needs_token(connection)
        token = _bearer(connection) if self._tokens is not None else None
        if token is not None:
            name = self._tokens.find(token) if self._tokens is not None else None
            if name is None:
                raise Unauthorized
            return Caller(name, only_own=is_needed)
        if is_needed:
            raise Unauthorized(_PASSED_ON) if self._need == "forwarded" else Unauthorized
        return Caller(_address(connection), only_own=False)

    def _needs_token(self, connection: _Connection) -> bool:
        if self._need == "forwarded":
            return any(name in connection.headers for name in _FORWARDED)
        return self._need == "always"


def guard_of(access: Access, traffic: Traffic) -> Guard:
    """What routes are guarded with.

    A WebSocket that takes tickets asks by itself, with `Access.admit`, once it is accepted: a
    browser cannot see why a handshake was refused.
    """

    # No method: the framework makes a deep copy of its guards, and of what they are bound to. And
    # a coroutine: a plain function would be run in the default executor, and every request would
    # queue behind what is done there.
    async def guard(connection: _Connection, route: BaseRouteHandler) -> None:
        if route.opt.get("internal"):
            return
        access.admission.check(connection)
        ticket: TicketPurpose | None = route.opt.get("ticket")
        if route.opt.get("public") or (ticket and connection.scope["type"] == ScopeType.WEBSOCKET):
            return
        await traffic.request(address_of(connection))
        connection.scope["state"][_CALLER] = await access.admit(connection, ticket)

    return guard


def caller_in(scope: Scope) -> Caller:
    """Who is asking; a dependency of the routes behind the guard."""
    caller = scope["state"][_CALLER]
    assert isinstance(caller, Caller)
    return caller


def _bearer(connection: _Connection) -> str | None:
    """What is shown as a token. A login of another kind is somebody else's matter."""
    scheme, _, token = connection.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _address(connection: _Connection) -> str:
    """Of the client, which a proxy may have told; never what would be a caller by token. As it is
    counted: who has a /64 would else have a budget for each of its addresses."""
    address = address_of(connection) or ""
    return "" if address.startswith(BY_TOKEN) else address
