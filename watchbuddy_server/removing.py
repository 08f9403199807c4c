"""POST /internal/sessions/removal: what `watchbuddy sessions rm` asks of a server that runs.

One program at a time writes the file of sessions, and a server knows by heart how it stands: so
it has to do this itself.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from watchbuddy_core.errors import Unauthorized
from watchbuddy_core.session import Sessions
from watchbuddy_server.bodies import read_json
from watchbuddy_server.lending import INTERNAL
from watchbuddy_server.reaching import REMOVAL_PATH, Removal, Removed


@dataclass(frozen=True, slots=True)
class Operator:
    """Who may have any session deleted: whoever shows this key."""

    forget_user: Callable[[str], Awaitable[object]]
    """Deletes all that the store keeps of a user."""
    key: str

    @classmethod
    def new(cls, forget_user: Callable[[str], Awaitable[object]]) -> Operator:
        """With a key that nobody has seen before."""
        return cls(forget_user, secrets.token_urlsafe(32))

    def is_shown_by(self, authorization: str) -> bool:
        """Whether a request with this header comes from them."""
        return hmac.compare_digest(authorization.encode(), f"Bearer {self.key}".encode())


@post(REMOVAL_PATH, opt=INTERNAL, include_in_schema=False, status_code=HTTP_200_OK)
async def remove_sessions(
    request: Request[Any, Any, Any],
    sessions: NamedDependency[Sessions],
    operator: NamedDependency[Operator | None],
) -> Removed:
    """Delete sessions, or all that is kept of a user: whoever works on them, or watches, is told
    that they are over."""
    if operator is None or not operator.is_shown_by(request.headers.get("authorization", "")):
        raise Unauthorized
    wanted = await read_json(request, Removal)
    await sessions.remove(wanted.session_ids)
    count = len(wanted.session_ids)
    if wanted.user_id is not None:
        count += await sessions.remove_of_user(wanted.user_id)
        await operator.forget_user(wanted.user_id)
    return Removed(sessions=count)
