"""A session's script as a Track, and a Track as a session's script."""

from __future__ import annotations

from collections.abc import Sequence

from watchbuddy_core.actions import Speak
from watchbuddy_core.entries import Entry, Placed, Ready, Scripted, Stage
from watchbuddy_core.session.history import History
from watchbuddy_core.storage import SessionRecord
from watchbuddy_core.tracks import Track, TrackVideo
from watchbuddy_core.understanding.subtitles import guess_language
from watchbuddy_core.video import Cue, Window


def track_of(record: SessionRecord, history: History) -> Track:
    """The script as far as it is made. Answers in a conversation are no part of it."""
    stage = history.stage or Stage(stage="fetching")
    scripted = next(iter(history.scripted.values()), None)
    dropped = (drop for placed in history.placed.values() for drop in placed.dropped)
    return Track(
        video=TrackVideo(url=record.video_url, title=stage.title, duration=stage.duration),
        start_time=record.start_time if stage.start is None else stage.start,
        end_time=record.end_time if stage.end is None else stage.end,
        character_id=record.character_id,
        language=_language([a for a in history.script.values() if isinstance(a, Speak)]),
        generator=scripted.generator if scripted else None,
        actions=tuple(history.script.values()),
        dropped=tuple(sorted(dropped, key=lambda drop: drop.trigger_timestamp)),
    )


def entries_of(track: Track) -> list[Entry]:
    """What stands in the log of a session that has this script.

    There are no drafts in it: a script that was given is not placed anew.
    """
    end = track.end_time
    if end is None:
        end = max((action.trigger_timestamp for action in track.actions), default=0.0)
    window = Window(index=0, start=track.start_time, end=end)
    return [
        Stage(
            stage="generating",
            title=track.video.title if track.video else None,
            duration=track.video.duration if track.video else None,
            start=window.start,
            end=window.end,
        ),
        Scripted(window=window, drafts=(), generator=track.generator or "none"),
        Placed(window=window.index, actions=track.actions, dropped=track.dropped),
        Ready(),
    ]


def _language(lines: Sequence[Speak]) -> str | None:
    return guess_language(
        Cue(start=line.trigger_timestamp, end=line.trigger_timestamp, text=line.text)
        for line in lines
    )
