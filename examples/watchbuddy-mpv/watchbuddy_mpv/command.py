"""The command `watchbuddy-mpv`: a film in mpv, and somebody who watches it with you."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from watchbuddy_core.client import create_session, media_address, upload
from watchbuddy_core.configuration import TOKEN_VARIABLE
from watchbuddy_core.errors import (
    ConnectionLost,
    ProcessingFailed,
    RequestRefused,
    WatchBuddyError,
)
from watchbuddy_core.wire import CreateSession
from watchbuddy_mpv.ipc import Mpv, MpvGone, MpvRefused
from watchbuddy_mpv.player import MpvPlayer
from watchbuddy_mpv.screen import Screen
from watchbuddy_mpv.watching import watch

_OURS = ("--idle=yes", "--pause", "--force-window=yes", "--keep-open=yes", "--keep-open-pause=no")
"""How mpv is started: open, waiting, and not gone with the last picture: somebody may still
be talking."""
_FETCHED_BY_THE_SERVER = ("library:", "upload:")


def main() -> None:
    """Run the command, and exit: 0 all went well, 1 it failed, 2 it was called wrongly."""
    try:
        asyncio.run(_until_terminated(run(*arguments(sys.argv[1:]))))
    except WatchBuddyError as exc:
        raise SystemExit(f"watchbuddy-mpv: {exc.message}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except asyncio.CancelledError:
        raise SystemExit(143) from None


def arguments(words: Sequence[str]) -> tuple[argparse.Namespace, Sequence[str]]:
    """What was asked for, and what is for mpv."""
    parser = argparse.ArgumentParser(
        prog="watchbuddy-mpv",
        description="Watch VIDEO in mpv, with a companion. What stands behind -- is for mpv.",
    )
    parser.add_argument(
        "video",
        nargs="?",
        metavar="VIDEO",
        help="a file, a link, or what the server calls library:name.mp4",
    )
    parser.add_argument(
        "--server", default="http://127.0.0.1:8000", help="where `watchbuddy serve` runs"
    )
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="watch along in the mpv that was started with --input-ipc-server=PATH",
    )
    parser.add_argument(
        "--as",
        dest="known_as",
        metavar="ADDRESS",
        help="what the server knows the video by; else a file is sent to it",
    )
    parser.add_argument("--character", default="miao", help="who watches along")
    parser.add_argument("--text", default="", help="a wish for how they talk")
    parser.add_argument("--density", choices=["muted", "quiet", "normal", "chatty"])
    place = list(words).index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:place])
    if (given.video is None) == (given.socket is None):
        parser.error("name a VIDEO, or the --socket of an mpv that shows one")
    return given, words[place + 1 :]


async def run(given: argparse.Namespace, options: Sequence[str]) -> None:
    """Watch until the film has ended or mpv was closed.

    Raises:
        WatchBuddyError: there is no mpv, no server, or no script.
    """
    if given.socket is not None:
        async with Mpv.at(given.socket, patience=0.0) as mpv:
            player = MpvPlayer(mpv)
            await player.attach()
            session_id = await _create(given, await _shown(mpv))
            await _watch(player, Screen(mpv), given.server, session_id)
        return
    session_id = await _create(given, given.video)
    async with _started(options) as mpv:
        player = MpvPlayer(mpv)
        await player.attach()
        film = given.video
        if _is_fetched_from_there(film):
            film = await media_address(given.server, session_id, token=_token())
        try:
            await _watch(player, Screen(mpv), given.server, session_id, film=film)
        except (ProcessingFailed, RequestRefused, ConnectionLost) as exc:
            print(f"watchbuddy-mpv: {exc.message}", file=sys.stderr)
            await mpv.gone.wait()  # the film goes on without the companion
            raise SystemExit(1) from None


async def _until_terminated(watching: Coroutine[None, None, None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await watching


async def _create(given: argparse.Namespace, video: str) -> str:
    """Ask the server for a session; a file that it does not know is sent there."""
    url = given.known_as or video
    if given.known_as is None and (path := Path(video)).is_file():
        url = (await upload(given.server, path, token=_token())).video_url
    request = CreateSession(
        video_url=url, character_id=given.character, text=given.text, density=given.density
    )
    return await create_session(given.server, request, token=_token())


def _is_fetched_from_there(video: str) -> bool:
    """Whether it is the server that has the film, and not this machine."""
    return video.startswith(_FETCHED_BY_THE_SERVER) and not Path(video).exists()


def _token() -> str | None:
    """What the server is shown, where it needs that."""
    return os.environ.get(TOKEN_VARIABLE)


async def _watch(
    player: MpvPlayer, screen: Screen, server: str, session_id: str, *, film: str | None = None
) -> None:
    """Watch what mpv shows, or open a film, which waits until the companion is ready."""
    is_there = film is not None and not film.startswith(f"{server.rstrip('/')}/media/")
    if film is not None and is_there:
        await player.open(film)

    async def begin() -> None:
        if film is not None:
            if not is_there:
                await player.open(film)
            await player.resume()

    try:
        await watch(player, screen, server, session_id, token=_token(), begin=begin)
    except WatchBuddyError as exc:
        screen.note(exc.message, seconds=30.0)
        raise


async def _shown(mpv: Mpv) -> str:
    """What a running mpv shows: a file of this machine, or an address.

    Raises:
        MpvRefused: nothing.
    """
    try:
        path: str = await mpv.command("get_property", "path")
    except MpvRefused:
        raise MpvRefused("That mpv shows nothing yet: open a film in it first.") from None
    if "://" in path:
        return path
    return str(Path(await mpv.command("get_property", "working-directory"), path))


@asynccontextmanager
async def _started(options: Sequence[str]) -> AsyncIterator[Mpv]:
    """An mpv of our own. At the end it is told to quit."""
    with TemporaryDirectory(prefix="watchbuddy-mpv-") as folder:
        socket = Path(folder, "ipc")  # in a folder that nobody else may enter
        listens = f"--input-ipc-server={socket}"
        try:
            process = await asyncio.create_subprocess_exec("mpv", *_OURS, listens, *options)
        except FileNotFoundError:
            raise MpvGone("There is no mpv here: install it, for instance from Debian.") from None
        try:
            async with Mpv.at(socket) as mpv:
                yield mpv
                mpv.ask("quit")
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
