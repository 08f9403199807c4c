"""How punctual the companion is in mpv: `python tests/bench/mpv.py`.

A real server, a real mpv without a window, a film of a minute at 25 pictures a second with ten
faces a second, at three speeds; the viewer seeks and pauses now and then. The figures are how
far the sound that mpv plays is beyond a face's trigger when the face is begun, in milliseconds
of real time, as mpv itself answers. `early` counts what lies more than 5 ms before it: mpv's
own blocks of sound are as long. Where it has landed after a seek, its picture is seen some 30 ms
before its sound begins, and a face there counts as early. It needs mpv and a quiet machine.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "watchbuddy-mpv"))

from watchbuddy_mpv import Mpv, MpvPlayer, Screen, watch

from watchbuddy_core.actions import Expression
from watchbuddy_core.client import Begun, Happening
from watchbuddy_core.clips import Picture, Shot, Tone, make_clip
from watchbuddy_core.entries import Placed, Ready
from watchbuddy_core.settings import Settings
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.stores.memory import MemoryStore
from watchbuddy_server.serving import serving

SECONDS = 60.0
STEP = 0.1
EARLY = 0.005


async def measure(film: Path) -> None:
    store = MemoryStore()
    settings = Settings(libraries=(film.parent,), host="127.0.0.1", port=0)
    print("speed  actions   median     95 %     99 %      max  early")
    async with serving(settings, store=store, shutdown_seconds=1) as url:
        for number, speed in enumerate((1.0, 2.0, 4.0)):
            late = await _watch(url, await _session(store, number), film, speed)
            cuts = quantiles(late, n=100)
            figures = (cuts[49], cuts[94], cuts[98], max(late))
            told = "".join(f"{1000 * one:>9.1f}" for one in figures)
            early = sum(one < -EARLY for one in late)
            print(f"{speed:>5}{len(late):>9}{told}{early:>7}", flush=True)


async def _watch(url: str, session_id: str, film: Path, speed: float) -> list[float]:
    late: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder, "mpv")
        process = await asyncio.create_subprocess_exec(
            *("mpv", "--no-config", "--vo=null", "--ao=null", "--no-terminal", "--keep-open=yes"),
            *("--keep-open-pause=no", f"--input-ipc-server={socket}", "--pause"),
            *(f"--speed={speed}", film),
        )
        try:
            async with Mpv.at(socket) as mpv, Mpv.at(socket) as viewer:
                player = MpvPlayer(mpv)
                await player.attach()

                def listen(happening: Happening) -> None:
                    if isinstance(happening, Begun):
                        trigger = happening.action.trigger_timestamp
                        mpv.ask(
                            "get_property",
                            "audio-pts",
                            then=lambda sound: late.append((sound - trigger) / speed),
                        )

                async with asyncio.TaskGroup() as tasks:
                    hands = tasks.create_task(_use(viewer, speed))
                    await watch(
                        player, Screen(mpv), url, session_id, begin=player.resume, listen=listen
                    )
                    hands.cancel()
        finally:
            process.terminate()
            await process.wait()
    return late


async def _use(viewer: Mpv, speed: float) -> None:
    while True:
        await asyncio.sleep(4.0 / speed)
        await viewer.command("set_property", "pause", True)
        await asyncio.sleep(0.2)
        await viewer.command("set_property", "pause", False)
        await asyncio.sleep(2.0 / speed)
        await viewer.command("seek", 3.0, "relative+exact")


async def _session(store: MemoryStore, number: int) -> str:
    session_id = f"ses_{number:016x}"
    await store.put(
        SessionRecord(
            session_id=session_id,
            video_url="library:film.mp4",
            character_id="miao",
            created_at=time.time(),
        )
    )
    faces = tuple(
        Expression(trigger_timestamp=round(step * STEP, 3), emotion="joy")
        for step in range(int(SECONDS / STEP) - 10)
    )
    await store.append(session_id, [Placed(window=0, actions=faces), Ready()], None)
    return session_id


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        make_clip(film, [Shot(SECONDS, Picture.SEA, Tone.MELODY)], size=(160, 90), frame_rate=25)
        asyncio.run(measure(film))


if __name__ == "__main__":
    main()
