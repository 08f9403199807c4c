"""WatchClient: what goes through it, from the server to the player and back."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection

from watchbuddy_core.actions import Action, EndReaction, Jump, Speak
from watchbuddy_core.client.address import authorization, is_loopback, websocket_url
from watchbuddy_core.client.connection import Connection
from watchbuddy_core.client.failures import error_of
from watchbuddy_core.client.happenings import (
    Arrived,
    Begun,
    Covered,
    DensityChanged,
    Disconnected,
    Ended,
    Happening,
    Noticed,
    Progressed,
    Reached,
    Ready,
    ReplyFinished,
    ReplyStarted,
    Silenced,
    Welcomed,
)
from watchbuddy_core.client.hold import Alarm, Hold
from watchbuddy_core.client.performing import Performer
from watchbuddy_core.client.remote import Remote
from watchbuddy_core.entries import FeedbackWish
from watchbuddy_core.errors import InvalidMessage, ProcessingFailed, WatchBuddyError
from watchbuddy_core.events import Outcome
from watchbuddy_core.player import Clock, Player, WallClock
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.wire import (
    ActionCompletedMessage,
    CoverageMessage,
    DensityMessage,
    ErrorMessage,
    Feature,
    FeedbackMessage,
    InterruptMessage,
    NoticeMessage,
    ProcessingErrorMessage,
    ProgressMessage,
    ReplyFinishedMessage,
    ReplyStartedMessage,
    SeekUpdateMessage,
    SessionReadyMessage,
    StopSpeakingMessage,
    TimestampUpdateMessage,
    UnknownMessage,
    UserMessage,
    WelcomeMessage,
    decode_server_message,
)

REPORT_SECONDS = 0.25
"""How often the time is reported: as often as browsers do, at the least."""
DEFAULT_FEATURES: tuple[Feature, ...] = ("hold",)
"""What makes every client better, and changes nothing for who uses it."""
_AHEAD_SECONDS = 3.0
"""What belongs here lies less far ahead, in media seconds: two that it is sent ahead by, and
one for positions that jitter."""
_LOOKBACK_SECONDS = 0.25
"""A server sends what lies so far before the target of a seek, in media seconds."""
_CROSSING_SECONDS = 2.0
"""How long after a seek something that was sent before it may still arrive."""
_LOOK_SECONDS = 0.05
"""How often the player is looked at while something is held: it does not say by itself that
the user has paused, resumed, sought or changed the rate."""
_LEAST_WAIT = 0.001

_log = logging.getLogger("watchbuddy.client")


class WatchClient:
    """One viewer's connection to a session. Make one, and `run` it once.

    Args:
        server: the address that `create_session` was called with.
        player: what plays the video. It need not play yet.
        token: the one that `create_session` was called with.
        speak: says a line and returns when it has been said; cancelled where the user
            seeks away. By default, the time that the line would take passes.
        listen: is told what happens, as it happens.
        clock: monotonic seconds, also for `interval` and all waiting.
        interval: seconds between two reports of the time.
        linger: seconds to wait, after the video has ended, for what is still to come.
        patience: seconds without a connection after which the client gives up.
        features: what to ask of the server; what it does not grant is done without. With
            `hold`, actions come ahead and are carried out exactly when the player gets to
            them. With `early_ready`, `Ready` tells that the first part of the script is
            there. With none, the server is spoken to as if it had none to grant.
    """

    def __init__(
        self,
        server: str,
        session_id: str,
        player: Player,
        *,
        token: str | None = None,
        speak: Callable[[Speak], Awaitable[None]] | None = None,
        listen: Callable[[Happening], None] = lambda happening: None,
        clock: Clock | None = None,
        interval: float = REPORT_SECONDS,
        linger: float = 1.0,
        patience: float = 60.0,
        features: Collection[Feature] = DEFAULT_FEATURES,
    ) -> None:
        self._player = player
        self._clock: Clock = clock or WallClock()
        self._tell = listen
        self._interval = interval
        self._linger = linger
        self._features = features

        self._tasks = asyncio.TaskGroup()
        self._connection = Connection(
            websocket_url(server, session_id, features),
            headers=authorization(token),
            direct=is_loopback(server),
            clock=self._clock,
            patience=patience,
            opened=self._report,
            receive=self._receive,
            lost=lambda retry_seconds: self._tell(Disconnected(retry_seconds)),
        )
        self._remote = Remote(
            player,
            self._clock,
            sought=self._user_sought,
            landed=self._report_landing,
            switched=self._player_was_moved,
        )
        self._performer = Performer(
            player,
            self._remote,
            speak=speak or self._say_nothing,
            clock=self._clock,
            tasks=self._tasks,
            begun=lambda action: self._tell(Begun(action)),
            ended=self._complete,
        )
        self._hold = Hold()
        self._alarm = Alarm(self._clock, self._tasks, self._look)
        self._ready = False
        self._notices: set[Noticed] = set()
        self._outcomes: dict[str, Outcome] = {}
        """What was carried out in this pass: it is not done again, only confirmed again."""
        self._sought_at = -math.inf
        self._sought_to = 0.0

    async def run(self) -> None:
        """Watch until the script is there and the video has ended; reconnect as often as needed.

        Cancelling it closes the connection, ends what is being carried out, and leaves
        the player playing if only the companion had paused it.

        Raises:
            ProcessingFailed: the server could make no script, or the session was cancelled.
            Unauthorized: the server needs a token, or another one.
            SessionNotFound: the server knows no such session, or it is another caller's.
            ConnectionLost: the server cannot be reached, or has closed for good.
            MissingExtra: the extra `client` is not installed.
        """
        failure: WatchBuddyError | None = None
        async with self._tasks as tasks:
            reporter = tasks.create_task(self._report_regularly())
            try:
                await self._connection.run(tasks)
            except WatchBuddyError as exc:
                failure = exc
            finally:
                reporter.cancel()
                self._hold.drop()
                self._alarm.cancel()
                self._performer.cancel()
        if failure is not None:
            raise failure

    def notice(self) -> None:
        """Look at the player now.

        Call it when the user has paused, resumed or sought, and the server hears of it at
        once; otherwise it does with the next report. A seek of up to a second is none.
        """
        if not self._remote.moving:
            self._look()
            self._report()

    def feedback(self, kind: FeedbackWish) -> None:
        """Ask for more of the companion, or less; `DensityChanged` is the server's answer.

        Raises:
            ValueError: the client was made without the feature `feedback`.
        """
        self._need("feedback", "feedback")
        self._connection.send(FeedbackMessage(kind=kind))

    def say(self, text: str) -> None:
        """Say something to the companion. Its answer comes between `ReplyStarted` and
        `ReplyFinished`, as actions like any others.

        Args:
            text: up to 2,000 characters, and at least one that can be seen.

        Raises:
            ValueError: the client was made without the feature `chat`, or `text` is no message.
        """
        self._need("chat", "say")
        self._connection.send(UserMessage(text=text))

    def interrupt(self) -> None:
        """Have the companion stop talking; `Silenced` tells that it has.

        Raises:
            ValueError: the client was made without the feature `chat`.
        """
        self._need("chat", "interrupt")
        self._connection.send(InterruptMessage())

    def _need(self, feature: Feature, what: str) -> None:
        if feature not in self._features:
            raise ValueError(f"{what} needs WatchClient(…, features=(…, {feature!r}))")

    # --- what the server says ----------------------------------------------------------

    def _receive(self, frame: str | bytes) -> None:
        try:
            message = decode_server_message(frame)
        except InvalidMessage as exc:
            _log.warning("the server sent what is no message: %s", exc)
            return
        match message:
            case WelcomeMessage():
                self._tell(
                    Welcomed(
                        features=message.features,
                        character_id=message.character_id,
                        start=message.start_time,
                        end=message.end_time,
                        duration=message.duration,
                    )
                )
            case ProgressMessage(stage=stage, fraction=fraction, message=words):
                self._tell(Progressed(stage, fraction, words))
            case CoverageMessage(ranges=ranges):
                self._tell(Covered(ranges))
            case NoticeMessage(code=code, message=words):
                self._tell_once(Noticed(code, words))
            case DensityMessage(value=density):
                self._tell(DensityChanged(density))
            case ReplyStartedMessage(message_id=message_id):
                self._tell(ReplyStarted(message_id))
            case ReplyFinishedMessage(message_id=message_id):
                self._tell(ReplyFinished(message_id))
            case StopSpeakingMessage():
                self._performer.interrupt()
                self._tell(Silenced())
            case SessionReadyMessage():
                if not self._ready:
                    self._ready = True
                    self._tell(Ready())
            case ProcessingErrorMessage():
                raise error_of(ProcessingFailed, message.error_code, message.message)
            case ErrorMessage():
                _log.warning("the server did not understand: %s", message.message)
            case UnknownMessage():
                _log.debug("ignored a message of type %s", message.type)
            case _:
                self._take(message)

    def _tell_once(self, notice: Noticed) -> None:
        """What still holds comes again with each connection."""
        if notice not in self._notices:
            self._notices.add(notice)
            self._tell(notice)

    # --- from its arrival to its end ----------------------------------------------------

    def _take(self, action: Action) -> None:
        """Take an action on, unless it was done in this pass or belongs to an older one."""
        self.notice()
        if action.id in self._hold or action.id in self._performer:
            return
        if action.id in self._outcomes:
            self._confirm(action, self._outcomes[action.id])
            return
        if self._is_of_an_older_pass(action):
            _log.debug("action %s was sent before the seek", action.id)
            return
        position = self._player.position
        self._tell(Arrived(action, position))
        is_ahead = action.trigger_timestamp > position
        if is_ahead:
            self._hold.add(action)
        self._release(position)
        if not is_ahead:
            self._begin(action, position)

    def _is_of_an_older_pass(self, action: Action) -> bool:
        """Whether it was on its way already when the user sought, and is out of place now."""
        if self._clock.now() - self._sought_at > _CROSSING_SECONDS:
            return False
        if isinstance(action, EndReaction):
            return False
        first = self._sought_to - _LOOKBACK_SECONDS
        return not first <= action.trigger_timestamp <= self._player.position + _AHEAD_SECONDS

    def _look(self) -> None:
        """See what the user has done, and how far the video has played."""
        if not self._remote.moving:
            self._remote.look()
            self._release(self._player.position)

    def _release(self, position: float) -> None:
        """Begin with what has been played up to. Only the player decides; the alarm wakes."""
        if self._remote.moving:
            return
        for action in self._hold.take_reached(position, since=self._remote.since):
            self._begin(action, position)
        if self._hold:
            self._alarm.set(self._seconds_to_look_again(position))

    def _seconds_to_look_again(self, position: float) -> float:
        if self._player.paused:
            return _LOOK_SECONDS
        distance = self._hold.next_trigger(since=self._remote.since) - position
        return min(max(distance / self._player.playback_rate, _LEAST_WAIT), _LOOK_SECONDS)

    def _begin(self, action: Action, position: float) -> None:
        self._tell(Reached(action, position))
        self._performer.carry_out(action)

    def _complete(self, action: Action, outcome: Outcome) -> None:
        self._outcomes[action.id] = outcome
        self._confirm(action, outcome)
        self._tell(Ended(action, outcome))
        if isinstance(action, Jump):
            for left_out in self._hold.take_left_out(since=self._remote.since):
                self._complete(left_out, "skipped")

    # --- what the server is told -------------------------------------------------------

    async def _report_regularly(self) -> None:
        while not self._at_rest():
            while not self._at_rest():
                self.notice()
                await self._clock.sleep(self._interval)
            self.notice()
            await self._clock.sleep(self._linger)
        self._connection.finish()

    def _at_rest(self) -> bool:
        return self._ready and self._player.ended and not self._performer.busy

    def _report(self) -> None:
        self._connection.send(
            TimestampUpdateMessage(
                timestamp=self._player.position,
                paused=self._player.paused,
                playback_rate=self._player.playback_rate,
            )
        )

    def _report_landing(self, jump: Jump) -> None:
        self._connection.send(
            SeekUpdateMessage(timestamp=self._player.position, cause="action", action_id=jump.id)
        )
        self._player_was_moved()

    def _player_was_moved(self) -> None:
        self._report()
        self._release(self._player.position)

    def _user_sought(self, position: float) -> None:
        """A new pass begins: nothing of the old one goes on, and all may come again."""
        self._connection.send(SeekUpdateMessage(timestamp=position, cause="user"))
        self._hold.drop()
        self._performer.interrupt()
        self._outcomes.clear()
        self._sought_at, self._sought_to = self._clock.now(), position

    def _confirm(self, action: Action, outcome: Outcome) -> None:
        self._connection.send(ActionCompletedMessage(action_id=action.id, outcome=outcome))

    # --- the voice of one that has none -------------------------------------------------

    async def _say_nothing(self, line: Speak) -> None:
        await self._clock.sleep(spoken_seconds(line.text))
