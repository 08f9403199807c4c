"""The companion mounted in a Litestar application that has a life of its own.

python litestar_app.py FOLDER_OF_VIDEOS --port 8000

Needs watchbuddy[server].

The companion is at /buddy: /buddy/api/v1/sessions and /buddy/ws/{session_id}. The rest of the
application, its error format, dependencies and documentation, is as it would be without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath

from watchbuddy_core import MemoryStore, Settings, build_parts
from watchbuddy_server.plugin import WatchBuddyPlugin


@dataclass(frozen=True, slots=True)
class Screening:
    """A film of the club, and where its companion finds it."""

    film: str
    video_url: str


Screenings = Mapping[str, Screening]


@get("/films")
async def films(sessions: NamedDependency[Screenings]) -> list[Screening]:
    return list(sessions.values())


@get("/films/{film:str}")
async def film(film: FromPath[str], sessions: NamedDependency[Screenings]) -> Screening:
    if film not in sessions:
        raise NotFoundException(f"We do not show {film}.")
    return sessions[film]


def apologise(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, str]]:
    return Response({"sorry": error.detail}, status_code=error.status_code)


def create_app(videos: Path) -> Litestar:
    """A film club with a companion for the videos of one folder."""
    screenings = {
        path.stem: Screening(path.stem, f"library:{path.name}")
        for path in sorted(videos.glob("*.mp4"))
    }
    companion = WatchBuddyPlugin(
        path="/buddy",
        parts=build_parts(Settings(libraries=(videos,))),
        store=MemoryStore(),
        allow_origins=["https://films.example"],  # where browsers see this application
    )
    return Litestar(
        route_handlers=[films, film],
        dependencies={"sessions": Provide(lambda: screenings, sync_to_thread=False)},
        exception_handlers={HTTPException: apologise},
        plugins=[companion],
        openapi_config=OpenAPIConfig(title="Film club", version="1.0.0"),
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description="A film club with a companion.")
    arguments.add_argument("videos", type=Path, help="a folder of videos")
    arguments.add_argument("--port", type=int, default=8000, help="0 for a free one")
    given = arguments.parse_args()
    uvicorn.run(create_app(given.videos), port=given.port, ws_max_size=64 * 1024)


if __name__ == "__main__":
    main()
