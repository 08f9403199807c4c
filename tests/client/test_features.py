"""What the client asks a server for, and what it makes of the answer."""

from __future__ import annotations

import pytest

from watchbuddy_core.actions import Expression
from watchbuddy_core.client import (
    Covered,
    DensityChanged,
    Noticed,
    Progressed,
    Ready,
    Welcomed,
)
from watchbuddy_core.wire import (
    FEATURES,
    CoverageMessage,
    DensityMessage,
    FeedbackMessage,
    NoticeMessage,
    ProgressMessage,
    WelcomeMessage,
    encode,
)

pytestmark = pytest.mark.anyio

WELCOME = WelcomeMessage(
    session_id="ses_0123456789abcdef",
    features=("hold",),
    character_id="miao",
    start_time=5.0,
    end_time=None,
    duration=None,
)


@pytest.mark.parametrize(
    ("features", "query"),
    [((), ""), (("hold",), "?features=hold"), (FEATURES, f"?features={','.join(FEATURES)}")],
)
async def test_features_are_asked_for_in_the_address(server, watching, features, query):
    async with watching(features=features):
        await server.connections(1)
        await server.break_off()
        await server.connections(2)
    assert server.paths == [f"/ws/ses_0123456789abcdef{query}"] * 2


async def test_what_the_server_says_of_the_session_is_told(server, watching):
    async with watching(features=FEATURES) as room:
        for message in (
            WELCOME,
            ProgressMessage(stage="fetching", fraction=None, message="Fetching"),
            CoverageMessage(ranges=((0.0, 45.0), (165.0, 285.0))),
            NoticeMessage(code="NEW_CODE", message="No pirates here."),
            DensityMessage(value="quiet"),
        ):
            await server.say(encode(message))
        await server.ready()
        await room.until(lambda: Ready() in room.happened)
    assert room.happened == [
        Welcomed(features=("hold",), character_id="miao", start=5.0, end=None, duration=None),
        Progressed("fetching", None, "Fetching"),
        Covered(((0.0, 45.0), (165.0, 285.0))),
        Noticed("NEW_CODE", "No pirates here."),
        DensityChanged("quiet"),
        Ready(),
    ]


async def test_a_notice_that_still_holds_after_a_reconnect_is_told_once(server, watching):
    notices = [NoticeMessage(code="WINDOW_FAILED", message=text) for text in ("One.", "Two.")]
    async with watching(features=("progress",)) as room:
        await server.say(encode(notices[0]))
        await room.until(lambda: bool(room.happened))
        await server.break_off()
        await server.connections(2)
        for notice in notices:
            await server.say(encode(notice))
        await room.until(lambda: Noticed("WINDOW_FAILED", "Two.") in room.happened)
    assert room.happened.count(Noticed("WINDOW_FAILED", "One.")) == 1


async def test_a_server_that_knows_no_features_is_served_as_well(server, watching):
    """It welcomes nobody, and sends when a report has reached the trigger."""
    async with watching(position=10.0, features=FEATURES) as room:
        await server.ready()
        await server.send(Expression(id="a", trigger_timestamp=10.0, emotion="joy"))
        assert await server.completes() == [("a", "done")]
    assert isinstance(room.happened[0], Ready)


async def test_the_viewer_can_ask_for_less(server, watching):
    async with watching(features=("feedback",)) as room:
        room.client.feedback("less")
        await server.until(lambda: FeedbackMessage(kind="less") in server.heard)


async def test_feedback_that_was_not_asked_for_is_refused_on_the_spot(server, watching):
    async with watching() as room:
        with pytest.raises(ValueError, match="features"):
            room.client.feedback("less")
