"""Having a companion watch clips in which it is known what happens, and measuring it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from watchbuddy_core.actions import Density
from watchbuddy_core.assembly import build_parts
from watchbuddy_core.character import Character
from watchbuddy_core.scoring import Fixture, Score, score, write_fixture
from watchbuddy_core.settings import Settings
from watchbuddy_core.sources.local import library_url
from watchbuddy_core.tracks import Track
from watchbuddy_core.wire import CreateSession
from watchbuddy_server.generating import Tell, generate_track


@dataclass(frozen=True, slots=True)
class Benched:
    """What a companion did in one clip, and what came out of it."""

    name: str
    track: Track
    score: Score


async def bench(
    clips: Sequence[Fixture],
    *,
    folder: Path,
    settings: Settings,
    density: Density | None = None,
    text: str = "",
    tell_progress: Tell,
    tell_notice: Tell,
) -> list[Benched]:
    """Make the clips and their scripts, one after the other, as a session would.

    What was found out about a video earlier does not count: it is looked at anew.

    Args:
        folder: where the clips and their references are written.
        settings: whose generator, model and character are measured.
        tell_progress: called with what is happening; the last call counts.
        tell_notice: called with what is not as it could be.

    Raises:
        ProcessingFailed: there is no script of a clip.
        MissingExtra: PyAV is not installed.
        OSError: the clips cannot be written.
    """
    parts = build_parts(settings.model_copy(update={"libraries": (folder,)}))
    parts = replace(parts, cache=None)
    phrases = tuple(_phrases(parts.characters.get(settings.character)))
    done = []
    for clip in clips:
        tell_progress(f"Making {clip.name}")
        path = await asyncio.to_thread(write_fixture, clip, folder)
        request = CreateSession(
            video_url=library_url(path)[1],
            character_id=settings.character,
            density=density,
            text=text,
        )
        track = await generate_track(
            request, parts=parts, tell_progress=tell_progress, tell_notice=tell_notice
        )
        done.append(Benched(clip.name, track, score(track, clip.reference, phrases=phrases)))
    return done


def _phrases(character: Character | None) -> Iterator[str]:
    """What the character may say at any time."""
    for by_kind in character.phrases.values() if character else ():
        for phrases in by_kind.values():
            yield from (phrase.text for phrase in phrases)
