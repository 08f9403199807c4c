"""A session's video, as a player can show it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from watchbuddy_core.errors import (
    MissingExtra,
    ProcessingFailed,
    SessionNotFound,
    VideoNotReady,
    VideoUnavailable,
    VideoUnplayable,
)
from watchbuddy_core.protocols import Progress, untold
from watchbuddy_core.session.history import History
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.session.refetching import Refetching
from watchbuddy_core.session.status import SessionError
from watchbuddy_core.storage import SessionRecord, Store
from watchbuddy_core.understanding.playable import Form, form_of, put_into
from watchbuddy_core.video import Chapter, Loudness, Video

_REMEMBERED = 10_000
"""So many sessions' files are kept in mind."""
_FETCH_PATIENCE = 45.0
"""Seconds that a player waits for a file that is fetched anew. A proxy would end it after 60."""
_LOOK_PATIENCE = 2.0
"""Seconds that a description waits for what is on a disk."""


class SessionVideo(BaseModel):
    """What a player, and a strip that shows where it is, need to know. Times are media seconds."""

    model_config = ConfigDict(frozen=True)

    video_url: str
    """What was asked for."""
    title: str | None
    duration: float | None
    """Of the whole video. None, as are the next two: not known yet."""
    start_time: float | None
    end_time: float | None
    """What is watched of it."""
    chapters: tuple[Chapter, ...]
    loudness: tuple[Loudness, ...]
    """As far as somebody has listened."""
    media_type: str | None
    """Of what `GET /media/…` gives. None: it gives nothing, or that is not known yet."""
    error: SessionError | None
    """Why it never will."""


@dataclass(frozen=True, slots=True)
class Showable:
    """A file that a browser can play."""

    path: Path
    media_type: str


class Screening:
    """Finds the file of a session's video, and puts it into a form that browsers play.

    Copies are kept with the downloaded videos, as long as there is room.
    """

    def __init__(self, store: Store, parts: Parts) -> None:
        self._store = store
        self._parts = parts
        self._refetching = Refetching(parts)
        self._shown: OrderedDict[str, Showable] = OrderedDict()
        """By session. Players ask piece by piece: the log is not read again for each."""

    async def describe(self, session_id: str) -> SessionVideo:
        """What is known by now.

        Raises:
            SessionNotFound: there is none of this id.
        """
        record = await self._store.get(session_id)
        history = History(await self._store.read(session_id))
        stage = history.stage
        media_type, error = None, None
        try:
            video = await self._here(history) or await self._at_hand(record, history)
            media_type = (await _form(video)).media_type if video is not None else None
        except (ProcessingFailed, VideoUnplayable) as exc:
            error = SessionError(code=exc.code, message=exc.message)
        scripted = (history.scripted[index] for index in sorted(history.scripted))
        return SessionVideo(
            video_url=record.video_url,
            title=stage.title if stage else None,
            duration=stage.duration if stage else None,
            start_time=stage.start if stage else None,
            end_time=stage.end if stage else None,
            chapters=stage.chapters if stage else (),
            loudness=tuple(one.loudness for one in scripted if one.loudness is not None),
            media_type=media_type,
            error=error,
        )

    async def show(self, session_id: str) -> Showable:
        """The file itself. Where it has to be put into another form, that is waited for.

        Raises:
            SessionNotFound: there is none of this id.
            VideoNotReady: it is still being fetched, or is not on this machine and fetched anew.
            VideoUnavailable: nobody here holds it.
            VideoUnplayable: no browser can play it.
            ProcessingFailed: it was to be fetched anew, or copied, and that has failed.
        """
        record = await self._store.get(session_id)
        shown = self._shown.get(session_id)
        if shown is None or not await asyncio.to_thread(shown.path.is_file):
            history = History(await self._store.read(session_id))
            if history.cancelled:
                raise SessionNotFound
            shown = self._shown[session_id] = await self._showable(record, history)
            if len(self._shown) > _REMEMBERED:
                self._shown.popitem(last=False)
        return shown

    async def stop(self) -> None:
        """End what is being fetched for viewers."""
        await self._refetching.stop()

    def close(self, session_id: str) -> None:
        """The session has ended: its video is shown no more."""
        self._shown.pop(session_id, None)

    async def _showable(self, record: SessionRecord, history: History) -> Showable:
        video = await self._here(history) or await self._fetched(record, history)
        form = await _form(video)
        assert video.path is not None
        if form.container is None:
            return Showable(video.path, form.media_type)
        if self._parts.videos is None:
            raise VideoUnavailable("This server does not convert videos for browsers.")
        copy = await self._parts.videos.get(
            f"{form.container}-{video.content_id}",
            record.video_url,
            partial(_copied, video, form.container),
            untold,
        )
        assert copy.path is not None
        return Showable(copy.path, form.media_type)

    async def _here(self, history: History) -> Video | None:
        """As the log has it. None: it has not, or the file is on another machine, or gone."""
        video = history.stage.video if history.stage else None
        if video is None or video.path is None:
            return video
        return video if await asyncio.to_thread(video.path.is_file) else None

    async def _fetched(self, record: SessionRecord, history: History) -> Video:
        if history.failed is not None:
            raise VideoUnavailable(history.failed.message)
        if history.stage is None or history.stage.stage == "fetching":
            raise VideoNotReady
        return await self._refetching.get(record.video_url, patience=_FETCH_PATIENCE)

    async def _at_hand(self, record: SessionRecord, history: History) -> Video | None:
        """Where another machine has seen it: what this one holds. None: it would be fetched.

        Nothing comes over the network for a description: it may be that nobody shows the file,
        as with players of other sites.
        """
        is_link = record.video_url.lower().startswith(("http://", "https://"))
        if is_link or history.stage is None or history.stage.video is None:
            return None
        with suppress(VideoNotReady):
            return await self._refetching.get(record.video_url, patience=_LOOK_PATIENCE)
        return None


async def _form(video: Video) -> Form:
    if video.path is None:
        raise VideoUnavailable("There is no picture and no sound here, only what is said.")
    try:
        return await form_of(video.path)
    except MissingExtra as exc:
        raise VideoUnavailable(str(exc)) from exc


async def _copied(
    video: Video, container: str, folder: Path, room: int, progress: Progress
) -> Video:
    assert video.path is not None
    into = folder / f"video.{container}"
    await put_into(video.path, container, into)
    return video.model_copy(update={"path": into, "subtitles": ()})
