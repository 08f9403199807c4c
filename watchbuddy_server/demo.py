"""The demo: half a minute of film, made on the spot, and a companion that watches it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from watchbuddy_core.actions import Density
from watchbuddy_core.client import create_session
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_core.settings import Settings
from watchbuddy_core.sources.local import library_url
from watchbuddy_core.video import Chapter, Cue
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.serving import is_reached_by_others, serving
from watchbuddy_server.terminal import watch_in_terminal
from watchbuddy_server.tokens import hash_of, new_token

FILE_NAME = "The snail and the sea.mp4"
_SIZE = (480, 270)
SHOTS = (
    Shot(8.0, Picture.DAWN, Tone.CALM),
    Shot(4.5, Picture.DAY, Tone.CALM),
    Shot(5.5, Picture.STORM, Tone.BANG),
    Shot(4.5, Picture.NIGHT, Tone.SILENCE),
    Shot(5.5, Picture.SEA, Tone.CALM),
    Shot(6.5, Picture.DUSK, Tone.MELODY),
)
CHAPTERS = (
    Chapter(start=0.0, end=22.5, title="A long way"),
    Chapter(start=22.5, end=34.5, title="The sea"),
)
STORY = (
    Cue(start=0.4, end=1.4, text="Pip the snail left at dawn."),
    Cue(start=8.4, end=9.4, text="How far is the sea?"),
    Cue(start=13.3, end=13.7, text="", sounds=("thunder",)),
    Cue(start=13.7, end=14.5, text="Run, Pip! Run!"),
    Cue(start=20.2, end=21.0, text="She ran all night."),
    Cue(start=22.8, end=23.8, text="And everything was blue."),
    Cue(start=28.0, end=28.5, text="", sounds=("laughs",)),
    Cue(start=28.5, end=29.5, text="That was two metres!", speaker="Gull"),
)
DURATION = sum(shot.seconds for shot in SHOTS)


class ClipNotWritten(WatchBuddyError):
    """There is no room for the clip, or no right to write it."""


@contextmanager
def demo_clip(folder: Path | None) -> Iterator[Path]:
    """Make the film, which takes some seconds; gives its path.

    Args:
        folder: where it is kept. None: it is removed at the end of the context.

    Raises:
        ClipNotWritten: the folder cannot be used.
        MissingExtra: PyAV is not installed.
    """
    with ExitStack() as held:
        try:
            if folder is None:
                folder = Path(held.enter_context(TemporaryDirectory(prefix="watchbuddy-")))
            folder.mkdir(parents=True, exist_ok=True)
            make_clip(folder / FILE_NAME, SHOTS, size=_SIZE, subtitles=STORY, chapters=CHAPTERS)
        except OSError as exc:
            raise ClipNotWritten(f"The clip cannot be written: {exc.strerror or exc}.") from exc
        yield folder / FILE_NAME


async def run_demo(
    clip: Path,
    *,
    console: Console,
    settings: Settings,
    character: str,
    text: str = "",
    density: Density = "chatty",
    speed: float = 1.0,
) -> None:
    """Serve the film and watch it; in a terminal, serve on until cancelled.

    Raises:
        WatchBuddyError: a part of it did not work, in words for people.
    """
    folder, url = library_url(clip)
    settings = settings.model_copy(update={"libraries": (folder,)})
    token = None
    if is_reached_by_others(settings) and settings.access != "open":
        token = new_token()
        hashes = (*settings.token_hashes, hash_of(token))
        settings = settings.model_copy(update={"token_hashes": hashes})
    async with serving(settings, shutdown_seconds=1) as address:
        console.print(f"Watching at {address}")
        if token is not None:
            console.print(f"The token for others: {token}")
        request = CreateSession(video_url=url, character_id=character, text=text, density=density)
        session_id = await create_session(address, request, token=token)
        summary = await watch_in_terminal(
            address, session_id, token=token, console=console, speed=speed
        )
        console.print(str(summary))
        if console.is_terminal:
            console.print(f"The film is {url} at {address}, until Ctrl-C.")
            await asyncio.Event().wait()
