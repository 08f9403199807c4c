"""Tracks of all kinds."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from watchbuddy_core.actions import (
    Action,
    Emotion,
    EndReaction,
    Expression,
    PauseVideo,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.entries import Drop
from watchbuddy_core.tracks import Track, TrackVideo

HOSTILE = (
    "a --> b",
    "00:00:01,000 --> 00:00:02,000",
    "from 0:00:01.00 to 0:00:02.00",
    "<b>bold</b> <i>and <font color=red>red</font>",
    "I <3 you; 2 < 3 > 1",
    "{\\an8}up {\\p1}m 0 0 l 100 100{\\p0} {plain}",
    "one\\Ntwo\\nthree\\hfour\\",
    "first\nsecond\n\n\nfourth\r\nfifth",
    "\n\n7\n00:00:01,000 --> 00:00:02,000\ngotcha",
    "NOTE this is no note",
    "WEBVTT",
    "42",
    "&lt;b&gt; &amp;amp; &nbsp; &#0; &copy",
    "喵～～ 👩‍👩‍👧 🇨🇭 é",
    "‏שלום! مرحبا",
    "Dialogue: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,gotcha",
    "[Events]",
    "; a comment",
    "\x00\x1b]0;title\x07\x85\u2028\u2029\ufeff",
    " ",
    "\u200b",
)
"""Lines that mean something else to some parser."""

_seconds = st.integers(0, 90 * 3600 * 1000).map(lambda milliseconds: milliseconds / 1000)
_texts = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=60))
_base = {"trigger_timestamp": _seconds, "comment": st.one_of(st.just(""), _texts)}
_actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(Speak, **_base, text=_texts, pause_video=st.booleans()),
    st.builds(PauseVideo, **_base, duration_seconds=st.floats(0.001, 600)),
    st.builds(
        Seek,
        **_base,
        target_timestamp=_seconds,
        post_seek_behavior=st.sampled_from(PostSeek),
    ),
    st.builds(
        ReplaySegment,
        **_base,
        start_timestamp=_seconds,
        end_timestamp=_seconds,
        post_replay_behavior=st.sampled_from(PostReplay),
    ),
    st.builds(Expression, **_base, emotion=st.sampled_from(Emotion)),
    st.builds(EndReaction, **_base),
)
_drops = st.builds(
    Drop,
    reason=st.sampled_from(["no_gap", "density"]),
    trigger_timestamp=_seconds,
    action_type=st.sampled_from(["SPEAK", "EXPRESSION"]),
    text=st.one_of(st.none(), _texts),
)
_videos = st.builds(
    TrackVideo,
    url=st.sampled_from(["library:a film.mp4", "https://youtu.be/x"]),
    title=st.one_of(st.none(), _texts),
    duration=st.one_of(st.none(), st.floats(0.1, 1e6)),
)


@pytest.fixture(scope="session")
def tracks() -> st.SearchStrategy[Track]:
    """Any track of less than ninety hours, hostile lines among its actions."""
    return st.builds(
        Track,
        video=st.one_of(st.none(), _videos),
        start_time=_seconds,
        end_time=st.one_of(st.none(), _seconds),
        character_id=st.one_of(st.none(), st.just("miao")),
        language=st.one_of(st.none(), st.just("en")),
        generator=st.one_of(st.none(), st.just("offline")),
        actions=st.lists(_actions, max_size=12).map(tuple),
        dropped=st.lists(_drops, max_size=3).map(tuple),
    )


@pytest.fixture(scope="session", params=HOSTILE, ids=range(len(HOSTILE)))
def hostile(request: pytest.FixtureRequest) -> str:
    line: str = request.param
    return line


@pytest.fixture(scope="session")
def all_hostile() -> tuple[str, ...]:
    return HOSTILE


@pytest.fixture
def track() -> Track:
    """One action of each type, and one that was dropped."""
    return Track(
        video=TrackVideo(url="library:film.mp4", title="A film", duration=90.5),
        end_time=90.5,
        character_id="miao",
        language="en",
        generator="offline",
        actions=(
            Speak(trigger_timestamp=1.234, text="Here we go.", comment="a greeting"),
            Expression(trigger_timestamp=1.234, emotion=Emotion.JOY),
            PauseVideo(trigger_timestamp=20.0, duration_seconds=2.5),
            Speak(trigger_timestamp=20.5, text="Did you see that? Look again.", pause_video=True),
            ReplaySegment(trigger_timestamp=20.5, start_timestamp=15.0, end_timestamp=19.0),
            Seek(trigger_timestamp=60.0, target_timestamp=40.0),
            Speak(trigger_timestamp=80.0, text="Goodbye!"),
            EndReaction(trigger_timestamp=85.0),
        ),
        dropped=(Drop(reason="no_gap", trigger_timestamp=5.0, action_type="SPEAK", text="Psst."),),
    )
