"""The companion inside a FastAPI application, on watchbuddy_core alone.

python fastapi_companion.py FOLDER_OF_VIDEOS --port 8000

Needs watchbuddy[media], fastapi, uvicorn and websockets.

The two routes of the companion have the paths and messages that docs/protocol.md describes, so
any client of the protocol can use them. Who may use them is the application's to decide: guard
both as the rest of it is guarded.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect

from watchbuddy_core import (
    CreateSession,
    Delivery,
    InvalidMessage,
    LocalJobs,
    MemoryStore,
    RequestRefused,
    SessionNotFound,
    Sessions,
    Settings,
    StaleFence,
    build_parts,
)
from watchbuddy_core.session import (
    NOT_FOUND,
    REPLACED,
    TOO_MANY_INVALID,
    Close,
    frames,
)
from watchbuddy_core.wire import (
    ErrorMessage,
    PlayerMessage,
    SessionCreated,
    decode_client_message,
    encode,
    read_features,
)

MOST_INVALID = 20
GRANTED = ("early_ready", "progress", "hold")

Outbox = asyncio.Queue[str | Close]


def create_app(videos: Path) -> FastAPI:
    """An application with a page of its own, and a companion for the videos of one folder."""
    parts = build_parts(Settings(libraries=(videos,)))
    store = MemoryStore()
    jobs = LocalJobs(store=store, parts=parts)
    sessions = Sessions(store=store, parts=parts, jobs=jobs)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with jobs, asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(sessions.sweep())
            yield
            sweeping.cancel()

    app = FastAPI(title="Film club", lifespan=lifespan)

    @app.get("/films")
    def films() -> list[str]:
        return [f"library:{path.name}" for path in sorted(videos.glob("*.mp4"))]

    @app.post("/api/v1/sessions", status_code=202)
    async def create_session(request: CreateSession) -> SessionCreated:
        try:
            session = await sessions.start(request, created_at=time.time())
        except RequestRefused as refused:
            detail = {"error": refused.code, "message": refused.message}
            raise HTTPException(422, detail) from refused
        return SessionCreated(session_id=session.session_id)

    @app.websocket("/ws/{session_id}")
    async def watch(socket: WebSocket, session_id: str, features: str | None = None) -> None:
        granted = tuple(name for name in read_features(features or "") if name in GRANTED)
        try:
            await socket.accept()
            try:
                session = await sessions.find(session_id)
                async with sessions.connect(session, features=granted) as delivery:
                    if features is not None:
                        await send(socket, encode(await session.welcome(granted)))
                    close = await converse(socket, delivery)
            except SessionNotFound:
                close = NOT_FOUND
            except StaleFence:
                close = REPLACED
            await send(socket, close)
        except* WebSocketDisconnect:
            pass  # the session waits for the viewer to come back

    return app


async def converse(socket: WebSocket, delivery: Delivery) -> Close:
    """Serve one connection; says how it is to be closed.

    Raises:
        WebSocketDisconnect: the client has gone (in an exception group).
    """
    outbox = Outbox(maxsize=1)
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(read(socket, delivery, outbox))
        deliverer = tasks.create_task(deliver(delivery, outbox))
        close = await write(socket, outbox)
        reader.cancel()
        deliverer.cancel()
    return close


async def read(socket: WebSocket, delivery: Delivery, outbox: Outbox) -> None:
    """Hand what the player says to the Delivery; what is no message is answered, and no more."""
    invalid = 0
    while invalid < MOST_INVALID:
        frame = await receive(socket)
        try:
            message = decode_client_message(frame)
            if not isinstance(message, PlayerMessage):
                raise InvalidMessage("The message has an unknown type.", counts=False)
            delivery.receive(message.event(), now=time.monotonic())
            invalid = 0
        except InvalidMessage as exc:
            invalid += exc.counts
            await outbox.put(encode(ErrorMessage(error_code=exc.code, message=exc.message)))
    await outbox.put(TOO_MANY_INVALID)


async def deliver(delivery: Delivery, outbox: Outbox) -> None:
    """Say what the Delivery says in the words of the protocol."""
    async for outgoing in delivery:
        for item in frames(outgoing):
            await outbox.put(item)


async def write(socket: WebSocket, outbox: Outbox) -> Close:
    """Send what the others have to say, up to the close. Nobody else writes meanwhile."""
    while not isinstance(item := await outbox.get(), Close):
        await send(socket, item)
    return item


async def send(socket: WebSocket, item: str | Close) -> None:
    try:
        if isinstance(item, Close):
            await socket.close(item.code, item.reason)
        else:
            await socket.send_text(item)
    except RuntimeError as exc:  # the server has closed it by itself: no pong, a frame too large
        raise WebSocketDisconnect(1006) from exc


async def receive(socket: WebSocket) -> str | bytes:
    """The next frame, text or binary."""
    event = await socket.receive()
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(event["code"])
    return event.get("text") or event.get("bytes") or b""


def main() -> None:
    arguments = argparse.ArgumentParser(description="A film club with a companion.")
    arguments.add_argument("videos", type=Path, help="a folder of videos")
    arguments.add_argument("--port", type=int, default=8000, help="0 for a free one")
    given = arguments.parse_args()
    uvicorn.run(create_app(given.videos), port=given.port, ws_max_size=64 * 1024)


if __name__ == "__main__":
    main()
