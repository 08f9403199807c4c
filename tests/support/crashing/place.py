"""Where programs run that are killed: what they are started with, and what they leave behind."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

_UP_SECONDS = 60.0
_ENDING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """The generator was asked for something, or was through with it."""

    at: float
    """Monotonic seconds."""
    what: str
    wish: str
    wanted: int | str
    """A window, by its index, or an answer to this."""
    pid: int
    """Of the process that asked."""


class Place:
    """A folder in which programs of ours run, with a generator that notes its calls.

    Args:
        window_seconds: how long the generator takes for one.
        settings: as the environment names them: `limits__preparing`.
    """

    def __init__(
        self,
        folder: Path,
        films: Path,
        *,
        window_seconds: float,
        settings: Mapping[str, object] = {},
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.killed: dict[int, float] = {}
        """When a process was killed, by its number, in monotonic seconds."""
        self.ended: dict[int, float] = {}
        """When one was told to end, likewise."""
        self._films = films
        self._calls = folder / "calls"
        self._calls.touch()
        _install(folder / "plugin")
        options = {"calls": str(self._calls), "seconds": window_seconds}
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join([str(folder / "plugin"), str(Path(__file__).parents[1])]),
            "WATCHBUDDY_PLUGINS": json.dumps({"unhurried": options}),
            **{f"WATCHBUDDY_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def program(self, command: str, *options: str | Path, data: str = "data") -> Program:
        """One of ours, which is not started yet.

        Args:
            data: the name of its data folder.
        """
        return Program(
            self,
            (
                *(sys.executable, "-m", "watchbuddy_server.cli", command),
                *("--generator", "unhurried", "--library", str(self._films)),
                *("--data-dir", str(self.folder / data), *map(str, options)),
            ),
            environment=self._environment,
        )

    @property
    def errors(self) -> str:
        """What all programs have written on their standard error."""
        path = self.folder / "stderr"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def calls(self) -> list[Call]:
        """What the generator was asked, in order."""
        lines = self._calls.read_text(encoding="ascii").splitlines()
        return [Call(*json.loads(line)) for line in lines]


class Program:
    """One process, which is killed and started again as it was. Made by `Place.program`."""

    def __init__(
        self, place: Place, command: tuple[str, ...], *, environment: Mapping[str, str]
    ) -> None:
        self._place = place
        self._command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Begin to start it."""
        with (self._place.folder / "stderr").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
                env=self._environment,
            )

    async def answers(self, url: str) -> None:
        """Wait until it says at this address that all is well."""
        async with asyncio.timeout(_UP_SECONDS), httpx.AsyncClient() as client:
            while True:
                assert self.runs, self._place.errors
                try:
                    if (await client.get(url)).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """As `kill -9` does."""
        assert self._process is not None
        assert self.runs, f"it has ended by itself: {self._place.errors}"
        self._place.killed[self.pid] = time.monotonic()
        self._process.kill()
        await self._process.wait()

    async def end(self) -> int | None:
        """Tell it to end, as `kill` does, and wait until it has; returns its exit status."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._place.ended[self.pid] = time.monotonic()
            self._process.terminate()
        async with asyncio.timeout(_ENDING_SECONDS):
            return await self._process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _install(folder: Path) -> None:
    """The generator as an installed package offers one."""
    metadata = folder / "unhurried-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: unhurried\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[watchbuddy.generators]\nunhurried = crashing.unhurried:Unhurried\n"
    )
