"""A whole session without a server: prepare a video, play it, print the actions at their seconds.

python print_session.py holiday.mp4 --speed 4
python print_session.py                          makes a clip to watch

Needs watchbuddy[media].
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from watchbuddy_core import (
    Action,
    ActionCompleted,
    ClockPlayer,
    CreateSession,
    Cue,
    Delivery,
    Due,
    EndReaction,
    Expression,
    MemoryStore,
    Settings,
    Speak,
    TimestampUpdate,
    WallClock,
    WatchSession,
    build_parts,
    library_url,
)
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip

REPORT_SECONDS = 0.25


async def watch(video: Path, *, speed: float) -> None:
    """Prepare and play one video to its end.

    Raises:
        SystemExit: there is no script for it.
    """
    folder, url = library_url(video)
    session = await WatchSession.create(
        CreateSession(video_url=url, character_id="miao"),
        store=MemoryStore(),
        parts=build_parts(Settings(libraries=(folder,))),
        created_at=time.time(),
    )
    await session.produce()
    status = await session.status()
    if status.error is not None:
        raise SystemExit(status.error.message)
    assert status.start_time is not None
    assert status.end_time is not None

    print(f"{status.title}: {sum(status.actions.values())} actions", flush=True)
    clock = WallClock(speed=speed)
    player = ClockPlayer(status.end_time, clock=clock, position=status.start_time)
    async with session.connect() as delivery, asyncio.TaskGroup() as tasks:
        performing = tasks.create_task(perform(delivery, player, clock))
        await play(delivery, player, clock)
        performing.cancel()


async def play(delivery: Delivery, player: ClockPlayer, clock: WallClock) -> None:
    """Play to the end, and say four times a second where that is."""
    await player.resume()
    ended = False
    while not ended:
        ended = player.ended
        delivery.receive(TimestampUpdate(player.position), now=clock.now())
        await clock.sleep(REPORT_SECONDS)


async def perform(delivery: Delivery, player: ClockPlayer, clock: WallClock) -> None:
    """Print what is due. On paper nothing can be paused or sought: that is left out, and said."""
    async for outgoing in delivery:
        match outgoing:
            case Due(action=action):
                print(f"{player.position:7.2f}  {describe(action)}", flush=True)
                obeyed = isinstance(action, Speak | Expression | EndReaction)
                completed = ActionCompleted(action.id, "done" if obeyed else "skipped")
                delivery.receive(completed, now=clock.now())


def describe(action: Action) -> str:
    match action:
        case Speak(text=text):
            return f"{action.action_type}  {text}"
        case Expression(emotion=emotion):
            return f"{action.action_type}  {emotion}"
        case _:
            return action.action_type


def make_sample(path: Path) -> None:
    """A quarter of a minute with a cut, a bang and two subtitles."""
    make_clip(
        path,
        [
            Shot(5.0, Picture.DAWN, Tone.CALM),
            Shot(6.0, Picture.STORM, Tone.BANG),
            Shot(5.0, Picture.SEA, Tone.MELODY),
        ],
        size=(320, 180),
        subtitles=[
            Cue(start=0.5, end=1.5, text="How far is the sea?"),
            Cue(start=12.0, end=13.0, text="And everything was blue."),
        ],
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description="Print a companion's actions.")
    arguments.add_argument("video", type=Path, nargs="?", help="a file; made if not given")
    arguments.add_argument("--speed", type=float, default=1.0, help="times as fast as in reality")
    given = arguments.parse_args()
    with TemporaryDirectory(prefix="watchbuddy-") as folder:
        video = given.video or Path(folder, "The way to the sea.mp4")
        if given.video is None:
            make_sample(video)
        asyncio.run(watch(video, speed=given.speed))


if __name__ == "__main__":
    main()
