"""A client of the wire: creates a session, connects, comes back, and obeys.

    session_id = await create_session("http://127.0.0.1:8000", request)
    client = WatchClient("http://127.0.0.1:8000", session_id, player)
    await client.run()

`WatchClient` stands between the server and a video player that you bring along. It
reports where the player is, carries out what the companion wants of it, and says when
that is done. Three organs work side by side, each doing one thing after the other: the
voice (SPEAK), the hand on the player (PAUSE_VIDEO, SEEK, REPLAY_SEGMENT, and a SPEAK
that pauses), and the face (EXPRESSION, END_REACTION), which is shown at once.

The user always wins. What the player does that the client did not ask for was the user:
a video they paused is not resumed, one they resumed is not paused again, and where they
seek, everything that was going on at the old place ends.

Needs the extra `client`, except for `create_session`.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import logging
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from watchbuddy_core.actions import (
    Action,
    EndReaction,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.errors import (
    ConnectionLost,
    InvalidMessage,
    MissingExtra,
    ProcessingFailed,
    RequestRefused,
    SessionCancelled,
    SessionNotFound,
    WatchBuddyError,
)
from watchbuddy_core.events import Outcome
from watchbuddy_core.player import Clock, Player, WallClock
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.wire import (
    ActionCompletedMessage,
    ClientMessage,
    ControlMessage,
    CreateSession,
    ErrorMessage,
    ProcessingErrorMessage,
    SeekUpdateMessage,
    SessionReadyMessage,
    TimestampUpdateMessage,
    UnknownMessage,
    decode_server_message,
    encode,
)

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.frames import Close

REPORT_SECONDS = 0.25
"""How often the time is reported: as often as browsers do, at the least."""
_REQUEST_SECONDS = 30.0
_SEEK_SECONDS = 1.0
"""A leap of more than this, in media seconds, is a seek and no jitter."""
_LOOKBACK_SECONDS = 0.25
"""A server sends what lies so far before the target of a seek, in media seconds."""
_CROSSING_SECONDS = 2.0
"""How long after a seek something that was sent before it may still arrive."""
_POLL_SECONDS = 0.05
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 8.0
_STEADY_SECONDS = 5.0
"""A connection that held for so long was a good one: waits begin anew."""

_log = logging.getLogger("watchbuddy.client")


# --- what it tells ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The script is there. Told once, however often the client reconnects."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The server has sent an action, while the player was at `position`."""

    action: Action
    position: float


@dataclass(frozen=True, slots=True)
class Begun:
    """An action is being carried out."""

    action: Action


@dataclass(frozen=True, slots=True)
class Ended:
    """The client is through with an action, and the server has been, or will be, told."""

    action: Action
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection broke; the next attempt is made in so many seconds."""

    retry_seconds: float


Happening = Ready | Arrived | Begun | Ended | Disconnected


# --- creating a session ----------------------------------------------------------------


async def create_session(server: str, request: CreateSession) -> str:
    """Ask a server for a session, and answer with its id.

    Args:
        server: where it is, such as `http://127.0.0.1:8000`.

    Raises:
        RequestRefused: it said no. The class and the `code` are those of its answer,
            without the facts that its own error carries as attributes.
        ConnectionLost: there is no such server, or it did not answer as one.
    """
    return await asyncio.to_thread(_post, server, request)


def _post(server: str, request: CreateSession) -> str:
    try:
        message = Request(
            f"{server.rstrip('/')}/api/v1/sessions",
            data=request.model_dump_json(exclude_none=True).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _opener(server).open(message, timeout=_REQUEST_SECONDS) as answer:
            session_id = json.load(answer)["session_id"]
    except HTTPError as exc:
        with exc:
            raise _refusal(server, exc) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionLost(f"No server answers at {server}: {_reason(exc)}.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise _no_watch_server(server) from exc
    return str(session_id)


def _opener(server: str) -> OpenerDirector:
    return build_opener(ProxyHandler({})) if _is_loopback(server) else build_opener()


def _is_loopback(server: str) -> bool:
    try:
        host = urlsplit(server).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(server: str, answer: HTTPError) -> WatchBuddyError:
    try:
        detail = json.load(answer)["detail"]
        code, message = str(detail["error"]), str(detail["message"])
    except (ValueError, KeyError, TypeError):
        return _no_watch_server(server)
    return _error(RequestRefused, code, message)


def _no_watch_server(server: str) -> ConnectionLost:
    return ConnectionLost(f"What answers at {server} is no AI Watch Buddy server.")


def _reason(exc: Exception) -> str:
    cause = getattr(exc, "reason", exc)
    said = getattr(cause, "strerror", None) or str(cause)
    return said.rstrip(".") or type(exc).__name__


_E = TypeVar("_E", bound=WatchBuddyError)


def _error(family: type[_E], code: str, message: str) -> _E:
    """The error that a server has met, as far as its code and message tell it."""
    kind = next((kind for kind in family.__subclasses__() if kind.code == code), None)
    if kind is None:
        kind = cast(type[_E], type(family.__name__, (family,), {"code": code}))
    return kind.__new__(kind, message)


# --- watching --------------------------------------------------------------------------


@dataclass(slots=True)
class _Performance:
    action: Action
    task: asyncio.Task[None] | None = None
    begun: bool = False


@dataclass(slots=True)
class _Seen:
    """The player when it was last looked at, or moved by the client itself."""

    position: float
    paused: bool
    at: float


class _Grip:
    """The companion keeps the video paused, until it lets go or the user resumes."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()


class WatchClient:
    """One viewer's connection to a session. Make one, and `run` it once.

    Args:
        server: the address that `create_session` was called with.
        player: what plays the video. It need not play yet.
        speak: says a line and returns when it has been said; cancelled where the user
            seeks away. By default, the time that the line would take passes.
        listen: is told what happens, as it happens.
        clock: monotonic seconds, also for `interval` and all waiting.
        interval: seconds between two reports of the time.
        linger: seconds to wait, after the video has ended, for what is still to come.
        patience: seconds without a connection after which the client gives up.
    """

    def __init__(
        self,
        server: str,
        session_id: str,
        player: Player,
        *,
        speak: Callable[[Speak], Awaitable[None]] | None = None,
        listen: Callable[[Happening], None] = lambda happening: None,
        clock: Clock | None = None,
        interval: float = REPORT_SECONDS,
        linger: float = 1.0,
        patience: float = 60.0,
    ) -> None:
        scheme, _, rest = server.rstrip("/").partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws/{quote(session_id)}"
        self._proxy: Literal[True] | None = None if _is_loopback(server) else True
        self._player = player
        self._clock: Clock = clock or WallClock()
        self._speak = speak or self._say_nothing
        self._tell = listen
        self._interval = interval
        self._linger = linger
        self._patience = patience

        self._outbox: deque[ClientMessage] = deque()
        self._wake = asyncio.Event()
        self._ready = False
        self._finished = False
        self._performances: dict[str, _Performance] = {}
        self._outcomes: dict[str, Outcome] = {}
        """What was carried out in this pass: it is not done again, only confirmed again."""
        self._sought_at = -math.inf
        self._sought_to = 0.0
        self._voice = asyncio.Lock()
        self._hand = asyncio.Lock()
        self._grip: _Grip | None = None
        self._moving = False
        self._seen = _Seen(player.position, player.paused, self._clock.now())

    async def run(self) -> None:
        """Watch until the script is there and the video has ended; reconnect as often as needed.

        Cancelling it closes the connection, ends what is being carried out, and leaves
        the player playing if only the companion had paused it.

        Raises:
            ProcessingFailed: the server could make no script, or the session was cancelled.
            SessionNotFound: the server knows no such session.
            ConnectionLost: the server cannot be reached, or has closed for good.
            MissingExtra: the extra `client` is not installed.
        """
        failure: WatchBuddyError | None = None
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            reporter = tasks.create_task(self._report_regularly())
            try:
                await self._stay_connected()
            except WatchBuddyError as exc:
                failure = exc
            finally:
                reporter.cancel()
                for performance in self._performances.values():
                    if performance.task is not None:
                        performance.task.cancel()
        if failure is not None:
            raise failure

    def notice(self) -> None:
        """Look at the player now.

        Call it when the user has paused, resumed or sought, and the server hears of it at
        once; otherwise it does with the next report. A seek of up to a second is none.
        """
        if self._moving:
            return
        seen, now = self._seen, self._clock.now()
        position, paused = self._player.position, self._player.paused
        reach = 0.0 if seen.paused and paused else (now - seen.at) * self._player.playback_rate
        self._seen = _Seen(position, paused, now)
        if seen.paused and not paused and self._grip is not None:
            self._grip.broken.set()
            self._grip = None
        if not seen.position - _SEEK_SECONDS <= position <= seen.position + reach + _SEEK_SECONDS:
            self._user_sought(position)
        self._report()

    # --- the connection ----------------------------------------------------------------

    async def _stay_connected(self) -> None:
        try:
            from websockets.asyncio.client import connect
            from websockets.exceptions import InvalidStatus, WebSocketException
        except ImportError as exc:
            raise MissingExtra("client", "Connecting to a server") from exc

        connected_once = False
        steady_at = self._clock.now()
        wait = _FIRST_RETRY_SECONDS
        while not self._finished:
            began = self._clock.now()
            try:
                socket = await connect(self._url, proxy=self._proxy, compression=None)
            except InvalidStatus as exc:
                problem = f"HTTP {exc.response.status_code}"
                if exc.response.status_code < 500:
                    raise ConnectionLost(f"The server does not let us in: {problem}.") from exc
            except (OSError, ValueError, WebSocketException) as exc:
                problem = _reason(exc)
            else:
                connected_once = True
                async with socket:
                    closed = await self._converse(socket)
                if self._finished:
                    return
                _raise_if_final(closed)
                problem = f"it closed the connection ({closed.code})"
            now = self._clock.now()
            if not connected_once:
                raise ConnectionLost(f"No server can be reached at {self._url}: {problem}.")
            if now - began >= _STEADY_SECONDS:
                steady_at, wait = now, _FIRST_RETRY_SECONDS
            if now - steady_at >= self._patience:
                raise ConnectionLost(f"The server was lost and did not come back: {problem}.")
            retry_seconds = wait * random.uniform(0.5, 1.0)
            _log.info("the server was lost: %s; trying again in %.1f s", problem, retry_seconds)
            self._tell(Disconnected(retry_seconds))
            await self._clock.sleep(retry_seconds)
            wait = min(2 * wait, _LAST_RETRY_SECONDS)

    async def _converse(self, socket: ClientConnection) -> Close:
        """Send and receive until the connection is over; says how it ended."""
        from websockets.exceptions import ConnectionClosed
        from websockets.frames import Close, CloseCode

        self._outbox = deque(
            message for message in self._outbox if not isinstance(message, TimestampUpdateMessage)
        )
        self._report()
        writer = self._tasks.create_task(self._write(socket))
        try:
            while True:
                try:
                    frame = await socket.recv()
                except ConnectionClosed as exc:
                    return exc.rcvd or Close(CloseCode.ABNORMAL_CLOSURE, "")
                self._receive(frame)
        finally:
            writer.cancel()

    async def _write(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        while True:
            while self._outbox:
                message = self._outbox.popleft()
                try:
                    await socket.send(encode(message))
                except (ConnectionClosed, asyncio.CancelledError):
                    self._outbox.appendleft(message)
                    return
            if self._finished:
                await socket.close()
                return
            self._wake.clear()
            await self._wake.wait()

    def _receive(self, frame: str | bytes) -> None:
        try:
            message = decode_server_message(frame)
        except InvalidMessage as exc:
            _log.warning("the server sent what is no message: %s", exc)
            return
        match message:
            case SessionReadyMessage():
                if not self._ready:
                    self._ready = True
                    self._tell(Ready())
            case ProcessingErrorMessage():
                raise _error(ProcessingFailed, message.error_code, message.message)
            case ErrorMessage():
                _log.warning("the server did not understand: %s", message.message)
            case _ if isinstance(message, ControlMessage | UnknownMessage):
                _log.debug("ignored a message of type %s", message.type)
            case _:
                self._take(message)

    def _send(self, message: ClientMessage) -> None:
        report = isinstance(message, TimestampUpdateMessage)
        if report and self._outbox and isinstance(self._outbox[-1], TimestampUpdateMessage):
            self._outbox.pop()
        self._outbox.append(message)
        self._wake.set()

    # --- reporting ---------------------------------------------------------------------

    async def _report_regularly(self) -> None:
        while not self._at_rest():
            while not self._at_rest():
                self.notice()
                await self._clock.sleep(self._interval)
            self.notice()
            await self._clock.sleep(self._linger)
        self._finished = True
        self._wake.set()

    def _at_rest(self) -> bool:
        return self._ready and self._player.ended and not self._performances

    def _report(self) -> None:
        self._send(
            TimestampUpdateMessage(
                timestamp=self._player.position,
                paused=self._player.paused,
                playback_rate=self._player.playback_rate,
            )
        )

    def _user_sought(self, position: float) -> None:
        """A new pass begins: nothing of the old one goes on, and all may come again."""
        self._send(SeekUpdateMessage(timestamp=position, cause="user"))
        for performance in list(self._performances.values()):
            if performance.task is not None:
                performance.task.cancel()
            self._complete(performance, "interrupted" if performance.begun else "skipped")
        self._outcomes.clear()
        self._sought_at, self._sought_to = self._clock.now(), position

    # --- obeying -----------------------------------------------------------------------

    def _take(self, action: Action) -> None:
        """Start on an action, unless it was done in this pass or belongs to an older one."""
        self.notice()
        if action.id in self._performances:
            return
        if action.id in self._outcomes:
            self._confirm(action, self._outcomes[action.id])
            return
        if self._is_of_an_older_pass(action):
            _log.debug("action %s was sent before the seek", action.id)
            return
        self._tell(Arrived(action, self._player.position))
        performance = _Performance(action)
        self._performances[action.id] = performance
        performance.task = self._tasks.create_task(self._perform(performance))

    def _is_of_an_older_pass(self, action: Action) -> bool:
        """Whether it was on its way already when the user sought, and is out of place now."""
        if self._clock.now() - self._sought_at > _CROSSING_SECONDS:
            return False
        if isinstance(action, EndReaction):
            return False
        trigger = action.trigger_timestamp
        return not (
            self._sought_to - _LOOKBACK_SECONDS <= trigger <= self._player.position + _SEEK_SECONDS
        )

    async def _perform(self, performance: _Performance) -> None:
        action = performance.action
        match action:
            case Speak():
                outcome = await self._say(performance, action)
            case PauseVideo():
                async with self._hand:
                    outcome = await self._pause(performance, action)
            case Seek() | ReplaySegment():
                async with self._hand:
                    outcome = await self._jump(performance, action)
            case _:
                self._begin(performance)
                outcome = "done"
        self._complete(performance, outcome)

    def _begin(self, performance: _Performance) -> None:
        performance.begun = True
        self._tell(Begun(performance.action))

    def _complete(self, performance: _Performance, outcome: Outcome) -> None:
        action = performance.action
        if self._performances.pop(action.id, None) is not None:
            self._outcomes[action.id] = outcome
            self._confirm(action, outcome)
            self._tell(Ended(action, outcome))

    def _confirm(self, action: Action, outcome: Outcome) -> None:
        self._send(ActionCompletedMessage(action_id=action.id, outcome=outcome))

    # --- the voice ---------------------------------------------------------------------

    async def _say(self, performance: _Performance, line: Speak) -> Outcome:
        async with AsyncExitStack() as held:
            if line.pause_video:
                await held.enter_async_context(self._hand)
            await held.enter_async_context(self._voice)
            if line.pause_video:
                await held.enter_async_context(self._paused())
            self._begin(performance)
            await self._speak(line)
        return "done"

    async def _say_nothing(self, line: Speak) -> None:
        await self._clock.sleep(spoken_seconds(line.text))

    # --- the hand on the player --------------------------------------------------------

    @asynccontextmanager
    async def _paused(self) -> AsyncIterator[_Grip]:
        """The video stands still inside, unless the user resumes it.

        One that stood still before does so afterwards.
        """
        grip = _Grip()
        if self._player.paused:
            yield grip
            return
        self._grip = grip
        try:
            await self._player.pause()
            self._look()
            self._report()
            yield grip
        finally:
            if self._grip is grip:
                self._grip = None
                await self._player.resume()
                self._look()
                self._report()

    async def _pause(self, performance: _Performance, action: PauseVideo) -> Outcome:
        if self._player.paused:
            return "skipped"
        self._begin(performance)
        async with self._paused() as grip:
            return await self._wait(action.duration_seconds, grip)

    async def _wait(self, seconds: float, grip: _Grip) -> Outcome:
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        breaking = asyncio.ensure_future(grip.broken.wait())
        try:
            await asyncio.wait([sleeping, breaking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            breaking.cancel()
        return "interrupted" if grip.broken.is_set() else "done"

    async def _jump(self, performance: _Performance, action: Seek | ReplaySegment) -> Outcome:
        if self._player.paused:
            return "skipped"  # the user is looking at something
        self._begin(performance)
        if isinstance(action, Seek):
            await self._go(action, action.target_timestamp)
            if action.post_seek_behavior is PostSeek.STAY_PAUSED:
                await self._stay_paused()
            return "done"
        origin = self._player.position
        await self._go(action, action.start_timestamp)
        while self._player.position < action.end_timestamp and not self._player.ended:
            await self._clock.sleep(_POLL_SECONDS)
        if action.post_replay_behavior is PostReplay.RESUME_FROM_ORIGINAL:
            await self._go(action, origin)
        else:
            await self._stay_paused()
        return "done"

    async def _go(self, action: Seek | ReplaySegment, position: float) -> None:
        self._moving = True
        try:
            await self._player.seek(position)
        finally:
            self._moving = False
            self._look()
        self._report_landing(action)
        self._report()

    async def _stay_paused(self) -> None:
        await self._player.pause()
        self._look()
        self._report()

    def _report_landing(self, action: Seek | ReplaySegment) -> None:
        self._send(
            SeekUpdateMessage(timestamp=self._player.position, cause="action", action_id=action.id)
        )

    def _look(self) -> None:
        """Take the player as it is now for what the client wanted."""
        self._seen = _Seen(self._player.position, self._player.paused, self._clock.now())


# --- ends ------------------------------------------------------------------------------


def _raise_if_final(closed: Close) -> None:
    """Raises, where coming back is of no use."""
    match closed.code:
        case 4404:
            raise SessionNotFound
        case 4410:
            raise SessionCancelled
        case 4409:
            message = "Another player has taken the session over."
        case 4400:
            message = "The server closed the connection: it did not understand what we sent."
        case 4500:
            message = "The server closed the connection: the session has failed."
        case _:
            return
    if closed.reason:
        message = f"{message} ({closed.reason})"
    raise ConnectionLost(message, close_code=closed.code)
