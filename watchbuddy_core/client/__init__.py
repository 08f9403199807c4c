"""A client of the wire: creates a session, connects, comes back, and obeys.

    session_id = await create_session("http://127.0.0.1:8000", request)
    client = WatchClient("http://127.0.0.1:8000", session_id, player)
    await client.run()

`WatchClient` stands between the server and a video player that you bring along. It
reports where the player is, carries out what the companion wants of it, and says when
that is done. Three organs work side by side, each doing one thing after the other: the
voice (SPEAK), the hand on the player (PAUSE_VIDEO, SEEK, REPLAY_SEGMENT, and a SPEAK
that pauses), and the face (EXPRESSION, END_REACTION), which is shown at once.

The user always wins. What the player does that the client did not ask for was the user:
a video they paused is not resumed, one they resumed is not paused again, and where they
seek, everything that was going on at the old place ends.

    rest         asks for a session, how far it is, where its video is, and to take a file in
    watching     WatchClient: what goes through it, from the server to the player and back
    connection   the WebSocket, made anew when it breaks
    performing   the voice, the hand and the face
    hold         what has come ahead of the playhead
    remote       the player, as the companion and the user move it
    happenings   what it tells
    failures     what went wrong on the other side, as exceptions

Needs the extra `client`, except for what `rest` has.
"""

from watchbuddy_core.client.happenings import (
    Arrived,
    Begun,
    Covered,
    DensityChanged,
    Disconnected,
    Ended,
    Happening,
    Noticed,
    Progressed,
    Reached,
    Ready,
    ReplyFinished,
    ReplyStarted,
    Silenced,
    Welcomed,
)
from watchbuddy_core.client.rest import create_session, media_address, session_status, upload
from watchbuddy_core.client.watching import DEFAULT_FEATURES, REPORT_SECONDS, WatchClient

__all__ = [
    "DEFAULT_FEATURES",
    "REPORT_SECONDS",
    "Arrived",
    "Begun",
    "Covered",
    "DensityChanged",
    "Disconnected",
    "Ended",
    "Happening",
    "Noticed",
    "Progressed",
    "Reached",
    "Ready",
    "ReplyFinished",
    "ReplyStarted",
    "Silenced",
    "WatchClient",
    "Welcomed",
    "create_session",
    "media_address",
    "session_status",
    "upload",
]
