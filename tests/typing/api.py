"""The public API as type checkers see it: checked by mypy, never executed.

Each name of `watchbuddy_core.__all__` is used as somebody who embeds the library would. What must
not pass carries a `type: ignore`, and mypy complains where that is of no use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, assert_type

from watchbuddy_core import (
    Action,
    ActionCompleted,
    ActionGenerator,
    Brief,
    Character,
    Clock,
    ClockPlayer,
    Connected,
    Conversation,
    CreateSession,
    Cue,
    Delivery,
    Draft,
    Due,
    Emotion,
    EndReaction,
    Expression,
    InvalidMessage,
    JobRunner,
    LocalJobs,
    Match,
    MemoryStore,
    MomentKind,
    Outgoing,
    Parts,
    PauseVideo,
    Phrase,
    Player,
    PlayerEvent,
    PostReplay,
    PostSeek,
    ProcessingFailed,
    Replaced,
    ReplaySegment,
    RequestRefused,
    Scheduler,
    ScriptFailed,
    ScriptReady,
    Seek,
    SeekUpdate,
    SessionLog,
    SessionNotFound,
    Sessions,
    SessionStatus,
    Settings,
    Skipped,
    Speak,
    StaleFence,
    Timeline,
    TimelineState,
    TimestampUpdate,
    Track,
    Understanding,
    UploadSource,
    Video,
    VideoRequest,
    VideoSource,
    WallClock,
    WatchBuddyError,
    WatchClient,
    WatchSession,
    Window,
    build_parts,
    create_session,
    library_url,
    read_track,
    write_track,
)
from watchbuddy_core.protocols import Progress

# --- actions ---------------------------------------------------------------------------

speak = Speak(trigger_timestamp=1.0, text="Look!", pause_video=True)
assert_type(speak.text, str)
assert_type(speak.action_type, Literal["SPEAK"])
Speak(trigger_timestamp=1.0)  # type: ignore[call-arg]
speak.text = "No"  # type: ignore[misc]

face = Expression(trigger_timestamp=1.0, emotion=Emotion.JOY)
assert_type(face.emotion, Emotion)
pause = PauseVideo(trigger_timestamp=1.0, duration_seconds=2.0)
seek = Seek(
    trigger_timestamp=9.0, target_timestamp=1.0, post_seek_behavior=PostSeek.RESUME_PLAYBACK
)
replay = ReplaySegment(
    trigger_timestamp=9.0,
    start_timestamp=1.0,
    end_timestamp=3.0,
    post_replay_behavior=PostReplay.RESUME_FROM_ORIGINAL,
)
end = EndReaction(trigger_timestamp=10.0)
actions: list[Action] = [speak, face, pause, seek, replay, end]
draft = Draft(action=speak, evidence_until=0.5, importance=0.8)


def told(action: Action) -> str:
    """Every kind is handled: mypy would miss a return where one is forgotten."""
    match action:
        case Speak(text=text):
            return text
        case Expression(emotion=emotion):
            return emotion.value
        case PauseVideo(duration_seconds=seconds):
            return str(seconds)
        case Seek(target_timestamp=target):
            return str(target)
        case ReplaySegment(start_timestamp=start):
            return str(start)
        case EndReaction():
            return "bye"


# --- the timeline ----------------------------------------------------------------------

timeline = Timeline()
scheduler: Scheduler = timeline
timeline.add(actions)
timeline.add([draft])  # type: ignore[list-item]
events: list[PlayerEvent] = [
    Connected(),
    TimestampUpdate(1.0),
    SeekUpdate(2.0, "user"),
    ActionCompleted("a"),
]
for event in events:
    timeline.receive(event, now=1.0)
timeline.receive(TimestampUpdate(1.0))  # type: ignore[call-arg]
assert_type(timeline.actions_due(), list[Due])
assert_type(timeline.drain_skipped(), list[Skipped])
assert_type(timeline.snapshot(), TimelineState)

# --- tracks ----------------------------------------------------------------------------

track = Track(actions=tuple(actions))
assert_type(track.actions, tuple[Action, ...])
assert_type(write_track(track, "vtt"), str)
assert_type(read_track(b"{}", "json"), Track)
write_track(track, "docx")  # type: ignore[arg-type]

# --- plugins ---------------------------------------------------------------------------


class Owl:
    """A generator that can be talked to. It inherits nothing."""

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        assert_type(brief.window, Window)
        assert_type(brief.understanding, Understanding)
        assert_type(brief.understanding.cues, tuple[Cue, ...])
        assert_type(brief.character, Character)
        yield draft

    async def reply(self, brief: Brief, message: str) -> AsyncIterator[Draft]:
        yield draft


class Mute:
    async def generate(self, brief: Brief) -> Sequence[Draft]:
        return ()


class Shelf:
    def match(self, url: str) -> Match:
        return Match.SITE

    async def open(self, request: VideoRequest, progress: Progress) -> Video:
        progress(0.5, request.url)
        return Video(content_id="1", title="A film", path=Path("film.mp4"))


generator: ActionGenerator = Owl()
talking: Conversation = Owl()
silent: ActionGenerator = Mute()  # type: ignore[assignment]
source: VideoSource = Shelf()
assert_type(Character.model_validate({}).phrases, dict[str, dict[MomentKind, tuple[Phrase, ...]]])

# --- sessions --------------------------------------------------------------------------

folder, url = library_url(Path("film.mp4"))
assert_type(url, str)
settings = Settings(libraries=(folder,))
parts: Parts = build_parts(settings)
store = MemoryStore()
log: SessionLog = store
request = CreateSession(video_url=url, character_id="miao")


def uploads(place: UploadSource) -> VideoSource:
    return place


async def watch(jobs: LocalJobs) -> None:
    runner: JobRunner = jobs
    sessions = Sessions(store=store, parts=parts, jobs=runner)
    session = await WatchSession.create(request, store=store, parts=parts, created_at=0.0)
    await WatchSession.create(request, store=store, parts=parts)  # type: ignore[call-arg]
    assert_type(await session.status(), SessionStatus)
    assert_type(await session.track(), Track)
    connection: AbstractAsyncContextManager[Delivery] = session.connect()
    async with connection as delivery:
        delivery.receive(TimestampUpdate(0.0), now=0.0)
        async for outgoing in delivery:
            assert_type(outgoing, Outgoing)
            match outgoing:
                case Due(action=action):
                    told(action)
                case ScriptFailed(code=code, message=message):
                    assert_type((code, message), tuple[str, str])
                case ScriptReady() | Replaced():
                    pass
    del sessions


# --- a client --------------------------------------------------------------------------

clock: Clock = WallClock()
player: Player = ClockPlayer(60.0, clock=clock)


async def connect() -> None:
    session_id = await create_session("http://127.0.0.1:8000", request)
    assert_type(session_id, str)
    assert_type(await WatchClient("http://127.0.0.1:8000", session_id, player).run(), None)


# --- errors ----------------------------------------------------------------------------


def codes(errors: Iterable[WatchBuddyError]) -> list[str]:
    return [error.code for error in errors]


kinds: list[type[WatchBuddyError]] = [
    InvalidMessage,
    ProcessingFailed,
    RequestRefused,
    SessionNotFound,
    StaleFence,
]
